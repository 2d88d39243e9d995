"""History: what an upsert changed, written in the same transaction as the change.

Entities: one `entity_changes` row per changed field. Insights: one `insights_changes` row per
account, level and day whose numbers moved after they had been read once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import sqlalchemy as sa

from meta_pipeline.warehouse.connect import Connection

VOLATILE = frozenset(
    {
        "budget_remaining",
        "data_as_of",
        "deleted_seen_at",
        "extra",
        "first_seen_at",
        "image_url",
        "learning_stage_info",
        "thumbnail_url",
        "updated_time",
    }
)
"""Columns that move by themselves: their changes say nothing that anybody did."""


def was(name: str) -> str:
    """The name of a column's old value in `incoming`, quoted."""
    return f'"was:{name}"'


@dataclass(frozen=True, slots=True)
class EntityHistory:
    """Writes `entity_changes` rows for the tracked columns of an entity table.

    `entity_type` is campaign, adset or ad; `id_column` its key; `tracked` the columns whose
    changes matter (see `tracked_columns`). A new entity writes nothing: `first_seen_at` says it.
    """

    tracked: Sequence[str]
    entity_type: str
    id_column: str
    sync_run_id: str | None
    seen_at: datetime

    @property
    def columns(self) -> Sequence[str]:
        """Columns whose old values are needed."""
        return self.tracked

    def parameters(self) -> dict[str, Any]:
        return {
            "entity_type": self.entity_type,
            "sync_run_id": self.sync_run_id,
            "seen_at": self.seen_at,
        }

    def insert_sql(self, table: sa.Table) -> str:
        """An INSERT over `incoming`, which has the new values and the tracked old ones."""
        if unknown := [name for name in self.tracked if name not in table.c]:
            raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
        fields = ", ".join(
            f"('{name}', incoming.\"{name}\" IS DISTINCT FROM incoming.{was(name)}, "
            f'incoming.{was(name)}::text, incoming."{name}"::text)'
            for name in self.tracked
        )
        return f"""
            INSERT INTO meta_ads.entity_changes
                (account_id, entity_type, entity_id, field, old_value, new_value, seen_at,
                 sync_run_id)
            SELECT incoming.account_id, %(entity_type)s, incoming."{self.id_column}",
                   changed.field, changed.old_value, changed.new_value,
                   %(seen_at)s, %(sync_run_id)s
            FROM incoming
            CROSS JOIN LATERAL (VALUES {fields}) AS changed (field, differs, old_value, new_value)
            WHERE incoming.found AND changed.differs
        """


def tracked_columns(table: sa.Table, columns: Iterable[str]) -> tuple[str, ...]:
    """Of these columns, those whose changes are worth a row in `entity_changes`."""
    keys = {column.name for column in table.primary_key}
    return tuple(name for name in columns if name not in keys | VOLATILE | {"account_id"})


Day = tuple[str, str, date]
"""Account, level and day."""


@dataclass(slots=True)
class Movements:
    """By how much an upsert moved each account, level and day; the days are few, not the rows."""

    MEASURES: ClassVar[tuple[str, ...]] = ("spend", "impressions", "clicks", "actions")
    NO_COLUMNS: ClassVar[str] = (
        "NULL::text, NULL::text, NULL::date, NULL::bigint, NULL::bigint, "
        "NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric"
    )
    by_day: dict[Day, list[Any]] = field(default_factory=dict)

    def add(self, row: Sequence[Any]) -> None:
        """Add one (account_id, entity_type, date_start, rows_new, rows_changed, *measures)."""
        account_id, entity_type, day, *amounts = row
        known = self.by_day.setdefault((account_id, entity_type, day), [0] * len(amounts))
        self.by_day[account_id, entity_type, day] = [
            before + amount for before, amount in zip(known, amounts, strict=True)
        ]


def actions_sum(source: str) -> str:
    """Sum of the `value` of every action; what is no number counts as nothing."""
    return (
        "coalesce((SELECT sum(CASE WHEN item #>> '{}' ~ '^-?[0-9]+([.][0-9]+)?$' "
        "THEN (item #>> '{}')::numeric END) "
        f"FROM jsonb_path_query({source}, '$[*].value') AS item), 0)"
    )


