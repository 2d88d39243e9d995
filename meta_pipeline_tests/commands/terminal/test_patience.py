"""A migration waits for Postgres, not for ever; a closed terminal ends what it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from meta_pipeline.commands.migrate import patient
from meta_pipeline.warehouse import WarehouseError
from meta_pipeline.warehouse.errors import WarehouseUnavailable
from meta_pipeline_tests.processes import closable_terminal


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("times", [0, 1, 4])
def test_what_may_pass_is_waited_for(times: int, capsys: pytest.CaptureFixture[str]) -> None:
    clock, errors = Clock(), [WarehouseUnavailable("Postgres is starting up.")] * times

    def work() -> None:
        if errors:
            raise errors.pop()

    patient(work, 300, clock=clock, sleep=clock.sleep)
    assert clock.slept == [2, 4, 8, 16][:times]
    assert capsys.readouterr().err.count("Postgres is starting up.") == times


def test_it_does_not_wait_for_ever() -> None:
    clock = Clock()

    def work() -> None:
        raise WarehouseUnavailable("nobody answers")

    with pytest.raises(WarehouseUnavailable):
        patient(work, 100, clock=clock, sleep=clock.sleep)
    assert 60 < clock.now <= 100
    with pytest.raises(WarehouseUnavailable):
        patient(work, 0, clock=clock, sleep=clock.sleep)


def test_what_does_not_pass_ends_at_once() -> None:
    clock = Clock()

    def work() -> None:
        raise WarehouseError("a newer version migrated this database")

    with pytest.raises(WarehouseError):
        patient(work, 300, clock=clock, sleep=clock.sleep)
    assert clock.slept == []


WAITS = """
import signal, sys
from meta_pipeline.local.signals import ToldToEnd, termination_as_interrupt
try:
    with termination_as_interrupt():
        print("up", flush=True)
        sys.stdin.readline()
        print("went on", flush=True)
except ToldToEnd:
    print("ended in order", flush=True)
"""


@pytest.mark.parametrize(
    ("under_nohup", "number", "said"),
    [
        (False, signal.SIGHUP, "ended in order"),
        (True, signal.SIGHUP, "went on"),
        (False, signal.SIGTERM, "ended in order"),
        (True, signal.SIGTERM, "ended in order"),
    ],
)
def test_a_closed_terminal(under_nohup: bool, number: signal.Signals, said: str) -> None:
    command = [sys.executable, "-c", WAITS]
    with closable_terminal():
        started = subprocess.Popen(
            ["nohup", *command] if under_nohup else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=dict(os.environ),
        )
    with started as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        if said == "went on":
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.stdout.readline() == f"{said}\n"
