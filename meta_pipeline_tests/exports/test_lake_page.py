"""docs/lake.md: what can be run here is run, and adds up to what Postgres has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from .lake import FIRST, SECOND, asked, blocks


def test_duckdb_reads_what_the_list_names(postgres_url: str, filled: Path) -> None:
    by_month, purchases = blocks("DuckDB", "sql")
    with duckdb.connect() as connection:
        for statement in by_month.replace("/srv/lake", str(filled)).split(";\n"):
            if statement.strip():
                months = connection.execute(statement).fetchall()
        found = connection.execute(purchases.replace("/srv/lake", str(filled))).fetchall()
    assert [spend for _, spend in months] == [
        spend
        for (spend,) in asked(
            postgres_url,
            "SELECT sum(spend) FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
            " GROUP BY date_trunc('month', date_start) ORDER BY date_trunc('month', date_start)",
        )
    ]
    assert [(name, int(count)) for name, count in found] == [(FIRST, 6), (SECOND, 6)]


def test_arrow_reads_what_the_manifest_names(postgres_url: str, filled: Path) -> None:
    program, *_ = blocks("pandas, Polars, Arrow", "python")
    known: dict[str, Any] = {}
    exec(program.replace("/srv/lake", str(filled)), known)
    insights = known["insights"]
    assert [(insights.num_rows,)] == asked(
        postgres_url, "SELECT count(*) FROM meta_ads.meta_insights"
    )
    assert [(sum(insights.column("spend").to_pylist()),)] == asked(
        postgres_url, "SELECT sum(spend) FROM meta_ads.meta_insights"
    )
