"""Reading a world: Graph shapes, ids, edges, what is absent."""

from __future__ import annotations

import json
import re
import tracemalloc
from datetime import UTC, datetime

import pytest

from meta_pipeline.simulator import AccountSpec, VirtualClock, World, demo_world, large_world
from meta_pipeline.simulator.world.entities import parse_account, parse_id

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")


@pytest.fixture(scope="module")
def world() -> World:
    return demo_world(VirtualClock(NOW))


@pytest.fixture(scope="module")
def account_id(world: World) -> str:
    return world.accounts()[0].id


def test_values_are_json_and_nothing_is_null(world: World, account_id: str) -> None:
    for kind in ("campaigns", "adsets", "ads", "adcreatives"):
        for entity in world.objects(kind, account_id):
            assert json.loads(json.dumps(entity.values)) == entity.values
            assert None not in entity.values.values()
            assert entity.values["account_id"] == account_id.removeprefix("act_")
            assert entity.account_id == account_id


def test_times_carry_the_accounts_own_offset_at_that_date(world: World, account_id: str) -> None:
    offsets = set()
    for entity in world.objects("ads", account_id):
        assert STAMP.fullmatch(entity.values["created_time"])
        offsets.add(entity.values["created_time"][-5:])
    assert offsets == {"+1000", "+1100"}


def test_some_campaigns_have_no_start(world: World, account_id: str) -> None:
    starts = [c.values["start_time"] for c in world.objects("campaigns", account_id)]
    epochs = [datetime.strptime(s, "%Y-%m-%dT%H:%M:%S%z").timestamp() for s in starts]
    assert min(epochs) == -1
    assert max(epochs) > 0


def test_budgets_are_minor_unit_strings_at_one_level_only(world: World, account_id: str) -> None:
    for campaign in world.objects("campaigns", account_id):
        keys = {"daily_budget", "lifetime_budget"} & campaign.values.keys()
        assert len(keys) <= 1
        for adset in world.objects("adsets", campaign.id):
            own = [adset.values.get(k) for k in ("daily_budget", "lifetime_budget")]
            if keys:
                assert own == [None, None]
            else:
                assert sorted(value == "0" for value in own) == [False, True]
                assert all(isinstance(value, str) and value.isdigit() for value in own)


def test_children_are_younger_than_their_parents(world: World) -> None:
    for tree in world.trees:
        for level in (1, 2):
            own, above = tree.levels[level], tree.levels[level - 1]
            for index in range(len(own)):
                assert own.created[index] >= above.created[own.parent[index]]
                assert own.updated[index] >= own.created[index]
                assert own.updated[index] <= NOW.timestamp()


def test_edges_agree_from_every_side(world: World, account_id: str) -> None:
    ads = {ad.id: ad for ad in world.objects("ads", account_id)}
    by_campaign, by_adset = {}, {}
    for campaign in world.objects("campaigns", account_id):
        by_campaign.update({ad.id: ad for ad in world.objects("ads", campaign.id)})
    for adset in world.objects("adsets", account_id):
        found = world.objects("ads", adset.id)
        assert all(ad.values["adset_id"] == adset.id for ad in found)
        by_adset.update({ad.id: ad for ad in found})
    assert ads == by_campaign == by_adset
    assert [world.get(i) for i in list(ads)[:50]] == list(ads.values())[:50]


def test_newest_come_first_and_slices_are_lazy(world: World, account_id: str) -> None:
    ads = world.objects("ads", account_id)
    ids = [ad.id for ad in ads]
    assert ids == sorted(ids, reverse=True)
    assert [ad.id for ad in ads[100:150]] == ids[100:150]
    assert len(ads[790:2000]) == 8


def test_every_ad_points_to_a_creative_that_is_there(world: World, account_id: str) -> None:
    creatives = {c.id for c in world.objects("adcreatives", account_id)}
    used = {ad.values["creative"]["id"] for ad in world.objects("ads", account_id)}
    assert used == creatives
    assert len(creatives) == 599
    for creative in world.objects("adcreatives", account_id)[:50]:
        assert not {"created_time", "updated_time"} & creative.values.keys()


