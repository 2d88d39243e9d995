"""The published demo world: exact counts, statuses that make sense, one past for a month."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from meta_pipeline.simulator import VirtualClock, World, demo_world, large_world
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.simulator.world.demo import DEMO_ACCOUNTS, OF_ITS_OWN
from meta_pipeline.simulator.world.names import NASTY
from meta_pipeline.simulator.world.statuses import EFFECTIVE_BY_KIND

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LEVELS = ("campaigns", "adsets", "ads")

PUBLISHED = {
    "2EZi": (49, 182, 798, 117),
    "Australian Bill Cutters": (35, 127, 45, 45),
    "Chekku (2)": (21, 188, 49, 41),
    "Circl": (36, 42, 50, 0),
    "Dynamic Code": (10, 17, 73, 7),
    "River Road Liquor": (8, 10, 34, 1),
    "Bus Tour Rhymes": (5, 8, 23, 22),
    "Buy't": (15, 0, 0, 3),
    "Deckmasters": (1, 2, 2, 5),
    "Avante": (2, 0, 0, 1),
    "Quoterite": (1, 0, 0, 1),
    "Chekku (1)": (0, 0, 0, 0),
}


@pytest.fixture(scope="module")
def world() -> World:
    return demo_world(VirtualClock(NOW))


def test_the_published_table_holds_to_the_last_entity(world: World) -> None:
    found = {}
    for account in world.accounts():
        edges = [world.objects(kind, account.id) for kind in LEVELS]
        active = sum(
            entity.values["effective_status"] in {"ACTIVE", "WITH_ISSUES"}
            for edge in edges
            for entity in edge
        )
        found[account.values["name"]] = (*map(len, edges), active)
    assert found == PUBLISHED
    assert sum(sum(row[:3]) for row in found.values()) == 1_833
    assert sum(row[3] for row in found.values()) == 243


@pytest.mark.parametrize("seed", [1, 2, 99])
def test_the_counts_do_not_depend_on_the_seed(seed: int) -> None:
    world = demo_world(VirtualClock(NOW), seed=seed)
    active = 0
    for account in world.accounts():
        for kind in LEVELS:
            active += len(world.objects(kind, account.id, statuses={"ACTIVE", "WITH_ISSUES"}))
    assert active == 243


def test_every_status_there_is_can_be_met_and_no_other(world: World) -> None:
    for kind in LEVELS:
        met = Counter(
            entity.values["effective_status"]
            for account in world.accounts()
            for entity in world.objects(kind, account.id)
        )
        assert set(met) == set(EFFECTIVE_BY_KIND[kind])


def test_children_show_what_happened_above_them(world: World) -> None:
    for account in world.accounts():
        for campaign in world.objects("campaigns", account.id):
            above = campaign.values["effective_status"]
            for child in (
                *world.objects("adsets", campaign.id),
                *world.objects("ads", campaign.id),
            ):
                own = child.values["effective_status"]
                if above in {"ARCHIVED", "DELETED"}:
                    assert own in {"ARCHIVED", "DELETED"}
                elif above == "PAUSED":
                    assert own in {"CAMPAIGN_PAUSED", "PAUSED", "ARCHIVED", "DELETED"}
                    if own == "CAMPAIGN_PAUSED":
                        assert child.values["status"] == "ACTIVE"
                else:
                    assert own != "CAMPAIGN_PAUSED"


def test_zones_currencies_and_nasty_names_are_there(world: World) -> None:
    accounts = world.accounts()
    assert {a.values["currency"] for a in accounts} == {"AUD", "JPY"}
    zones = {a.values["timezone_name"] for a in accounts}
    assert {"Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide"} <= zones
    names = {
        entity.values["name"]
        for account in accounts
        for kind in LEVELS
        for entity in world.objects(kind, account.id)
    }
    assert set(NASTY) <= names


def test_a_restart_within_the_month_finds_the_same_world() -> None:
    first = demo_world(VirtualClock(datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC)))
    again = demo_world(VirtualClock(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)))
    for one, other in zip(first.accounts(), again.accounts(), strict=True):
        for kind in (*LEVELS, "adcreatives"):
            assert list(first.objects(kind, one.id)) == list(again.objects(kind, other.id))


def test_an_anchor_keeps_the_past_for_good() -> None:
    anchor = date(2026, 3, 1)
    first = demo_world(VirtualClock(NOW), anchor=anchor)
    later = demo_world(VirtualClock(NOW + timedelta(days=200)), anchor=anchor)
    day = (date(2026, 4, 2), date(2026, 4, 2))
    query = InsightsQuery(first.accounts()[0].id, "ad", (day,), 1, ("ad_id", "spend", "reach"))
    found = list(rows(first, query))
    assert found
    assert found == list(rows(later, query))


def test_archived_and_deleted_ads_delivered_in_the_last_90_days(world: World) -> None:
    last_90 = ((NOW - timedelta(days=90)).date(), NOW.date())
    met = set()
    for account in world.accounts():
        for status in ("ARCHIVED", "DELETED", "PAUSED", "ADSET_PAUSED", "CAMPAIGN_PAUSED"):
            wanted = {"field": "ad.effective_status", "operator": "IN", "value": [status]}
            query = InsightsQuery(account.id, "ad", (last_90,), filtering=(wanted,))
            if next(rows(world, query), None):
                met.add(status)
    assert met == {"ARCHIVED", "DELETED", "PAUSED", "ADSET_PAUSED", "CAMPAIGN_PAUSED"}


def test_a_large_world_has_the_size_asked_for() -> None:
    world = large_world(VirtualClock(NOW), entities=20_000, delivering=700)
    (account,) = world.accounts()
    assert sum(len(world.objects(kind, account.id)) for kind in LEVELS) == 20_000
    assert len(world.objects("ads", account.id, statuses={"ACTIVE", "WITH_ISSUES"})) == 700


def test_the_demo_table_is_what_the_accounts_say() -> None:
    assert {s.name: (s.campaigns, s.adsets, s.ads, sum(s.active)) for s in DEMO_ACCOUNTS} == (
        PUBLISHED
    )


def test_a_custom_conversion_is_counted_under_its_own_id(world: World) -> None:
    adset, conversion = OF_ITS_OWN
    known = world.get(conversion)
    assert known is not None
    assert known.values["name"] == "Checkout finished"
    query = InsightsQuery(
        node_id=known.account_id, level="adset", increment="all_days",
        ranges=((date(2026, 11, 1), date(2026, 11, 20)),), fields=("actions", "adset_id"),
    )  # fmt: skip
    counting = {
        row["adset_id"]
        for row in rows(world, query)
        for entry in row["actions"]
        if entry["action_type"] == f"offsite_conversion.custom.{conversion}"
    }
    assert counting == {adset}
