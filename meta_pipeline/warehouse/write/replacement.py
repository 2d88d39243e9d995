"""Replacement: what a complete re-read of some days no longer holds, found and taken out.

An upsert leaves a row that did not change untouched, so the rows themselves do not tell which of
them Meta still returns. The keys of what it returned are kept beside them, in a temporary table on
the connection that writes, and only for windows that have rows already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from meta_pipeline.warehouse.connect import Connection

from .history import InsightsRead, actions_sum


@dataclass(frozen=True, slots=True)
class RowScope:
    """The rows of one kind of insights of an account: `values` tell them from others of `table`.

    `is_daily` says that rows of several days are not among them.
    """

    table: sa.Table
    account_id: str
    values: Mapping[str, str] = field(default_factory=dict)
    is_daily: bool = True

    @property
    def condition(self) -> str:
        names = [f"kept.{name} = %({name})s" for name in ("account_id", *self.values)]
        if self.is_daily and "date_stop" in self.table.c:
            names.append("kept.date_stop = kept.date_start")
        return " AND ".join(names)

    @property
    def parameters(self) -> dict[str, Any]:
        return {"account_id": self.account_id, **self.values}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over rows; amounts in major units, a metric that no row has is zero."""

    rows: int = 0
    spend: Decimal = Decimal(0)
    impressions: int = 0
    clicks: int = 0

    def __sub__(self, other: Totals) -> Totals:
        return Totals(
            self.rows - other.rows,
            self.spend - other.spend,
            self.impressions - other.impressions,
            self.clicks - other.clicks,
        )


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A day's rows in the table, and those of them that its last reading did not return."""

    all: Totals
    gone: Totals


_ALL = (
    "count(*), coalesce(sum(spend), 0), coalesce(sum(impressions), 0)::bigint, "
    "coalesce(sum(clicks), 0)::bigint"
)
_GONE = (
    "count(*) FILTER (WHERE is_gone), coalesce(sum(spend) FILTER (WHERE is_gone), 0), "
    "coalesce(sum(impressions) FILTER (WHERE is_gone), 0)::bigint, "
    "coalesce(sum(clicks) FILTER (WHERE is_gone), 0)::bigint"
)


class ReturnedRows:
    """Keys of the rows that Meta returned in this sync, by the walk over pages that brought them.

    Everything happens on the connection that writes: the table of keys lives no longer than that.
    """

    def __init__(self) -> None:
        # Asked once a window: after its first page there are rows in any case.
        self._kept: dict[tuple[str, str, date, date], bool] = {}

    def keeps(self, connection: Connection, scope: RowScope, since: date, until: date) -> bool:
        """Whether these days had rows before the first page of their window was written."""
        key = (scope.table.name, str(scope.values), since, until)
        if key not in self._kept:
            row = connection.execute(
                f"SELECT EXISTS (SELECT FROM {_name(scope.table)} AS kept WHERE {scope.condition} "
                "AND kept.date_start BETWEEN %(since)s AND %(until)s)",
                scope.parameters | {"since": since, "until": until},
            ).fetchone()
            self._kept[key] = bool(row and row[0])
        return self._kept[key]

    def stored(
        self,
        connection: Connection,
        scope: RowScope,
        days: Sequence[date],
        walks: Sequence[int] | None,
    ) -> dict[date, StoredDay]:
        """What the table holds of each day, in all and beyond what these walks returned.

        Without walks, for days that had no rows before, nothing is gone.
        """
        with _hash_joins(connection):
            self._prepare(connection, scope.table)
            rows = connection.execute(
                f"SELECT date_start, {_ALL}, {_GONE} "
                f"FROM ({self._marked(scope, walks is not None)}) AS marked GROUP BY date_start",
                self._asked(scope, days, walks or ()),
            ).fetchall()
        known = {day: StoredDay(Totals(*sums[:4]), Totals(*sums[4:])) for day, *sums in rows}
        nothing = StoredDay(Totals(), Totals())
        return {day: known.get(day, nothing) for day in days}

    def remove(
        self,
        connection: Connection,
        scope: RowScope,
        ages: Mapping[date, float],
        walks: Sequence[int],
        reading: InsightsRead,
    ) -> int:
        """Take out the rows of the days that these walks did not return; give their number.

        `ages` has the days, with their age in days at the reading. It is noted in
        `insights_changes`.
        """
        asked = self._asked(scope, list(ages), walks) | {
            **asdict(reading),
            "ages": [round(age, 3) for age in ages.values()],
        }
        with _hash_joins(connection):
            self._prepare(connection, scope.table)
            # Before the rows go: what they held is the movement.
            connection.execute(_NOTE.replace("{marked}", self._marked(scope)), asked)
            return connection.execute(
                f"DELETE FROM {_name(scope.table)} AS kept WHERE {scope.condition} "
                f"AND kept.date_start = ANY (%(days)s::date[]) AND NOT EXISTS ("
                f"SELECT FROM {self._keys_name(scope.table)} AS returned "
                f"WHERE returned.walk = ANY (%(walks)s::bigint[]) "
                f"AND {_same_key(scope.table)})",
                asked,
            ).rowcount

    def note(self, connection: Connection, table: sa.Table, walk: int, staging: str) -> None:
        """Keep the keys of staged rows."""
        self._prepare(connection, table)
        # Not prepared: the table may go with a rollback, and a prepared plan would name one that is
        # gone.
        keys = ", ".join(_keys(table))
        connection.execute(
            f"INSERT INTO {self._keys_name(table)} SELECT %s, {keys} FROM {staging}",
            (walk,),
            prepare=False,
        )

    def _marked(self, scope: RowScope, is_reread: bool = True) -> str:
        if not is_reread:
            return (
                f"SELECT kept.date_start, {_counted(scope.table)}, "
                f"false AS is_gone FROM {_name(scope.table)} AS kept "
                f"WHERE {scope.condition} AND kept.date_start = ANY (%(days)s::date[])"
            )
        actions = "kept.actions" if "actions" in scope.table.c else "NULL::jsonb AS actions"
        return (
            f"SELECT kept.date_start, {_counted(scope.table)}, {actions}, "
            "returned.walk IS NULL AS is_gone "
            f"FROM {_name(scope.table)} AS kept LEFT JOIN ("
            # Pages have no common snapshot (FACTS section 4.3): a row may come twice, and counts
            # once.
            f"SELECT DISTINCT ON ({', '.join(_keys(scope.table))}) * "
            f"FROM {self._keys_name(scope.table)} WHERE walk = ANY (%(walks)s::bigint[])"
            f") AS returned ON {_same_key(scope.table)} "
            f"WHERE {scope.condition} AND kept.date_start = ANY (%(days)s::date[])"
        )

    def _asked(self, scope: RowScope, days: Sequence[date], walks: Sequence[int]) -> dict[str, Any]:
        return scope.parameters | {"days": list(days), "walks": list(walks)}

    def _prepare(self, connection: Connection, table: sa.Table) -> None:
        # Made in a transaction that was rolled back, it is gone with it.
        connection.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {_keys_of(table)} AS "
            f"SELECT 0::bigint AS walk, {', '.join(_keys(table))} FROM {_name(table)} "
            "WITH NO DATA; "
            # A window is judged by its own walks, not by all that the sync has read so far.
            f"CREATE INDEX IF NOT EXISTS {_keys_of(table)}_walk_idx "
            f"ON {self._keys_name(table)} (walk)",
            prepare=False,
        )

    def _keys_name(self, table: sa.Table) -> str:
        return f"pg_temp.{_keys_of(table)}"


