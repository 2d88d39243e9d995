"""Meta's meters as a client sees them: percent, minutes, seconds, and on refusals too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.simulator import Limits, Simulator
from meta_pipeline.simulator.api.limits.meters import RollingHour
from meta_pipeline.simulator.pytest_plugin import new_world
from meta_pipeline_tests.simulator.conftest import Graph


def usage(response: Any, name: str = "x-business-use-case-usage") -> Any:
    return json.loads(response.headers[name])


def test_little_usage_shows_no_header(graph: Graph, account: str) -> None:
    response = graph.call("GET", f"{account}/ads")
    assert "x-business-use-case-usage" not in response.headers
    assert "x-app-usage" not in response.headers


def test_the_use_case_header_has_metas_shape(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls=10, tier="development_access"))
    response = graph.call("GET", f"{account}/ads")
    assert usage(response) == {
        account.removeprefix("act_"): [
            {"type": "ads_management", "call_count": 10, "total_cputime": 0, "total_time": 0,
             "estimated_time_to_regain_access": 0,
             "ads_api_access_tier": "development_access"}
        ]
    }  # fmt: skip
    assert all(
        isinstance(v, int)
        for v in next(iter(usage(response).values()))[0].values()
        if not isinstance(v, str)
    )


def test_a_full_hour_is_refused_with_400_and_headers(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls=3))
    for _ in range(3):
        graph.get(f"{account}/ads")
    response = graph.call("GET", f"{account}/ads")
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["error_subcode"], error["is_transient"]) == (80004, 2446079, False)
    assert "retry-after" not in response.headers
    entry = usage(response)[account.removeprefix("act_")][0]
    assert entry["call_count"] == 133
    assert entry["estimated_time_to_regain_access"] == 60


def test_insights_have_an_hour_of_their_own(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls={"ads_insights": 1, "ads_management": 50}))
    graph.get(f"{account}/insights")
    response = graph.call("GET", f"{account}/insights")
    assert response.json()["error"]["code"] == 80000
    assert graph.get(f"{account}/ads")["data"]


def test_accounts_do_not_share_their_hour(sim: Simulator, graph: Graph, account: str) -> None:
    sim.limits.exhaust(account, regain_minutes=12)
    other = sim.world.accounts()[1].id
    assert graph.error(f"{account}/ads")[1]["code"] == 80004
    assert graph.get(f"{other}/ads")["data"]


def test_the_wait_that_meta_announces_is_enough_and_not_less(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.limits.exhaust(account, regain_minutes=12)
    response = graph.call("GET", f"{account}/ads")
    entries = usage(response)[account.removeprefix("act_")]
    assert max(entry["estimated_time_to_regain_access"] for entry in entries) == 12
    sim.sleep(12 * 60 - 1)
    assert graph.error(f"{account}/ads")[1]["code"] == 80004
    sim.sleep(1)
    assert graph.get(f"{account}/ads")["data"]


def test_calling_on_during_a_block_makes_it_longer(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls=5))
    for _ in range(5):
        graph.get(f"{account}/ads")
    graph.sim.sleep(1800)
    for _ in range(6):  # the impatient client
        graph.error(f"{account}/ads")
    graph.sim.sleep(1800)
    response = graph.call("GET", f"{account}/ads")
    assert response.json()["error"]["code"] == 80004
    assert usage(response)[account.removeprefix("act_")][0]["estimated_time_to_regain_access"] > 20


def test_the_worst_use_case_need_not_come_first(sim: Simulator, graph: Graph, account: str) -> None:
    graph.get(f"{account}/insights")
    sim.limits.use(account, "ads_management", 96)
    entries = usage(graph.call("GET", f"{account}/ads"))[account.removeprefix("act_")]
    assert [entry["type"] for entry in entries] == ["ads_insights", "ads_management"]
    assert [entry["call_count"] for entry in entries] == [0, 96]


def test_the_score_decays_blocks_and_is_prolonged(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(score_limit=10, score_block_seconds=60))
    campaign = graph.sim.world.objects("campaigns", account)[0].id
    for _ in range(3):
        graph.call("POST", campaign, name="x")  # three points each
    response = graph.call("GET", account)
    assert usage(response, "x-ad-account-usage") == {
        "acc_id_util_pct": 100.0, "reset_time_duration": 300,
        "ads_api_access_tier": "standard_access"}  # fmt: skip
    error = graph.error(account)[1]
    assert (error["code"], error["error_subcode"]) == (17, 2446079)
    graph.sim.sleep(50)
    assert graph.error(account)[1]["code"] == 17  # starts the block anew
    graph.sim.sleep(50)
    assert graph.error(account)[1]["code"] == 17
    graph.sim.sleep(60)
    assert graph.get(account)["id"] == account


def test_half_the_decay_frees_half_the_score(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(score_limit=10))
    for _ in range(9):
        graph.get(account)
    graph.sim.sleep(150)
    pct = usage(graph.call("GET", account), "x-ad-account-usage")["acc_id_util_pct"]
    assert pct == pytest.approx(50.0)


def test_the_insights_throttle_is_on_every_insights_answer(
    sim: Simulator, graph: Graph, account: str
) -> None:
    response = graph.call("POST", f"{account}/insights", level="ad")
    assert usage(response, "x-fb-ads-insights-throttle").keys() == {
        "app_id_util_pct", "acc_id_util_pct", "ads_api_access_tier"}  # fmt: skip
    poll = graph.call("GET", response.json()["report_run_id"])
    assert "x-fb-ads-insights-throttle" not in poll.headers
    sim.limits.use_insights(account, 100)
    status, error = graph.error(f"{account}/insights")
    assert (status, error["code"], error["error_subcode"]) == (400, 4, 1504022)


def test_the_apps_own_hour(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(app_calls=2))
    graph.get("me")
    response = graph.call("GET", "me")
    assert usage(response, "x-app-usage")["call_count"] == 100
    status, error = graph.error("me")
    assert (status, error["code"], error["is_transient"]) == (403, 4, True)


def test_each_operation_of_a_batch_counts(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls=2))
    operations = json.dumps([{"method": "GET", "relative_url": f"{account}/ads"}] * 3)
    response = graph.call("POST", "/", batch=operations)
    assert [entry["code"] for entry in response.json()] == [200, 200, 400]


def test_tiers_follow_metas_formula(sim: Simulator, account: str) -> None:
    active = len(sim.world.objects("ads", account, statuses=("ACTIVE", "WITH_ISSUES")))
    assert sim.limits.allowance(account, "ads_insights") == 190_000 + 400 * active
    sim.limits.set_tier(account, "development_access")
    assert sim.limits.allowance(account, "ads_management") == 300 + 40 * active
    assert sim.limits.allowance(account, "ads_insights") == 600 + 400 * active


def test_heavy_questions_cost_cpu_time(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), limits=Limits(calls=20, emit_from_pct=0))
    light = usage(graph.call("GET", f"{account}/insights"))
    graph.call(
        "GET",
        f"{account}/insights",
        level="ad",
        time_increment=1,
        limit=500,
        breakdowns="age,gender",
    )
    heavy = usage(graph.call("GET", f"{account}/insights"))
    number = account.removeprefix("act_")
    assert heavy[number][0]["total_cputime"] > light[number][0]["total_cputime"] + 3


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 9)), max_size=40), st.integers(1, 60)
)
def test_the_announced_wait_is_always_exact(calls: list[tuple[int, int]], limit: int) -> None:
    hour, now = RollingHour(), 0.0
    for gap, count in calls:
        now += gap
        hour.forget(now)
        hour.add(now, count, 0.0)
    wait = hour.seconds_until_below(limit, 1.0, now)
    if wait > 1:
        early = RollingHour(hour.entries.copy(), hour.calls)
        early.forget(now + wait - 1)
        assert early.calls >= limit
    hour.forget(now + wait)
    assert hour.calls < limit


def test_a_refusal_of_a_wrong_path_has_usage_headers_too(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.expect("unknown_route")
    sim.limits.use(account, "ads_management", 40)
    response = graph.call("GET", f"{account}/adverts")
    assert response.status_code == 400
    assert usage(response)[account.removeprefix("act_")][0]["call_count"] == 40
