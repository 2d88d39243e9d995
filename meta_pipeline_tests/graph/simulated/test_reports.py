"""Report runs: their rows, their failures, their end."""

from __future__ import annotations

import pytest

from meta_pipeline.graph import (
    GraphClient,
    GraphError,
    MustSplit,
    NewReportNeeded,
    ReportRun,
    ReportState,
    ServerTrouble,
)
from meta_pipeline.simulator import Plan, Simulator
from meta_pipeline_tests.graph.simulated.reading import INSIGHTS, START


def test_a_report_runs_and_its_rows_are_those_of_the_synchronous_read(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sync = client.pages(
        f"{account_id}/insights",
        INSIGHTS,
        account_id=account_id,
        endpoint_key="insights_ad",
        page_size=500,
    )
    expected = [row for page in sync for row in page.rows]
    sim.reports.plan_next(Plan.lagging(3))
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    for _ in range(60):
        status = client.report_status(report)
        if status.done:
            break
        sim.sleep(5)
    assert status.done
    got = [row for page in client.report_pages(report, page_size=50) for row in page.rows]
    assert got == expected
    assert expected


FAILED: dict[str, tuple[Plan, ReportState, type[GraphError]]] = {
    "failed at 100 %": (Plan.fail(at_pct=100), ReportState.FAILED, NewReportNeeded),
    "failed at 0 %": (Plan.fail(), ReportState.FAILED, NewReportNeeded),
    "skipped": (Plan.skip(), ReportState.SKIPPED, NewReportNeeded),
    "too large": (Plan.too_large(), ReportState.FAILED, MustSplit),
}


@pytest.mark.parametrize(("plan", "state", "error"), FAILED.values(), ids=FAILED)
def test_a_report_that_fails_says_what_to_do(
    sim: Simulator,
    client: GraphClient,
    account_id: str,
    plan: Plan,
    state: ReportState,
    error: type[GraphError],
) -> None:
    sim.reports.plan_next(plan)
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(600)
    alone, among = client.report_status(report), client.report_statuses([report])[0]
    for status in (alone, among):
        assert status.state is state
        assert type(status.error) is error


def test_a_completed_report_whose_rows_are_refused_is_created_anew(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sim.reports.plan_next(Plan.complete_but_fails())
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(600)
    assert client.report_status(report).done
    with pytest.raises((NewReportNeeded, ServerTrouble)):
        list(client.report_pages(report, page_size=50))


def test_an_expired_report_is_created_anew(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(31 * 86_400)
    assert isinstance(client.report_status(report).error, NewReportNeeded)
    forged = ReportRun("999999999999999", report.path, {}, account_id, START)
    with pytest.raises(NewReportNeeded):
        list(client.report_pages(forged, page_size=50))
