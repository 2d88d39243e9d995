"""Dagster as it runs: a sensor's tick to a filled table, crowds, and kill -9 of everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meta_pipeline.local.children import Children
from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline_tests.e2e.dagsters import Stack, stack
from meta_pipeline_tests.e2e.stand import simulator, until

TOKEN = "EAADAGSTER0E2E0TOKEN"
SMALL = (
    AccountSpec("Nordwind Shop", 4, 8, 16, (2, 3, 6), zone="Europe/Berlin", currency="EUR"),
    AccountSpec("Óbuda Kávéház", 2, 3, 6, (1, 1, 2), zone="Europe/Budapest", currency="HUF"),
)
BIGGEST = "act_990000000000001"
PEOPLE = 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tick_fills_the_tables(database_url: str, tmp_path: Path) -> None:
    """Nobody does anything: accounts are discovered, picked, synced and materialized."""
    world = World(seed=5, clock=WallClock(), accounts=SMALL)
    with Simulator(world, token=TOKEN) as sim:
        settings = {
            "META_ACCESS_TOKEN": TOKEN,
            "META_GRAPH_URL": sim.url,
            "META_BACKFILL_DAYS": "7",
        }
        with stack(tmp_path, database_url, settings, sensor_rests=False) as running:
            query = "SELECT count(*) FROM meta_ads.sync_health WHERE insights_synced_at IS NOT NULL"
            until(lambda: running.scalar(query) == len(SMALL), "all accounts are synced", 300)
            assert running.scalar("SELECT count(*) FROM meta_ads.meta_ads") == 22
            reasons = running.rows("SELECT value FROM dagster.run_tags WHERE key = 'reason'")
            assert ("first sync",) in reasons
            windows = running.rows("SELECT value FROM dagster.run_tags WHERE key = 'window'")
            assert ("last 7 days",) in windows
            until(lambda: "all fresh; next is" in latest_skip(running), "a tick says all is fresh")


def backfill_statuses(running: Stack) -> dict[object, object]:
    rows = running.rows("SELECT key, status FROM dagster.bulk_actions")
    return {row[0]: row[1] for row in rows}


def latest_skip(running: Stack) -> str:
    return str(
        running.scalar(
            "SELECT tick_body FROM dagster.job_ticks WHERE type = 'SENSOR' AND status = 'SKIPPED' "
            "AND tick_body LIKE '%%accounts%%' ORDER BY id DESC LIMIT 1"
        )
    )


@pytest.fixture
def slow_graph(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Twelve accounts whose every answer takes a second: time to be killed in.

    One for each test: what others called in this hour would throttle it.
    """
    folder = tmp_path / "simulator"
    with Children(folder / "logs") as children:
        graph = simulator(children, folder, latency_ms=1000)
        yield {"META_ACCESS_TOKEN": graph.token, "META_GRAPH_URL": graph.url}


@pytest.fixture
def running(empty_url: str, tmp_path: Path, slow_graph: dict[str, str]) -> Iterator[Stack]:
    with stack(tmp_path, empty_url, slow_graph) as started:
        started.discover()
        yield started


def assert_whole(running: Stack, account_id: str) -> None:
    """Nothing is lost, nothing is held."""
    entities, days, gaps = running.rows(
        "SELECT campaigns + adsets + ads, insight_days_fetched, insight_days_missing "
        "FROM meta_ads.sync_health WHERE account_id = %s",
        account_id,
    )[0]
    assert entities == 1029
    assert (days, gaps) == (90, 0)
    assert running.held_locks() == 0
    until(lambda: running.held_slots() == 0, "the slots are free", 60)
    assert not running.rows("SELECT 1 FROM meta_ads.sync_runs WHERE status = 'running'")


