"""Edges that page as they please: whoever follows `next` to its end has everything, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from meta_pipeline.simulator import Fault, Plan, Simulator, Uneven
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

LIMIT = 4
ROWS = "level=ad&time_increment=1&date_preset=last_3d&fields=ad_id,impressions"
EDGES = {
    "campaigns": "effective_status=[]&fields=id",
    "adsets": "fields=id",
    "ads": "fields=id",
    "adcreatives": "fields=id",
    "activities": "fields=event_time,object_id,event_type",
    "insights": ROWS,
}
MIXES = st.builds(
    Uneven,
    seed=st.integers(0, 10_000),
    short_pct=st.integers(0, 100),
    empty_pct=st.integers(0, 100),
    empty_in_a_row=st.integers(0, 5),
    shuffled=st.booleans(),
)


def be(sim: Simulator, mix: Uneven) -> None:
    vars(sim.uneven).update(vars(mix))


def walk(graph: Graph, path: str, query: str = "") -> Iterator[list[dict[str, Any]]]:
    asked = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
    body = graph.get(path, limit=LIMIT, **asked)
    while True:
        yield body["data"]
        following = body.get("paging", {}).get("next")
        if following is None:
            return
        body = requests.get(following, timeout=PATIENCE_SECONDS).json()


def rows_of(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [str(sorted(row.items())) for page in pages for row in page]


@pytest.mark.parametrize("edge", EDGES)
@examples(max_examples=6)
@given(mix=MIXES)
def test_a_walk_has_everything_once(
    sim: Simulator, graph: Graph, account: str, edge: str, mix: Uneven
) -> None:
    be(sim, Uneven())
    whole = rows_of(list(walk(graph, f"{account}/{edge}", EDGES[edge])))
    assert len(whole) > LIMIT
    be(sim, mix)
    pages = list(walk(graph, f"{account}/{edge}", EDGES[edge]))
    again = list(walk(graph, f"{account}/{edge}", EDGES[edge]))
    assert pages == again
    assert max(map(len, pages)) <= LIMIT
    assert sorted(rows_of(pages)) == sorted(whole)
    empty_in_a_row = max(map(len, "".join("x" if page else " " for page in pages).split("x")))
    assert empty_in_a_row <= mix.empty_in_a_row


@pytest.mark.parametrize("path", ["me/adaccounts", "report"])
def test_accounts_and_reports_page_so_too(
    sim: Simulator, graph: Graph, account: str, path: str
) -> None:
    if path == "report":
        sim.reports.plan_next(Plan.instant())
        asked = dict(pair.split("=", 1) for pair in ROWS.split("&"))
        run = graph.call("POST", f"{account}/insights", **asked).json()["report_run_id"]
        path = f"{run}/insights"
    whole = rows_of(list(walk(graph, path)))
    be(sim, Uneven(short_pct=50, empty_pct=50, shuffled=True))
    pages = list(walk(graph, path))
    assert sorted(rows_of(pages)) == sorted(whole)
    assert [] in pages


def test_another_seed_is_another_order(sim: Simulator, graph: Graph, account: str) -> None:
    def ids(mix: Uneven) -> list[str]:
        be(sim, mix)
        return rows_of(list(walk(graph, f"{account}/ads", EDGES["ads"])))

    newest_first = ids(Uneven())
    first, second = ids(Uneven(shuffled=True)), ids(Uneven(seed=2, shuffled=True))
    assert first != newest_first
    assert first != second
    assert sorted(first) == sorted(second) == sorted(newest_first)


@pytest.mark.parametrize("shuffled", [False, True])
def test_things_are_edited_between_two_pages(
    sim: Simulator, graph: Graph, account: str, shuffled: bool
) -> None:
    """A walk has whatever was there from its first page to its last."""
    be(sim, Uneven(edits_pct=100, shuffled=shuffled))
    before = {one.id for one in sim.world.objects("ads", account)}
    version = sim.world.version
    rows = [row["id"] for page in walk(graph, f"{account}/ads", EDGES["ads"]) for row in page]
    after = sim.world.objects("ads", account)
    hidden = {one.id for one in after if one.values["effective_status"] in ("DELETED", "ARCHIVED")}
    assert sim.world.version > version
    assert len(rows) == len(set(rows))
    assert before - hidden <= set(rows)


def test_a_page_backwards_is_even(sim: Simulator, graph: Graph, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=LIMIT)
    second = requests.get(first["paging"]["next"], timeout=PATIENCE_SECONDS).json()
    be(sim, Uneven(short_pct=100, empty_pct=100, empty_in_a_row=9))
    back = requests.get(second["paging"]["previous"], timeout=PATIENCE_SECONDS).json()
    assert back["data"] == first["data"]


def test_mistakes_make_the_hour_of_insights_smaller(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.expect("unknown_field")
    sim.limits.set_calls(100)
    sim.limits.calls_per_user_error = 10
    for mistakes in range(1, 4):
        assert graph.call("GET", f"{account}/insights", fields="no_such").status_code == 400
        assert sim.limits.allowance(account, "ads_insights") == 100 - 10 * mistakes
    assert sim.limits.allowance(account, "ads_management") == 100
    used = sim.limits.meters(account)["use_cases"][0]
    assert used["call_count"] == 3 * 100 // 70  # three calls of what is left
    sim.sleep(3600)
    assert sim.limits.allowance(account, "ads_insights") == 100


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("{account}/insights", {"fields": "no_such"}),
        ("{account}/ads", {"fields": "no_such"}),
        ("{account}/no_such_edge", {}),
        ("{account}/ads", {"after": "bm9wZQZDZD"}),
    ],
)
def test_each_mistake_counts_as_a_call_and_as_a_mistake(
    sim: Simulator, graph: Graph, account: str, path: str, params: dict[str, str]
) -> None:
    sim.expect("unknown")
    sim.limits.calls_per_user_error = 7
    whole = sim.limits.allowance(account, "ads_insights")
    assert graph.call("GET", path.format(account=account), **params).status_code == 400
    assert sim.limits.allowance(account, "ads_insights") == whole - 7
    sim.limits.calls_per_user_error = 0
    sim.limits.set_calls(1)
    used = {one["type"]: one["call_count"] for one in sim.limits.meters(account)["use_cases"]}
    assert used == {
        "ads_insights": 100 if "insights" in path else 0,
        "ads_management": 0 if "insights" in path else 100,
    }


def test_what_is_metas_fault_costs_nothing(sim: Simulator, graph: Graph, account: str) -> None:
    whole = sim.limits.allowance(account, "ads_insights")
    for fault in (Fault.too_much_data(), Fault.graph_error(2, status=503, transient=True)):
        sim.fail("GET", "/insights", with_=fault)
        assert graph.call("GET", f"{account}/insights").status_code >= 500
    assert sim.limits.allowance(account, "ads_insights") == whole


def test_pages_can_be_told_over_http(sim: Simulator, graph: Graph, account: str) -> None:
    url = f"{sim.url}/_sim/pages"
    told = {"seed": 3, "short_pct": 40, "empty_pct": 30, "shuffled": True}
    answer = requests.put(url, json=told, timeout=PATIENCE_SECONDS)
    assert answer.json() == {**told, "empty_in_a_row": 3, "edits_pct": 0}
    assert sim.uneven == Uneven(**told)  # type: ignore[arg-type]
    wrong = requests.put(url, json={"short_pct": "many"}, timeout=PATIENCE_SECONDS)
    assert wrong.status_code == 400
    assert "'short_pct' must be int" in wrong.json()["error"]
    requests.put(url, json={}, timeout=PATIENCE_SECONDS)
    assert sim.uneven == Uneven()
