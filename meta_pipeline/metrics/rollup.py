"""Rollup tables: conversions counted once per ad and day, then summed per ad set and campaign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection

from .definitions import store
from .definitions.dictionary import Dictionary
from .expression import Expressions, stored_json
from .source import ROLLUP_COLUMNS, daily
from .stale_days import stale_days

# Also the memory of the statement: its fresh rows are sorted before they are compared.
CHUNK_ROWS = 50_000
CHUNK_DAYS = 31
"""At most as much is recomputed in one transaction: seconds, not the half hour of a whole year."""

# Held to the end of the transaction; two rollups of one account would wait for each other's rows.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:rollup:' || %s, 0))"
_PROVENANCE = ("data_as_of", "definition_version")
_KEYS = {"ad": "ad_id", "adset": "adset_id", "campaign": "campaign_id"}
_PARENTS = {
    "ad": ("adset_id", "campaign_id", "result_metric"),
    "adset": ("campaign_id", "result_metric", "delivering_ads"),
    "campaign": ("delivering_ads",),
}
_MEASURES = (
    "currency",
    *ROLLUP_COLUMNS,
    "spend_without_results",
    "other_metrics",
    "reach",
    "unique_clicks",
)


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What one rollup did: days computed, rows new or changed, rows gone, per level."""

    account_id: str
    definition_version: str
    days: tuple[date, ...]
    written: dict[str, int]
    removed: dict[str, int]


def rollup(
    connection: Connection[Any],
    account_id: str,
    days: Iterable[date] | None = None,
    *,
    only: bool = False,
) -> RolledUp:
    """Recompute the daily tables of `account_id` for `days`, some days to a transaction.

    Give the days a sync touched. Days computed with other definitions, read again since, or whose
    ad sets changed their goal are added by themselves (not with `only`); without `days` it is those
    alone. Rows equal a full recomputation; unchanged rows are not written; rows Meta took back go.
    Two rollups of one account wait for each other. The newest days come first, and each chunk of
    about `CHUNK_ROWS` ad rows is committed by itself: interrupted anywhere, what is done stays and
    the next rollup finds the rest. Within a transaction of the caller's it is part of that one.
    """
    with connection.transaction():
        connection.execute(_LOCK, (account_id,))
        dictionary = store.current(connection)
        version = dictionary.version(account_id)
        stale = () if only else stale_days(connection, account_id, version)
        wanted = sorted({*(days or ()), *stale})
        chunks = _chunks(connection, account_id, wanted)
    written = dict.fromkeys(_KEYS, 0) if wanted else {}
    removed = dict(written)
    for chunk in chunks:
        asked = {"account_id": account_id, "days": chunk, "version": version}
        with connection.transaction():
            connection.execute(_LOCK, (account_id,))
            for level in _KEYS:
                written[level] += _write(connection, dictionary, level, asked)
                # After writing, level by level: an ad set's sum is made of ad rows that are all
                # there.
                removed[level] += connection.execute(gone(level), asked).rowcount
            connection.execute(_GOAL_DAYS, asked)
            # Last: the day counts as made only with everything above, in the same transaction.
            connection.execute(_NOTE, asked)
    return RolledUp(account_id, version, tuple(wanted), written, removed)


def _chunks(connection: Connection[Any], account_id: str, days: list[date]) -> list[list[date]]:
    """The days, newest first, in parts of about `CHUNK_ROWS` rows by what the ledger counted."""
    asked = {"account_id": account_id, "days": days}
    rows = dict(connection.execute(_ROWS_OF_DAYS, asked).fetchall())
    chunks: list[list[date]] = []
    size = 0
    # People look at the newest days first, also while a year is made.
    for day in reversed(days):
        size += rows.get(day, 0)
        if not chunks or size > CHUNK_ROWS or len(chunks[-1]) == CHUNK_DAYS:
            chunks.append([])
            size = rows.get(day, 0)
        chunks[-1].append(day)
    return chunks


