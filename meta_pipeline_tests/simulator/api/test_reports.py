"""Async insights as FACTS section 6 has them: states by the clock, plans by the test."""

from __future__ import annotations

from typing import Any

import pytest

from meta_pipeline.simulator import Plan, Simulator, WallClock, World
from meta_pipeline_tests.simulator.conftest import Graph

QUERY = {"level": "ad", "time_increment": 1, "fields": "ad_id,spend",
         "time_range": '{"since":"2026-11-01","until":"2026-11-07"}'}  # fmt: skip


def start(graph: Graph, account: str, *plans: Plan, **more: Any) -> str:
    graph.sim.reports.plan_next(*plans)
    response = graph.call("POST", f"{account}/insights", **{**QUERY, **more})
    assert response.status_code == 200, response.text
    return str(response.json()["report_run_id"])


def test_a_run_goes_through_metas_states(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account, Plan.after(100))
    seen = []
    for _ in range(12):
        body = graph.get(run)
        seen.append((body["async_status"], body["async_percent_completion"]))
        sim.sleep(10)
    states = list(dict.fromkeys(state for state, _ in seen))
    assert states == ["Job Not Started", "Job Started", "Job Running", "Job Completed"]
    percents = [pct for _, pct in seen]
    assert percents == sorted(percents)
    assert seen[-1] == ("Job Completed", 100)


def test_a_finished_run_has_metas_keys(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account, Plan.instant())
    body = graph.get(run)
    assert body.keys() == {"id", "account_id", "time_ref", "time_completed", "async_status",
                           "async_percent_completion", "date_start", "date_stop"}  # fmt: skip
    assert body["account_id"] == account.removeprefix("act_")
    assert (body["date_start"], body["date_stop"]) == ("2026-11-01", "2026-11-07")
    more = graph.get(run, fields="id,level,fields,is_running")
    assert (more["level"], more["is_running"]) == ("ad", False)


def test_rows_equal_the_synchronous_answer(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account)
    sim.sleep(3600)
    assert graph.rows(f"{run}/insights", limit=7) == graph.rows(
        f"{account}/insights", **QUERY, limit=7
    )


def test_more_rows_take_longer(sim: Simulator, graph: Graph, account: str) -> None:
    small = start(graph, account, level="account")
    large = start(graph, account, breakdowns="age,gender")
    sim.sleep(2.5)
    assert graph.get(small)["async_status"] == "Job Completed"
    assert graph.get(large)["async_status"] != "Job Completed"


def test_a_run_may_never_say_how_far_it_is(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account, Plan.without_percent())
    assert "async_percent_completion" not in graph.get(run)
    sim.sleep(3600)
    body = graph.get(run)
    assert body["async_status"] == "Job Completed"
    assert "async_percent_completion" not in body
    assert graph.rows(f"{run}/insights")


def test_rows_are_refused_before_completion(graph: Graph, account: str) -> None:
    run = start(graph, account, Plan.after(60))
    assert graph.error(f"{run}/insights")[0] == 400


def test_a_new_run_can_be_invisible_for_seconds(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account, Plan.lagging(3))
    status, error = graph.error(run)
    assert (status, error["code"], error["error_subcode"]) == (400, 100, 33)
    sim.sleep(3)
    assert graph.get(run)["id"] == run


@pytest.mark.parametrize("pct", [0, 100])
def test_a_run_can_fail_at_any_percentage(
    sim: Simulator, graph: Graph, account: str, pct: int
) -> None:
    run = start(graph, account, Plan.fail(at_pct=pct))
    sim.sleep(600)
    body = graph.get(run)
    assert (body["async_status"], body["async_percent_completion"]) == ("Job Failed", pct)
    assert (body["error_code"], body["error_subcode"]) == (-2, 2490547)
    assert graph.get(run, fields="async_status")["error_message"] == "Report Failed"


def test_a_run_can_be_too_large(sim: Simulator, graph: Graph, account: str) -> None:
    sim.reports.too_large_rows = 20
    run = start(graph, account)
    sim.sleep(600)
    body = graph.get(run)
    assert (body["error_code"], body["error_subcode"]) == (-3, 1504045)
    small = start(graph, account, level="account")
    sim.sleep(600)
    assert graph.get(small)["async_status"] == "Job Completed"


