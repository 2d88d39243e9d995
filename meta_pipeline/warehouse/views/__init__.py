"""Views: one `.sql` file each, made again when its text changes.

A file holds one SELECT. Its leading comment becomes the view's comment; lines of the form
`-- column: meaning` in it become comments of the columns, and what follows one belongs to it.
A `.sql.j2` file is a Jinja template of one view for each level, whose name stands where the file's
name says `each_level`: `each_level_insights` makes `ad_insights` and so on.
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
from meta_pipeline.warehouse.names import SCHEMA

_MEANING = re.compile(r"(?P<column>[a-z0-9_]+): (?P<meaning>.+)")
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
_HASHES = sql.Identifier(SCHEMA, "schema_views")
_EACH_LEVEL = "each_level"
_TEMPLATE = ".sql.j2"
_NOUNS = {"account": "ad account", "campaign": "campaign", "adset": "ad set", "ad": "ad"}
"""Levels from coarse to fine, and what people call one of each."""


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
    folder = Path(__file__).parent
    plain = [_view(path.stem, path.read_text(encoding="utf-8")) for path in folder.glob("*.sql")]
    templates = sorted(folder.glob(f"*{_TEMPLATE}"))
    made = [view for path in templates for view in _each_level(path)]
    return tuple(sorted((*plain, *made), key=lambda view: view.name))


def changed(connection: Connection) -> tuple[str, ...]:
    """Names of the views that the database lacks or has from another text."""
    known = _known(connection)
    return tuple(name for name, digest in _digests().items() if known.get(name) != digest)


@lru_cache(maxsize=1)
def _digests() -> dict[str, str]:
    """What each view is made of, by name: every command asks, so no template is rendered."""
    folder = Path(__file__).parent
    found = {path.stem: _digest(path.read_text(encoding="utf-8")) for path in folder.glob("*.sql")}
    for path in folder.glob(f"*{_TEMPLATE}"):
        text = path.read_text(encoding="utf-8")
        for level in _NOUNS:
            found[_name(path, level)] = _digest(f"{level} {_NOUNS} {text}")
    return dict(sorted(found.items()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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


def _each_level(template: Path) -> list[View]:
    """The views of a template; `path` leads from the campaign down to the view's own level."""
    import jinja2  # noqa: PLC0415  # only who makes views waits for it

    made = jinja2.Template(
        template.read_text(encoding="utf-8"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    levels = list(_NOUNS)
    return [
        _view(
            _name(template, level),
            made.render(
                level=level,
                noun=_NOUNS[level],
                path=[
                    {"level": each, "noun": _NOUNS[each]}
                    for each in levels[1 : levels.index(level) + 1]
                ],
            ),
        )
        for level in levels
    ]


def _name(template: Path, level: str) -> str:
    return template.name.removesuffix(_TEMPLATE).replace(_EACH_LEVEL, level)


def _view(name: str, text: str) -> View:
    lines = text.splitlines()
    body = next(index for index, line in enumerate(lines) if not line.startswith("--"))
    return View(
        name=name,
        query="\n".join(lines[body:]).strip().removesuffix(";"),
        header=tuple(line.removeprefix("--").strip() for line in lines[:body]),
        digest=_digests()[name],
    )
