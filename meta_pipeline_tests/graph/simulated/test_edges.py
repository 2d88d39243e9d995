"""Edges are read whole, whatever Meta allows or changes meanwhile."""

from __future__ import annotations

import threading

import pytest

from meta_pipeline.graph import Attempt, FieldRejected, GraphClient
from meta_pipeline.simulator import Caps, Fault, Simulator, VirtualClock, demo_world
from meta_pipeline_tests.graph.simulated.reading import EDGES, START, new_client, read, world_ids


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("page_size", [37, 500])
def test_an_edge_is_read_whole(
    sim: Simulator,
    client: GraphClient,
    log: list[Attempt],
    account_id: str,
    edge: str,
    page_size: int,
) -> None:
    got = read(client, account_id, edge, page_size)
    assert sorted(got) == sorted(world_ids(sim, account_id, edge))
    assert len(got) == EDGES[edge]
    assert sum(attempt.rows or 0 for attempt in log) == EDGES[edge]
    assert len(log) == max(1, -(-EDGES[edge] // page_size))


def test_pages_find_the_size_that_meta_allows(
    sim: Simulator, log: list[Attempt], account_id: str
) -> None:
    sim.reset(demo_world(VirtualClock(START)), caps=Caps(page_cells=120))
    with new_client(sim, on_attempt=log.append) as client:
        sizes: list[int] = []
        got = read(client, account_id, page_size=500, on_page_size=sizes.append)
    assert sorted(got) == sorted(world_ids(sim, account_id, "ads"))
    assert sizes
    assert sum(not attempt.ok for attempt in log) <= 6


def test_a_field_that_does_not_exist_is_named(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sim.expect("unknown field")
    for edge in EDGES:
        with pytest.raises(FieldRejected) as caught:
            list(
                client.pages(
                    f"{account_id}/{edge}",
                    {"fields": ["id", "wish_upon"]},
                    account_id=account_id,
                    endpoint_key="ads_list",
                    page_size=5,
                )
            )
        assert caught.value.field_name == "wish_upon"


def test_edges_are_read_at_once_by_threads(
    sim: Simulator, client: GraphClient, account_id: str, log: list[Attempt]
) -> None:
    sim.fail("GET", "/ads", with_=Fault.drop_connection(), on_call=2)
    sim.fail("GET", "/adsets", with_=Fault.html_200(), on_call=1)
    got: dict[str, list[str]] = {}

    def work(edge: str) -> None:
        got[edge] = read(client, account_id, edge, 50)

    threads = [threading.Thread(target=work, args=(edge,)) for edge in EDGES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for edge in EDGES:
        assert sorted(got[edge]) == sorted(world_ids(sim, account_id, edge))
    assert sum(attempt.retry_count for attempt in log) == 2


def test_rows_that_change_between_pages_break_nothing(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    """No snapshot isolation at Meta: what was there all the time must be there once."""
    before = set(world_ids(sim, account_id, "ads"))
    gone = world_ids(sim, account_id, "ads")[400]
    sim.fail("GET", "/ads", with_=Fault.world_edit(lambda s: s.world.vanish(gone)), on_call=3)
    got = read(client, account_id)
    assert set(got) >= before - {gone}
    assert len(got) == len(set(got))