def test_unknown_ids_are_nobody(world: World, account_id: str) -> None:
    ad = world.objects("ads", account_id)[0]
    strangers = ("", "x", "act_1", "act_", account_id[4:], "act_990000000000099", ad.id[:-1],
                 ad.id + "1", "993000100000000799", "993009900000000001",
                 "997000100000000001", "998000100000000001",
                 "९९३०००१००००००००००१")  # fmt: skip
    for stranger in strangers:
        assert world.get(stranger) is None
        assert list(world.objects("ads", stranger)) == []
    assert parse_id("99300010000000000x") is None
    assert parse_account("act_123") is None


def test_status_and_time_filters_of_the_edge_agree_with_the_values(
    world: World, account_id: str
) -> None:
    everything = list(world.objects("ads", account_id))
    for statuses in ({"ACTIVE"}, {"ARCHIVED", "DELETED"}, set()):
        wanted = [e for e in everything if e.values["effective_status"] in statuses]
        assert list(world.objects("ads", account_id, statuses=statuses)) == wanted
    cut = sorted(e.values["updated_time"] for e in everything)[400]
    after = int(datetime.strptime(cut, "%Y-%m-%dT%H:%M:%S%z").timestamp())
    later = world.objects("ads", account_id, updated_after=after)
    assert {e.id for e in later} == {
        e.id
        for e in everything
        if datetime.strptime(e.values["updated_time"], "%Y-%m-%dT%H:%M:%S%z").timestamp() > after
    }


def test_accounts_say_who_they_are(world: World) -> None:
    account = world.accounts()[6]
    assert account.values["currency"] == "JPY"
    assert account.values["timezone_offset_hours_utc"] == 9.0
    assert account.id == f"act_{account.values['account_id']}"
    assert isinstance(account.values["amount_spent"], str)
    assert world.spec(account.id).name == "Bus Tour Rhymes"
    sydney = world.accounts()[0].values
    assert sydney["timezone_offset_hours_utc"] == 11.0  # summer there
    winter = demo_world(VirtualClock(datetime(2026, 7, 1, tzinfo=UTC))).accounts()[0].values
    assert winter["timezone_offset_hours_utc"] == 10.0


def test_a_disabled_and_a_forbidden_account_can_be_asked_for() -> None:
    world = World(seed=1, clock=VirtualClock(NOW))
    disabled = [a for a in world.accounts() if a.values["account_status"] != 1]
    forbidden = [a for a in world.accounts() if not world.spec(a.id).permitted]
    assert [a.values["disable_reason"] for a in disabled] == [1]
    assert len(forbidden) == 1
    with pytest.raises(KeyError, match="no account"):
        world.spec("act_1")


def test_an_impossible_account_is_refused_when_it_is_described() -> None:
    with pytest.raises(ValueError, match="impossible"):
        AccountSpec("x", 1, 1, 1, (1, 2, 1))
    with pytest.raises(ValueError, match="active parent"):
        AccountSpec("x", 1, 1, 1, (0, 1, 0))
    with pytest.raises(ValueError, match="nothing above"):
        World(seed=1, clock=VirtualClock(NOW), accounts=[AccountSpec("x", 0, 1, 0)])


def test_a_page_of_a_huge_account_takes_little_memory() -> None:
    world = large_world(VirtualClock(NOW))
    account = world.accounts()[0].id
    tracemalloc.start()
    edge = world.objects("ads", account)
    page = [entity.id for entity in edge[40_000:40_500]]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(edge) == 78_000
    assert len(set(page)) == 500
    assert peak < 4_000_000


def test_issues_and_learning_come_with_the_status(world: World, account_id: str) -> None:
    ads = list(world.objects("ads", account_id))
    for ad in ads:
        troubled = ad.values["effective_status"] in {"WITH_ISSUES", "DISAPPROVED"}
        if troubled:
            (issue,) = ad.values["issues_info"]
            assert issue["level"] == "AD"
            assert issue["error_summary"]
    learning = [
        adset.values["learning_stage_info"]["status"]
        for adset in world.objects("adsets", account_id)
        if "learning_stage_info" in adset.values
    ]
    assert set(learning) == {"LEARNING", "SUCCESS", "FAIL"}


def test_the_past_is_in_the_change_log(world: World, account_id: str) -> None:
    log = world.activities(account_id)
    times = [entry.values["event_time"] for entry in log]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("+0000") for time in times)
    assert {"create_campaign_group", "update_ad_set_run_status"} <= {
        entry.values["event_type"] for entry in log
    }
    assert "id" not in log[0].values
    json.loads(log[0].values["extra_data"])
