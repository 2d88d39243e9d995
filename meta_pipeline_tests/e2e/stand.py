"""What deployments are tried on: a simulated Graph API and a Redis, as processes of their own."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.local.children import Child, Children
from meta_pipeline.local.graphql import FINISHED, DagsterApi
from meta_pipeline.local.ports import answers, free_port
from meta_pipeline.local.simulated import SimulatedGraph, start_simulator

REDIS = "redis-server"


def until(
    done: Callable[[], object], what: str, seconds: float = 600.0, every_seconds: float = 0.2
) -> None:
    """Wait for real processes to come so far."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every_seconds)


def simulator(children: Children, folder: Path, latency_ms: float) -> SimulatedGraph:
    """The demo's twelve accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = start_simulator(children, {"LANG": "C.UTF-8"}, folder=folder, latency_ms=latency_ms)
    graph.wait()
    return graph


def redis(children: Children, folder: Path) -> tuple[str, Child]:
    """A Redis of the distribution's package on a spare port, nothing kept on disk."""
    program = shutil.which(REDIS)
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    child = children.start(
        "redis",
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        env={"LANG": "C.UTF-8"},
        cwd=folder,
    )
    until(lambda: answers(port), "redis answers")
    return f"redis://127.0.0.1:{port}", child


def finished(api: DagsterApi, run_ids: list[str]) -> bool:
    return all(status in FINISHED for status in api.statuses(run_ids).values())


def scalar(url: str, query: str, *values: object) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query, values).fetchone()
    return row and row[0]


def retimed(yaml: str, **seconds: int) -> str:
    """A dagster.yaml with other intervals; one that is not in it fails the test."""
    for name, value in seconds.items():
        yaml, found = re.subn(rf"(?m)^(\s*{name}: )\d+", rf"\g<1>{value}", yaml)
        assert found == 1, name
    return yaml
