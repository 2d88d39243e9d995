"""Edits over virtual time: what moves, what stays, what Meta would refuse."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from meta_pipeline.simulator import ABSENT, AccountSpec, EditRefusedError, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.simulator.world.entities import Entity

START = datetime(2026, 11, 10, 1, tzinfo=UTC)  # noon in Sydney
DAY = date(2026, 11, 10)
SPEC = AccountSpec("Edited", 3, 6, 24, (2, 4, 16))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(seed=5, clock=clock, accounts=[SPEC])


@pytest.fixture
def account(world: World) -> str:
    return world.accounts()[0].id


def active(world: World, kind: str, account: str) -> Entity:
    return world.objects(kind, account, statuses={"ACTIVE"})[0]


def values(world: World, object_id: str) -> dict[str, object]:
    found = world.get(object_id)
    assert found is not None
    return dict(found.values)


def impressions(world: World, node: str, day: date, **more: object) -> int:
    query = InsightsQuery(node, "ad", ((day, day),), 1, ("impressions",), **more)  # type: ignore[arg-type]
    return sum(int(row["impressions"]) for row in rows(world, query))


def test_a_rename_moves_updated_time_and_nothing_else(
    world: World, clock: VirtualClock, account: str
) -> None:
    ad = active(world, "ads", account)
    before = values(world, ad.id)
    clock.advance(100)
    world.rename(ad.id, "New ☕ name")
    after = values(world, ad.id)
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"name", "updated_time"}
    assert after["updated_time"] == "2026-11-10T12:01:40+1100"


def test_a_budget_edit_leaves_no_trace_in_updated_time(world: World, account: str) -> None:
    for kind in ("campaigns", "adsets"):
        thing = active(world, kind, account)
        before = values(world, thing.id)
        world.set_budget(thing.id, daily_minor=123_456)
        after = values(world, thing.id)
        assert after["daily_budget"] == "123456"
        assert after["updated_time"] == before["updated_time"]
    types = [entry.values["event_type"] for entry in world.activities(account)[:2]]
    assert set(types) == {"update_campaign_budget", "update_ad_set_budget"}


def test_what_is_edited_is_in_the_change_log_once(world: World, account: str) -> None:
    before = len(world.activities(account))
    campaign = world.add_campaign(account)
    adset = world.add_adset(campaign.id)
    ad = world.add_ad(adset.id)
    world.pause(campaign.id)
    log = [
        (one.values["object_id"], one.values["event_type"])
        for one in world.activities(account)[: len(world.activities(account)) - before]
    ]
    assert sorted(log) == sorted(
        [
            (campaign.id, "create_campaign_group"),
            (adset.id, "create_ad_set"),
            (ad.id, "create_ad"),
            (campaign.id, "update_campaign_run_status"),
        ]
    )


def test_pausing_a_campaign_shows_below_without_touching_updated_time(
    world: World, clock: VirtualClock, account: str
) -> None:
    ad = active(world, "ads", account)
    campaign = str(ad.values["campaign_id"])
    clock.advance(60)
    world.pause(campaign)
    after = values(world, ad.id)
    assert after["effective_status"] == "CAMPAIGN_PAUSED"
    assert after["status"] == after["configured_status"] == "ACTIVE"
    assert after["updated_time"] == ad.values["updated_time"]
    assert str(values(world, campaign)["updated_time"]).startswith("2026-11-10T12:01:00")
    world.activate(campaign)
    assert values(world, ad.id)["effective_status"] == "ACTIVE"


def test_archiving_and_deleting_are_one_way(world: World, account: str) -> None:
    ad = active(world, "ads", account)
    world.archive(ad.id)
    with pytest.raises(EditRefusedError, match="archived") as refused:
        world.activate(ad.id)
    assert (refused.value.code, refused.value.subcode) == (100, 1487566)
    world.rename(ad.id, "still allowed")
    world.delete(ad.id)
    for edit in (world.pause, world.activate, world.archive):
        with pytest.raises(EditRefusedError, match="deleted"):
            edit(ad.id)
    assert values(world, ad.id)["effective_status"] == "DELETED"
    assert values(world, ad.id)["name"] == "still allowed"


def test_a_second_deletion_changes_nothing(world: World, clock: VirtualClock, account: str) -> None:
    campaign = active(world, "campaigns", account)
    world.delete(campaign.id)
    once = values(world, campaign.id)
    clock.advance(1_000)
    world.delete(campaign.id)
    assert values(world, campaign.id) == once
    assert {ad.values["effective_status"] for ad in world.objects("ads", campaign.id)} == {
        "DELETED"
    }


def test_a_budget_of_something_dead_is_refused(world: World, account: str) -> None:
    adset = active(world, "adsets", account)
    world.delete(adset.id)
    with pytest.raises(EditRefusedError):
        world.set_budget(adset.id, daily_minor=1)
    with pytest.raises(ValueError, match="no budget"):
        world.set_budget(active(world, "ads", account).id, daily_minor=1)


def test_a_paused_ad_keeps_what_it_delivered_and_adds_nothing(
    world: World, clock: VirtualClock, account: str
) -> None:
    ad = active(world, "ads", account)
    at_noon = impressions(world, ad.id, DAY)
    world.pause(ad.id)
    clock.advance(86_400 * 3)
    assert at_noon > 0
    assert impressions(world, ad.id, DAY) == at_noon
    assert impressions(world, ad.id, date(2026, 11, 11)) == 0
    account_rows = InsightsQuery(account, "ad", ((DAY, DAY),), 1, ("ad_id", "impressions"))
    assert ad.id in {row["ad_id"] for row in rows(world, account_rows)}


def test_an_ad_switched_on_again_delivers_again(
    world: World, clock: VirtualClock, account: str
) -> None:
    ad = active(world, "ads", account)
    world.pause(str(ad.values["adset_id"]))
    clock.advance(86_400 * 2)
    world.activate(str(ad.values["adset_id"]))
    clock.advance(86_400 * 2)
    untouched = World(seed=5, clock=VirtualClock(clock.now()), accounts=[SPEC])
    by_day = {
        day: (impressions(world, ad.id, date(2026, 11, day)),
              impressions(untouched, ad.id, date(2026, 11, day)))
        for day in range(9, 14)
    }  # fmt: skip
    assert by_day[9][0] == by_day[9][1]
    assert 0 < by_day[10][0] < by_day[10][1]
    assert by_day[11][0] == 0 < by_day[11][1]
    assert 0 < by_day[12][0] < by_day[12][1]
    assert by_day[13][0] == by_day[13][1]


def test_new_things_come_first_and_deliver_from_now_on(
    world: World, clock: VirtualClock, account: str
) -> None:
    campaign = world.add_campaign(account, name="C", objective="OUTCOME_SALES")
    adset = world.add_adset(campaign.id, name="S", daily_budget="500")
    ad = world.add_ad(adset.id, name="A")
    for kind, made in (("campaigns", campaign), ("adsets", adset), ("ads", ad)):
        assert world.objects(kind, account)[0] == made == world.get(made.id)
        assert made.values["created_time"] == "2026-11-10T12:00:00+1100"
    assert [e.id for e in world.objects("ads", campaign.id)] == [ad.id]
    assert ad.values["campaign_id"] == campaign.id
    assert world.get(ad.values["creative"]["id"]) is not None
    assert impressions(world, account, DAY, filtering=(_only(ad.id),)) == 0
    clock.advance(86_400 * 3)
    days = [impressions(world, ad.id, date(2026, 11, day)) for day in (9, 10, 11, 12)]
    assert days[0] == 0
    assert sum(days[1:]) > 0


def _only(ad_id: str) -> dict[str, object]:
    return {"field": "ad.id", "operator": "EQUAL", "value": ad_id}


def test_a_thing_made_paused_waits(world: World, clock: VirtualClock, account: str) -> None:
    adset = active(world, "adsets", account)
    ad = world.add_ad(adset.id, name="later", status="PAUSED")
    assert ad.values["effective_status"] == "PAUSED"
    clock.advance(86_400 * 2)
    assert impressions(world, ad.id, date(2026, 11, 11)) == 0
    world.activate(ad.id)
    clock.advance(86_400 * 3)
    assert sum(impressions(world, ad.id, date(2026, 11, day)) for day in (12, 13, 14)) > 0


def test_processing_hides_behind_in_process(clock: VirtualClock) -> None:
    world = World(seed=5, clock=clock, accounts=[SPEC], processing_seconds=120)
    ad = active(world, "ads", world.accounts()[0].id)
    world.rename(ad.id, "x")
    assert values(world, ad.id)["effective_status"] == "IN_PROCESS"
    assert values(world, ad.id)["status"] == "ACTIVE"
    clock.advance(120)
    assert values(world, ad.id)["effective_status"] == "ACTIVE"


def test_a_patch_says_anything_and_absent_takes_a_key_away(world: World, account: str) -> None:
    ad = active(world, "ads", account)
    world.patch(ad.id, effective_status="QUANTUM", brand_new={"a": [1]}, name=ABSENT, status=7)
    after = values(world, ad.id)
    assert after["effective_status"] == "QUANTUM"
    assert after["brand_new"] == {"a": [1]}
    assert after["status"] == 7
    assert "name" not in after
    assert [e.id for e in world.objects("ads", account, statuses={"QUANTUM"})] == [ad.id]
    world.patch(account, name="Renamed account")
    assert world.accounts()[0].values["name"] == "Renamed account"
    with pytest.raises(KeyError, match="no object"):
        world.patch("123", name="x")


def test_a_vanished_object_is_gone_from_edge_and_id(world: World, account: str) -> None:
    ad = active(world, "ads", account)
    total = len(world.objects("ads", account))
    world.vanish(ad.id)
    assert world.get(ad.id) is None
    assert len(world.objects("ads", account)) == total - 1
    assert ad.id not in {e.id for e in world.objects("ads", str(ad.values["adset_id"]))}


def test_edits_are_in_the_change_log_and_raise_the_version(
    world: World, clock: VirtualClock, account: str
) -> None:
    ad = active(world, "ads", account)
    version = world.version
    clock.advance(3_600)
    world.pause(ad.id)
    assert world.version > version
    entry = world.activities(account)[0].values
    assert entry["event_type"] == "update_ad_run_status"
    assert entry["object_id"] == ad.id
    assert entry["event_time"] == "2026-11-10T02:00:00+0000"
    assert entry["date_time_in_timezone"] == "11/10/2026 at 1:00 PM"
    assert json.loads(entry["extra_data"])["new_value"] == "Inactive"
    version = world.version
    world.pause(ad.id)  # already is
    assert world.version == version


def test_the_wrong_parent_is_refused(world: World, account: str) -> None:
    ad = active(world, "ads", account)
    campaign = str(ad.values["campaign_id"])
    with pytest.raises(ValueError, match="one level below"):
        world.add_ad(campaign)
    with pytest.raises(KeyError, match="no such object"):
        world.rename("42", "x")
    with pytest.raises(KeyError, match="no such object"):
        world.rename(account, "an account is not renamed here")