def read_days(running: Stack) -> int:
    found = running.scalar(
        "SELECT count(*) FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
    )
    return int(str(found))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_worker_costs_a_slice(running: Stack) -> None:
    run = running.sync(BIGGEST)
    running.until_reading(BIGGEST)
    os.kill(running.worker_of(BIGGEST), signal.SIGKILL)
    assert running.finish([run]) == {run: "FAILURE"}
    before = read_days(running)
    done = "SELECT count(*) FROM dagster.runs WHERE status = 'SUCCESS' AND pipeline_name = %s"
    until(lambda: running.scalar(done, "sync_account"), "Dagster's own retry did it", 300)
    assert read_days(running) >= before
    abandoned = "SELECT count(*) FROM meta_ads.sync_runs WHERE error_summary LIKE 'abandoned%%'"
    assert running.scalar(abandoned) == 1
    assert_whole(running, BIGGEST)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_daemon_stops_no_sync(running: Stack) -> None:
    run = running.sync(BIGGEST)
    running.until_reading(BIGGEST)
    running.kill("dagster-daemon")
    waiting = running.sync("act_990000000000002")
    assert running.finish([run]) == {run: "SUCCESS"}
    assert running.api.statuses([waiting]) == {waiting: "QUEUED"}
    running.dagster.restart("dagster-daemon")
    assert running.finish([waiting]) == {waiting: "SUCCESS"}
    assert_whole(running, BIGGEST)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_code_server_stops_no_sync(running: Stack) -> None:
    run = running.sync(BIGGEST)
    running.until_reading(BIGGEST)
    running.kill("code-server")
    running.dagster.restart("code-server")
    assert running.finish([run]) == {run: "SUCCESS"}
    until(running.api.is_ready, "the code location is back")
    again = running.sync("act_990000000000002")
    assert running.finish([again]) == {again: "SUCCESS"}
    assert_whole(running, BIGGEST)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_people_press_at_once(running: Stack) -> None:
    """Each selects all twelve accounts and presses Materialize."""
    accounts = running.api.partition_keys()
    with ThreadPoolExecutor(PEOPLE) as people:
        asked = list(people.map(lambda _: running.api.backfill(accounts), range(PEOPLE)))
    over = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED", "CANCELED"}
    until(
        lambda: set(backfill_statuses(running).values()) <= over,
        "all backfills are over",
        1500,
    )
    statuses = backfill_statuses(running)
    assert len(asked) == len(set(asked) & set(statuses)) == PEOPLE
    assert "COMPLETED_SUCCESS" in statuses.values()
    failed = running.rows("SELECT run_id FROM dagster.runs WHERE status <> 'SUCCESS'")
    assert not failed, "a run that leaves an account to another is no failure"
    worked = running.rows(
        "SELECT account_id, scope, count(*) FROM meta_ads.sync_runs "
        "WHERE meta_call_count_total > 0 GROUP BY 1, 2"
    )
    assert sorted(worked) == sorted(
        (account, scope, 1)
        for account in accounts
        for scope in ("ads,adsets,campaigns", "insights")
    )
    others = running.rows(
        "SELECT status, coalesce(error_summary, '') FROM meta_ads.sync_runs "
        "WHERE coalesce(meta_call_count_total, 0) = 0"
    )
    assert len(others) >= PEOPLE * 2 * len(accounts) - len(worked)
    assert {status for status, _ in others} <= {"refused", "success"}
    assert all("is being synced" in str(why) for status, why in others if status == "refused")
    assert running.scalar(OVERLAPS) == 0
    assert int(str(running.scalar(AT_ONCE))) <= 3
    assert running.held_locks() == 0


OVERLAPS = """
    SELECT count(*) FROM meta_ads.sync_runs AS one JOIN meta_ads.sync_runs AS other
    USING (account_id)
    WHERE one.sync_run_id < other.sync_run_id AND 'refused' NOT IN (one.status, other.status)
        AND tstzrange(one.started_at, one.finished_at)
            && tstzrange(other.started_at, other.finished_at)
"""
AT_ONCE = """
    SELECT max((
        SELECT count(*) FROM meta_ads.sync_runs AS other
        WHERE other.status <> 'refused' AND other.started_at <= one.started_at
            AND other.finished_at > one.started_at
    )) FROM meta_ads.sync_runs AS one WHERE status <> 'refused'
"""
