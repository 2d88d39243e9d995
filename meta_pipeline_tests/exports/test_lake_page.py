"""docs/lake.md: what can be run here is run, and adds up to what Postgres has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from meta_pipeline.exports import export, open_place

from .lake import APRIL, FIRST, MAY, SECOND, add_day, asked, change, fill

PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    """The code of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Path:
    """Exported twice, so that a file which is not listed lies beside those that are."""
    fill(postgres_url)
    actions = json.dumps([{"action_type": "omni_purchase", "value": "3", "7d_click": "2"}])
    with psycopg.connect(postgres_url) as connection:
        for account_id in (FIRST, SECOND):
            for number, day in enumerate((APRIL, MAY)):
                add_day(
                    connection, account_id, day, ad_id=f"{account_id}-{number}", actions=actions
                )
            add_day(connection, account_id, MAY, ad_id=account_id, entity_type="account")
    export(postgres_url, open_place(str(tmp_path)))
    change(postgres_url, "UPDATE meta_ads.meta_insights SET spend = 7.01 WHERE ad_id LIKE '%-1'")
    export(postgres_url, open_place(str(tmp_path)))
    return tmp_path


def test_duckdb_reads_what_the_list_names(postgres_url: str, place: Path) -> None:
    by_month, purchases = blocks("DuckDB", "sql")
    with duckdb.connect() as connection:
        for statement in by_month.replace("/srv/lake", str(place)).split(";\n"):
            if statement.strip():
                months = connection.execute(statement).fetchall()
        found = connection.execute(purchases.replace("/srv/lake", str(place))).fetchall()
    assert [spend for _, spend in months] == [
        spend
        for (spend,) in asked(
            postgres_url,
            "SELECT sum(spend) FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
            " GROUP BY date_trunc('month', date_start) ORDER BY date_trunc('month', date_start)",
        )
    ]
    assert [(name, int(count)) for name, count in found] == [(FIRST, 6), (SECOND, 6)]


def test_arrow_reads_what_the_manifest_names(postgres_url: str, place: Path) -> None:
    (program,) = blocks("pandas, Polars, Arrow", "python")
    known: dict[str, Any] = {}
    exec(program.replace("/srv/lake", str(place)), known)
    insights = known["insights"]
    assert [(insights.num_rows,)] == asked(
        postgres_url, "SELECT count(*) FROM meta_ads.meta_insights"
    )
    assert [(sum(insights.column("spend").to_pylist()),)] == asked(
        postgres_url, "SELECT sum(spend) FROM meta_ads.meta_insights"
    )
