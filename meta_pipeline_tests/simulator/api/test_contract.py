"""The contract comes from the installed SDK; what lies outside it is refused."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from meta_pipeline.simulator import Simulator, VirtualClock, coverage_table, demo_world
from meta_pipeline.simulator.api import contract
from meta_pipeline.simulator.api.coverage import coverage
from meta_pipeline.simulator.api.fields import NODE_OF_KIND
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

# What a sync reads. A release of the SDK without one of these is a warning to read.
SYNCED = {
    "AdAccount": "id account_id name account_status disable_reason currency timezone_name "
    "timezone_offset_hours_utc amount_spent balance spend_cap business created_time",
    "Campaign": "id account_id name objective status configured_status effective_status "
    "buying_type bid_strategy daily_budget lifetime_budget budget_remaining spend_cap "
    "special_ad_categories start_time stop_time created_time updated_time issues_info",
    "AdSet": "id account_id campaign_id name status effective_status optimization_goal "
    "billing_event bid_amount bid_strategy daily_budget lifetime_budget budget_remaining "
    "start_time end_time created_time updated_time targeting promoted_object destination_type "
    "attribution_spec learning_stage_info issues_info",
    "Ad": "id account_id campaign_id adset_id name status effective_status creative created_time "
    "updated_time tracking_specs conversion_specs issues_info ad_review_feedback",
    "AdCreative": "id account_id name status title body object_type object_story_spec "
    "asset_feed_spec image_url video_id thumbnail_url call_to_action_type url_tags link_url",
    "AdsInsights": "account_id campaign_id adset_id ad_id impressions reach frequency spend clicks "
    "inline_link_clicks cpc cpm ctr actions action_values cost_per_action_type purchase_roas "
    "date_start date_stop",
    "AdActivity": "event_type event_time extra_data object_id object_name object_type actor_name",
    "AdReportRun": "id async_status async_percent_completion error_code error_subcode",
}


@pytest.mark.parametrize("node", sorted(SYNCED))
def test_the_installed_sdk_knows_what_a_sync_reads(node: str) -> None:
    known = contract.load()
    missing = [name for name in SYNCED[node].split() if not known.has_field(node, name)]
    assert missing == []


@pytest.mark.parametrize(
    ("kind", "node"), [item for item in NODE_OF_KIND.items() if item[0] != "activities"]
)
def test_the_world_holds_no_field_meta_does_not_have(kind: str, node: str) -> None:
    known = contract.load()
    world = demo_world(VirtualClock(datetime(2026, 11, 15, tzinfo=UTC)))
    account = world.accounts()[0].id
    objects = world.accounts() if kind == "adaccounts" else world.objects(kind, account)[:200]
    filled = {key for entity in objects for key in entity.values}
    assert [key for key in sorted(filled) if not known.has_field(node, key)] == []


def test_every_status_of_the_world_is_legal() -> None:
    known = contract.load()
    world = demo_world(VirtualClock(datetime(2026, 11, 15, tzinfo=UTC)))
    for account in world.accounts():
        for kind in ("campaigns", "adsets", "ads"):
            objects = world.objects(kind, account.id)
            found = {entity.values["effective_status"] for entity in objects}
            assert found <= known.statuses(NODE_OF_KIND[kind])


def test_names_of_the_sdks_own_modules_are_no_enum_values() -> None:
    for node in contract.load().nodes.values():
        for edge in node.edges.values():
            for values in edge.enums.values():
                assert not [value for value in values if "facebook_business" in value]


def test_the_tables_are_read_and_not_copied() -> None:
    source = inspect.getsource(contract)
    assert "comscore_market" not in source
    assert len(contract.load().nodes["AdsInsights"].fields) > 200


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("{account}/adverts", {}, 2500),
    ("{account}/ads/more", {}, 2500),
    ("{account}", {"fields": "nonsense"}, 100),
    ("{account}/ads", {"fields": "id,creative{nonsense}"}, 100),
    ("{account}/ads", {"fields": "id,,name"}, 2500),
    ("{account}/ads", {"fields": "id,creative{id"}, 2500),
    ("{account}/campaigns", {"fields": "execution_options"}, 100),
    ("{account}/campaigns", {"effective_status": '["SLEEPING"]'}, 100),
    ("{account}/ads", {"effective_status": '["SLEEPING"]'}, 100),
    ("{account}/ads", {"date_preset": "lifetime"}, 100),
    ("{account}/ads", {"unheard_of": "1"}, 100),
    ("{account}/ads", {"filtering": '[{"field":"ad.nonsense","operator":"EQUAL","value":1}]'}, 100),
    ("{account}/advideos", {}, 3),
    ("{account}", {"fields": "advideos"}, 3),
    ("123", {}, 100),
]


@pytest.mark.parametrize(
    ("path", "params", "code"), REFUSED, ids=[f"{path} {params}" for path, params, _ in REFUSED]
)
def test_what_is_outside_the_contract_is_refused(
    sim: Simulator, graph: Graph, account: str, path: str, params: dict[str, Any], code: int
) -> None:
    sim.expect("unknown", "unserved")
    status, error = graph.error(path.format(account=account), **params)
    assert (status, error["code"]) == (400, code)


def test_versions(sim: Simulator, graph: Graph, account: str) -> None:
    sim.expect("unknown_route")
    codes = {}
    for version in ("v27.0", "v26.0", "v25.0", "v24.0", "v3.2", "v99.0"):
        body = graph.session.get(
            f"{sim.url}/{version}/{account}",
            params={"access_token": sim.token},
            timeout=PATIENCE_SECONDS,
        ).json()
        codes[version] = body.get("error", {}).get("code")
    assert codes == {
        **dict.fromkeys(("v27.0", "v26.0", "v25.0")),
        **dict.fromkeys(("v24.0", "v3.2"), 2635),
        "v99.0": 2500,
    }


def test_a_version_is_upgraded_with_a_word(sim: Simulator, graph: Graph, account: str) -> None:
    sim.contract.upgrade_version("v26.0", "v27.0")
    headers = graph.call("GET", account).headers
    assert headers["facebook-api-version"] == "v27.0"
    assert headers["x-ad-api-version-warning"] == (
        "The call has been auto-upgraded to v27.0 as v26.0 has been deprecated."
    )
    sim.contract.warn_of_version("v26.0", "v26.0 ends soon")
    assert graph.call("GET", account).headers["x-ad-api-version-warning"] == "v26.0 ends soon"


LEGACY: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/", {"ids": "1,2"}),
    ("GET", "{account}", {"date_format": "U"}),
    ("GET", "{account}", {"callback": "f"}),
    ("GET", "{account}", {"fields": "name.as(title)"}),
    ("GET", "{account}", {"fields": "campaigns{name.as(title)}"}),
    ("POST", "{account}/async_batch_requests", {"name": "x"}),
]


@pytest.mark.parametrize(("method", "path", "params"), LEGACY, ids=str)
def test_a_new_app_may_not_use_legacy_forms(
    sim: Simulator, graph: Graph, account: str, method: str, path: str, params: dict[str, Any]
) -> None:
    sim.expect("retired_form")
    status, error = graph.error(path.format(account=account), method=method, **params)
    assert (status, error["code"]) == (400, 3)
    assert "may not use" in error["message"]
    entry = json.dumps([{"method": "GET", "relative_url": "?ids=1,2"}])
    (inner,) = graph.call("POST", "/", batch=entry).json()
    assert inner["code"] == 400
    assert override(graph, account).json()["error"]["code"] == 3


def override(graph: Graph, account: str) -> requests.Response:
    asked = {"access_token": graph.sim.token, "method": "GET"}
    return graph.session.post(
        f"{graph.sim.url}/v26.0/{account}", data=asked, timeout=PATIENCE_SECONDS
    )


def test_an_older_app_may_still_use_them(sim: Simulator, graph: Graph, account: str) -> None:
    sim.tokens.change_app(is_new=False)
    assert graph.get("/", ids=account).keys() == {account}
    assert override(graph, account).status_code == 200
    assert graph.error(account, date_format="U")[1]["code"] == 100, "of no app any more"


def test_a_lenient_simulator_ignores_unknown_parameters(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.state.strict = False
    assert graph.get(f"{account}/ads", unheard_of="1")["data"]


def test_a_field_can_disappear(sim: Simulator, graph: Graph, account: str) -> None:
    sim.expect("unknown_field")
    assert graph.get(account, fields="name")["name"]
    sim.contract.remove_field("AdAccount", "name")
    status, error = graph.error(account, fields="name")
    assert (status, error["code"]) == (400, 100)
    assert "nonexisting field (name)" in error["message"]


def test_a_field_and_a_value_can_appear(sim: Simulator, graph: Graph, account: str) -> None:
    sim.contract.add_field("Ad", "shiny", {"new": 1})
    sim.contract.add_value("effective_status", "SLEEPING")
    ad = sim.world.objects("ads", account)[0].id
    sim.world.patch(ad, effective_status="SLEEPING")
    rows = graph.get(f"{account}/ads", fields="shiny", effective_status='["SLEEPING"]')["data"]
    assert rows == [{"shiny": {"new": 1}, "id": ad}]
    assert ad in [row["id"] for row in graph.rows(f"{account}/ads")]


NO_MORE: list[tuple[str, str, str, dict[str, str]]] = [
    ("insights", "action_attribution_windows", "7d_view",
     {"action_attribution_windows": '["1d_click","7d_view"]'}),
    ("insights", "breakdowns", "gender", {"breakdowns": '["age","gender"]'}),
    ("ads", "effective_status", "IN_PROCESS", {"effective_status": '["ACTIVE","IN_PROCESS"]'}),
    ("insights", "effective_status", "IN_PROCESS",
     {"filtering": json.dumps([{"field": "ad.effective_status", "operator": "IN",
                                "value": ["ACTIVE", "IN_PROCESS"]}])}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edge", "param", "value", "asked"), NO_MORE, ids=[f"{e} {p}" for e, p, *_ in NO_MORE]
)
def test_a_value_is_not_taken_any_more(
    sim: Simulator, graph: Graph, account: str, edge: str, param: str, value: str,
    asked: dict[str, str],
) -> None:  # fmt: skip
    """F12: its place is told and what is still taken; what stands beside it goes on."""
    path = f"{account}/{edge}"
    before = {"level": "ad", "fields": "ad_id,spend"} if edge == "insights" else {}
    assert graph.call("GET", path, **before, **asked).status_code == 200
    sim.contract.remove_value(param, value)
    status, error = graph.error(path, **before, **asked)
    assert (status, error["code"], error.get("error_subcode")) == (400, 100, None)
    place, _, allowed = error["message"].partition(" must be one of the following values: ")
    assert place.endswith("[1]")
    assert value not in allowed.split(", ")
    assert allowed
    less = {name: text.replace(f',"{value}"', "").replace(f', "{value}"', "")
            for name, text in asked.items()}  # fmt: skip
    assert graph.call("GET", path, **before, **less).status_code == 200


@pytest.mark.parametrize("edge", ["ads", "insights"])
def test_a_status_can_be_refused_without_its_place(
    sim: Simulator, graph: Graph, account: str, edge: str
) -> None:
    """F14: 1487561 says that one of them is not taken, and not which."""
    sim.contract.remove_value("effective_status", "IN_PROCESS", named=False)
    statuses = ["ACTIVE", "IN_PROCESS"]
    asked = {
        "ads": {"effective_status": json.dumps(statuses)},
        "insights": {
            "level": "ad",
            "filtering": json.dumps(
                [{"field": "ad.effective_status", "operator": "IN", "value": statuses}]
            ),
        },
    }
    status, error = graph.error(f"{account}/{edge}", **asked[edge])
    assert (status, error["code"], error["error_subcode"]) == (400, 100, 1487561)
    assert "IN_PROCESS" not in json.dumps(error)


def test_coverage_counts_what_is_served() -> None:
    lines = {line.node: line for line in coverage()}
    assert lines["AdAccount"].edges_served == 11
    assert "advideos" in lines["AdAccount"].unserved_edges
    for line in lines.values():
        assert line.edges_served <= line.edges_known
        assert line.fields_served <= line.fields_known
    assert "11 of " in coverage_table()
