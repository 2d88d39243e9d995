"""Views: one `.sql` file each, made again when its text changes.

A file holds one SELECT. Its leading comment becomes the view's comment; lines of the form
`-- column: meaning` in it become comments of the columns, and what follows one belongs to it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psycopg
from psycopg import sql

from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.errors import ViewInUse
from meta_pipeline.warehouse.schema import SCHEMA

_MEANING = re.compile(r"(?P<column>[a-z0-9_]+): (?P<meaning>.+)")
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
_HASHES = sql.Identifier(SCHEMA, "schema_views")


@dataclass(frozen=True, slots=True)
class View:
    """One view as its file declares it."""

    name: str
    query: str
    header: tuple[str, ...]
    digest: str


@lru_cache(maxsize=1)
def declared() -> tuple[View, ...]:
    """Every view of this package, by name. No view of ours reads another: the order is free."""
    return tuple(_read(path) for path in sorted(Path(__file__).parent.glob("*.sql")))


def changed(connection: Connection) -> tuple[str, ...]:
    """Names of the views that the database lacks or has from another text."""
    known = _known(connection)
    return tuple(view.name for view in declared() if known.get(view.name) != view.digest)


def refresh(connection: Connection) -> tuple[str, ...]:
    """Make the changed views again, in the caller's transaction; give their names."""
    names = changed(connection)
    for view in declared():
        if view.name in names:
            _make(connection, view)
    return names


def _make(connection: Connection, view: View) -> None:
    name = sql.Identifier(SCHEMA, view.name)
    query = sql.SQL(view.query)
    try:
        # Replacing keeps the rights people were granted; it can only add columns at the end.
        with connection.transaction():
            connection.execute(sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(name, query))
    except psycopg.errors.InvalidTableDefinition:
        _drop(connection, view.name)
        connection.execute(sql.SQL("CREATE VIEW {} AS {}").format(name, query))
    _comment(connection, view)
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (view_name, digest) VALUES (%s, %s) "
            "ON CONFLICT (view_name) DO UPDATE SET digest = excluded.digest"
        ).format(_HASHES),
        (view.name, view.digest),
    )


def _drop(connection: Connection, name: str) -> None:
    try:
        connection.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier(SCHEMA, name)))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise ViewInUse(
            f"View {SCHEMA}.{name} gets other columns and has to be dropped, but something of "
            f"yours is built on it: {error.diag.message_detail}. Drop that, start again, then "
            "make it anew. Nothing was changed."
        ) from error


def _comment(connection: Connection, view: View) -> None:
    rows = connection.execute(_COLUMNS, (f"{SCHEMA}.{view.name}",))
    about_view, found = meanings(view.header, {column for (column,) in rows})
    name = sql.Identifier(SCHEMA, view.name)
    connection.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(name, sql.Literal(about_view)))
    for column, meaning in found.items():
        identifier = sql.Identifier(SCHEMA, view.name, column)
        connection.execute(
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(identifier, sql.Literal(meaning))
        )


def meanings(header: Sequence[str], columns: Collection[str]) -> tuple[str, dict[str, str]]:
    """What the leading comment says of the view, and of each of its columns."""
    about_view: list[str] = []
    of_columns: dict[str, list[str]] = {}
    current = about_view
    for line in header:
        match = _MEANING.fullmatch(line)
        if match and match["column"] in columns:
            current = of_columns[match["column"]] = [match["meaning"]]
        else:
            current.append(line)
    return " ".join(about_view), {name: " ".join(lines) for name, lines in of_columns.items()}


def _known(connection: Connection) -> dict[str, str]:
    """Digest of each view that is really there: a dropped one counts as unknown."""
    found = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.schema_views",)).fetchone()
    if found is None or found[0] is None:
        return {}
    rows = connection.execute(
        sql.SQL(
            "SELECT view_name, digest FROM {} WHERE to_regclass({} || view_name) IS NOT NULL"
        ).format(_HASHES, sql.Literal(f"{SCHEMA}."))
    )
    return dict(rows.fetchall())


def _read(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    body = next(index for index, line in enumerate(lines) if not line.startswith("--"))
    return View(
        name=path.stem,
        query="\n".join(lines[body:]).strip().removesuffix(";"),
        header=tuple(line.removeprefix("--").strip() for line in lines[:body]),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )
