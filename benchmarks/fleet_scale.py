"""A fleet of thousands on Celery workers, limits on: accounts an hour, and what gets tight first.

A deployment of its own, from the units of deploy/: sensor, queue, Redis and workers as they are in
production, a Graph API that answers in LATENCY_MS and keeps Meta's limits. From the sensor's start
until every account has its newest days; meanwhile connections, memory, the queue and the tables are
sampled, so that what grows is seen before it breaks.

    python -m benchmarks.fleet_scale                      # 200 accounts on 2 workers
    python -m benchmarks.fleet_scale --accounts 5000      # an hour and more on two cores
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks._lab import database
from benchmarks.deployments import (
    PLACES,
    Shape,
    busy_seconds,
    cpu_seconds,
    deployment,
    turn_sensor,
)
from meta_pipeline_tests.e2e.stand import scalar
from meta_pipeline_tests.e2e.units import Machine

ACCOUNTS = 200
WORKERS = 2
LATENCY_MS = 100
FULL_RUN = 25
SAMPLE_SECONDS = 5.0
MOST_CONNECTIONS = 100
"""Postgres's default `max_connections`: what a fleet must stay below to need no tuning."""

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_NEWEST = (
    "SELECT count(DISTINCT account_id) FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
)
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
_DATABASE = "SELECT pg_database_size(current_database())"
_EVENTS = "SELECT count(*) FROM dagster.event_logs"
_WAITS = """
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
               ORDER BY start_time - extract(epoch FROM create_timestamp AT TIME ZONE 'UTC')),
           count(*)
    FROM dagster.runs
    WHERE start_time IS NOT NULL AND pipeline_name IN ('sync_account', 'insights_only')
"""
_TICKS = """
    SELECT percentile_cont(0.95) WITHIN GROUP (
               ORDER BY (tick_body::jsonb ->> 'end_timestamp')::float8
                        - (tick_body::jsonb ->> 'timestamp')::float8)
    FROM dagster.job_ticks WHERE status IN ('SUCCESS', 'SKIPPED')
"""
_CALLS = "SELECT count(*), count(*) FILTER (WHERE throttled) FROM meta_ads.meta_api_logs"
_NOT_SUCCESSFUL = (
    "SELECT count(*) FROM meta_ads.sync_runs WHERE status NOT IN ('success', 'running')"
)


@dataclass
class Seen:
    """The widest of everything, and when each tenth of the fleet was in."""

    connections: int = 0
    largest_process_mb: float = 0.0
    all_processes_mb: float = 0.0
    tenths_seconds: list[float] = field(default_factory=list)

    def look(self, connection: psycopg.Connection, machine: Machine) -> None:
        self.connections = max(self.connections, _number(connection, _CONNECTIONS))
        sizes = _memory_mb(machine)
        self.largest_process_mb = max([self.largest_process_mb, *sizes])
        self.all_processes_mb = max(self.all_processes_mb, sum(sizes))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.fleet_scale")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--latency-ms", type=float, default=LATENCY_MS)
    asked = parser.parse_args()
    Console().print(measure(asked.accounts, asked.workers, asked.latency_ms))


def measure(accounts: int, workers: int, latency_ms: float) -> Table:
    """The fleet's newest days, read by the sensor; a table with what was widest on the way."""
    shape = Shape(workers, FULL_RUN, fleet=accounts, latency_ms=latency_ms)
    seen = Seen()
    with (
        database() as url,
        deployment(url, shape) as machine,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        cpu, busy, began = cpu_seconds(machine), busy_seconds(), time.monotonic()
        turn_sensor(machine, "start")
        patience, fresh = 900 + accounts * 5.0, 0
        while fresh < accounts:
            seconds = time.monotonic() - began
            assert seconds < patience, f"{fresh} of {accounts} after {seconds:.0f} s"
            fresh = int(str(scalar(url, _NEWEST)))
            while fresh >= accounts * (len(seen.tenths_seconds) + 1) / 10:
                seen.tenths_seconds.append(time.monotonic() - began)
            seen.look(connection, machine)
            time.sleep(SAMPLE_SECONDS)
        seconds = seen.tenths_seconds[-1]
        spent, machine_spent = cpu_seconds(machine) - cpu, busy_seconds() - busy
        turn_sensor(machine, "stop")
        return _table(connection, shape, seen, seconds, spent, machine_spent)


def _table(
    connection: psycopg.Connection,
    shape: Shape,
    seen: Seen,
    seconds: float,
    cpu: float,
    machine_cpu: float,
) -> Table:
    tenth = seen.tenths_seconds[0]
    last = seen.tenths_seconds[-1] - seen.tenths_seconds[-2]
    waits = connection.execute(_WAITS).fetchone()
    calls = connection.execute(_CALLS).fetchone()
    assert waits is not None
    assert calls is not None
    an_hour = shape.accounts / seconds * 3600
    events = _number(connection, _EVENTS)
    tick_seconds = connection.execute(_TICKS).fetchone()
    assert tick_seconds is not None
    table = Table(
        "what",
        "measured",
        "limit",
        title=f"{shape.accounts:,} accounts, {shape.workers} Celery workers of {PLACES} places",
    )
    for what, measured, limit in (
        ("accounts an hour", f"{an_hour:,.0f}", ""),
        ("accounts an hour and worker", f"{an_hour / shape.workers:,.0f}", ""),
        ("last tenth beside the first, seconds", f"{last:,.0f} / {tenth:,.0f}", ""),
        ("runs", f"{waits[1]:,}", ""),
        ("a run waits in the queue, median", f"{waits[0][0]:,.1f} s", ""),
        ("a run waits in the queue, p95", f"{waits[0][1]:,.1f} s", ""),
        ("ticks of sensors, p95", f"{tick_seconds[0]:,.2f} s", ""),
        ("connections to Postgres, most", f"{seen.connections}", f"{MOST_CONNECTIONS}"),
        ("largest process", f"{seen.largest_process_mb:,.0f} MB", ""),
        ("all processes of Dagster and workers", f"{seen.all_processes_mb:,.0f} MB", ""),
        ("calls", f"{calls[0]:,} ({calls[0] / shape.accounts:.1f} an account)", ""),
        ("calls refused by a limit", f"{calls[1]:,}", "0"),
        ("syncs that did not succeed", f"{_number(connection, _NOT_SUCCESSFUL):,}", "0"),
        ("events of Dagster", f"{events:,} ({events / shape.accounts:.0f} an account)", ""),
        ("database", f"{_number(connection, _DATABASE) / 1e6:,.0f} MB", ""),
        ("CPU seconds an account, all services", f"{cpu / shape.accounts:.2f}", ""),
        ("cores busy meanwhile, everything", f"{machine_cpu / seconds:.1f}", ""),
    ):
        table.add_row(what, measured, limit)
    return table


def _number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _memory_mb(machine: Machine) -> list[float]:
    """Of each process that the units started, its children included."""
    groups = {child.process.pid for child in machine.started}
    sizes: list[float] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[2])
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        if group in groups:
            sizes.append(pages * _PAGE_BYTES / 1e6)
    return sizes


if __name__ == "__main__":
    main()