def _write(
    connection: Connection[Any], dictionary: Dictionary, level: str, asked: dict[str, Any]
) -> int:
    select, params = (
        _ad_rows(dictionary, asked["account_id"])
        if level == "ad"
        else (_parent_rows(dictionary, level), _other_keys(dictionary))
    )
    names = (
        "account_id",
        "date_start",
        _KEYS[level],
        *_PARENTS[level],
        *_MEASURES,
        *_PROVENANCE,
    )
    # OFFSET 0 keeps two things from the planner, which has no statistics after a first load: every
    # expression is evaluated once, and the old row is looked up by key instead of joined.
    statement = f"""
        INSERT INTO meta_ads.{level}_rollups AS kept ({", ".join(names)}, rolled_up_at)
        SELECT fresh.*, now()
        FROM (SELECT * FROM ({select}) AS made OFFSET 0) AS fresh ({", ".join(names)})
        LEFT JOIN LATERAL (
            SELECT * FROM meta_ads.{level}_rollups AS one
            WHERE one.account_id = fresh.account_id AND one.date_start = fresh.date_start
              AND one.{_KEYS[level]} = fresh.{_KEYS[level]}
            OFFSET 0
        ) AS old ON true
        WHERE old.rolled_up_at IS NULL
           OR ({_row("fresh", names)}) IS DISTINCT FROM ({_row("old", names)})
        ON CONFLICT (account_id, date_start, {_KEYS[level]}) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in (*names[3:], "rolled_up_at"))}
    """
    return connection.execute(statement, asked | params).rowcount


def _row(alias: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names[3:])


def _ad_rows(dictionary: Dictionary, account_id: str) -> tuple[str, dict[str, Any]]:
    """The day's ad rows of Meta, every stored metric counted."""
    expressions = Expressions(dictionary, daily("ad"), (account_id,))
    columns = [expressions.summand(name) for name in ROLLUP_COLUMNS]
    others = [metric for metric in dictionary.stored() if metric.key not in ROLLUP_COLUMNS]
    results = expressions.summand("results")
    columns.append(f"CASE WHEN {results} IS NULL THEN coalesce(f.spend, 0) ELSE 0 END")
    other_metrics = stored_json(expressions, others)
    # Each row keeps the goal it was counted by, whatever else needs it.
    expressions.needs_goal = True
    select = f"""
        SELECT f.account_id, f.date_start, f.entity_id, coalesce(f.adset_id, 'unknown'),
               coalesce(f.campaign_id, 'unknown'), goal.result_metric, f.currency,
               {", ".join(columns)},
               {other_metrics},
               f.reach, f.unique_clicks, f.data_as_of, %(version)s
        FROM {expressions.source.table} AS f
        {expressions.joins}
        WHERE {expressions.source.condition}
          AND f.account_id = %(account_id)s AND f.date_start = ANY (%(days)s::date[])
    """
    return select, expressions.params


def _other_keys(dictionary: Dictionary) -> dict[str, Any]:
    others = [m.key for m in dictionary.stored() if m.key not in ROLLUP_COLUMNS]
    return {f"other_{number}": key for number, key in enumerate(others)}


def _parent_rows(dictionary: Dictionary, level: str) -> str:
    """Sums of the ad rows; people come from the level's own row, where it was asked for."""
    key = _KEYS[level]
    grouped = {"adset": "min(f.campaign_id), min(f.result_metric),", "campaign": ""}[level]
    summed = (*ROLLUP_COLUMNS, "spend_without_results")
    sums = ", ".join(f"sum(f.{name})" for name in summed)
    others = ", ".join(
        f"%({name})s::text, nullif(sum((f.other_metrics ->> %({name})s::text)::numeric), 0)"
        for name in _other_keys(dictionary)
    )
    measures = (*_PARENTS[level], *_MEASURES[:-2])
    return f"""
        SELECT whole.account_id, whole.date_start, whole.{key},
               {", ".join(f"whole.{name}" for name in measures)},
               own.reach, own.unique_clicks, whole.data_as_of, %(version)s
        FROM (
            SELECT f.account_id, f.date_start, f.{key}, {grouped} count(*), min(f.currency),
                   {sums}, jsonb_strip_nulls(jsonb_build_object({others})),
                   max(f.data_as_of)
            FROM meta_ads.ad_rollups AS f
            WHERE f.account_id = %(account_id)s AND f.date_start = ANY (%(days)s::date[])
            GROUP BY f.account_id, f.date_start, f.{key}
        ) AS whole (account_id, date_start, {key}, {", ".join(measures)}, data_as_of)
        LEFT JOIN LATERAL (
            SELECT one.reach, one.unique_clicks FROM meta_ads.meta_insights AS one
            WHERE one.entity_type = '{level}' AND one.entity_id = whole.{key}
              AND one.date_start = whole.date_start AND one.date_stop = whole.date_start
            OFFSET 0
        ) AS own ON true
    """


