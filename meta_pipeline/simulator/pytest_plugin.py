"""pytest fixtures: a simulated Graph API for any project's tests.

In `conftest.py`:

    pytest_plugins = ["meta_pipeline.simulator.pytest_plugin"]

`graph_simulator` is a fresh simulator for each test behind one socket for the session. After the
test it fails if a fault set up never happened, or if a request came that nobody should send; when
a test fails, the requests are shown as a table.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from meta_pipeline.simulator.server.simulator import Simulator
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import VirtualClock

START = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def graph_simulator_server() -> Iterator[Simulator]:
    """One listening simulator for the whole session; use `graph_simulator` in tests."""
    with Simulator(new_world()) as sim:
        yield sim


@pytest.fixture
def graph_simulator(graph_simulator_server: Simulator) -> Iterator[Simulator]:
    """A simulator in its initial state, checked when the test is over."""
    graph_simulator_server.reset(new_world())
    yield graph_simulator_server
    graph_simulator_server.check()


def new_world(*, seed: int = 7) -> World:
    """The default world on a virtual clock that starts on 2026-11-16 02:00 UTC."""
    return World(seed=seed, clock=VirtualClock(START))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the journal under a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Simulator) and len(value.journal):
                report.sections.append(("Graph API requests", value.journal.table()))
                break
    return report
