"""Views: one `.sql` file each, made again when its text changes.

A file holds one SELECT. Its leading comment becomes the view's comment; lines of the form
`-- column: meaning` in it become comments of the columns, and what follows one belongs to it.
A `.sql.j2` file is a Jinja template of one view for each level, whose name stands where the file's
name says `each_level`: `each_level_insights` makes `ad_insights` and so on. One that does not make
every level says which in its first line: `{# levels: campaign, adset #}`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from psycopg import sql

from meta_pipeline.model.insights_column import INSIGHTS_COLUMNS
from meta_pipeline.warehouse.connect import Connection
from meta_pipeline.warehouse.names import SCHEMA

from .replacing import OPTIONS, commented, replace_view, takes_options

_MEANING = re.compile(r"(?P<column>[a-z0-9_]+): (?P<meaning>.+)")
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
# A view that somebody dropped counts as unknown.
_KNOWN = f"""
    SELECT view_name, digest FROM {SCHEMA}.schema_views
    JOIN pg_class ON relnamespace = to_regnamespace(%s) AND relname = view_name
    WHERE NOT %s OR 'security_invoker=true' = ANY (reloptions)
"""
# Those of custom reports are made with their tables, and again only when a report changes.
_OWNERS_OF_REPORTS = f"""
    SELECT relname::text FROM {SCHEMA}.custom_reports
    JOIN pg_class ON relnamespace = to_regnamespace(%s)
        AND relname = format('report_%%s_actions', report)
    WHERE relkind = 'v' AND NOT 'security_invoker=true' = ANY (coalesce(reloptions, '{{}}'))
    ORDER BY relname
"""
_HASHES = sql.Identifier(SCHEMA, "schema_views")
_FOLDER = Path(__file__).parent
_EACH_LEVEL = "each_level"
_LEVELS = re.compile(r"\{# levels: (?P<levels>[a-z, ]+) #\}")
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
    digests = _digests()
    plain = [_view(path.stem, _text(path), digests) for path in _FOLDER.glob("*.sql")]
    made = [view for path in _FOLDER.glob(f"*{_TEMPLATE}") for view in _each_level(path, digests)]
    return tuple(sorted((*plain, *made), key=lambda view: view.name))


def changed(connection: Connection) -> tuple[str, ...]:
    """Names of the views that the database lacks, or has from another text or with other options.

    Those of a server before Postgres 15 have none, and keep none when it is upgraded.
    """
    table = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.schema_views",)).fetchone()
    if table is None or table[0] is None:
        return tuple(_digests())
    known = dict(connection.execute(_KNOWN, (SCHEMA, takes_options(connection))).fetchall())
    return tuple(name for name, digest in _digests().items() if known.get(name) != digest)


@lru_cache(maxsize=1)
def _digests() -> dict[str, str]:
    """What each view is made of, by name: every command asks, so no template is rendered."""
    sources = {path.stem: _text(path) for path in _FOLDER.glob("*.sql")}
    for path in _FOLDER.glob(f"*{_TEMPLATE}"):
        text = _text(path)
        for level in _levels(text):
            sources[_name(path, level)] = f"{level} {_NOUNS} {INSIGHTS_COLUMNS} {text}"
    return {
        name: hashlib.sha256(f"{OPTIONS} {text}".encode()).hexdigest()
        for name, text in sorted(sources.items())
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _levels(template: str) -> list[str]:
    """The levels a template makes a view of: all, or those its first line names."""
    named = _LEVELS.match(template)
    return re.findall(r"[a-z]+", named["levels"]) if named else list(_NOUNS)


def refresh(connection: Connection) -> tuple[str, ...]:
    """Make the changed views again, in the caller's transaction; give their names."""
    names = changed(connection)
    for view in declared():
        if view.name in names:
            _make(connection, view)
    return (*names, *_let_reports_read_as_readers(connection))


def _let_reports_read_as_readers(connection: Connection) -> list[str]:
    if not takes_options(connection):
        return []
    names = [name for (name,) in connection.execute(_OWNERS_OF_REPORTS, (SCHEMA,)).fetchall()]
    for name in names:
        connection.execute(
            sql.SQL("ALTER VIEW {} SET (security_invoker = true)").format(
                sql.Identifier(SCHEMA, name)
            )
        )
    return names


def _make(connection: Connection, view: View) -> None:
    replace_view(
        connection,
        sql.Identifier(SCHEMA, view.name),
        sql.SQL(view.query),
        refused=f"View {SCHEMA}.{view.name} gets other columns and has to be dropped, but "
        "something of yours is built on it",
        then="Drop that, start again, then make it anew.",
    )
    columns = connection.execute(_COLUMNS, (f"{SCHEMA}.{view.name}",)).fetchall()
    about, of_columns = meanings(view.header, {column for (column,) in columns})
    connection.execute(commented("VIEW", about, SCHEMA, view.name))
    for column, meaning in of_columns.items():
        connection.execute(commented("COLUMN", meaning, SCHEMA, view.name, column))
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (view_name, digest) VALUES (%s, %s) "
            "ON CONFLICT (view_name) DO UPDATE SET digest = excluded.digest"
        ).format(_HASHES),
        (view.name, view.digest),
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


def _each_level(path: Path, digests: Mapping[str, str]) -> Iterator[View]:
    """The views of a template; its `path` leads from the campaign down to its own level.

    `columns` are those of Ads Manager that rows of the level can have.
    """
    import jinja2  # noqa: PLC0415  # only who makes views waits for it

    text = _text(path)
    template = jinja2.Template(
        text, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    levels = list(_NOUNS)
    for level in _levels(text):
        down = [
            {"level": each, "noun": _NOUNS[each]} for each in levels[1 : levels.index(level) + 1]
        ]
        columns = [one for one in INSIGHTS_COLUMNS if level in one.levels]
        sql_text = template.render(
            level=level, noun=_NOUNS[level], path=down, columns=columns
        ).lstrip()
        yield _view(_name(path, level), sql_text, digests)


def _name(template: Path, level: str) -> str:
    return template.name.removesuffix(_TEMPLATE).replace(_EACH_LEVEL, level)


def _view(name: str, text: str, digests: Mapping[str, str]) -> View:
    lines = text.splitlines()
    body = next(index for index, line in enumerate(lines) if not line.startswith("--"))
    return View(
        name=name,
        query="\n".join(lines[body:]).strip().removesuffix(";"),
        header=tuple(line.removeprefix("--").strip() for line in lines[:body]),
        digest=digests[name],
    )
