"""Data docs, made from the one schema: a dictionary in Markdown, an ERD in Mermaid, DBML.

    python -m meta_pipeline.warehouse.datadocs docs

writes `data-dictionary.md`, `erd.md` and `schema.dbml`; a test fails when they are not what this
writes. Tables come from `schema/`, views from the head of their `.sql` files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from meta_pipeline.words import markdown_cell

from . import views
from .schema import SCHEMA, metadata

_MADE = "Made by `python -m meta_pipeline.warehouse.datadocs docs`; do not edit."
_UNITS = (
    "Money is `numeric` in major units of the row's `currency`, counts are `bigint`, ids `text`, "
    "times `timestamptz`; days are days of the ad account's time zone. **Bold** columns are the "
    "key."
)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

GROUPS = {
    "Accounts and what is in them": (
        "meta_ad_accounts",
        "meta_campaigns",
        "meta_adsets",
        "meta_ads",
        "meta_creatives",
        "meta_activities",
        "meta_recommendations",
        "opportunity_scores",
        "meta_custom_conversions",
        "meta_custom_audiences",
        "meta_images",
        "entity_changes",
    ),
    "Delivery and results": (
        "meta_insights",
        "meta_insights_hourly",
        "meta_insights_breakdown",
        "insights_changes",
    ),
    "Metrics": (
        "metric_definitions",
        "metric_overrides",
        "metric_families",
        "metric_goals",
        "account_kpis",
        "exchange_rates",
        "ad_rollups",
        "adset_rollups",
        "adset_goal_days",
        "campaign_rollups",
        "metric_rollups",
        "reconciliations",
    ),
}
"""Tables in reading order; the rest (operations) follows by name."""

PARENTS = {
    "campaign_id": "meta_campaigns",
    "adset_id": "meta_adsets",
    "ad_id": "meta_ads",
    "creative_id": "meta_creatives",
    "metric_key": "metric_definitions",
    "sync_run_id": "sync_runs",
    "account_id": "meta_ad_accounts",
}
"""Columns that refer to a row of another table by its key. They are no foreign keys in Postgres:
insights may come before the ad they belong to, and what Meta deletes stays."""


def files() -> dict[str, str]:
    """Name to content of every page."""
    return {"data-dictionary.md": dictionary(), "erd.md": erd(), "schema.dbml": dbml()}


def write(folder: Path) -> list[Path]:
    """Write the pages into `folder`; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in files()]


def dictionary() -> str:
    """Every table and view: its grain, its key, every column with type and meaning."""
    parts = [
        "# Data dictionary",
        f"{_MADE} The same comments are in Postgres: `\\d+ {SCHEMA}.meta_campaigns`.",
        _UNITS,
    ]
    for title, tables in _grouped():
        parts.append(f"## {title}")
        for table in tables:
            rows = [
                (f"**{c.name}**" if c.primary_key else c.name, _type(c), c.comment or "")
                for c in table.columns
            ]
            key = ", ".join(column.name for column in table.primary_key.columns)
            parts.append(
                f"### {table.name}\n\n{table.comment}. Key: `{key}`.\n\n{_markdown_table(rows)}"
            )
    parts.append("## Views")
    for view in views.declared():
        # Every name in a query: without a database nobody says which of them are its columns.
        about, meanings = views.meanings(view.header, set(re.findall(r"[a-z0-9_]+", view.query)))
        parts.append(f"### {view.name}\n\n{about}.\n\n{_markdown_table(meanings.items())}")
    return "\n\n".join(parts) + "\n"


def erd() -> str:
    """How the tables hang together, as a Mermaid diagram per group."""
    parts = ["# How the tables hang together", _MADE]
    for title, tables in _grouped():
        parts.append(f"## {title}\n\n```mermaid\n{_diagram(tables)}\n```")
    return "\n\n".join(parts) + "\n"


def dbml() -> str:
    """The schema for dbdiagram.io and others that read DBML."""
    blocks = [f"// {_MADE}"]
    tables = [table for _, tables in _grouped() for table in tables]
    blocks += [_dbml_table(table) for table in tables]
    references = [
        f"Ref: {SCHEMA}.{table.name}.{column} > {SCHEMA}.{parent}.{column}"
        for table in tables
        for column, parent in _references(table)
    ]
    return "\n\n".join(blocks) + "\n\n" + "\n".join(references) + "\n"


def _grouped() -> list[tuple[str, list[sa.Table]]]:
    by_name = {table.name: table for table in metadata.tables.values()}
    named = [name for names in GROUPS.values() for name in names]
    rest = sorted(set(by_name) - set(named))
    groups = [(title, [by_name[name] for name in names]) for title, names in GROUPS.items()]
    return [*groups, ("Operations", [by_name[name] for name in rest])]


def _markdown_table(rows: Iterable[tuple[str, ...]]) -> str:
    filled = list(rows)
    heads = ("column", "type", "meaning") if len(filled[0]) == 3 else ("column", "meaning")
    lines = [heads, ("---",) * len(heads), *filled]
    return "\n".join(f"| {' | '.join(markdown_cell(cell) for cell in line)} |" for line in lines)


def _type(column: sa.Column[object]) -> str:
    name = column.type.compile(dialect=_DIALECT).lower()
    return name.replace("timestamp with time zone", "timestamptz")


def _references(table: sa.Table) -> list[tuple[str, str]]:
    return [
        (column, parent)
        for column, parent in PARENTS.items()
        if column in table.columns and parent != table.name
    ]


def _diagram(tables: list[sa.Table]) -> str:
    lines = ["erDiagram"]
    for table in tables:
        lines.append(f"    {table.name} {{")
        # Keys and references: a diagram with every column shows nothing.
        wanted = {column for column, _ in _references(table)}
        for column in [c for c in table.columns if c.primary_key or c.name in wanted]:
            mark = " PK" if column.primary_key else ""
            kind = _type(column).replace(" ", "_").replace("[]", "_list")
            lines.append(f"        {kind} {column.name}{mark}")
        lines.append("    }")
    inside = {table.name for table in tables}
    lines += [
        f"    {parent} ||--o{{ {table.name} : {column}"
        for table in tables
        for column, parent in _references(table)
        # Within the group: lines to everywhere show nothing. The account is what all hang on.
        if parent in inside or parent == "meta_ad_accounts"
    ]
    return "\n".join(lines)


def _dbml_table(table: sa.Table) -> str:
    lines = [f"Table {SCHEMA}.{table.name} {{"]
    for column in table.columns:
        facts = ["not null"] if not column.nullable else []
        facts.append(f"note: {_quoted(column.comment or '')}")
        kind = _type(column)
        shown = f'"{kind}"' if " " in kind or "[" in kind else kind
        lines.append(f"  {column.name} {shown} [{', '.join(facts)}]")
    key = ", ".join(column.name for column in table.primary_key.columns)
    lines += ["", "  indexes {", f"    ({key}) [pk]", "  }", ""]
    return "\n".join([*lines, f"  Note: {_quoted(table.comment or '')}", "}"])


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{path}\n")
