"""Campaigns, ad sets and ads themselves: their status now, and what happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.dimension import name_pattern
from meta_pipeline.warehouse import Warehouse

from .answer import Answer, Outcome, Provenance, as_json
from .days import function_of
from .errors import CannotRead
from .names import NamedEntity
from .reading import Reading

# A bound on what one question may hold in memory; pages are cut from it afterwards.
MAX_ENTITIES = 10_000
_TABLES = {
    # Meta has no daily budget of an account, and none of an ad.
    "account": ("meta_ad_accounts", "account_id", "NULL::numeric", "account_status::text"),
    "campaign": ("meta_campaigns", "campaign_id", "daily_budget", "effective_status"),
    "adset": ("meta_adsets", "adset_id", "daily_budget", "effective_status"),
    "ad": ("meta_ads", "ad_id", "NULL::numeric", "effective_status"),
}


def by_status(warehouse: Warehouse, reading: Reading, _: datetime) -> Answer:
    """The entities of a level with their status, active ones first; deleted ones only on demand."""
    level = reading.level or "campaign"
    table, key, budget, status = _TABLES[level]
    statuses = reading.filters.get(f"{level}_status")
    conditions, params = (
        ["(%(accounts)s::text[] IS NULL OR e.account_id = ANY (%(accounts)s))"],
        {
            "accounts": reading.accounts or None,
            "statuses": statuses,
        },
    )
    if level != "account":
        # Nobody who asks "which campaigns" means the deleted ones, and those only become more.
        conditions.append(f"e.{status} = ANY (%(statuses)s)" if statuses else "NOT e.is_deleted")
    # Rows have the ids of what they are in, not of what is in them.
    above = list(_TABLES)[: list(_TABLES).index(level) + 1]
    for position, (name, values) in enumerate(reading.filters.items()):
        column = f"{name}_id" if name in _TABLES else {f"{level}_name": "name"}.get(name)
        if column is None or (column != "name" and name not in above):
            continue
        sign = "ILIKE ANY" if column == "name" else "= ANY"
        params[f"f{position}"] = (
            [name_pattern(value) for value in values] if column == "name" else values
        )
        conditions.append(f"e.{column} {sign} (%(f{position})s::text[])")
    sql = f"""SELECT e.account_id, e.{key} AS {level}_id, e.name AS {level}_name,
                     e.{status} AS effective_status, {budget} AS daily_budget, e.data_as_of
              FROM meta_ads.{table} AS e
              WHERE {" AND ".join(conditions)}
              ORDER BY e.{status} IN ('ACTIVE', 'WITH_ISSUES') DESC, e.{status}, e.{key}
              LIMIT {MAX_ENTITIES}"""
    with warehouse.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = [
            {name: as_json(value) for name, value in row.items()}
            for row in cursor.execute(sql, params)
        ]
        simulated = _is_simulated(connection, reading.accounts)
    if level == "account":
        for row in rows:
            del row["daily_budget"]
    dates = [row["data_as_of"] for row in rows if row["data_as_of"]]
    return Answer(
        outcome=Outcome.ANSWERED,
        message=f"{len(rows)} {level}s.",
        columns=list(rows[0]) if rows else [f"{level}_id", f"{level}_name", "effective_status"],
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(
            accounts=reading.accounts,
            data_as_of=max(dates, default=None),
            is_simulated=simulated,
            sql=[" ".join(sql.split())],
        ),
    )


def history(warehouse: Warehouse, reading: Reading, now: datetime) -> Answer:
    """What happened to the entity that is named, or to an account and all below it."""
    # A pattern means several: their edits in one list could not be told apart.
    named = [one for one in reading.entities if isinstance(one, NamedEntity)]
    if len(named) > 1 or (not named and len(reading.accounts) != 1):
        raise CannotRead(
            "A history is that of one account, campaign, ad set or ad: name it.",
            choices=[(one.name, one.entity_id) for one in named],
        )
    entity = named[0].entity_id if named else reading.accounts[0]
    days = None
    if reading.has_days:
        with warehouse.connection() as connection:
            account = named[0].account_id if named else reading.accounts[0]
            _, first, last = metrics.days_of(connection, account, reading.days.date_range, now)
            days = (first, last)
    return timeline(warehouse, entity, days=days, with_below=True)


def timeline(
    warehouse: Warehouse,
    entity: str,
    *,
    days: Any = None,
    with_below: bool = False,
    limit: int = 500,
) -> Answer:
    """What happened to an entity, newest first; who did it where Meta tells."""
    happened = metrics.timeline(warehouse, entity, with_below=with_below, days=days, limit=limit)
    columns = (
        "happened_at source entity_type entity_id entity_name what old_value new_value who".split()
    )
    rows = [{name: as_json(getattr(one, name)) for name in columns} for one in happened.happenings]
    return Answer(
        outcome=Outcome.ANSWERED,
        asked={"entity_type": happened.entity_type, "entity_id": happened.entity_id},
        columns=columns,
        rows=rows,
        row_count=len(rows),
        provenance=Provenance(
            accounts=[happened.account_id],
            timezone=happened.timezone_name,
            data_as_of=happened.activities_read_at.isoformat()
            if happened.activities_read_at
            else None,
            is_simulated=happened.is_simulated,
        ),
        notes=happened.notes(),
    )


def _is_simulated(connection: Any, accounts: list[str]) -> bool:
    row = connection.execute(
        "SELECT coalesce(bool_or(is_simulated), false) FROM meta_ads.meta_ad_accounts"
        " WHERE %(of)s::text[] IS NULL OR account_id = ANY (%(of)s)",
        {"of": accounts or None},
    ).fetchone()
    return bool(row[0])


__all__ = ["by_status", "function_of", "history", "timeline"]
