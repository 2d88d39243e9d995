"""Answers that are compressed, too large or never end."""

from __future__ import annotations

import itertools

import pytest

from meta_pipeline.graph import GraphClient
from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline_tests.graph.simulated.reading import EDGES, new_client, read, world_ids


@pytest.mark.parametrize("fault", [Fault.huge(3), Fault.gzip_bomb(200)], ids=lambda one: one.name)
def test_a_page_beyond_the_size_is_asked_smaller(
    sim: Simulator, account_id: str, fault: Fault
) -> None:
    sim.fail("GET", "/ads", with_=fault)
    with new_client(sim, max_answer_bytes=2_000_000) as client:
        assert len(read(client, account_id)) == EDGES["ads"]


def test_a_drip_is_given_up_and_the_page_asked_again(sim: Simulator, account_id: str) -> None:
    seconds = itertools.count()
    sim.fail("GET", "/ads", with_=Fault.drip(0))
    with new_client(
        sim, deadline_seconds=30, timer=lambda: float(next(seconds)), max_answer_bytes=10**9
    ) as client:
        assert len(read(client, account_id)) == EDGES["ads"]


def test_gzip_all_the_way(sim: Simulator, client: GraphClient, account_id: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.gzipped(), times=None)
    assert sorted(read(client, account_id)) == sorted(world_ids(sim, account_id, "ads"))
