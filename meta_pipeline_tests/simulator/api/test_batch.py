"""Batch requests (FACTS section 7)."""

from __future__ import annotations

import json
from typing import Any

from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline_tests.simulator.conftest import Graph


def run(graph: Graph, *operations: dict[str, Any], **params: Any) -> Any:
    full = [{"method": "GET", **operation} for operation in operations]
    return graph.call("POST", "/", batch=json.dumps(full), **params).json()


def test_answers_come_in_order_with_text_bodies_and_header_lists(
    graph: Graph, account: str
) -> None:
    entries = run(graph, {"relative_url": f"{account}?fields=name"}, {"relative_url": "12345"})
    assert [entry["code"] for entry in entries] == [200, 400]
    assert isinstance(entries[0]["body"], str)
    assert json.loads(entries[0]["body"])["id"] == account
    names = {header["name"] for header in entries[0]["headers"]}
    assert {"Content-Type", "ETag", "Facebook-API-Version"} <= names
    assert json.loads(entries[1]["body"])["error"]["error_subcode"] == 33


def test_headers_can_be_left_out(graph: Graph, account: str) -> None:
    entry = run(graph, {"relative_url": account}, include_headers="false")[0]
    assert entry.keys() == {"code", "body"}


def test_more_than_fifty_operations_are_refused(graph: Graph, account: str) -> None:
    body = run(graph, *[{"relative_url": account}] * 51)
    assert body["error"]["type"] == "GraphBatchException"
    assert "Maximum batch size is 50" in body["error"]["message"]


def test_post_bodies_create_reports(graph: Graph, account: str) -> None:
    entry = run(
        graph,
        {
            "method": "POST",
            "relative_url": f"{account}/insights",
            "body": "level=ad&date_preset=last_7d",
        },
    )[0]
    assert "report_run_id" in json.loads(entry["body"])


def test_an_operation_uses_the_answer_of_another(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.tokens.change_app(is_new=False)
    entries = run(
        graph,
        {
            "name": "list",
            "relative_url": f"{account}/campaigns?limit=2",
            "omit_response_on_success": False,
        },
        {"relative_url": "?ids={result=list:$.data.*.id}&fields=name"},
        {"name": "bad", "relative_url": "12345"},
        {"relative_url": "?ids={result=bad:$.id}"},
    )
    listed = [row["id"] for row in json.loads(entries[0]["body"])["data"]]
    assert list(json.loads(entries[1]["body"])) == listed
    assert entries[3] is None


def test_a_named_answer_can_be_left_out(graph: Graph, account: str) -> None:
    entries = run(graph, {"name": "a", "relative_url": account, "omit_response_on_success": True})
    assert entries == [None]


def test_a_token_of_its_own(sim: Simulator, graph: Graph, account: str) -> None:
    some = sim.issue(scopes=["ads_read"], accounts=[])
    entries = run(
        graph,
        {"relative_url": f"me/adaccounts?access_token={some}"},
        {"relative_url": "me/adaccounts"},
    )
    assert json.loads(entries[0]["body"]) == {"data": []}
    assert len(json.loads(entries[1]["body"])["data"]) == 6


def test_the_whole_batch_times_out(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("POST", "/", with_=Fault.batch_timeout())
    response = graph.call("POST", "/", batch='[{"method":"GET","relative_url":"me"}]')
    assert (response.status_code, response.json()["error"]["code"]) == (400, 960)


def test_faults_strike_inside_a_batch(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.graph_error(2, status=503))
    entries = run(graph, {"relative_url": f"{account}/ads"}, {"relative_url": f"{account}/adsets"})
    assert [entry["code"] for entry in entries] == [503, 200]


def test_an_answer_others_use_is_left_out_by_itself(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.tokens.change_app(is_new=False)
    listing = {"name": "list", "relative_url": f"{account}/campaigns?limit=2"}
    for path in ("$.data.*.id", "$.data[*].id", "$.data[0].id"):
        use = {"relative_url": f"?ids={{result=list:{path}}}&fields=name"}
        first, second = run(graph, listing, use)
        assert first is None
        assert second["code"] == 200
    shown, _ = run(graph, {**listing, "omit_response_on_success": False}, use)
    assert shown["code"] == 200
    failed, unused = run(graph, {**listing, "relative_url": "5/campaigns"}, use)
    assert failed["code"] == 400
    assert unused is None
