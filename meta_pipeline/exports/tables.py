"""Tables: what is exported, and by which column it is cut into months."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.names import SCHEMA

from .errors import TableUnknown

TABLES: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "meta_ad_accounts": None,
        "meta_campaigns": None,
        "meta_adsets": None,
        "meta_ads": None,
        "meta_creatives": None,
        "meta_activities": "event_time",
        "meta_recommendations": None,
        "opportunity_scores": "day",
        "meta_custom_conversions": None,
        "meta_custom_audiences": None,
        "meta_images": None,
        "entity_changes": "seen_at",
        "meta_insights": "date_start",
        "meta_insights_hourly": "date_start",
        "meta_insights_breakdown": "date_start",
        "insights_changes": "date_start",
        "campaign_rollups": "date_start",
        "adset_rollups": "date_start",
        "ad_rollups": "date_start",
        "reconciliations": "date_start",
        "sync_windows": "date_start",
        "facts": "date_start",
        "account_kpis": None,
        "metric_definitions": None,
        "exchange_rates": "rate_date",
    }
)
"""Each exported table, and the column whose month a file is of; None: one file an account.

Months of a moment are UTC's, those of a day the account's own. What is about the pipeline itself or
opens a door (logs, requests, tokens, keys, members) stays where it is. Tables of custom reports
(`report_<name>`) are exported too.
"""

_REPORTS = "report_"

_COLUMNS = """
    SELECT relname::text, obj_description(pg_class.oid, 'pg_class'),
        attname::text, format_type(atttypid, atttypmod),
        coalesce(col_description(pg_class.oid, attnum), '')
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p')
        AND (relname = ANY (%(tables)s) OR starts_with(relname::text, %(reports)s))
        AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as Postgres has it; `postgres_type` is such as `numeric` or `text[]`."""

    name: str
    postgres_type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to export: what it says of itself, and how it is cut."""

    name: str
    comment: str
    month_column: str | None
    columns: tuple[Column, ...]

    def has(self, column: str) -> bool:
        """Whether it has a column of that name."""
        return any(one.name == column for one in self.columns)


def exported(connection: Connection) -> dict[str, Table]:
    """Every table to export by name, as the catalog has them now, with their comments."""
    asked = {"schema": SCHEMA, "tables": list(TABLES), "reports": _REPORTS}
    found: dict[str, tuple[str, list[Column]]] = {}
    for table, about, *column in connection.execute(_COLUMNS, asked):
        found.setdefault(table, (about or "", []))[1].append(Column(*column))
    tables: dict[str, Table] = {}
    for name in (*TABLES, *(name for name in found if name not in TABLES)):
        if name in found:
            about, columns = found[name]
            # A report of a user's is not declared here: it may be of whole ranges, without days.
            days = next((one.name for one in columns if one.name == "date_start"), None)
            tables[name] = Table(name, about, TABLES.get(name, days), tuple(columns))
    return tables


def chosen(known: Mapping[str, Table], wanted: Iterable[str] | None) -> list[Table]:
    """The tables that are wanted, in our order; every one without. TableUnknown names them."""
    names = set(known if wanted is None else wanted)
    for name in sorted(names - set(known)):
        raise TableUnknown(
            f"Table {name!r} is not one that is exported. There are: {', '.join(known)}."
        )
    return [table for name, table in known.items() if name in names]
