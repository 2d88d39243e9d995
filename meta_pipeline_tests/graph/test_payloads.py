"""Recorded and documented samples pass through the client (skipped where they are not there)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meta_pipeline.graph import (
    BatchOperation,
    GraphClient,
    GraphError,
    MustSplit,
    NewReportNeeded,
    PermissionDenied,
    ReportRun,
    ReportState,
    Treatment,
    parse_usage,
)
from meta_pipeline_tests.graph.conftest import NOW
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer
from meta_pipeline_tests.recorded import needs_samples, sample

pytestmark = needs_samples

DROPPED_HEADERS = {"content-length", "connection", "date", "transfer-encoding", "content-encoding"}


def replay(record: dict[str, Any]) -> Reply:
    headers = {k: v for k, v in record["headers"].items() if k.lower() not in DROPPED_HEADERS}
    return Reply(record["body"], status=record["status"], headers=headers)


@pytest.mark.parametrize(
    "name", ["01_me_adaccounts.json", "02_campaigns_edge_last_page.json", "03_empty_edge.json"]
)
def test_recorded_edges_are_one_page(
    client: GraphClient, server: ScriptedServer, name: str
) -> None:
    record = sample(name)
    server.answer(replay(record))
    (only,) = client.pages("x", {}, account_id=None, endpoint_key="campaigns_list", page_size=100)
    assert only.rows == record["body"]["data"]
    assert only.after is None


@pytest.mark.parametrize(
    "name",
    [
        "04_create_campaign_then_get.json",
        "05_create_adset_then_get.json",
        "06_delete_campaign.json",
    ],
)
def test_recorded_objects_are_read(client: GraphClient, server: ScriptedServer, name: str) -> None:
    reads = [r for r in sample(name) if r["request"]["method"] == "GET"]
    assert reads
    for record in reads:
        server.answer(replay(record))
        got = client.get("1", {}, account_id=None, endpoint_key="objects_by_id", required=("id",))
        assert got.body == record["body"]


@pytest.mark.parametrize(
    "name",
    [
        "10_ads_edge_row.json",
        "12_insights_rows.json",
        "14_insights_hourly_row.json",
        "15_insights_empty.json",
    ],
)
def test_sample_pages(client: GraphClient, server: ScriptedServer, name: str) -> None:
    server.answer(Reply(sample(name)))
    (only,) = client.pages("x", {}, account_id=None, endpoint_key="insights_ad", page_size=100)
    assert only.rows == sample(name)["data"]


def test_a_page_with_next_goes_on_from_its_cursor(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply(sample("13_insights_page_with_next.json")), Reply({"data": []}))
    list(client.pages("x", {}, account_id=None, endpoint_key="insights_ad", page_size=25))
    assert server.asked[1].query == {"limit": "25", "after": "NzIZD"}


def test_report_runs(client: GraphClient, server: ScriptedServer) -> None:
    job = sample("16_async_job.json")
    server.answer(Reply(job["create_POST_act_X_insights"]))
    report = client.create_report("act_1/insights", {}, account_id="act_1")
    assert report.id == "1496466178359684"
    old = ReportRun(report.id, report.path, {}, "act_1", NOW)

    def state(name: str) -> tuple[ReportState, type | None]:
        server.answer(Reply(job[name]))
        status = client.report_status(old)
        return status.state, type(status.error) if status.error else None

    assert state("poll_running") == (ReportState.RUNNING, None)
    assert state("poll_completed") == (ReportState.COMPLETED, None)
    assert state("poll_failed_v25plus") == (ReportState.FAILED, NewReportNeeded)
    assert state("poll_failed_too_large") == (ReportState.FAILED, MustSplit)


TREATMENTS = {
    "400_80000": Treatment.WAIT,
    "400_80004": Treatment.WAIT,
    "400_17": Treatment.WAIT,
    "400or403_4": Treatment.WAIT,
    "400_613": Treatment.WAIT,
    "500_1_reduce": Treatment.SHRINK,
    "500_1_99": Treatment.RETRY,
    "503_2": Treatment.RETRY,
    "400_100_33": Treatment.SKIP,
    "400_190_463": Treatment.REAUTHORIZE,
    "400_190_460": Treatment.REAUTHORIZE,
    "400_190_458": Treatment.REAUTHORIZE,
    "403_200": Treatment.SKIP,
    "400_3018": Treatment.CLAMP,
    "400_2635": Treatment.STOP,
    "400_1_2853001": Treatment.STOP,
    "400_100_validation": Treatment.STOP,
}


def test_recorded_errors(client: GraphClient, server: ScriptedServer) -> None:
    errors = sample("17_errors.json")
    assert set(errors) == set(TREATMENTS)
    for name, expected in TREATMENTS.items():
        status = errors[name]["http"] if isinstance(errors[name]["http"], int) else 403
        server.answer_with(lambda asked, n=name, s=status: Reply(errors[n]["body"], status=s))  # type: ignore[misc]
        with pytest.raises(GraphError) as caught:
            client.get("x", {}, account_id=None, endpoint_key="ads_list")
        assert caught.value.treatment is expected, name
        assert caught.value.code == errors[name]["body"]["error"]["code"]


def test_recorded_usage_headers() -> None:
    for name, value in sample("18_usage_headers.json").items():
        header = name.split(" ")[0].lower()
        assert parse_usage({header: json.dumps(value)}, "act_1", NOW), name


def test_a_recorded_batch(client: GraphClient, server: ScriptedServer) -> None:
    answer = sample("19_batch_response.json")
    again = [answer[0]]
    server.answer(Reply(answer), Reply(again))
    first, second, third = client.batch([BatchOperation(name) for name in "123"])
    assert first.value() == {"data": []}
    assert {reading.use_case for reading in first.usage} == {"ads_insights", ""}
    assert second.value() == {"data": []}
    assert isinstance(third.error, PermissionDenied)


def test_a_batch_that_is_too_large_is_an_error(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply(sample("20_batch_too_large.json")))
    with pytest.raises(GraphError, match="Maximum batch size"):
        client.batch([BatchOperation("1")])


def test_recorded_tokens(client: GraphClient, server: ScriptedServer) -> None:
    oauth = sample("22_oauth.json")
    server.answer(Reply(oauth["GET /debug_token"]), Reply(oauth["debug_token_invalid"]))
    assert client.debug_token().granular_scopes == {"ads_read": ("212551616838260",)}
    assert not client.debug_token().is_valid
