"""What Dagster adds to a sync: from the sensor's tick to the first Graph call, and CPU a run.

Services as in deploy/, each run a process of its own, one account a run and one run at a time. Of
the same fleet other accounts are synced by `meta-pipeline sync`. Every sync is an account's first:
12 ads, 90 days, a Graph API that answers in 100 ms. A run also computes daily metrics and the
reconciliation, which the command does not. Times are medians, with the least and the most.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks._lab import database
from benchmarks.deployments import Shape, cpu_seconds, deployment, turn_sensor
from meta_pipeline_tests.e2e.stand import scalar, until
from meta_pipeline_tests.e2e.units import SYSTEMD, Machine, Unit

RUNS = 6
IDLE_SECONDS = 20.0
ONE_AT_A_TIME = {"META_MAX_SYNCS": "1", "META_ACCOUNTS_PER_RUN": "1"}
_ENDED = "SELECT count(*) FROM dagster.runs WHERE pipeline_name = 'sync_account' AND end_time > 0"
_RUNS = """
    SELECT extract(epoch FROM tick.timestamp AT TIME ZONE 'UTC')::float8,
           extract(epoch FROM run.create_timestamp AT TIME ZONE 'UTC')::float8,
           run.start_time,
           (SELECT extract(epoch FROM min(call.timestamp))::float8
            FROM meta_ads.sync_runs AS sync JOIN meta_ads.meta_api_logs AS call USING (sync_run_id)
            WHERE sync.dagster_run_id = run.run_id),
           run.end_time,
           (SELECT sum(extract(epoch FROM finished_at - started_at))::float8
            FROM meta_ads.sync_runs AS sync WHERE sync.dagster_run_id = run.run_id)
    FROM dagster.runs AS run
    JOIN dagster.run_tags AS tag ON tag.run_id = run.run_id AND tag.key = 'dagster/tick'
    JOIN dagster.job_ticks AS tick ON tick.id = tag.value::bigint
    WHERE run.pipeline_name = 'sync_account' AND run.status = 'SUCCESS'
    ORDER BY run.id
"""
_TOOK = """
    SELECT sum(extract(epoch FROM finished_at - started_at))::float8 FROM meta_ads.sync_runs
    WHERE account_id = %s
"""


@dataclass(frozen=True)
class Run:
    """Moments of a run, in seconds of the epoch; `sync_seconds` is what its syncs took."""

    tick_at: float
    requested_at: float
    started_at: float
    called_at: float
    ended_at: float
    sync_seconds: float


@dataclass(frozen=True)
class Plain:
    """A `meta-pipeline sync`: the process, its processor time, and the sync in it."""

    seconds: float
    cpu_seconds: float
    sync_seconds: float


def main() -> None:
    with database() as url, deployment(url, Shape(0, 1), ONE_AT_A_TIME) as machine:
        idle = _idle_rate(machine)
        cpu, began = cpu_seconds(machine), time.monotonic()
        turn_sensor(machine, "start")
        until(lambda: int(str(scalar(url, _ENDED))) >= RUNS, "the runs end", 900, every_seconds=1)
        turn_sensor(machine, "stop")
        elapsed = time.monotonic() - began
        cpu_of_runs = cpu_seconds(machine) - cpu - idle * elapsed
        with psycopg.connect(url) as connection:
            runs = [Run(*row) for row in connection.execute(_RUNS)]
        untouched = list(reversed(machine.api.partition_keys()))[:RUNS]
        plain = [_plain(machine, url, account_id) for account_id in untouched]
    Console().print(_table(runs, cpu_of_runs / len(runs), plain))


def _idle_rate(machine: Machine) -> float:
    """Processor seconds a second of the services when nothing is to do."""
    before = cpu_seconds(machine)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(machine) - before) / IDLE_SECONDS


def _plain(machine: Machine, url: str, account_id: str) -> Plain:
    began, cpu = time.monotonic(), _children_seconds()
    subprocess.run(
        [str(Path(sys.executable).with_name("meta-pipeline")), "sync", account_id],
        env=machine.environment(Unit.read(SYSTEMD / "meta-pipeline-code.service")),
        cwd=machine.folder / "var",
        check=True,
        capture_output=True,
    )
    seconds = time.monotonic() - began
    took = float(str(scalar(url, _TOOK, account_id)))
    return Plain(seconds, _children_seconds() - cpu, took)


def _children_seconds() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def _table(runs: Sequence[Run], cpu_seconds_a_run: float, plain: Sequence[Plain]) -> Table:
    table = Table("what", "seconds", "from-to", title=f"{len(runs)} runs of one account")
    for what, seconds in (
        ("tick -> run requested", [run.requested_at - run.tick_at for run in runs]),
        ("run requested -> started", [run.started_at - run.requested_at for run in runs]),
        ("run started -> first Graph call", [run.called_at - run.started_at for run in runs]),
        ("tick -> first Graph call", [run.called_at - run.tick_at for run in runs]),
        ("run started -> ended", [run.ended_at - run.started_at for run in runs]),
        ("  of it the syncs (structure, then numbers)", [run.sync_seconds for run in runs]),
        ("meta-pipeline sync, the process", [one.seconds for one in plain]),
        ("  of it the sync", [one.sync_seconds for one in plain]),
        ("  its CPU", [one.cpu_seconds for one in plain]),
    ):
        table.add_row(what, f"{median(seconds):.2f}", f"{min(seconds):.2f}-{max(seconds):.2f}")
    table.add_row("CPU of a run, all services, mean", f"{cpu_seconds_a_run:.2f}", "")
    return table


if __name__ == "__main__":
    main()