def test_skipped_and_stuck(sim: Simulator, graph: Graph, account: str) -> None:
    skipped, stuck = (
        start(graph, account, Plan.skip()),
        start(graph, account, Plan.stuck(at_pct=40)),
    )
    sim.sleep(5 * 3600)
    assert graph.get(skipped)["async_status"] == "Job Skipped"
    body = graph.get(stuck)
    assert (body["async_status"], body["async_percent_completion"]) == ("Job Running", 40)


def test_completed_but_empty_and_completed_but_unreadable(
    sim: Simulator, graph: Graph, account: str
) -> None:
    empty = start(graph, account, Plan.complete_but_empty())
    broken = start(graph, account, Plan.complete_but_fails())
    sim.sleep(600)
    assert graph.get(f"{empty}/insights") == {"data": []}
    assert graph.get(broken)["async_percent_completion"] == 100
    status, error = graph.error(f"{broken}/insights")
    assert (status, error["code"], error["error_subcode"]) == (500, 1, 99)


def test_a_run_expires_after_thirty_days(sim: Simulator, graph: Graph, account: str) -> None:
    run = start(graph, account)
    sim.sleep(29 * 86400)
    assert graph.get(run)["async_status"] == "Job Completed"
    sim.sleep(86400)
    assert graph.error(run)[1]["error_subcode"] == 33


def test_wrong_parameters_are_refused_at_creation(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.expect("unknown")
    status, error = graph.error(f"{account}/insights", method="POST", level="ad", breakdowns="dma")
    assert (status, error["code"], error["error_subcode"]) == (400, 2, 1504041)
    assert len(sim.reports) == 0


def test_polls_do_not_use_up_the_insights_throttle(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.limits.use_insights(account, 100)
    sim.limits.relieve()
    run = start(graph, account)
    sim.limits.use_insights(account, 100)
    assert graph.get(run)["id"] == run


def test_rows_are_the_numbers_as_of_completion(sim: Simulator, graph: Graph, account: str) -> None:
    today = {"date_preset": "today", "fields": "impressions", "time_range": None}
    run = start(graph, account, Plan.after(60), **today)
    sim.sleep(60)
    rows = graph.rows(f"{run}/insights")
    sim.sleep(4 * 3600)
    assert graph.rows(f"{run}/insights") == rows
    assert graph.rows(f"{account}/insights", level="ad", time_increment=1, **today) != rows


def test_a_campaigns_run_has_a_summary(sim: Simulator, graph: Graph, account: str) -> None:
    found = graph.rows(f"{account}/insights", level="campaign", fields="campaign_id")
    run = start(graph, found[0]["campaign_id"], Plan.instant())
    rows = graph.rows(f"{run}/insights")
    total = graph.get(f"{run}/insights", limit=1, summary="true")["summary"]
    assert float(total["spend"]) == pytest.approx(sum(float(row["spend"]) for row in rows))


def test_old_reach_by_breakdown_is_kept_for_ten_runs_a_day(sim: Simulator, graph: Graph) -> None:
    account = sim.world.accounts()[1].id
    asked = {"level": "account", "breakdowns": "age", "fields": "reach,impressions",
             "time_range": '{"since":"2025-09-01","until":"2025-09-30"}'}  # fmt: skip
    assert not any("reach" in row for row in graph.rows(f"{account}/insights", **asked))
    runs = [start(graph, account, Plan.instant(), **asked) for _ in range(10)]
    assert all("reach" in row for row in graph.rows(f"{runs[-1]}/insights"))
    refused = graph.error(f"{account}/insights", method="POST", **asked)[1]
    assert "Reach-related metric breakdowns are unavailable" in refused["message"]
    assert start(graph, account, **{**asked, "fields": "impressions"})
    assert start(graph, sim.world.accounts()[4].id, **asked)
    sim.sleep(24 * 3600)
    assert start(graph, account, **asked)


def test_a_run_moves_on_in_real_time(sim: Simulator, graph: Graph, account: str) -> None:
    sim.reset(World(seed=7, clock=WallClock()))
    run = start(graph, account, Plan.after(600))
    assert graph.get(run)["async_status"] == "Job Not Started"
    assert isinstance(sim.clock, WallClock)
    sim.clock.advance(300)
    assert graph.get(run)["async_status"] == "Job Running"
    sim.clock.advance(300)
    assert graph.get(run)["async_status"] == "Job Completed"
