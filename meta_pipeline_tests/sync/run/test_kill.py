"""kill -9 in the middle of a sync: what was committed stays, and is not read again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from meta_pipeline.simulator import AccountSpec, Entry
from meta_pipeline.sync import PageSizes, PlanPolicy, Status, SyncRun
from meta_pipeline.warehouse.stores.runs import ABANDONED
from meta_pipeline_tests.sync.child import Job
from meta_pipeline_tests.sync.lab import Lab, lab
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until

SPEC = AccountSpec("Kurzschluss", 6, 9, 14, (3, 5, 10), zone="Europe/Berlin", currency="EUR")
DAYS = 12
POLICY = PlanPolicy(
    backfill_days=DAYS,
    window_days=2,
    page_sizes=PageSizes(entities=2, extras=2, insights=8),
)
CALLS_OF_A_SYNC = 33
"""A little fewer than a whole sync makes."""

Slices = set[tuple[str, date]]
"""Dataset and day of what is in the ledger."""


@pytest.fixture
def house(database_url: str) -> Iterator[Lab]:
    with lab(database_url, SPEC, policy=POLICY) as found:
        yield found


def kill_after(house: Lab, calls: int, pause_seconds: float) -> bool:
    """Start a sync in a process and kill it when it has made some calls; whether it was in time."""
    before = house.calls()
    job = Job(
        house.warehouse.url, house.sim.url, house.sim.token, house.account_id,
        house.clock.now(), POLICY,
    )  # fmt: skip
    process = job.start()
    wait_until(
        lambda: house.calls() - before >= calls or not process.is_alive(),
        f"the sync makes {calls} calls",
        every_seconds=0.001,
    )
    time.sleep(pause_seconds)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    return was_alive


def committed(house: Lab) -> Slices:
    rows = house.query("SELECT dataset, date_start FROM meta_ads.sync_windows")
    return {(row["dataset"], row["date_start"]) for row in rows}


def finished_edges(house: Lab) -> set[str]:
    rows = house.query("SELECT edge FROM meta_ads.sync_cursor WHERE last_fetched_at IS NOT NULL")
    return {row["edge"] for row in rows}


def resume(house: Lab) -> SyncRun:
    """The next sync, as soon as Postgres has noticed that the old one is gone."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (record := house.sync()).status is Status.REFUSED:
        assert time.monotonic() < ends, record.error_summary
        time.sleep(0.02)
    return record


def asked_days(entry: Entry) -> Slices:
    asked: Any = entry.params.get("time_range")
    if not entry.path.endswith("/insights") or asked is None:
        return set()
    since, until = date.fromisoformat(asked["since"]), date.fromisoformat(asked["until"])
    level = entry.params["level"]
    return {
        (f"insights_{level}", since + timedelta(days=n)) for n in range((until - since).days + 1)
    }


def assert_resumes(house: Lab) -> None:
    house.clock.advance(1)  # a process that is started again is started later
    already, edges, calls = committed(house), finished_edges(house), house.calls()

    record = resume(house)

    assert record.status is Status.SUCCESS, record.error_summary
    asked = [entry for entry in house.sim.journal if entry.number > calls]
    again = set().union(*map(asked_days, asked)) & already
    assert not again, f"fetched although committed: {sorted(again)}"
    listed = {str(entry.path).rsplit("/", 1)[-1] for entry in asked if entry.method == "GET"}
    assert not listed & edges, f"listed again: {listed & edges}"
    assert_world(house)


def assert_world(house: Lab) -> None:
    today = house.today()
    since = today - timedelta(days=DAYS - 1)
    house.assert_entities()
    house.assert_insights(since, today)
    house.assert_insights(since, today, level="account")
    assert house.orphans() == 0
    runs = house.query("SELECT status, error_summary FROM meta_ads.sync_runs ORDER BY started_at")
    assert all(run["status"] != "running" for run in runs)
    ended = [run for run in runs if run["status"] == "fail"]
    assert all(run["error_summary"] == ABANDONED for run in ended)


@pytest.mark.parametrize("number", range(5))
def test_a_killed_sync_is_resumed_where_it_was(house: Lab, number: int) -> None:
    chance = random.Random(number)
    part = CALLS_OF_A_SYNC // 5
    calls = 1 + number * part + chance.randrange(part)
    kill_after(house, calls, chance.uniform(0, 0.02))
    assert_resumes(house)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(50))
def test_however_often_it_is_killed(house: Lab, number: int) -> None:
    """Up to three kills in a row, at any moment, before it may finish."""
    chance = random.Random(1_000 + number)
    for _ in range(chance.randint(1, 3)):
        kill_after(house, chance.randrange(1, CALLS_OF_A_SYNC), chance.uniform(0, 0.05))
        house.clock.advance(1)
    assert_resumes(house)