_NOTE = f"""
    INSERT INTO meta_ads.insights_changes
        (account_id, entity_type, dataset, date_start, read_at, age_days,
         rows_new, rows_changed, rows_removed,
         spend_before, spend_after, impressions_before, impressions_after,
         clicks_before, clicks_after, actions_before, actions_after, sync_run_id)
    SELECT %(account_id)s, %(entity_type)s, %(dataset)s, marked.date_start, %(read_at)s,
           min(given.age), 0, 0, count(*) FILTER (WHERE is_gone),
           coalesce(sum(spend), 0), coalesce(sum(spend) FILTER (WHERE NOT is_gone), 0),
           coalesce(sum(impressions), 0),
           coalesce(sum(impressions) FILTER (WHERE NOT is_gone), 0),
           coalesce(sum(clicks), 0), coalesce(sum(clicks) FILTER (WHERE NOT is_gone), 0),
           coalesce(sum({actions_sum("actions")}), 0),
           coalesce(sum({actions_sum("actions")}) FILTER (WHERE NOT is_gone), 0),
           %(sync_run_id)s
    FROM ({{marked}}) AS marked
    JOIN unnest(%(days)s::date[], %(ages)s::numeric[]) AS given (day, age)
      ON given.day = marked.date_start
    GROUP BY marked.date_start
    HAVING count(*) FILTER (WHERE is_gone) > 0
"""


def _counted(table: sa.Table) -> str:
    """The metrics of `Totals`; a custom report need not have them."""
    types = {"spend": "numeric", "impressions": "bigint", "clicks": "bigint"}
    return ", ".join(
        f"kept.{name}" if name in table.c else f"NULL::{kind} AS {name}"
        for name, kind in types.items()
    )


def _keys(table: sa.Table) -> Collection[str]:
    return [column.name for column in table.primary_key]


def _same_key(table: sa.Table) -> str:
    return " AND ".join(f"returned.{name} = kept.{name}" for name in _keys(table))


def _keys_of(table: sa.Table) -> str:
    return f"returned_{table.name}"


def _name(table: sa.Table) -> str:
    return f"{table.schema}.{table.name}"


@contextmanager
def _hash_joins(connection: Connection) -> Iterator[None]:
    """Both sides are read once: without statistics a look-up for each row might be planned."""
    connection.execute("SET LOCAL enable_nestloop = off")
    connection.execute("SET LOCAL jit = off")
    yield
    # Not in a `finally`: where a statement failed, the transaction takes no other, and ends.
    connection.execute("SET LOCAL enable_nestloop TO DEFAULT")
    connection.execute("SET LOCAL jit TO DEFAULT")
