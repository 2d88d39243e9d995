"""Three mistakes that clients of the real API have made, and how the simulator shows them.

Each test holds the mistake and its correction, so that the difference is the proof.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from meta_pipeline.simulator import Simulator
from meta_pipeline_tests.simulator.conftest import Graph

# -- 1. A delta sync whose filter lacks the entity prefix ---------------------------------------


def changed_since(graph: Graph, account: str, field: str, since: int) -> list[str]:
    condition = [{"field": field, "operator": "GREATER_THAN", "value": since}]
    rows = graph.rows(f"{account}/ads", fields="id", filtering=json.dumps(condition), limit=100)
    return [row["id"] for row in rows]


def test_an_unprefixed_updated_time_filter_is_caught(
    sim: Simulator, graph: Graph, account: str
) -> None:
    since = int(sim.now().timestamp())
    sim.sleep(60)
    changed = sim.world.objects("ads", account)[2].id
    sim.world.rename(changed, "Changed")

    assert changed_since(graph, account, "ad.updated_time", since) == [changed]
    # The mistake is answered like Meta answers it: 200 and every row, as if nothing was asked.
    assert len(changed_since(graph, account, "updated_time", since)) > 20
    # What tells: the journal, and with it the end of the test.
    with pytest.raises(AssertionError, match="ignored_filter updated_time"):
        sim.check()
    sim.expect("ignored_filter")


# -- 2. A cursor followed as long as there is an `after` ------------------------------------------


def follow(graph: Graph, path: str, goes_on: Callable[[Any], bool]) -> int:
    after, calls = None, 0
    while True:
        paging = graph.get(path, limit=10, after=after).get("paging", {})
        calls += 1
        if not goes_on(paging):
            return calls
        after = paging["cursors"]["after"]


def test_following_after_instead_of_next_is_caught(
    sim: Simulator, graph: Graph, account: str
) -> None:
    right = follow(graph, f"{account}/ads", lambda paging: "next" in paging)
    wrong = follow(graph, f"{account}/ads", lambda paging: "after" in paging.get("cursors", {}))
    # The last page still has `after`: the mistake pays one more call for an empty page, each time.
    assert wrong == right + 1
    pages = sim.journal.find(path="/ads")
    assert [entry.rows == 0 for entry in pages].count(True) == 1
    # And where a client stops at an empty page although there is a `next`, rows are lost:
    # see test_faults.test_an_empty_page_whose_next_has_the_rows.


# -- 3. A throttle that looks at the first use case only ------------------------------------------


def first_entry(usage: dict[str, list[dict[str, Any]]]) -> float:
    return float(next(iter(usage.values()))[0]["call_count"])


def worst_entry(usage: dict[str, list[dict[str, Any]]]) -> float:
    return max(
        float(entry[name])
        for entries in usage.values()
        for entry in entries
        for name in ("call_count", "total_cputime", "total_time")
    )


def calls_until_pause(
    sim: Simulator, graph: Graph, account: str, reading: Callable[[Any], float]
) -> int:
    """Ads pages read until `reading` says 85 %, or until Meta refuses (then -1)."""
    sim.limits.relieve()
    graph.get(f"{account}/insights")
    sim.limits.use(account, "ads_management", 80)
    for call in range(1, 100):
        response = graph.call("GET", f"{account}/ads")
        if response.status_code != 200:
            return -1
        header = response.headers.get("x-business-use-case-usage")
        if header and reading(json.loads(header)) >= 85:
            return call
    raise AssertionError("neither paused nor refused")


def test_reading_only_the_first_use_case_is_caught(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.limits.set_calls({"ads_insights": 100, "ads_management": 50})
    assert calls_until_pause(sim, graph, account, worst_entry) == 3
    # ads_insights comes first and stays at 1 %: the careless client runs into the wall.
    assert calls_until_pause(sim, graph, account, first_entry) == -1
    assert sim.journal.count(code=80004) == 1
