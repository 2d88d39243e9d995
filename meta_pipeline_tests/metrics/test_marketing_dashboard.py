"""The marketing dashboard shows something in every panel, and its spend is Meta's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from meta_pipeline_tests.reports.grafana import DASHBOARDS, filled

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
