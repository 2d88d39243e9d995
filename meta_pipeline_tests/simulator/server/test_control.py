"""The control plane does over HTTP what the Python object does."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from requests.exceptions import ConnectionError  # noqa: A004

from meta_pipeline.simulator import FAULTS, Simulator, WallClock, World
from meta_pipeline.simulator.server.wire import MOST_BYTES
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS


def control(sim: Simulator, method: str, url: str, /, **body: Any) -> Any:
    response = requests.request(
        method, f"{sim.url}/_sim{url}", json=body or None, timeout=PATIENCE_SECONDS
    )
    assert response.status_code == 200, response.text
    return response.json()


def test_ready(sim: Simulator) -> None:
    found = control(sim, "GET", "/ready")
    assert found["ready"] is True
    assert found["versions"] == ["v25.0", "v26.0", "v27.0"]


def test_a_fault_is_set_up_counted_and_cleared(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "POST", "/faults", path="/ads", fault="drop_connection", on_call=2)
    graph.get(f"{account}/ads")
    with pytest.raises(ConnectionError):
        graph.get(f"{account}/ads")
    [rule] = control(sim, "GET", "/faults")["faults"]
    assert (rule["seen"], rule["fired"]) == (2, 1)
    assert control(sim, "DELETE", "/faults") == {"faults": []}


@pytest.mark.parametrize("path", ["/v26.0/", "/_sim/faults"])
def test_a_body_without_an_end_is_refused(sim: Simulator, path: str) -> None:
    host, _, port = sim.address.partition(":")
    piece = b" " * 65_536
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as sent:
        head = f"POST {path} HTTP/1.1\r\nHost: {sim.address}\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent.sendall(head.encode())
        for _ in range(MOST_BYTES // len(piece) + 1):
            sent.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        answer = b""
        while b"}" not in answer:
            answer += sent.recv(65_536)
    assert (answer.split()[1], b"more than 10 MiB" in answer) == (b"413", True)


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
    ("method", "path", "body", "says"),
    [
        ("POST", "/faults", {"path": "/ads", "fault": "explode"}, "there are batch_timeout"),
        ("POST", "/faults", {"fault": "drop_connection"}, "'path' is missing"),
        ("POST", "/faults", {"path": "/ads", "fault": "stall", "account": "act_1"}, "account_id"),
        ("POST", "/clock/advance", {"seconds": -1}, "back"),
        ("POST", "/clock/advance", {"minutes": 1}, "'seconds' is missing"),
        ("POST", "/clock/advance", {"to": "2027-01-01T00:00:00"}, "offset"),
        ("PUT", "/limits/act_1", {"relieve": True}, "no account act_1"),
        ("PUT", "/limits", {"app": 90}, "app_pct"),
        ("PUT", "/limits/act_990000000000001", {"minutes": 12}, "regain_minutes"),
        ("PATCH", "/objects/act_1", {}, "no object act_1"),
        ("PATCH", "/objects/act_990000000000001", {"edit": "explode"}, "rename"),
        ("PATCH", "/objects/act_990000000000001", {"name": "x"}, "with"),
        ("POST", "/contract", {}, "'change' is missing"),
        ("POST", "/contract", {"change": "explode"}, "retire_version"),
        ("POST", "/contract", {"change": "retire_version", "with": {"nonsense": 1}}, "nonsense"),
        ("POST", "/reports/plans", {"plan": []}, "'plans' is missing"),
        ("PUT", "/oauth", {"dialog": "explode"}, "grant"),
        ("PUT", "/oauth", {"proof": True}, "require_proof"),
        ("PUT", "/tokens/nobody", {"change": "revoke"}, "never issued"),
        ("PUT", "/tokens/nobody", {"change": "revoke", "scopes": []}, "with"),
    ],
)
def test_a_wrong_instruction_is_explained(
    sim: Simulator, method: str, path: str, body: dict[str, Any], says: str
) -> None:
    response = requests.request(
        method, f"{sim.url}/_sim{path}", json=body, timeout=PATIENCE_SECONDS
    )
    assert 400 <= response.status_code < 500
    assert says in response.json()["error"]


def test_the_page_shows_accounts_meters_faults_and_requests(
    sim: Simulator, graph: Graph, account: str
) -> None:
    control(sim, "POST", "/faults", path="/adsets", fault="html_200", times=1)
    graph.get(f"{account}/ads", fields="id,name")
    graph.call("GET", f"{account}/adsets")
    page = requests.get(f"{sim.url}/_sim/", timeout=PATIENCE_SECONDS).text
    for text in (
        "Kookaburra Coffee",
        "html_200",
        "GET /adsets",
        "disabled",
        "no permission",
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


def test_every_fault_can_be_set_up(sim: Simulator) -> None:
    adset = sim.world.objects("adsets", sim.world.accounts()[0].id)[0].id
    arguments: dict[str, dict[str, Any]] = {
        "graph_error": {"code": 1, "bare": True},
        "http": {"status": 502, "text": "Bad Gateway"},
        "null_batch_entries": {"entries": [1]},
        "slow": {"seconds": 1},
        "lost_days": {"days": ["2026-11-20"]},
        "world_edit": {"edit": "add_ad", "id": adset},
    }
    for name in FAULTS:
        control(sim, "POST", "/faults", path="/x", fault=name, **{"with": arguments.get(name, {})})
    assert len(control(sim, "GET", "/faults")["faults"]) == len(FAULTS)
    control(sim, "DELETE", "/faults")


def test_json_of_another_shape(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "POST", "/faults", path="/ads", fault="wrong_shape", **{"with": {"body": "7"}})
    assert graph.get(f"{account}/ads") == 7


def test_rows_change_between_two_pages(sim: Simulator, graph: Graph, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=2)
    edit = {"edit": "rename", "id": first["data"][1]["id"], "name": "Changed meanwhile"}
    control(sim, "POST", "/faults", path="/ads", on_call=2, fault="world_edit", **{"with": edit})
    assert len(graph.rows(f"{account}/ads", limit=25)) == len(graph.rows(f"{account}/ads"))
    assert graph.get(edit["id"], fields="name")["name"] == "Changed meanwhile"


def test_the_contract_drifts(sim: Simulator, graph: Graph, account: str) -> None:
    def drift(change: str, **values: Any) -> Any:
        return control(sim, "POST", "/contract", change=change, **{"with": values})

    drift("remove_field", node="AdSet", name="targeting")
    assert graph.error(f"{account}/adsets", fields="targeting")[1]["code"] == 100
    drift("add_field", node="Ad", name="brand_new", value=[1])
    assert graph.get(f"{account}/ads", fields="brand_new")["data"][0]["brand_new"] == [1]
    drift("add_value", param="effective_status", value="LIMBO")
    assert graph.get(f"{account}/ads", effective_status="LIMBO") == {"data": []}
    assert drift("retire_version", version="v26.0") == {"versions": ["v25.0", "v27.0"]}
    assert drift("upgrade_version", version="v25.0", to="v27.0")["versions"][0] == "v25.0"
    assert (
        graph.session.get(
            f"{sim.url}/v25.0/{account}",
            params={"access_token": sim.token},
            timeout=PATIENCE_SECONDS,
        ).headers["facebook-api-version"]
        == "v27.0"
    )
    assert graph.error(account)[1]["code"] == 2635
    sim.expect("unknown_field")


def test_an_account_changes_its_status_and_goes(sim: Simulator, graph: Graph, account: str) -> None:
    ad = sim.world.objects("ads", account)[0].id
    run = graph.call("POST", f"{account}/insights").json()["report_run_id"]
    for status in (2, 3):
        control(sim, "PATCH", f"/objects/{account}", **{"with": {"account_status": status}})
        assert graph.get(account, fields="account_status")["account_status"] == status
    control(sim, "PATCH", f"/objects/{account}", edit="vanish")
    assert account not in {row["id"] for row in graph.rows("me/adaccounts")}
    sim.sleep(3600)
    for path in (account, f"{account}/ads", f"{account}/insights", ad, f"{run}/insights"):
        assert graph.error(path)[1]["error_subcode"] == 33, path
    assert len(control(sim, "GET", "/status")["accounts"]) == 5


def test_an_edit_meta_would_refuse_is_explained(sim: Simulator, account: str) -> None:
    campaign = sim.world.objects("campaigns", account)[0].id
    control(sim, "PATCH", f"/objects/{campaign}", edit="archive")
    response = requests.patch(
        f"{sim.url}/_sim/objects/{campaign}", json={"edit": "activate"}, timeout=PATIENCE_SECONDS
    )
    assert response.status_code == 409
    assert "archived" in response.json()["error"]


def test_objects_are_created(sim: Simulator, graph: Graph, account: str) -> None:
    made = control(
        sim, "PATCH", f"/objects/{account}", edit="add_campaign", **{"with": {"name": "By HTTP"}}
    )
    assert graph.get(f"{account}/campaigns", fields="name")["data"][0] == {
        "name": "By HTTP", "id": made["id"]}  # fmt: skip


def test_limits_of_the_app(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "PUT", "/limits", app_pct=100)
    assert graph.error(account)[1]["code"] == 4
    control(sim, "PUT", "/limits", relieve=True, calls={"ads_management": 2})
    assert [graph.call("GET", account).status_code for _ in range(3)] == [200, 200, 400]


def test_the_dialog_and_the_proof(sim: Simulator, graph: Graph, account: str) -> None:
    found = control(sim, "PUT", "/oauth", dialog="deny", require_proof=True)
    assert found == {"dialog": "deny", "require_proof": True}
    assert "appsecret_proof" in graph.error(account)[1]["message"]


def test_real_time_can_jump_too(sim: Simulator, graph: Graph, account: str) -> None:
    sim.reset(World(seed=7, clock=WallClock()))
    before = sim.now()
    control(sim, "POST", "/clock/advance", seconds=86_400)
    assert 86_400 <= (sim.now() - before).total_seconds() < 86_460


def test_the_clock_jumps_over_the_end_of_daylight_saving(
    sim: Simulator, graph: Graph, account: str
) -> None:
    fields = "timezone_offset_hours_utc"
    assert graph.get(account, fields=fields)[fields] == 11
    control(sim, "POST", "/clock/advance", to="2027-04-04T02:59:00+11:00")
    control(sim, "PUT", f"/tokens/{sim.token}")  # the 90 days of data access are over
    assert graph.get(account, fields=fields)[fields] == 11
    control(sim, "POST", "/clock/advance", seconds=60)
    assert graph.get(account, fields=fields)[fields] == 10


def test_the_day_of_an_account_begins(sim: Simulator, graph: Graph, account: str) -> None:
    control(sim, "POST", "/clock/advance", to="2026-11-16T23:30:00+11:00")
    asked = {"date_preset": "today", "fields": "impressions"}
    assert graph.get(f"{account}/insights", **asked)["data"][0]["date_start"] == "2026-11-16"
    control(sim, "POST", "/clock/advance", seconds=12 * 3600)
    assert graph.get(f"{account}/insights", **asked)["data"][0]["date_start"] == "2026-11-17"
