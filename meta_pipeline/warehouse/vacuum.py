"""Vacuum advice: which tables Postgres does not clean up as it should, and what to type."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from .connect import Connection

DEAD_PCT = 25.0
"""Autovacuum comes at 20 %; what is above stays dirty."""
WRAPAROUND_AGE = 1_000_000_000
"""Half way to where Postgres stops to take writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One table with its size in bytes, indexes included, and its dead rows."""

    name: str
    size_bytes: int
    live_rows: int
    dead_rows: int
    freeze_age: int
    autovacuum_on: bool
    ever_analyzed: bool

    @property
    def dead_pct(self) -> float:
        return round(100 * self.dead_rows / max(1, self.live_rows + self.dead_rows), 1)

    @property
    def advice(self) -> str | None:
        """The statement to run and why, or None."""
        if self.freeze_age > WRAPAROUND_AGE:
            return f"VACUUM (FREEZE) {self.name};  -- {self.freeze_age:,} transactions old"
        if not self.autovacuum_on:
            return f"ALTER TABLE {self.name} RESET (autovacuum_enabled);  -- switched off"
        if self.dead_rows > 10_000 and self.dead_pct > DEAD_PCT:  # below, it is not worth a line
            return f"VACUUM (ANALYZE) {self.name};  -- {self.dead_pct:.0f} % of its rows are dead"
        if self.live_rows > 10_000 and not self.ever_analyzed:
            return f"ANALYZE {self.name};  -- the planner knows nothing of it"
        return None


def table_states(connection: Connection) -> list[TableState]:
    """Every table of this database that is not Postgres's own, the biggest first."""
    cursor = connection.cursor(row_factory=class_row(TableState))
    return cursor.execute(_STATES).fetchall()


_STATES = """
    SELECT
        format('%I.%I', stat.schemaname, stat.relname) AS name,
        pg_total_relation_size(stat.relid) AS size_bytes,
        stat.n_live_tup AS live_rows,
        stat.n_dead_tup AS dead_rows,
        age(class.relfrozenxid)::bigint AS freeze_age,
        current_setting('autovacuum')::boolean AND NOT coalesce(
            'autovacuum_enabled=false' = ANY (class.reloptions)
            OR 'autovacuum_enabled=off' = ANY (class.reloptions), false
        ) AS autovacuum_on,
        stat.last_analyze IS NOT NULL OR stat.last_autoanalyze IS NOT NULL AS ever_analyzed
    FROM pg_stat_user_tables AS stat
    JOIN pg_class AS class ON class.oid = stat.relid
    ORDER BY size_bytes DESC, name
"""
