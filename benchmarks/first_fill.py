"""The first fill of a fleet, by the sensor: how long beside what the calls alone must take.

A deployment of its own, from the units of deploy/: small accounts (12 ads, 5 of them active, 90
days), a Graph API that answers in LATENCY_MS, three runs at once, nothing but the sensor. From its
start until every wanted day of every account is in. The measure is the sum of all calls' time at
three syncs at once: a sync makes some of its calls in parallel, so less is possible, and it is the
time of a fleet whose syncs wait for Meta and for nothing else.

    python -m benchmarks.first_fill                     # 60 accounts
    python -m benchmarks.first_fill --accounts 1000     # a fleet: half an hour and more
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks._lab import database
from benchmarks.deployments import Shape, busy_seconds, cpu_seconds, deployment, turn_sensor
from meta_pipeline_tests.e2e.stand import scalar, until

ACCOUNTS = 60
LATENCY_MS = 500
SYNCS_AT_ONCE = 3
LIMIT_RATIO = 1.3
FULL_RUN = 25

_NEWEST = """
    SELECT count(DISTINCT account_id) FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'
"""
_FILLED = """
    SELECT count(*) FROM (
        SELECT account_id FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'
        GROUP BY account_id HAVING count(*) >= 90
    ) AS whole
"""
_CALLS = """
    SELECT count(*)::int, sum(latency_ms)::float8 / 1000, count(*) FILTER (WHERE throttled)::int
    FROM meta_ads.meta_api_logs
"""
_RUNS = "SELECT count(*) FROM dagster.runs WHERE pipeline_name IN ('sync_account', 'insights_only')"
_FAILED = "SELECT count(*) FROM meta_ads.sync_runs WHERE status <> 'success'"


@dataclass(frozen=True)
class Filled:
    """One fill; `newest_seconds` is when every account had its newest days."""

    accounts: int
    seconds: float
    newest_seconds: float
    runs: int
    calls: int
    calls_seconds: float
    refused: int
    not_successful: int
    cpu_seconds: float
    busy_cores: float

    @property
    def ratio(self) -> float:
        return self.seconds / (self.calls_seconds / SYNCS_AT_ONCE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.first_fill")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--latency-ms", type=float, default=LATENCY_MS)
    asked = parser.parse_args()
    Console().print(table_of(measure(asked.accounts, asked.latency_ms)))


def measure(accounts: int, latency_ms: float) -> Filled:
    """Fill a fleet that was just discovered."""
    settings = {"META_MAX_SYNCS": str(SYNCS_AT_ONCE)}
    shape = Shape(0, FULL_RUN, fleet=accounts, latency_ms=latency_ms)
    with database() as url, deployment(url, shape, settings) as machine:
        before = _calls(url)
        cpu, busy, began = cpu_seconds(machine), busy_seconds(), time.monotonic()
        turn_sensor(machine, "start")
        patience = 600 + accounts * 20.0
        until(lambda: scalar(url, _NEWEST) == accounts, "the newest days", patience, 1.0)
        newest = time.monotonic() - began
        until(lambda: scalar(url, _FILLED) == accounts, "all days", patience, 1.0)
        seconds = time.monotonic() - began
        spent, machine_spent = cpu_seconds(machine) - cpu, busy_seconds() - busy
        turn_sensor(machine, "stop")
        calls = _calls(url)
        return Filled(
            accounts=accounts,
            seconds=seconds,
            newest_seconds=newest,
            runs=int(str(scalar(url, _RUNS))),
            calls=calls[0] - before[0],
            calls_seconds=calls[1] - before[1],
            refused=calls[2],
            not_successful=int(str(scalar(url, _FAILED))),
            cpu_seconds=spent,
            busy_cores=machine_spent / seconds,
        )


def _calls(url: str) -> tuple[int, float, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute(_CALLS).fetchone()
    assert row is not None
    return row[0], row[1] or 0.0, row[2]


def table_of(found: Filled) -> Table:
    table = Table("what", "measured", "limit", title=f"First fill of {found.accounts} accounts")
    alone = found.calls_seconds / SYNCS_AT_ONCE
    for what, measured, limit in (
        ("seconds until every account has its newest days", f"{found.newest_seconds:,.0f}", ""),
        ("seconds until every account has 90 days", f"{found.seconds:,.0f}", ""),
        ("runs", f"{found.runs}", ""),
        ("calls", f"{found.calls:,} ({found.calls / found.accounts:.1f} an account)", ""),
        (f"seconds of the calls, {SYNCS_AT_ONCE} syncs at once", f"{alone:,.0f}", ""),
        ("ratio of the fill to that", f"{found.ratio:.2f}", f"{LIMIT_RATIO}"),
        ("calls refused by a limit", f"{found.refused}", "0"),
        ("syncs that did not succeed", f"{found.not_successful}", "0"),
        ("CPU seconds an account, all services", f"{found.cpu_seconds / found.accounts:.2f}", ""),
        ("cores busy meanwhile, everything on the machine", f"{found.busy_cores:.1f}", ""),
    ):
        table.add_row(what, measured, limit)
    return table


if __name__ == "__main__":
    main()
