"""Whether a host that is not Meta's is a simulator is asked without trusting what it answers."""

from __future__ import annotations

import gzip

import pytest

from meta_pipeline.commands.check.host import is_simulator
from meta_pipeline.simulator import Simulator, WallClock, World
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer

ODD: dict[str, Reply] = {
    "not found": Reply({}, status=404),
    "moved": Reply({}, status=302, headers={"Location": "http://["}),
    "moved, with a bomb": Reply(
        gzip.compress(b" " * 64_000_000),
        status=302,
        headers={"Location": "/", "Content-Encoding": "gzip"},
    ),
    "closed": Reply(fault="drop"),
    "endless header": Reply({}, headers={"X-Long": "x" * 200_000}),
}


def test_a_simulator_says_so() -> None:
    with Simulator(World(seed=1, clock=WallClock())) as sim:
        assert is_simulator(sim.url)


@pytest.mark.parametrize("name", ODD)
def test_any_other_host_is_none(name: str) -> None:
    server = ScriptedServer()
    server.answer(ODD[name])
    try:
        assert not is_simulator(server.url)
    finally:
        server.close()
