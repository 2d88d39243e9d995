"""Recorded answers of the real API, compared in shape with what the simulator answers.

Shape: the keys of every object, the type of every value, what is absent, how paging looks.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from meta_pipeline.simulator import AccountSpec, Plan, Simulator, World
from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.limits import throttles
from meta_pipeline_tests.recorded import needs_samples, sample
from meta_pipeline_tests.simulator.conftest import Graph

pytestmark = needs_samples


def asked(recorded: Any) -> dict[str, str]:
    query = parse_qs(urlsplit(recorded["request"]["uri"]).query)
    return {name: values[0] for name, values in query.items()
            if name not in {"access_token", "appsecret_proof"}}  # fmt: skip


def types(rows: list[dict[str, Any]]) -> dict[str, set[type]]:
    found: dict[str, set[type]] = {}
    for row in rows:
        for key, value in row.items():
            found.setdefault(key, set()).add(type(value))
    return found


def assert_like(recorded: list[dict[str, Any]], simulated: list[dict[str, Any]]) -> None:
    """Every key both sides show has one and the same type; nothing is null."""
    there, here = types(recorded), types(simulated)
    for key in there.keys() & here.keys():
        assert here[key] <= there[key] | {float if int in there[key] else type(None)}, key
        assert type(None) not in here[key], key


def test_me_adaccounts(graph: Graph) -> None:
    recorded = sample("01_me_adaccounts.json")
    body = graph.get("me/adaccounts", **asked(recorded))
    assert body.keys() == recorded["body"].keys()
    assert body["paging"].keys() == recorded["body"]["paging"].keys() == {"cursors"}
    assert_like(recorded["body"]["data"], body["data"])
    assert list(body["data"][0]) == list(recorded["body"]["data"][0])


def test_campaigns(sim: Simulator, graph: Graph, account: str) -> None:
    recorded = sample("02_campaigns_edge_last_page.json")
    body = graph.get(f"{account}/campaigns", **asked(recorded))
    assert body["paging"].keys() == recorded["body"]["paging"].keys()
    assert body["data"]
    assert_like(recorded["body"]["data"], body["data"])
    without = {"daily_budget", "lifetime_budget", "stop_time", "spend_cap"}
    assert any(without - row.keys() for row in body["data"])


def test_an_empty_edge(sim: Simulator, graph: Graph) -> None:
    recorded = sample("03_empty_edge.json")
    sim.reset(World(seed=1, clock=sim.clock, accounts=(AccountSpec("Empty"),)))
    account = sim.world.accounts()[0].id
    asked_for = asked(recorded)
    asked_for["fields"] = asked_for["fields"].replace("bid_type,", "")  # gone since
    response = graph.call("GET", f"{account}/ads", **asked_for)
    assert response.json() == recorded["body"]
    assert response.headers["etag"] == recorded["headers"]["Etag"]


def test_standing_headers(graph: Graph, account: str) -> None:
    sent = sample("03_empty_edge.json")["headers"]
    recorded = {name.lower(): value for name, value in sent.items()}
    headers = graph.call("GET", f"{account}/ads").headers
    for name in ("access-control-allow-origin", "pragma", "cache-control", "expires", "vary"):
        assert headers[name] == recorded[name]
    for name in ("etag", "x-fb-trace-id", "facebook-api-version", "x-fb-rev"):
        assert name in recorded
        assert headers[name]


def test_deleting_twice(sim: Simulator, graph: Graph, account: str) -> None:
    recorded = sample("06_delete_campaign.json")
    campaign = sim.world.objects("campaigns", account)[0].id
    assert graph.call("DELETE", campaign).json() == recorded[0]["body"]
    found = graph.get(campaign, **asked(recorded[1]))
    assert_like([recorded[1]["body"]], [found])
    assert found["effective_status"] == found["configured_status"] == "DELETED"
    sim.sleep(60)
    assert graph.call("DELETE", campaign).json() == {"success": True}
    assert graph.get(campaign, **asked(recorded[1]))["updated_time"] == found["updated_time"]


def test_an_account_record(graph: Graph, account: str) -> None:
    recorded = sample("07_ad_account_record.json")
    fields = [name for name in recorded if name not in {"id"}]
    found = graph.get(account, fields=",".join(fields))
    normalised = {name for name, value in recorded.items() if isinstance(value, float)}
    assert_like([{k: v for k, v in recorded.items() if k not in normalised}], [found])


def test_an_ads_row_and_an_activity(graph: Graph, account: str) -> None:
    recorded = sample("10_ads_edge_row.json")["data"]
    fields = ",".join(name for name in recorded[0] if name != "bid_type")
    assert_like(recorded, graph.get(f"{account}/ads", fields=fields)["data"])
    activity = sample("11_activity_record.json")
    found = graph.get(f"{account}/activities", fields=",".join(activity), limit=5)["data"]
    assert_like([activity], found)
    assert found[0].keys() == activity.keys()


def test_insights_rows_and_pages(graph: Graph, account: str) -> None:
    recorded = sample("12_insights_rows.json")
    windows = '["1d_click","7d_click","28d_click"]'
    body = graph.get(
        f"{account}/insights",
        level="ad",
        time_increment=1,
        date_preset="last_7d",
        limit=1,
        fields="account_id,ad_id,impressions,reach,spend,clicks,actions",
        action_attribution_windows=windows,
    )
    assert_like(recorded["data"], body["data"])
    assert body["paging"]["cursors"] == recorded["paging"]["cursors"]
    paged = sample("13_insights_page_with_next.json")["paging"]
    assert body["paging"].keys() == paged.keys()
    action_keys = {key for row in body["data"] for action in row["actions"] for key in action}
    assert action_keys <= {"action_type", "value", "1d_click", "7d_click", "28d_click"}
    assert graph.get(f"{account}/insights", time_range='{"since":"2024-01-01","until":"2024-01-02"}'
                     ) == sample("15_insights_empty.json")  # fmt: skip


def test_report_runs(sim: Simulator, graph: Graph, account: str) -> None:
    recorded = sample("16_async_job.json")
    sim.reports.plan_next(Plan.after(100), Plan.fail(code=2601, subcode=1487742), Plan.too_large())
    runs = [graph.call("POST", f"{account}/insights", level="ad").json() for _ in range(3)]
    assert runs[0].keys() == recorded["create_POST_act_X_insights"].keys()
    sim.sleep(40)
    assert_keys(graph.get(runs[0]["report_run_id"]), recorded["poll_running"])
    sim.sleep(600)
    done, failed, large = (graph.get(run["report_run_id"]) for run in runs)
    assert_keys(done, recorded["poll_completed"])
    assert_like([recorded["poll_completed"]], [done])
    for found, name in ((failed, "poll_failed_v25plus"), (large, "poll_failed_too_large")):
        assert (
            found.items()
            >= {
                k: v for k, v in recorded[name].items() if k not in {"id", "error_user_msg"}
            }.items()
        )


def assert_keys(found: dict[str, Any], recorded: dict[str, Any]) -> None:
    assert found.keys() == recorded.keys()


def test_usage_headers(sim: Simulator, graph: Graph, account: str) -> None:
    recorded = sample("18_usage_headers.json")
    sim.limits.use(account, "ads_insights", 1)
    headers = graph.call("GET", f"{account}/insights").headers
    used = json.loads(headers["x-business-use-case-usage"])
    like = recorded["X-Business-Use-Case-Usage (recorded, v23.0)"]
    assert list(next(iter(used.values()))[0]) == list(next(iter(like.values()))[0])
    assert set(used) == {account.removeprefix("act_")}
    throttle = json.loads(headers["x-fb-ads-insights-throttle"])
    assert list(throttle) == list(recorded["X-FB-Ads-Insights-Throttle (recorded, v23.0)"])


ERRORS = {
    "400_80000": lambda: throttles.too_many_calls("ads_insights"),
    "400_17": throttles.user_limit, "400or403_4": throttles.app_limit,
    "500_1_reduce": errors.reduce_data, "500_1_99": errors.unknown_error,
    "503_2": errors.unavailable, "400_2635": errors.retired_version,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_read_as_recorded(name: str) -> None:
    recorded = sample("17_errors.json")[name]
    made = ERRORS[name]()
    body = made.body("A0")["error"]
    assert made.status == recorded["http"] or name == "400or403_4"
    ignored = {"fbtrace_id", "is_transient"}  # logged with true and with false for one code
    assert {k: v for k, v in body.items() if k not in ignored} == {
        k: v for k, v in recorded["body"]["error"].items() if k not in ignored}  # fmt: skip


def test_a_range_too_old_reads_as_recorded(graph: Graph, account: str) -> None:
    recorded = sample("17_errors.json")["400_3018"]
    old = json.dumps({"since": "2001-01-01", "until": "2001-01-02"})
    status, error = graph.error(f"{account}/insights", fields="spend", time_range=old)
    assert status == recorded["http"]
    assert error | {"fbtrace_id": ""} == recorded["body"]["error"] | {"fbtrace_id": ""}


def test_a_batch_answer(graph: Graph, account: str) -> None:
    recorded = sample("19_batch_response.json")
    found = graph.call(
        "POST", "/", batch=json.dumps([{"method": "GET", "relative_url": f"{account}/ads"}])
    ).json()
    assert found[0].keys() == recorded[0].keys()
    names = {header["name"].lower() for header in found[0]["headers"]}
    assert names >= {h["name"].lower() for h in recorded[0]["headers"]} - {
        "x-business-use-case-usage",
        "x-fb-ads-insights-throttle",
        "strict-transport-security",
    }
    large = graph.call(
        "POST", "/", batch=json.dumps([{"method": "GET", "relative_url": "me"}] * 51)
    ).json()
    assert large["error"].items() >= sample("20_batch_too_large.json")["error"].items()


def test_oauth(sim: Simulator, graph: Graph) -> None:
    recorded = sample("22_oauth.json")
    good = graph.get("debug_token", input_token=sim.token)["data"]
    assert good.keys() | {"metadata"} == recorded["GET /debug_token"]["data"].keys()
    sim.tokens.expire(sim.token)
    bad = graph.get("debug_token", input_token=sim.token, access_token=sim.tokens.app.token)["data"]
    assert bad["error"].keys() == recorded["debug_token_invalid"]["data"]["error"].keys()
    assert bad["is_valid"] is False
