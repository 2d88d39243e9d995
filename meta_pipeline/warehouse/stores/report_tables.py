"""Report tables: a table and a view for each custom report, made and widened as its file changes.

A change only ever adds: a field that is taken out of the file leaves its column, with what it has.
What a row is about cannot change, as the rows that are there would be of another grain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connect, Connection, Store
from meta_pipeline.warehouse.errors import DatabaseUnfit, ViewInUse, WarehouseError
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.tenancy import enforce, enforcement
from meta_pipeline.warehouse.views.replacing import commented, replace_view

if TYPE_CHECKING:
    import sqlalchemy as sa

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:custom_reports', 0))"
# Who reads the table for hours must not make every sync wait behind the change.
_PATIENCE_SECONDS = 10.0
_BE_PATIENT = "SELECT set_config('lock_timeout', %s, true)"
_KNOWN = """
    SELECT report, grain, definition, fields_since FROM meta_ads.custom_reports
    WHERE to_regclass(format('meta_ads.%I', 'report_' || report)) IS NOT NULL
"""
_COLUMNS = """
    SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KEEP = """
    INSERT INTO meta_ads.custom_reports AS known
        (report, grain, definition, fields_since, created_at, changed_at)
    VALUES (%(report)s, %(grain)s, %(definition)s, %(fields_since)s, %(now)s, %(now)s)
    ON CONFLICT (report) DO UPDATE SET
        definition = excluded.definition, fields_since = excluded.fields_since,
        changed_at = excluded.changed_at
"""
_FORGET_MARKS = """
    DELETE FROM meta_ads.{table}
    WHERE {column} = %(dataset)s OR starts_with({column}, %(dataset)s || '/')
"""
_MARKS: Final = (
    ("sync_windows", "dataset"),
    ("insights_gaps", "dataset"),
    ("pending_reports", "dataset"),
    ("sync_cursor", "edge"),
)
_THEN: Final = "Drop what is built on it and say the command again."
# What Meta counted by the ad set's own setting, beside the windows that were asked for.
_VALUE: Final = "value"
LONGEST_NAME: Final = 63
"""Postgres cuts longer names, and then two of them may be one."""


