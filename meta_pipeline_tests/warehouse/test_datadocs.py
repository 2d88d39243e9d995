"""The data docs are what the schema says, and the schema says what every column means."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from meta_pipeline.warehouse import datadocs, views
from meta_pipeline.warehouse.schema import SCHEMA, metadata

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(datadocs.files()))
def test_page_is_what_the_schema_says(name: str) -> None:
    expected = datadocs.files()[name]

    assert (DOCS / name).read_text(encoding="utf-8") == expected, (
        f"docs/{name} is stale: python -m meta_pipeline.warehouse.datadocs docs"
    )


def test_every_table_and_column_has_a_comment() -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if not column.comment
    ]
    assert silent == []
    assert all(
        (table.comment or "").startswith("One row per") for table in metadata.tables.values()
    )


def test_every_table_is_on_every_page() -> None:
    pages = datadocs.files()
    for table in metadata.tables.values():
        assert f"### {table.name}\n" in pages["data-dictionary.md"]
        assert f"    {table.name} {{\n" in pages["erd.md"]
        assert f"Table {SCHEMA}.{table.name} {{" in pages["schema.dbml"]


def test_view_pages_list_the_columns_postgres_has_in_its_order(database_url: str) -> None:
    page = datadocs.dictionary()
    with psycopg.connect(database_url) as connection:
        for view in views.declared():
            columns = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " ORDER BY attnum",
                (f"{SCHEMA}.{view.name}",),
            ).fetchall()
            section = page.split(f"### {view.name}\n")[1].split("### ")[0]
            listed = [line.split(" | ")[0][2:] for line in section.splitlines() if "| " in line]
            assert listed[2:] == [name for (name,) in columns], view.name


def test_every_view_column_has_a_comment_in_postgres(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        silent = connection.execute(
            "SELECT c.relname, a.attname FROM pg_class AS c"
            " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'v'"
            " AND col_description(c.oid, a.attnum) IS NULL",
            (SCHEMA,),
        )
        assert silent.fetchall() == []
