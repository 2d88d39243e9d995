"""The example of deploy/evidence: its sources are read, its page asks only for what they give."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import psycopg
import pytest

from meta_pipeline.metrics import rollup

from .rows import ACCOUNT, Rows
from .world import World

EVIDENCE = Path(__file__).parents[2] / "deploy" / "evidence"
SOURCES = {path.stem: path for path in sorted(EVIDENCE.glob("sources/meta_ads/*.sql"))}
PAGE = (EVIDENCE / "pages" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_rows(world: World, source: str) -> None:
    with psycopg.connect(world.lab.warehouse.url) as connection:
        cursor = connection.execute(SOURCES[source].read_text(encoding="utf-8"))
        assert cursor.description is not None
        assert cursor.fetchone() is not None


def test_the_page_asks_for_what_there_is() -> None:
    asked = set(re.findall(r"meta_ads\.(\w+)", PAGE))
    assert asked == set(SOURCES)
    shown = set(re.findall(r"<\w+ data=\{(\w+)\}", PAGE))
    assert shown == set(re.findall(r"^```sql (\w+)$", PAGE, re.MULTILINE))


def shown(rows: Rows, query: str) -> list[dict[str, Any]]:
    """What a query of the page has, asked of the sources as Evidence does: in DuckDB."""
    cursor = rows.connection.execute(SOURCES["campaign_days"].read_bytes())
    names = [column.name for column in cursor.description or ()]
    found = pd.DataFrame(cursor.fetchall(), columns=names)
    # As Evidence has them; Postgres gives Decimal.
    amounts = ["spend", "revenue", "results"]
    found[amounts] = found[amounts].astype(float)
    with duckdb.connect() as lake:
        lake.execute("CREATE SCHEMA meta_ads")
        lake.register("found", found)
        lake.execute("CREATE TABLE meta_ads.campaign_days AS SELECT * FROM found")
        (asked,) = re.findall(rf"^```sql {query}$(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        answer = lake.execute(asked).df()
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in answer.to_dict("records")
    ]


def test_amounts_of_two_currencies_are_not_added_up(rows: Rows) -> None:
    rows.tree()
    ((today,),) = rows.connection.execute("SELECT current_date").fetchall()
    for back, spend, currency in ((1, 5, "EUR"), (2, 700, "JPY"), (3, 0, "JPY")):
        day = today - timedelta(days=back)
        rows.insight("a1", day, spend=spend, currency=currency, impressions=9)
        rows.insight("a4", day, spend=2, currency="EUR", impressions=9)
    rollup(rows.connection, ACCOUNT)
    by_day = {row["date_start"].date(): row["spend"] for row in shown(rows, "by_day")}
    assert list(by_day.values()) == [2, None, 7]
    campaigns = {row["campaign_name"]: row for row in shown(rows, "by_campaign")}
    assert list(campaigns) == ["Campaign c2", "Campaign c1"]
    assert [row["spend"] for row in campaigns.values()] == [6, None]
    assert {row["currency"] for row in campaigns.values()} == {"EUR"}
    assert campaigns["Campaign c1"]["roas"] is None