class ReportChanged(WarehouseError):
    """The table of a custom report has rows of another grain, or columns of another type."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """The table that a custom report wants.

    `grain` is what one row is about, `definition` all that the file says, both as JSON. Of
    `action_fields`, which are lists of actions, a view has one row for each value of
    `action_breakdowns`, with what `attribution_windows` counted.
    """

    report: str
    table: sa.Table
    grain: Mapping[str, Any]
    definition: Mapping[str, Any]
    fields: tuple[str, ...]
    action_fields: tuple[str, ...]
    action_breakdowns: tuple[str, ...]
    attribution_windows: tuple[str, ...]

    @property
    def view_name(self) -> str:
        return f"{self.table.name}_actions"


@dataclass(frozen=True, slots=True)
class KnownReport:
    """A custom report that has a table: since when each of its fields has a column."""

    report: str
    grain: Mapping[str, Any]
    definition: Mapping[str, Any]
    fields_since: Mapping[str, datetime]


class ReportTables(Store):
    """`custom_reports` and the tables it tells of.

    A change waits `patience_seconds` for whoever uses the table, then it is given up: CannotTell.
    """

    def __init__(self, connect: Connect, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        super().__init__(connect)
        self._patience = f"{patience_seconds * 1000:.0f}ms"

    def known(self, connection: Connection | None = None) -> dict[str, KnownReport]:
        """The reports that have a table, by name."""
        with self._using(connection) as used:
            return {
                report: KnownReport(
                    report,
                    grain,
                    definition,
                    {name: datetime.fromisoformat(at) for name, at in since.items()},
                )
                for report, grain, definition, since in used.execute(_KNOWN)
            }

    def ensure(self, wanted: Sequence[ReportTable], now: datetime) -> tuple[str, ...]:
        """Make or widen the tables that are not as wanted; the names of their reports.

        Any number of syncs at once is safe. Raises ReportChanged, with nothing of that report
        changed, DatabaseUnfit where this user may not make tables.
        """
        with self._using() as connection:
            known = self.known(connection)
            due = [one for one in wanted if not _is_done(one, known.get(one.report))]
        for one in due:
            self._ensure(one, now)
        return tuple(one.report for one in due)

    def drop(self, report: str) -> int:
        """Drop the table of a report and all that is known of its days; the number of its rows.

        Raises ViewInUse where something is built on it.
        """
        table = sql.Identifier(SCHEMA, f"report_{report}")
        view = sql.Identifier(SCHEMA, f"report_{report}_actions")
        with self._changing() as connection:
            if report not in self.known(connection):
                return 0
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
            try:
                connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
                connection.execute(sql.SQL("DROP TABLE {}").format(table))
            except psycopg.errors.DependentObjectsStillExist as error:
                raise ViewInUse(
                    f"{SCHEMA}.report_{report} cannot be dropped: {error.diag.message_detail}. "
                    f"{_THEN} Nothing was changed."
                ) from error
            for name, column in _MARKS:
                statement = _FORGET_MARKS.format(table=name, column=column)
                connection.execute(statement, {"dataset": f"report:{report}"})
            connection.execute("DELETE FROM meta_ads.custom_reports WHERE report = %s", (report,))
        return int(row[0]) if row else 0

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that changes tables, one at a time."""
        with self._using() as connection, connection.transaction():
            connection.execute(_BE_PATIENT, (self._patience,))
            connection.execute(_ONE_AT_A_TIME)
            yield connection

    def _ensure(self, wanted: ReportTable, now: datetime) -> None:
        try:
            with self._changing() as connection:
                # Another sync may have made it while this one waited for the lock.
                known = self.known(connection).get(wanted.report)
                if _is_done(wanted, known):
                    return
                new = self._make(connection, wanted, known)
                stored = _stored(wanted, known)
                _make_view(
                    connection,
                    replace(
                        wanted,
                        action_fields=tuple(stored["view"]["fields"]),
                        attribution_windows=tuple(stored["view"]["windows"]),
                    ),
                )
                # A field keeps the moment it got its column: what was read before lacks it.
                since = dict(known.fields_since) if known else {}
                since |= {name: now for name in wanted.fields if name in new}
                connection.execute(
                    _KEEP,
                    {
                        "report": wanted.report,
                        "grain": Jsonb(wanted.grain),
                        "definition": Jsonb(stored),
                        "fields_since": Jsonb({name: at.isoformat() for name, at in since.items()}),
                        "now": now,
                    },
                )
                # In the same transaction: no moment in which a tenant sees the new table's rows.
                if enforcement(connection).is_on:
                    enforce(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnfit(
                f"This user may not make the table of custom report {wanted.report}: "
                f"{error.diag.message_primary}. Run it as the owner of schema {SCHEMA}."
            ) from error

    def _make(
        self, connection: Connection, wanted: ReportTable, known: KnownReport | None
    ) -> Collection[str]:
        """Make the table or what it lacks; the names of the new columns."""
        name = f"{SCHEMA}.{wanted.table.name}"
        there = dict(connection.execute(_COLUMNS, (name,)).fetchall())
        if not there:
            for statement in _creation(wanted.table):
                connection.execute(statement)
            return [column.name for column in wanted.table.columns]
        if known is None:
            raise ReportChanged(
                f"{name} is there and no custom report made it: give the report another name in "
                "META_REPORTS_FILE. Nothing was changed."
            )
        _refuse_another_grain(wanted, known)
        dialect, columns = _dialect(), wanted.table.columns
        types = {one.name: str(one.type.compile(dialect=dialect)).lower() for one in columns}
        for column, kind in types.items():
            if there.get(column, kind) != kind:
                raise ReportChanged(
                    f"Column {column} of {name} is {there[column]} and would be {kind} now: "
                    f"meta-pipeline reports drop {wanted.report} takes the table out, to be read "
                    "again. Nothing was changed."
                )
        new = [column for column in types if column not in there]
        table = sql.Identifier(SCHEMA, wanted.table.name)
        for column in new:
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    table, sql.Identifier(column), sql.SQL(types[column])
                )
            )
            meaning = wanted.table.c[column].comment
            connection.execute(commented("COLUMN", meaning, SCHEMA, wanted.table.name, column))
        about = wanted.table.comment
        connection.execute(commented("TABLE", about, SCHEMA, wanted.table.name))
        return new


def _is_done(wanted: ReportTable, known: KnownReport | None) -> bool:
    return known is not None and known.definition == _stored(wanted, known)


def _stored(wanted: ReportTable, known: KnownReport | None) -> Any:
    """What the row of a report holds, as it comes back from there.

    The view keeps what it once had: others may be built on it.
    """
    before = known.definition.get("view", {}) if known else {}
    view = {
        name: list(dict.fromkeys((*before.get(name, ()), *now)))
        for name, now in (("fields", wanted.action_fields), ("windows", wanted.attribution_windows))
    }
    return orjson.loads(orjson.dumps({**wanted.definition, "view": view}))


