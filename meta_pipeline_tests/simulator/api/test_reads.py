"""Nodes, edges, fields, filters and paging as FACTS sections 0 and 4 have them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from meta_pipeline.simulator import AccountSpec, Caps, Simulator, World
from meta_pipeline.simulator.pytest_plugin import new_world
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

SHOWN = {"ACTIVE", "PAUSED", "IN_PROCESS", "WITH_ISSUES", "CAMPAIGN_PAUSED", "ADSET_PAUSED",
         "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO"}  # fmt: skip


def world_ids(sim: Simulator, kind: str, account: str, *, hidden: bool = False) -> list[str]:
    return [
        entity.id
        for entity in sim.world.objects(kind, account)
        if hidden or entity.values["effective_status"] in SHOWN
    ]


def test_accounts_come_in_pages_with_both_spellings_of_their_id(graph: Graph) -> None:
    rows = graph.rows("me/adaccounts", fields="id,account_id,name,currency", limit=2)
    assert len(rows) == 6
    assert all(row["id"] == f"act_{row['account_id']}" for row in rows)


@pytest.mark.parametrize("edge", ["campaigns", "adsets", "ads"])
def test_an_edge_holds_the_world_without_archived_and_deleted(
    sim: Simulator, graph: Graph, account: str, edge: str
) -> None:
    rows = graph.rows(f"{account}/{edge}", limit=3)
    assert [row["id"] for row in rows] == world_ids(sim, edge, account)


@pytest.mark.parametrize("edge", ["campaigns", "adsets", "ads"])
def test_asking_for_every_status_shows_hidden_objects_too(
    sim: Simulator, graph: Graph, account: str, edge: str
) -> None:
    statuses = sorted(sim.contract.statuses({"campaigns": "Campaign", "adsets": "AdSet",
                                             "ads": "Ad"}[edge]))  # fmt: skip
    rows = graph.rows(f"{account}/{edge}", effective_status=str(statuses).replace("'", '"'))
    assert [row["id"] for row in rows] == world_ids(sim, edge, account, hidden=True)


def test_without_fields_there_is_only_the_id(graph: Graph, account: str) -> None:
    assert graph.get(account) == {"id": account}
    assert all(row.keys() == {"id"} for row in graph.get(f"{account}/ads")["data"])


def test_the_default_page_has_25_rows(graph: Graph, account: str) -> None:
    assert len(graph.get(f"{account}/ads")["data"]) == 25


def test_the_last_page_has_cursors_but_no_next(graph: Graph, account: str) -> None:
    body = graph.get(f"{account}/campaigns", limit=100)
    assert body["paging"].keys() == {"cursors"}
    beyond = graph.get(f"{account}/campaigns", after=body["paging"]["cursors"]["after"])
    assert beyond == {"data": []}


def test_an_empty_edge_is_exactly_an_empty_list(sim: Simulator, graph: Graph) -> None:
    empty = next(a.id for a in sim.world.accounts() if a.values["name"] == "Nothing Here Yet")
    assert graph.get(f"{empty}/ads", fields="id,name") == {"data": []}


def test_a_cursor_is_base64_with_padding_written_zd(graph: Graph, account: str) -> None:
    body = graph.get(f"{account}/ads", limit=2)
    cursor = body["paging"]["cursors"]["after"]
    assert "=" not in cursor
    assert base64.b64decode(cursor.replace("ZD", "=")).decode() == body["data"][-1]["id"]


def test_the_recorded_cursor_of_an_insights_offset(graph: Graph, account: str) -> None:
    body = graph.get(f"{account}/insights")
    assert body["paging"]["cursors"] == {"before": "MAZDZD", "after": "MAZDZD"}


def test_next_repeats_every_parameter_and_the_token(
    sim: Simulator, graph: Graph, account: str
) -> None:
    body = graph.get(f"{account}/ads", fields="id,name", limit=3, summary="true")
    query = parse_qs(urlsplit(body["paging"]["next"]).query)
    assert query["access_token"] == [sim.token]
    assert query["fields"] == ["id,name"]
    assert query["limit"] == ["3"]


def test_previous_leads_back_to_the_page_before(graph: Graph, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=3)
    second = requests.get(first["paging"]["next"], timeout=PATIENCE_SECONDS).json()
    back = requests.get(second["paging"]["previous"], timeout=PATIENCE_SECONDS).json()
    assert back["data"] == first["data"]
    assert "previous" not in first["paging"]


def test_summary_counts_the_whole_edge(sim: Simulator, graph: Graph, account: str) -> None:
    body = graph.get(f"{account}/ads", limit=1, summary="true")
    assert body["summary"] == {"total_count": len(world_ids(sim, "ads", account))}


def test_an_absent_value_is_an_absent_key(sim: Simulator, graph: Graph, account: str) -> None:
    rows = graph.rows(f"{account}/campaigns", fields="id,daily_budget,stop_time,spend_cap")
    assert all(value is not None for row in rows for value in row.values())
    assert {"daily_budget"} < {key for row in rows for key in row}
    assert any("daily_budget" not in row for row in rows)


def test_links_unfold(graph: Graph, account: str) -> None:
    row = graph.get(
        f"{account}/ads", fields="id,creative{id,name},campaign{name,objective},adset", limit=1
    )["data"][0]
    assert row["creative"].keys() == {"id", "name"}
    assert row["campaign"].keys() == {"id", "name", "objective"}
    assert row["adset"].keys() == {"id"}


def test_edges_nest_in_fields_with_pages_of_their_own(graph: Graph, account: str) -> None:
    row = graph.get(
        f"{account}/campaigns",
        fields="id,adsets.limit(1){id,ads.limit(1){id,insights.date_preset(last_7d){spend}}}",
        limit=1,
    )["data"][0]
    adsets = row["adsets"]
    ads = adsets["data"][0]["ads"]
    assert len(adsets["data"]) == len(ads["data"]) == 1
    assert "spend" in ads["data"][0]["insights"]["data"][0]
    more = requests.get(adsets["paging"]["next"], timeout=PATIENCE_SECONDS).json()
    assert more["data"][0]["id"] != adsets["data"][0]["id"]


def test_children_of_a_campaign_and_of_an_ad_set(
    sim: Simulator, graph: Graph, account: str
) -> None:
    campaign = world_ids(sim, "campaigns", account)[0]
    adsets = graph.rows(f"{campaign}/adsets", fields="campaign_id")
    assert {row["campaign_id"] for row in adsets} == {campaign}
    ads = graph.rows(f"{adsets[0]['id']}/ads", fields="adset_id")
    assert {row["adset_id"] for row in ads} == {adsets[0]["id"]}


def test_php_style_lists_and_bearer_tokens_are_understood(sim: Simulator, account: str) -> None:
    response = requests.get(
        f"{sim.url}/v26.0/{account}/ads",
        params=[("effective_status[]", "ACTIVE"), ("fields", "effective_status")],
        headers={"Authorization": f"Bearer {sim.token}"},
        timeout=PATIENCE_SECONDS,
    )
    assert {row["effective_status"] for row in response.json()["data"]} == {"ACTIVE"}


def test_updated_time_filter_with_its_prefix_is_strict(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.sleep(100)
    sim.world.rename(world_ids(sim, "ads", account)[3], "Changed")
    moment = int(sim.now().timestamp())
    condition = '[{"field":"ad.updated_time","operator":"GREATER_THAN","value":%d}]'
    assert [
        row["name"]
        for row in graph.rows(f"{account}/ads", fields="name", filtering=condition % (moment - 1))
    ] == ["Changed"]
    assert graph.rows(f"{account}/ads", filtering=condition % moment) == []


@pytest.mark.parametrize(
    ("operator", "value"), [("CONTAIN", '"changed"'), ("EQUAL", '"Changed thing"')]
)
def test_filters_on_other_fields(
    sim: Simulator, graph: Graph, account: str, operator: str, value: str
) -> None:
    sim.world.rename(world_ids(sim, "ads", account)[3], "Changed thing")
    condition = f'[{{"field":"ad.name","operator":"{operator}","value":{value}}}]'
    rows = graph.rows(f"{account}/ads", fields="name", filtering=condition)
    assert [row["name"] for row in rows] == ["Changed thing"]


def test_a_filter_on_the_parent(sim: Simulator, graph: Graph, account: str) -> None:
    campaign = world_ids(sim, "campaigns", account)[0]
    condition = f'[{{"field":"campaign.id","operator":"EQUAL","value":"{campaign}"}}]'
    rows = graph.rows(f"{account}/adsets", fields="campaign_id", filtering=condition)
    assert rows
    assert {row["campaign_id"] for row in rows} == {campaign}


def test_rows_do_not_repeat_or_vanish_when_one_is_deleted_between_pages(
    sim: Simulator, graph: Graph, account: str
) -> None:
    before = world_ids(sim, "ads", account)
    first = graph.get(f"{account}/ads", limit=5)
    sim.world.delete(first["data"][-1]["id"])  # the very object the cursor names
    rest = graph.get(f"{account}/ads", limit=100, after=first["paging"]["cursors"]["after"])
    seen = [row["id"] for row in first["data"] + rest["data"]]
    assert seen == before


def test_a_cursor_dies_with_its_object(sim: Simulator, graph: Graph, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=5)
    sim.world.vanish(first["data"][-1]["id"])
    status, error = graph.error(f"{account}/ads", after=first["paging"]["cursors"]["after"])
    assert (status, error["code"]) == (400, 2642)
    assert graph.error(f"{account}/ads", after="nonsense!")[1]["code"] == 2642


def test_a_page_that_finds_nothing_still_has_next(sim: Simulator, account: str) -> None:
    spec = AccountSpec("Big", 1, 10, 25_000, (1, 10, 25_000))
    sim.reset(World(seed=3, clock=sim.clock, accounts=(spec,)), caps=Caps(page_cells=1e9))
    graph = Graph(sim)
    oldest = sim.world.objects("ads", account)[-1]
    condition = f'[{{"field":"ad.id","operator":"EQUAL","value":"{oldest.id}"}}]'
    pages = graph.pages(f"{account}/ads", filtering=condition)
    assert [len(page) for page in pages] == [0, 0, 1]


def test_a_heavy_page_is_refused_and_a_smaller_one_is_not(sim: Simulator) -> None:
    spec = AccountSpec("Heavy", 2, 900, 1, (1, 1, 1))
    sim.reset(World(seed=3, clock=sim.clock, accounts=(spec,)))
    graph, account = Graph(sim), sim.world.accounts()[0].id
    fields = (
        "id,name,status,effective_status,targeting,promoted_object,issues_info,created_time,"
        "updated_time,bid_strategy,optimization_goal,billing_event,daily_budget,lifetime_budget,"
        "budget_remaining,attribution_spec,learning_stage_info,campaign_id"
    )
    response = graph.call("GET", f"{account}/adsets", fields=fields, limit=900)
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "Please reduce the amount of data you're asking for, then retry your request",
        "code": 1,
    }
    assert len(graph.get(f"{account}/adsets", fields=fields, limit=300)["data"]) == 300
    assert len(graph.get(f"{account}/adsets", fields="id", limit=900)["data"]) > 500


def test_every_answer_says_it_is_simulated_and_carries_a_trace(graph: Graph, account: str) -> None:
    for path in (account, "nothing"):
        response = graph.call("GET", path)
        assert response.headers["x-simulated"] == "true"
        assert response.headers["x-fb-trace-id"].startswith("A")
        assert response.headers["content-type"] == "application/json; charset=UTF-8"


def test_etag_is_the_bodys_sha1_and_gives_304(graph: Graph, account: str) -> None:
    url = f"{graph.sim.url}/v26.0/{account}/campaigns"
    params = {"access_token": graph.sim.token}
    first = requests.get(url, params=params, timeout=PATIENCE_SECONDS)
    tag = first.headers["etag"]
    assert tag == f'"{hashlib.sha1(first.content).hexdigest()}"'
    again = requests.get(
        url, params=params, headers={"If-None-Match": tag}, timeout=PATIENCE_SECONDS
    )
    assert (again.status_code, again.content) == (304, b"")
    graph.sim.world.rename(first.json()["data"][0]["id"], "Other")
    named = requests.get(
        url,
        params={**params, "fields": "name"},
        headers={"If-None-Match": tag},
        timeout=PATIENCE_SECONDS,
    )
    assert named.status_code == 200


def test_ids_reads_several_nodes_and_one_bad_id_fails_all(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.tokens.change_app(is_new=False)
    campaign = world_ids(sim, "campaigns", account)[0]
    body = graph.get("/", ids=f"{account},{campaign}", fields="name")
    assert body.keys() == {account, campaign}
    assert body[campaign]["id"] == campaign
    assert graph.error("/", ids=f"{account},123")[1]["error_subcode"] == 33
    assert graph.error("/", ids=",".join(["1"] * 51))[1]["code"] == 100


def test_activities_have_no_id_and_are_filtered_by_time(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.sleep(3600)
    sim.world.pause(world_ids(sim, "campaigns", account)[0])
    since = int(sim.now().timestamp()) - 60
    rows = graph.rows(f"{account}/activities", since=since)
    assert [row["event_type"] for row in rows] == ["update_campaign_run_status"]
    assert "id" not in rows[0]
    assert rows[0]["event_time"].endswith("+0000")
    assert isinstance(rows[0]["extra_data"], str)


def test_one_bad_creative_fails_its_page_only_when_its_story_is_asked(
    sim: Simulator, graph: Graph, account: str
) -> None:
    bad = sim.world.objects("adcreatives", account)[4].id
    sim.world.spoil_creative(bad)
    status, error = graph.error(f"{account}/adcreatives", fields="id,object_story_spec", limit=10)
    assert (status, error["code"], error["error_subcode"]) == (400, 100, 2446211)
    assert len(graph.get(f"{account}/adcreatives", fields="id,name", limit=10)["data"]) == 10
    assert graph.get(f"{account}/adcreatives", fields="id,object_story_spec", limit=4)["data"]
    ad = next(a for a in sim.world.objects("ads", account) if a.values["creative"]["id"] == bad)
    assert graph.error(ad.id, fields="creative{object_story_spec}")[1]["error_subcode"] == 2446211


def test_writes_change_the_world(sim: Simulator, graph: Graph, account: str) -> None:
    campaign = world_ids(sim, "campaigns", account)[0]
    assert graph.call("POST", campaign, name="New", status="PAUSED").json() == {"success": True}
    assert graph.get(campaign, fields="name,status") == {
        "name": "New", "status": "PAUSED", "id": campaign}  # fmt: skip
    assert graph.call("DELETE", campaign).json() == {"success": True}
    assert graph.get(campaign, fields="effective_status")["effective_status"] == "DELETED"
    assert campaign not in [row["id"] for row in graph.rows(f"{account}/campaigns")]
    status, error = graph.error(campaign, method="POST", status="ACTIVE")
    assert (status, error["code"]) == (400, 100)


def test_a_disabled_account_reads_and_a_forbidden_one_only_lists(
    sim: Simulator, graph: Graph
) -> None:
    by_name: dict[str, Any] = {a.values["name"]: a.id for a in sim.world.accounts()}
    forbidden = by_name["Somebody Else's"]
    assert graph.get(by_name["Closed Shop"], fields="account_status")["account_status"] == 2
    status, error = graph.error(f"{forbidden}/ads")
    assert (status, error["code"]) == (403, 200)


def test_the_world_behind_the_socket_can_be_replaced(sim: Simulator, graph: Graph) -> None:
    names = [row["name"] for row in graph.rows("me/adaccounts", fields="name")]
    sim.reset(new_world(seed=11))
    assert [row["name"] for row in graph.rows("me/adaccounts", fields="name")] == names
    assert sim.world.seed == 11


def test_json_is_escaped_as_recorded(sim: Simulator, graph: Graph) -> None:
    response = graph.call("GET", "me/adaccounts", fields="name,timezone_name")
    assert response.content.isascii()
    assert b"America\\/Los_Angeles" in response.content
    assert b"\\u73c8\\u7432 Tokyo" in response.content
    assert "珈琲 Tokyo" in {row["name"] for row in response.json()["data"]}
    campaign = sim.world.objects("campaigns", sim.world.accounts()[0].id)[0].id
    sim.world.rename(campaign, "🔥/é")
    assert graph.get(campaign, fields="name")["name"] == "🔥/é"


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("EQUAL", "Autumn sale", 1),
        ("STEM_MATCH", "autu", 1),
        ("CONTAINS_ALL", ["sale", "AUT"], 1),
        ("CONTAINS_ANY", ["spring", "tumn"], 1),
        ("NOT_CONTAINS_ANY", ["a", "e", "i", "o", "u"], 0),
        ("STARTS_WITH", "Autumn", 1),
        ("ENDS_WITH", "umn sale", 1),
        ("ALL", ["Autumn sale"], 1),
        ("NONE", ["Autumn sale"], 5),
    ],
)
def test_operators_of_filters(
    sim: Simulator, graph: Graph, account: str, operator: str, value: Any, found: int
) -> None:
    everything = sim.world.objects("campaigns", account)
    for place, entity in enumerate(everything):
        sim.world.patch(entity.id, effective_status="ACTIVE", name=f"Other {place}")
    sim.world.rename(everything[2].id, "Autumn sale")
    condition = [{"field": "campaign.name", "operator": operator, "value": value}]
    rows = graph.rows(f"{account}/campaigns", filtering=json.dumps(condition))
    assert len(rows) == found


def test_a_write_can_be_read_back_in_the_same_call(
    sim: Simulator, graph: Graph, account: str
) -> None:
    campaign = sim.world.objects("campaigns", account)[0].id
    found = graph.call("POST", campaign, name="Renamed", fields="name,status").json()
    assert found == {"name": "Renamed", "status": found["status"], "id": campaign}
