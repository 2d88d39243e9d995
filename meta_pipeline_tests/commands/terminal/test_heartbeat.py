"""No minute of silence: a command that says nothing for long is spoken for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from io import StringIO
from threading import Event

import pytest

from meta_pipeline.commands.processes.demo import waiting_words
from meta_pipeline.commands.terminal.heartbeat import heartbeat
from meta_pipeline.commands.terminal.streams import Outlet
from meta_pipeline.local.progress import StepProgress


class Told(StringIO):
    """A stream that notices when it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.was_written = Event()

    def write(self, text: str) -> int:
        self.was_written.set()
        return super().write(text)


def test_a_silent_command_is_spoken_for_on_standard_error() -> None:
    out, err = StringIO(), Told()
    with heartbeat(
        ["metrics", "rollup", "-a", "act_1"], Outlet(out), Outlet(err), after_seconds=0.01
    ):
        assert err.was_written.wait(60)
    assert out.getvalue() == ""
    assert err.getvalue().startswith("… metrics rollup goes on (")


def test_one_that_speaks_is_not() -> None:
    out, err = StringIO(), Told()
    outlet = Outlet(out)
    looked = Event()

    def clock() -> float:
        """Each look finds that something was written at this very moment."""
        outlet.written_at = time.monotonic()
        if looked.is_set():
            return outlet.written_at
        looked.set()
        return outlet.written_at

    with heartbeat(["sync", "act_1"], outlet, Outlet(err), after_seconds=3600, clock=clock):
        assert looked.wait(60)
    assert err.getvalue() == ""


@pytest.mark.parametrize(
    "words", [["demo"], ["dev"], ["exporter", "--port", "1"], ["web"], ["mcp"], ["db", "psql"],
              ["status", "--watch", "10m"], ["exec", "dagster"]],
)  # fmt: skip
def test_what_runs_until_it_is_stopped_is_left_alone(words: list[str]) -> None:
    err = Told()
    with heartbeat(words, Outlet(StringIO()), Outlet(err), after_seconds=0.0001):
        time.sleep(0)
    assert not err.was_written.is_set()


def test_the_demo_says_what_it_waits_for() -> None:
    """Between "Dagster is up" and the first account there may be most of a minute."""
    told = waiting_words("syncing", ["QUEUED", "STARTING", "STARTING"], [], 10)
    assert told.startswith("Still syncing (10 s; runs: 1 queued, 2 starting): Dagster starts")
    now = datetime.now(UTC)
    done = StepProgress("s", "act_1", "Shop", True, "success", now, now, 3, 9, 1.0, None)
    told = waiting_words("syncing", ["STARTED", "SUCCESS"], [done], 95)
    assert "the accounts are in" in told
