"""The control plane does over HTTP what the Python object does."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.exceptions import ConnectionError  # noqa: A004

from meta_pipeline.simulator import Simulator
from meta_pipeline_tests.simulator.conftest import Graph


def control(sim: Simulator, method: str, url: str, /, **body: Any) -> Any:
    response = requests.request(method, f"{sim.url}/_sim{url}", json=body or None, timeout=10)
    assert response.status_code == 200, response.text
    return response.json()


def test_ready(sim: Simulator) -> None:
    found = control(sim, "GET", "/ready")
    assert found["ready"] is True
    assert found["versions"] == ["v25.0", "v26.0"]


def test_a_fault_is_set_up_counted_and_cleared(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "POST", "/faults", path="/ads", fault="drop_connection", on_call=2)
    graph.get(f"{account}/ads")
    with pytest.raises(ConnectionError):
        graph.get(f"{account}/ads")
    [rule] = control(sim, "GET", "/faults")["faults"]
    assert (rule["seen"], rule["fired"]) == (2, 1)
    assert control(sim, "DELETE", "/faults") == {"faults": []}


def test_a_fault_takes_arguments(sim: Simulator, graph: Graph, account: str) -> None:
    control(
        sim,
        "POST",
        "/faults",
        path="/ads",
        fault="graph_error",
        **{"with": {"code": 17, "subcode": 2446079, "transient": False}},
    )
    assert graph.error(f"{account}/ads")[1]["code"] == 17


def test_the_journal_is_asked(sim: Simulator, graph: Graph, account: str) -> None:
    graph.get(f"{account}/ads", limit=1)
    graph.error("12345")
    assert control(sim, "GET", "/journal?path=/ads")["count"] == 1
    found = control(sim, "GET", "/journal?code=100")
    assert found["requests"][0]["subcode"] == 33
    assert sim.token not in str(found)
    assert control(sim, "DELETE", "/journal") == {"total": 0}


def test_the_clock_is_advanced(sim: Simulator) -> None:
    before = sim.now()
    control(sim, "POST", "/clock/advance", seconds=3600)
    assert (sim.now() - before).total_seconds() == 3600


def test_limits_are_set(sim: Simulator, graph: Graph, account: str) -> None:
    found = control(sim, "PUT", f"/limits/{account}", regain_minutes=12)
    assert {case["estimated_time_to_regain_access"] for case in found["use_cases"]} == {12}
    assert graph.error(f"{account}/ads")[1]["code"] == 80004
    control(sim, "PUT", f"/limits/{account}", relieve=True)
    assert graph.get(f"{account}/ads")


def test_objects_are_edited(sim: Simulator, graph: Graph, account: str) -> None:
    campaign = sim.world.objects("campaigns", account)[0].id
    control(sim, "PATCH", f"/objects/{campaign}", edit="rename", **{"with": {"name": "By HTTP"}})
    assert graph.get(campaign, fields="name")["name"] == "By HTTP"
    control(sim, "PATCH", f"/objects/{campaign}", edit="delete")
    assert graph.get(campaign, fields="status")["status"] == "DELETED"


def test_tokens_and_plans(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "PUT", "/tokens/another", scopes=["ads_read"])
    assert graph.get(account, access_token="another")["id"] == account
    control(sim, "PUT", "/tokens/another", change="revoke")
    assert graph.error(account, access_token="another")[1]["error_subcode"] == 458
    control(sim, "POST", "/reports/plans", plans=[{"outcome": "skip", "seconds": 0}])
    run = graph.call("POST", f"{account}/insights").json()["report_run_id"]
    assert graph.get(run)["async_status"] == "Job Skipped"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"path": "/ads", "fault": "explode"}),
        ("POST", "/faults", {"fault": "drop_connection"}),
        ("POST", "/clock/advance", {"seconds": -1}),
        ("PUT", "/limits/act_1", {"relieve": True}),
        ("PATCH", "/objects/act_1", {}),
    ],
)
def test_a_wrong_instruction_is_explained(
    sim: Simulator, method: str, path: str, body: dict[str, Any]
) -> None:
    response = requests.request(method, f"{sim.url}/_sim{path}", json=body, timeout=10)
    assert 400 <= response.status_code < 500
    assert response.json()["error"]


def test_the_page_shows_accounts_meters_faults_and_requests(
    sim: Simulator, graph: Graph, account: str
) -> None:
    control(sim, "POST", "/faults", path="/adsets", fault="html_200", times=1)
    graph.get(f"{account}/ads", fields="id,name")
    graph.call("GET", f"{account}/adsets")
    page = requests.get(f"{sim.url}/_sim/", timeout=10).text
    for text in (
        "Kookaburra Coffee",
        "html_200 on GET /adsets",
        f"{account}/ads",
        "fields=id,name",
        "no request reaches Meta",
    ):
        assert text in page
    assert sim.token not in page


def test_reset(sim: Simulator, graph: Graph, account: str) -> None:
    graph.get(f"{account}/ads")
    control(sim, "POST", "/reset")
    assert sim.journal.total == 0
    assert len(sim.faults) == 0