def gone(level: str) -> str:
    """The statement that takes out rows of the days that have no row under them any more.

    EXCEPT hashes or sorts each side once, however many rows there are. NOT IN looks every row up
    in a list as soon as the planner expects more keys than fit into its memory.
    """
    key = _KEYS[level]
    source = (
        "SELECT date_start, entity_id FROM meta_ads.meta_insights"
        " WHERE entity_type = 'ad' AND date_stop = date_start"
        if level == "ad"
        else f"SELECT date_start, {key} FROM meta_ads.ad_rollups WHERE true"
    )
    within = "account_id = %(account_id)s AND date_start = ANY (%(days)s::date[])"
    # Materialized: before the first ANALYZE Postgres expects one row on each side, and would find
    # out what is gone anew for every row that is kept.
    return f"""
        WITH gone (date_start, key) AS MATERIALIZED (
            SELECT date_start, {key} FROM meta_ads.{level}_rollups WHERE {within}
            EXCEPT
            {source} AND {within}
        )
        DELETE FROM meta_ads.{level}_rollups AS kept
        USING gone
        WHERE kept.account_id = %(account_id)s AND kept.date_start = gone.date_start
          AND kept.{key} = gone.key
    """


# What the days have now takes the place of what they had; rows that stay the same are not written.
_GOAL_DAYS = """
    WITH asked AS (
        SELECT range_agg(daterange(day, day, '[]')) AS days FROM unnest(%(days)s::date[]) AS day
    ),
    fresh AS (
        SELECT adset_id, campaign_id, coalesce(result_metric, '') AS result_metric,
               range_agg(daterange(date_start, date_start, '[]')) AS days
        FROM meta_ads.adset_rollups
        WHERE account_id = %(account_id)s AND date_start = ANY (%(days)s::date[])
        GROUP BY 1, 2, 3
    ),
    made AS (
        SELECT adset_id, campaign_id, result_metric,
               coalesce(old.days, '{}') - asked.days + coalesce(fresh.days, '{}') AS days
        FROM (
            SELECT adset_id, campaign_id, result_metric, days FROM meta_ads.adset_goal_days
            WHERE account_id = %(account_id)s
        ) AS old
        FULL JOIN fresh USING (adset_id, campaign_id, result_metric)
        CROSS JOIN asked
    ),
    over AS (
        DELETE FROM meta_ads.adset_goal_days AS kept USING made
        WHERE kept.account_id = %(account_id)s AND kept.adset_id = made.adset_id
          AND kept.campaign_id = made.campaign_id AND kept.result_metric = made.result_metric
          AND isempty(made.days)
    )
    INSERT INTO meta_ads.adset_goal_days AS kept
        (account_id, adset_id, campaign_id, result_metric, days)
    SELECT %(account_id)s, adset_id, campaign_id, result_metric, days
    FROM made WHERE NOT isempty(days)
    ON CONFLICT (account_id, adset_id, campaign_id, result_metric) DO UPDATE
        SET days = excluded.days WHERE kept.days IS DISTINCT FROM excluded.days
"""
_ROWS_OF_DAYS = """
    SELECT date_start, coalesce(rows, 0) FROM meta_ads.sync_windows
    WHERE account_id = %(account_id)s AND dataset = 'insights_ad'
      AND date_start = ANY (%(days)s::date[])
"""
_NOTE = """
    INSERT INTO meta_ads.metric_rollups
        (account_id, date_start, definition_version, source_fetched_at, ad_rows, rolled_up_at)
    SELECT %(account_id)s, asked.day, %(version)s, ledger.fetched_at, coalesce(made.ad_rows, 0),
           now()
    FROM unnest(%(days)s::date[]) AS asked (day)
    LEFT JOIN meta_ads.sync_windows AS ledger
      ON ledger.account_id = %(account_id)s AND ledger.dataset = 'insights_ad'
     AND ledger.date_start = asked.day
    LEFT JOIN (
        SELECT date_start, count(*) AS ad_rows FROM meta_ads.ad_rollups
        WHERE account_id = %(account_id)s AND date_start = ANY (%(days)s::date[])
        GROUP BY 1
    ) AS made ON made.date_start = asked.day
    ON CONFLICT (account_id, date_start) DO UPDATE SET
        definition_version = excluded.definition_version,
        source_fetched_at = excluded.source_fetched_at,
        ad_rows = excluded.ad_rows, rolled_up_at = excluded.rolled_up_at
"""