_MOVED = {
    name: f"sum(coalesce({name}, 0) - coalesce({was(name)}, 0))"
    for name in ("spend", "impressions", "clicks")
} | {"actions": f"sum({actions_sum('actions')} - {actions_sum(was('actions'))})"}
_MOVEMENTS = """
    SELECT NULL::boolean, NULL::bigint, account_id, entity_type, date_start,
           count(*) FILTER (WHERE NOT found),
           count(*) FILTER (WHERE found),
           {measures}
    FROM incoming
    WHERE date_stop = date_start
    GROUP BY account_id, entity_type, date_start
"""
# Of a window's pages the first adds up the day, after its rows: what is before them is what that
# leaves. Each other page adds its own movement to that row, in the transaction of its rows.
_WRITE = f"""
    WITH page AS (
        SELECT FROM meta_ads.sync_windows
        WHERE account_id = %(account_id)s AND dataset = %(dataset)s AND date_start = %(day)s
          AND fetched_at <> %(read_at)s
    ),
    known AS (
        UPDATE meta_ads.insights_changes SET
            rows_new = rows_new + %(rows_new)s, rows_changed = rows_changed + %(rows_changed)s,
            spend_after = spend_after + %(spend)s,
            impressions_after = impressions_after + %(impressions)s,
            clicks_after = clicks_after + %(clicks)s,
            actions_after = actions_after + %(actions)s
        WHERE EXISTS (SELECT FROM page) AND change_id = (
            SELECT max(change_id) FROM meta_ads.insights_changes
            WHERE account_id = %(account_id)s AND entity_type = %(entity_type)s
              AND read_at = %(read_at)s AND dataset = %(dataset)s AND date_start = %(day)s
        )
        RETURNING change_id
    )
    INSERT INTO meta_ads.insights_changes
        (account_id, entity_type, dataset, date_start, read_at, age_days, rows_new, rows_changed,
         rows_removed, spend_before, spend_after, impressions_before, impressions_after,
         clicks_before, clicks_after, actions_before, actions_after, sync_run_id)
    SELECT %(account_id)s, %(entity_type)s, %(dataset)s, %(day)s, %(read_at)s, %(age_days)s,
           %(rows_new)s, %(rows_changed)s, 0,
           total.spend - %(spend)s, total.spend,
           total.impressions - %(impressions)s, total.impressions,
           total.clicks - %(clicks)s, total.clicks,
           total.actions - %(actions)s, total.actions,
           %(sync_run_id)s
    FROM (
        SELECT coalesce(sum(spend), 0) AS spend, coalesce(sum(impressions), 0) AS impressions,
               coalesce(sum(clicks), 0) AS clicks,
               coalesce(sum({actions_sum("actions")}), 0) AS actions
        FROM meta_ads.meta_insights
        WHERE account_id = %(account_id)s AND entity_type = %(entity_type)s
          AND date_start = %(day)s AND date_stop = %(day)s
    ) AS total
    WHERE EXISTS (SELECT FROM page) AND NOT EXISTS (SELECT FROM known)
"""


# What its pages moved is a row, and what Meta took back is another: what was before the first and
# after the last is the movement of the reading.
_ONE_CHANGE_PER_DAY = """
    WITH noted AS (
        DELETE FROM meta_ads.insights_changes
        WHERE account_id = %(account_id)s AND entity_type = %(entity_type)s
          AND read_at = %(read_at)s AND dataset = %(dataset)s
          AND date_start = ANY (%(days)s::date[])
        RETURNING *
    )
    INSERT INTO meta_ads.insights_changes
        (account_id, entity_type, dataset, date_start, read_at, age_days, rows_new, rows_changed,
         rows_removed, spend_before, spend_after, impressions_before, impressions_after,
         clicks_before, clicks_after, actions_before, actions_after, sync_run_id)
    SELECT account_id, entity_type, dataset, date_start, read_at, min(age_days),
           sum(rows_new), sum(rows_changed), sum(rows_removed),
           (array_agg(spend_before ORDER BY change_id))[1],
           (array_agg(spend_after ORDER BY change_id DESC))[1],
           (array_agg(impressions_before ORDER BY change_id))[1],
           (array_agg(impressions_after ORDER BY change_id DESC))[1],
           (array_agg(clicks_before ORDER BY change_id))[1],
           (array_agg(clicks_after ORDER BY change_id DESC))[1],
           (array_agg(actions_before ORDER BY change_id))[1],
           (array_agg(actions_after ORDER BY change_id DESC))[1],
           min(sync_run_id)
    FROM noted
    GROUP BY account_id, entity_type, dataset, date_start, read_at
"""


@dataclass(frozen=True, slots=True)
class InsightsRead:
    """One reading of one kind of insights: `dataset` is its name in the ledger."""

    account_id: str
    entity_type: str
    dataset: str
    read_at: datetime
    sync_run_id: str | None


def one_change_per_day(connection: Connection, reading: InsightsRead, days: Sequence[date]) -> None:
    """Make one row of the changes that one reading noted of each of these days."""
    connection.execute(_ONE_CHANGE_PER_DAY, asdict(reading) | {"days": list(days)})


@dataclass(frozen=True, slots=True)
class InsightsHistory:
    """Writes `insights_changes` for the days of `meta_insights` that moved in this upsert.

    Only days the ledger knows from another read (`fetched_at` is not `read_at`) count: the first
    read of a day is not a restatement. The upserts of one reading, which has one `read_at`, share a
    row for each day; only the first of them adds up the whole day. `timezone` is the account's: a
    day's age counts from its end there.
    """

    sync_run_id: str | None
    read_at: datetime
    timezone: tzinfo = UTC

    @property
    def columns(self) -> Sequence[str]:
        """Columns whose old values are needed."""
        return Movements.MEASURES

    def parameters(self) -> dict[str, Any]:
        return {}

    def movements_sql(self, columns: Collection[str]) -> str:
        """A SELECT over `incoming`, of these columns, in the shape of Movements.

        What Meta was not asked for did not move.
        """
        moved = (_MOVED[name] if name in columns else "0" for name in Movements.MEASURES)
        return _MOVEMENTS.format(measures=", ".join(moved))

    def write(self, connection: Connection, movements: Movements) -> None:
        """Note each day that moved; call it once, after the last batch."""
        names, rows = ("rows_new", "rows_changed", *Movements.MEASURES), []
        for (account_id, entity_type, day), amounts in sorted(movements.by_day.items()):
            # From the end of the day in the account's zone: before it nobody could read all of it.
            end = datetime.combine(day + timedelta(days=1), datetime.min.time(), self.timezone)
            age = self.read_at - end.astimezone(UTC)
            rows.append(
                {
                    "account_id": account_id,
                    "entity_type": entity_type,
                    "dataset": f"insights_{entity_type}",
                    "day": day,
                    "read_at": self.read_at,
                    "age_days": round(age.total_seconds() / 86_400, 3),
                    "sync_run_id": self.sync_run_id,
                    **dict(zip(names, amounts, strict=True)),
                }
            )
        if rows:
            connection.cursor().executemany(_WRITE, rows)
