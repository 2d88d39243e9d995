"""Parts: what one file holds, and how to see without reading it whether it has changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.names import SCHEMA

from .tables import Table

# What may be a folder's name as it is.
_PLAIN: Final = re.compile(r"act_[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class PartKey:
    """Whose rows, of which month: `account_id` None for rows of no account.

    `month` is YYYY-MM; None where the table is not cut by month, or a row has no day.
    """

    account_id: str | None
    month: str | None

    def new_path(self, table: Table) -> str:
        """Where a new file of this part goes; never where one was."""
        folder = "shared" if self.account_id is None else self.account_id
        # Facts may be about an account with any name, also `../..`.
        if self.account_id is not None and not _PLAIN.fullmatch(folder):
            folder = f"other-{hashlib.blake2b(folder.encode(), digest_size=8).hexdigest()}"
        month = self.month or ("all" if table.month_column is None else "undated")
        return f"{table.name}/{folder}/{month}-{uuid4().hex[:12]}.parquet"


@dataclass(frozen=True, slots=True)
class FilePart:
    """The rows of one file as they are in Postgres now.

    `fingerprint` changes with every row that is written or removed, with the columns, and with the
    server's history: while it is the same, so are the rows.
    `data_as_of` is the newest of its rows, None for a table without that column.
    """

    key: PartKey
    rows: int
    fingerprint: str
    data_as_of: datetime | None


@dataclass(frozen=True, slots=True)
class ExportScope:
    """What an export is about: these accounts (None: all), these days (None: all)."""

    accounts: Collection[str] | None = None
    days: tuple[date, date] | None = None

    def holds(self, key: PartKey) -> bool:
        """Whether a part is looked at; months count whole, what has none only without days."""
        if self.accounts is not None and key.account_id not in self.accounts:
            return False
        if self.days is None:
            return True
        first, last = (f"{day:%Y-%m}" for day in self.days)
        return key.month is not None and first <= key.month <= last

    def reaches(self, table: Table) -> bool:
        """Whether any part of a table can be in it."""
        if self.accounts is not None and not table.has("account_id"):
            return False
        return self.days is None or table.month_column is not None

    def condition(self, table: Table) -> sql.Composable:
        """What the table's rows that are looked at have in common, for a WHERE."""
        conditions: list[sql.Composable] = [sql.SQL("true")]
        if self.accounts is not None:
            wanted = sql.Literal(sorted(self.accounts))
            conditions.append(sql.SQL("account_id = ANY ({})").format(wanted))
        if self.days is not None and table.month_column is not None:
            conditions.append(_in_months(table.month_column, *self.days))
        return sql.SQL(" AND ").join(conditions)


# Postgres has days before Christ, after 9999, and infinite ones.
_HAS_A_MONTH = sql.SQL("BETWEEN '0001-01-01' AND '9999-12-31'")
# ctid and xmin name a row as it was written: a row that is updated, replaced or removed changes
# the sum, one that is only read does not; freezing leaves xmin as it is. What moves rows without
# changing them (VACUUM FULL, a restored dump) costs files that are written once more, and no error.
_FINGERPRINT = "sum(hashtidextended(ctid, xmin::text::bigint))"
# Transactions are numbered anew where a dump is restored into a new server, and once more where one
# goes on from a backup: then other rows may lie in the same places with the same numbers.
_HISTORY = "SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()"


def history_of(connection: Connection) -> str:
    """In which a transaction's number is given once; empty where the server does not tell."""
    try:
        with connection.transaction():
            return repr(connection.execute(_HISTORY).fetchone())
    except psycopg.DatabaseError:  # a host may allow neither
        return ""


def parts(connection: Connection, table: Table, scope: ExportScope, history: str) -> list[FilePart]:
    """Every part of the table that has rows, by account and month; reads the table once."""
    query = sql.SQL(
        "SELECT {account}, {month}, count(*), {fingerprint}::text, {as_of}"
        " FROM {table} WHERE {condition} GROUP BY 1, 2 ORDER BY 1, 2"
    ).format(
        account=sql.Identifier("account_id") if table.has("account_id") else sql.SQL("NULL::text"),
        month=_month(table),
        fingerprint=sql.SQL(_FINGERPRINT),
        as_of=sql.SQL("max(data_as_of)" if table.has("data_as_of") else "NULL::timestamptz"),
        table=sql.Identifier(SCHEMA, table.name),
        condition=scope.condition(table),
    )
    layout = repr(table.columns)
    found: list[FilePart] = []
    for account_id, month, rows, versions, as_of in connection.execute(query):
        told = repr((history, rows, versions, as_of and as_of.timestamp(), layout)).encode()
        fingerprint = hashlib.blake2b(told, digest_size=16).hexdigest()
        found.append(FilePart(PartKey(account_id, month), rows, fingerprint, as_of))
    return found


def rows_of(table: Table, key: PartKey) -> sql.Composed:
    """A SELECT of the part's rows, every column of the table in its order."""
    conditions: list[sql.Composable] = []
    if table.has("account_id"):
        conditions.append(
            sql.SQL("account_id = {}").format(sql.Literal(key.account_id))
            if key.account_id is not None
            else sql.SQL("account_id IS NULL")
        )
    if table.month_column is not None:
        column = sql.Identifier(table.month_column)
        if key.month is None:
            conditions.append(sql.SQL("({} {}) IS NOT TRUE").format(column, _HAS_A_MONTH))
        else:
            month = date.fromisoformat(f"{key.month}-01")
            conditions.append(_in_months(table.month_column, month, month))
    return sql.SQL("SELECT {columns} FROM {table} WHERE {condition}").format(
        columns=sql.SQL(", ").join(sql.Identifier(one.name) for one in table.columns),
        table=sql.Identifier(SCHEMA, table.name),
        condition=sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true"),
    )


def _month(table: Table) -> sql.Composable:
    if table.month_column is None:
        return sql.SQL("NULL::text")
    return sql.SQL("CASE WHEN {0} {1} THEN to_char({0}, 'YYYY-MM') END").format(
        sql.Identifier(table.month_column), _HAS_A_MONTH
    )


def _in_months(column: str, first: date, last: date) -> sql.Composed:
    """From the month of `first` to that of `last`, as a range that an index of days serves."""
    return sql.SQL("{0} >= {1}::date AND {0} < {2}::date + interval '1 month'").format(
        sql.Identifier(column),
        sql.Literal(first.replace(day=1).isoformat()),
        sql.Literal(last.replace(day=1).isoformat()),
    )
