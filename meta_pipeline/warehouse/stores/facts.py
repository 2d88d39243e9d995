"""Facts: numbers that others send; the newest observation of each key is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row

from meta_pipeline.warehouse.connect import Connection, Store

# A key cannot be NULL: a fact of the day has this hour.
WHOLE_DAY = -1


@dataclass(frozen=True, slots=True)
class FactRow:
    """One number: its key, its value, when it was seen."""

    provider: str
    account_id: str
    level: str
    entity_id: str
    metric: str
    date_start: date
    hour: int
    breakdown: str
    value: Decimal
    observed_at: datetime

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is the number of, within a tenant."""
        return (
            self.provider,
            self.account_id,
            self.level,
            self.entity_id,
            self.metric,
            self.date_start,
            self.hour,
            self.breakdown,
        )


_COLUMNS: Mapping[str, str] = {
    "provider": "text",
    "account_id": "text",
    "level": "text",
    "entity_id": "text",
    "metric": "text",
    "date_start": "date",
    "hour": "smallint",
    "breakdown": "text",
    "value": "numeric",
    "observed_at": "timestamptz",
}
_KEY = "tenant, provider, account_id, level, entity_id, metric, date_start, hour, breakdown"
_PLACES = ", ".join(f"%(k{n})s::{kind}" for n, kind in enumerate(list(_COLUMNS.values())[:8]))
# In the order of the key, so that two who send the same at once do not wait in a circle.
_WRITE = f"""
    INSERT INTO meta_ads.facts AS known (tenant, {", ".join(_COLUMNS)}, received_at)
    SELECT %(tenant)s, given.*, %(at)s
    FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())})
        AS given ({", ".join(_COLUMNS)})
    ORDER BY {", ".join(list(_COLUMNS)[:8])}
    ON CONFLICT ({_KEY}) DO UPDATE
    SET value = excluded.value, observed_at = excluded.observed_at,
        received_at = excluded.received_at
    WHERE known.observed_at < excluded.observed_at
        -- What a clock ahead dated keeps nothing out.
        OR meta_ads.past(known.observed_at, %(at)s) IS NULL
"""


class FactStore(Store):
    """`facts`."""

    def write(
        self,
        tenant: str,
        rows: Sequence[FactRow],
        at: datetime,
        connection: Connection | None = None,
    ) -> int:
        """Keep those that are new or were seen later than what is kept; gives how many were.

        Each key at most once. Written again they change no row.
        """
        # By column: arrays make one statement of any number of rows, with a dozen parameters.
        columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
        with self._using(connection) as used:
            return used.execute(_WRITE, {"tenant": tenant, "at": at, **columns}).rowcount

    def about(self, tenant: str) -> int:
        """How many are kept of the tenant, as Postgres estimates: millions take long to count.

        As the owner sees them; a tenant's own role would have its policy weighed in as well.
        """
        with self._using() as used:
            row = used.execute(
                "EXPLAIN (FORMAT JSON) SELECT FROM meta_ads.facts WHERE tenant = %s", (tenant,)
            ).fetchone()
        return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0

    def some(
        self,
        tenant: str,
        limit: int,
        *,
        provider: str | None = None,
        account_id: str | None = None,
        metric: str | None = None,
        after: tuple[Any, ...] | None = None,
    ) -> list[FactRow]:
        """Facts in the order of their key, from behind `after`, the key of the last one seen."""
        asked = {"provider": provider, "account_id": account_id, "metric": metric}
        wanted = {name: one for name, one in asked.items() if one is not None}
        # All of the primary key: its index then has a page's rows side by side.
        conditions = ["tenant = %(tenant)s", *(f"{name} = %({name})s" for name in wanted)]
        if after is not None:
            conditions.append(f"({_KEY}) > (%(tenant)s, {_PLACES})")
        values = {f"k{n}": one for n, one in enumerate(after or ())}
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(FactRow))
            return cursor.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.facts "
                f"WHERE {' AND '.join(conditions)} ORDER BY {_KEY} LIMIT %(limit)s",
                {**values, **wanted, "tenant": tenant, "limit": limit},
            ).fetchall()
