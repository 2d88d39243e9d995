"""Interrupts: Ctrl-C while Postgres works ends the work there too, and what was committed stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.simulator import Simulator, WallClock, World
from meta_pipeline_tests.midday import MIDDAY_SHOP
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

TOKEN = "EAAVERYSECRETTOKEN"
ROLLUP = "SELECT pg_advisory_lock(hashtextextended('meta_ads:rollup:' || %s, 0))"
# Waits on the server's side until a statement of ours waits for the lock; no clock is asked.
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%advisory%'
"""
WORKING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(
        World(seed=5, clock=WallClock(), accounts=(MIDDAY_SHOP,)), token=TOKEN
    ) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_statement_that_runs(
    sim: Simulator, database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    account_id = sim.world.accounts()[0].id
    environment = {
        **os.environ,
        "META_ACCESS_TOKEN": TOKEN,
        "META_GRAPH_URL": sim.url,
        "META_BACKFILL_DAYS": "2",
        "DATABASE_URL": database_url,
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "meta_pipeline.cli", "sync", account_id]
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(ROLLUP, (account_id,))
        child = subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        _until(other, WAITING, 1)
        child.send_signal(number)
        said, _ = child.communicate(timeout=PATIENCE_SECONDS)
        assert child.returncode == 130, said
        assert "stopped while the daily metrics were made" in said
        assert "success" in said
        assert "Traceback" not in said
        _until(other, WORKING, 0)
        synced = other.execute("SELECT count(*) > 0 FROM meta_ads.meta_insights").fetchone()
        assert synced == (True,)


def _until(connection: psycopg.Connection[tuple[int]], query: str, count: int) -> None:
    while True:
        row = connection.execute(query).fetchone()
        if row is not None and row[0] == count:
            return
        connection.execute("SELECT pg_sleep(0.05)")
