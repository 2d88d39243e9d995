"""The budget of docs/deploy.md: what a run takes of Postgres's connections while it syncs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.simulator import Simulator, WallClock, World
from meta_pipeline.warehouse import create_dagster_schema, dagster_url
from meta_pipeline_tests.orchestration.conftest import ACCOUNTS, TOKEN

DEPLOY = Path(__file__).parents[2] / "docs/deploy.md"
EVERY_SECONDS = 0.005
HELD = """
    SELECT application_name, pid, backend_start FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


def stated(who: str) -> int:
    """The number the deployment's table gives for a process."""
    found = re.search(rf"(?m)^\| {who}[^|]*\| (\d+)", DEPLOY.read_text(encoding="utf-8"))
    assert found, f"docs/deploy.md says nothing of {who}"
    return int(found[1])


def times(url: str) -> tuple[datetime, datetime]:
    """When the first sync began and the last one ended."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT min(started_at), max(finished_at) FROM meta_ads.sync_runs"
        ).fetchone()
    assert row
    return row


def kind(application_name: str) -> str:
    """The name without whose sync it is."""
    return re.sub(r" sync \w+ on .*", " sync", application_name)


class Seen:
    """The most connections at one moment, by name, and all that were opened, when."""

    def __init__(self) -> None:
        self.peak: Counter[str] = Counter()
        self.opened: set[tuple[str, int, datetime]] = set()

    def look(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(HELD).fetchall()
        now = Counter(kind(name) for name, _, _ in rows)
        self.opened |= set(rows)
        if now.total() > self.peak.total():
            self.peak = now


@contextmanager
def watching(url: str) -> Iterator[Seen]:
    seen, over = Seen(), Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(EVERY_SECONDS):
                seen.look(connection)

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def test_a_run_keeps_within_the_connections_that_are_stated(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_dagster_schema(empty_url)
    storage = {"postgres": {"postgres_url": dagster_url(empty_url)}}
    world = World(seed=5, clock=WallClock(), accounts=ACCOUNTS * 3)
    accounts = [one.id for one in world.accounts()]
    with (
        Simulator(world, token=TOKEN) as sim,
        dg.instance_for_test(overrides={"storage": storage}) as instance,
    ):
        monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
        monkeypatch.setenv("META_GRAPH_URL", sim.url)
        monkeypatch.setenv("DATABASE_URL", empty_url)
        monkeypatch.setenv("META_BACKFILL_DAYS", "14")
        instance.add_dynamic_partitions("ad_account", accounts)
        with (
            watching(empty_url) as seen,
            dg.execute_job(
                dg.reconstructable(sync_account),
                instance=instance,
                tags={
                    "dagster/asset_partition_range_start": accounts[0],
                    "dagster/asset_partition_range_end": accounts[-1],
                },
            ) as result,
        ):
            synced = [
                event.partition
                for event in result.get_asset_materialization_events()
                if event.asset_key == dg.AssetKey(["meta", "insights"])
            ]
        with psycopg.connect(empty_url) as connection:
            left = {kind(name) for name, _, _ in connection.execute(HELD)}
    assert not left, "a warm worker goes on with the next run"
    assert len(synced) == len(accounts) - 3, "three of nine are closed to us"
    names = {"dagster", "meta_pipeline", "meta_pipeline sync", "meta_pipeline telemetry"}
    assert names <= {kind(name) for name, _, _ in seen.opened}
    assert seen.peak.total() <= stated("a run"), seen.peak
    began, ended = times(empty_url)
    meanwhile = [name for name, _, opened_at in seen.opened if began < opened_at < ended]
    assert meanwhile.count("dagster") < len(accounts), "held, not opened for each statement"
