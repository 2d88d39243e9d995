"""SIGTERM, Ctrl-C, a closed terminal while a sync runs: what is done is committed, exit code 4."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline.sync import PageSizes, PlanPolicy
from meta_pipeline_tests.processes import closable_terminal
from meta_pipeline_tests.sync.lab import SMALL, Lab, lab
from meta_pipeline_tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def house(database_url: str) -> Iterator[Lab]:
    policy = PlanPolicy(backfill_days=10, page_sizes=PageSizes())
    with lab(database_url, SMALL, policy=policy, start=datetime.now(UTC)) as found:
        yield found


def start(house: Lab, folder: Path, *before: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "META_ACCESS_TOKEN": house.sim.token,
        "META_GRAPH_URL": house.sim.url,
        "DATABASE_URL": house.warehouse.url,
        "META_BACKFILL_DAYS": "10",
        "META_MAX_PARALLEL_CALLS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with closable_terminal():
        return subprocess.Popen(
            [*before, sys.executable, "-m", "meta_pipeline.cli", "sync", house.account_id],
            env=environment,
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_sync_after_its_slice(
    house: Lab, number: signal.Signals, tmp_path: Path
) -> None:
    """Meta holds the first answer of insights back until the signal was sent."""
    asked, sent = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        asked.set()
        assert sent.wait(PATIENCE_SECONDS)

    path = f"{house.account_id}/insights"
    house.sim.fail("GET", path, times=1, with_=Fault.world_edit(hold))
    process = start(house, tmp_path)
    assert asked.wait(PATIENCE_SECONDS), process.communicate()[0]
    process.send_signal(number)
    sent.set()
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 4, output
    assert "Traceback" not in output
    assert "stopped by request" in output
    (run,) = house.query("SELECT * FROM meta_ads.sync_runs")
    assert (run["status"], run["error_summary"]) == ("partial", "stopped by request")
    assert run["finished_at"] is not None
    assert run["ads_fetched"] == 40
    house.assert_entities()
    calls = house.calls()
    logged = house.scalar("SELECT count(*) FROM meta_ads.meta_api_logs")
    assert logged == calls == run["meta_call_count_total"]


def test_under_nohup_a_closed_terminal_ends_nothing(house: Lab, tmp_path: Path) -> None:
    asked, sent = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        asked.set()
        assert sent.wait(PATIENCE_SECONDS)

    path = f"{house.account_id}/insights"
    house.sim.fail("GET", path, times=1, with_=Fault.world_edit(hold))
    process = start(house, tmp_path, "nohup")
    assert asked.wait(PATIENCE_SECONDS), process.communicate()[0]
    process.send_signal(signal.SIGHUP)
    sent.set()
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    assert house.query("SELECT status FROM meta_ads.sync_runs") == [{"status": "success"}]


def test_a_second_signal_ends_it_at_once(house: Lab, tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice does not want to wait for Meta."""
    asked, over = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        asked.set()
        over.wait(PATIENCE_SECONDS)

    house.sim.fail("GET", "/adsets", times=1, with_=Fault.world_edit(hold))
    process = start(house, tmp_path)
    try:
        assert asked.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
    finally:
        over.set()
    process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode not in (0, None)
    house.sim.faults.clear()
    assert house.query("SELECT status FROM meta_ads.sync_runs") != [{"status": "success"}]
