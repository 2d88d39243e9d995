"""The client against the simulator: a second opinion on both, fault by fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.graph import Attempt, GraphClient
from meta_pipeline.simulator import Simulator, VirtualClock, demo_world
from meta_pipeline_tests.graph.simulated.reading import START, new_client


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Simulator]:
    with Simulator(demo_world(VirtualClock(START))) as simulator:
        yield simulator


@pytest.fixture
def sim(shared_sim: Simulator) -> Iterator[Simulator]:
    shared_sim.reset(demo_world(VirtualClock(START)))
    yield shared_sim
    shared_sim.faults.assert_all_fired()


@pytest.fixture
def account_id(sim: Simulator) -> str:
    """The largest account of the demo, 2EZi."""
    return str(sim.world.accounts()[0].id)


@pytest.fixture
def log() -> list[Attempt]:
    return []


@pytest.fixture
def client(sim: Simulator, log: list[Attempt]) -> Iterator[GraphClient]:
    with new_client(sim, on_attempt=log.append) as made:
        yield made
