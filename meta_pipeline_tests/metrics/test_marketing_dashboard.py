"""The marketing dashboard shows something in every panel, and its spend is Meta's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from meta_pipeline.metrics import reconcile, rollup
from meta_pipeline_tests.reports.grafana import DASHBOARDS, filled

from .rows import ACCOUNT, READ_AT, TODAY, Rows, actions, ago
from .world import World

MAY_BE_EMPTY = {"Ads people see too often", "Days that do not add up"}
"""Panels that show what is wrong: nothing is good news."""


def variable(name: str) -> dict[str, Any]:
    listed = DASHBOARDS["marketing"]["templating"]["list"]
    return next(one for one in listed if one["name"] == name)


@pytest.fixture(scope="module")
def shown(world: World) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(world.lab.warehouse.url) as connection:
        connection.execute(
            "SELECT set_config('meta_ads.now', %s, false)", [str(world.lab.clock.now())]
        )
        yield connection


@pytest.mark.parametrize("campaigns", ["all", "chosen"])
@pytest.mark.parametrize("panel", DASHBOARDS["marketing"]["panels"], ids=lambda one: one["title"])
def test_every_panel_of_marketing_shows_something(
    world: World, shown: psycopg.Connection[Any], panel: dict[str, Any], campaigns: str
) -> None:
    since = str(world.today - timedelta(days=20)) + "T00:00:00Z"
    until = str(world.today) + "T11:12:13Z"
    chosen = variable("campaign")["allValue"] if campaigns == "all" else f"'{busiest(shown)}'"
    for target in panel["targets"]:
        query = filled(target["rawSql"], since, until, world.lab.account_id, chosen)
        rows = shown.execute(query).fetchall()
        if panel["title"] not in MAY_BE_EMPTY:
            assert rows, query
            assert any(value is not None for row in rows for value in row)


def busiest(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(
        "SELECT campaign_id FROM meta_ads.daily_campaign_metrics GROUP BY 1 ORDER BY sum(spend)"
        " DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_spend_is_what_the_account_spent(world: World, shown: psycopg.Connection[Any]) -> None:
    spend = next(one for one in DASHBOARDS["marketing"]["panels"] if one["title"] == "Spend")
    first, last = world.today - timedelta(days=7), world.today - timedelta(days=1)
    query = filled(
        spend["targets"][0]["rawSql"],
        f"{first}T00:00:00Z",
        f"{last}T23:59:59Z",
        world.lab.account_id,
        variable("campaign")["allValue"],
    )
    row = shown.execute(query).fetchone()
    expected = sum(day.number("spend") for day in world.last(7, world.account_days))
    assert row is not None
    assert row[0] == expected


@pytest.mark.parametrize("name", ["account", "campaign"])
def test_every_variable_offers_something(
    world: World, shown: psycopg.Connection[Any], name: str
) -> None:
    query = variable(name)["query"].replace("$account", world.lab.account_id)
    offered = shown.execute(query)
    assert [column.name for column in offered.description or ()] == ["__text", "__value"]
    assert offered.fetchall()


def test_annotations_run(shown: psycopg.Connection[Any]) -> None:
    for one in DASHBOARDS["marketing"]["annotations"]["list"]:
        assert shown.execute(one["target"]["rawSql"]).fetchall()


def panel(rows: Rows, title: str, since: date, until: date = TODAY) -> list[dict[str, Any]]:
    query = next(one for one in DASHBOARDS["marketing"]["panels"] if one["title"] == title)
    cursor = rows.connection.execute(
        filled(
            query["targets"][0]["rawSql"],
            f"{since}T00:00:00Z",
            f"{until}T23:59:59Z",
            ACCOUNT,
            variable("campaign")["allValue"],
        )
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def changed(rows: Rows) -> Rows:
    """An account in EUR since a week ago: campaign c1 had days in JPY before, c2 nothing."""
    rows.tree()
    for back in range(14):
        currency, spend = ("EUR", 20) if back < 7 else ("JPY", 3000)
        rows.insight(
            "a1", ago(back), spend=spend, currency=currency, impressions=100, clicks=10,
            actions=actions(omni_purchase=1), action_values=actions(omni_purchase=2 * spend),
            frequency=4,
        )  # fmt: skip
        rows.insight(
            ACCOUNT, ago(back), level="account", spend=2 * spend, currency=currency,
            impressions=200, clicks=20,
        )  # fmt: skip
        rows.insert(
            "meta_insights_breakdown", entity_type="ad", entity_id="a1", date_start=ago(back),
            breakdown="age,gender", cell=f"[{back >= 7}]", cell_values={"age": str(back >= 12)},
            account_id=ACCOUNT, campaign_id="c1", spend=spend, currency=currency,
            impressions=100, clicks=10, data_as_of=READ_AT,
        )  # fmt: skip
        for dataset in ("insights_ad", "insights_account"):
            rows.fetched([ago(back)], dataset=dataset, sync="s")
    rows.insight("a4", spend=3, impressions=100)
    rollup(rows.connection, ACCOUNT)
    reconcile(rows.connection, ACCOUNT, ago(13), TODAY)
    return rows


@pytest.mark.parametrize(
    ("title", "value"), [("Spend", 123), ("Cost per result", None), ("ROAS", None), ("CPM", None)]
)
def test_amounts_of_two_currencies_are_neither_added_nor_compared(
    changed: Rows, title: str, value: int | None
) -> None:
    (this_week,) = panel(changed, title, ago(5))
    assert this_week[title] == value if value else this_week[title] is not None
    (whole,) = panel(changed, title, ago(13))
    assert list(whole.values()) == [None, None]
    (before,) = panel(changed, title, ago(13), ago(8))
    assert before[title] is None, "all of it, yet not in the currency that the panel names"


def test_a_change_against_days_of_another_currency_is_not_told(changed: Rows) -> None:
    for title in ("Spend", "Cost per result", "ROAS", "CPM"):
        (found,) = panel(changed, title, ago(6))
        assert (found[title] is None, found["change %"]) == (False, None), title
        (found,) = panel(changed, title, ago(2))
        assert None not in found.values(), title
    (found,) = panel(changed, "CTR", ago(6))
    assert None not in found.values()


def test_tables_leave_out_what_has_no_sum(changed: Rows) -> None:
    by_day = panel(changed, "Spend and results by day", ago(13))
    assert [row["spend"] for row in by_day] == [None] * 7 + [20] * 6 + [23]
    for title, name in (("Campaigns", "campaign"), ("Ads that spend most", "ad")):
        rows = panel(changed, title, ago(13))
        assert rows[0]["spend"] == 3, "what has no sum is not at the top"
        (mixed,) = [row for row in rows if str(row[name]).endswith(("c1", "a1"))]
        money = {name for name in mixed if name in {"spend", "cost per result", "roas", "cpm"}}
        assert {mixed[name] for name in money} == {None}
        assert (mixed["results"], mixed["ctr %"]) == (14, 10)
    often = {row["day"]: row["spend"] for row in panel(changed, "Ads people see too often", ago(8))}
    assert (often[ago(6)], often[ago(7)]) == (20, None)
    cells = panel(changed, "Age and gender", ago(13))
    assert [row["spend"] for row in cells] == [None, None]
    apart = {row["day"]: row for row in panel(changed, "Days that do not add up", ago(13))}
    assert (apart[ago(6)]["currency"], apart[ago(7)]["currency"]) == ("EUR", "JPY")