def _refuse_another_grain(wanted: ReportTable, known: KnownReport) -> None:
    before, after = known.grain, orjson.loads(orjson.dumps(wanted.grain))
    changed = [name for name in after if after[name] != before.get(name)]
    if changed:
        was = ", ".join(f"{name} {before.get(name)}" for name in changed)
        raise ReportChanged(
            f"Custom report {wanted.report} was about other rows when its table was made ({was}): "
            "give it another name in META_REPORTS_FILE, or take the table out with "
            f"`meta-pipeline reports drop {wanted.report}`. Nothing was changed."
        )


def _creation(table: sa.Table) -> Iterator[str]:
    import sqlalchemy as sa  # noqa: PLC0415  # most of a start, and reading needs none of it

    dialect = _dialect()
    yield str(sa.schema.CreateTable(table).compile(dialect=dialect)).replace("%%", "%")
    for index in table.indexes:
        yield str(sa.schema.CreateIndex(index).compile(dialect=dialect))
    yield commented("TABLE", table.comment, SCHEMA, table.name).as_string()
    for column in table.columns:
        yield commented("COLUMN", column.comment, SCHEMA, table.name, column.name).as_string()


def _dialect() -> sa.Dialect:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.dialect()  # type: ignore[no-untyped-call]


# -- the view of actions ---------------------------------------------------------------------------


def _make_view(connection: Connection, wanted: ReportTable) -> None:
    """A row for each action, its columns typed; additive, as the table is."""
    if not wanted.action_fields:
        return
    name = sql.Identifier(SCHEMA, wanted.view_name)
    refused = f"{SCHEMA}.{wanted.view_name} cannot be dropped"
    replace_view(connection, name, _query(wanted), refused=refused, then=_THEN)
    by = ", ".join(wanted.action_breakdowns)
    about = (
        f"One row per row of {wanted.table.name} and {by}: its lists of actions, taken apart. "
        "Types of one family are the same people again: never add them"
    )
    connection.execute(commented("VIEW", about, SCHEMA, wanted.view_name))


def _query(wanted: ReportTable) -> sql.Composed:
    kept = [
        column.name
        for column in wanted.table.columns
        if column.primary_key or column.name in ("date_stop", "campaign_id", "adset_id", "currency")
    ]
    numbers = (_VALUE, *wanted.attribution_windows)
    rows = sql.SQL(", ").join(sql.Identifier("whole", name) for name in kept)
    by = sql.SQL(", ").join(map(sql.Identifier, wanted.action_breakdowns))
    counted = sql.SQL(", ").join(
        sql.SQL("max({}) FILTER (WHERE field = {}) AS {}").format(
            sql.Identifier(number), sql.Literal(field), sql.Identifier(_called(field, number))
        )
        for field in wanted.action_fields
        for number in numbers
        # Cut by Postgres two columns might have one name: such a number is left to the list itself.
        if len(_called(field, number)) <= LONGEST_NAME
    )
    return sql.SQL(
        "SELECT {rows}, taken.*, whole.data_as_of FROM {table} AS whole CROSS JOIN LATERAL "
        "(SELECT {by}, {counted} FROM ({entries}) AS entry GROUP BY {by}) AS taken"
    ).format(
        rows=rows,
        table=sql.Identifier(SCHEMA, wanted.table.name),
        by=by,
        counted=counted,
        entries=sql.SQL(" UNION ALL ").join(
            _entries(field, wanted.action_breakdowns, numbers) for field in wanted.action_fields
        ),
    )


def _entries(field: str, by: Sequence[str], numbers: Sequence[str]) -> sql.Composed:
    labels = sql.SQL(", ").join(
        sql.SQL("item.one ->> {} AS {}").format(sql.Literal(name), sql.Identifier(name))
        for name in by
    )
    values = sql.SQL(", ").join(
        sql.SQL("meta_ads.number_or_null(item.one ->> {}) AS {}").format(
            sql.Literal(name), sql.Identifier(name)
        )
        for name in numbers
    )
    return sql.SQL(
        "SELECT {field}::text AS field, {labels}, {values} FROM jsonb_array_elements("
        "CASE jsonb_typeof({column}) WHEN 'array' THEN {column} ELSE '[]' END) AS item (one)"
    ).format(
        field=sql.Literal(field),
        labels=labels,
        values=values,
        column=sql.Identifier("whole", field),
    )


def _called(field: str, number: str) -> str:
    return field if number == _VALUE else f"{field}_{number}"
