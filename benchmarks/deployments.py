"""Accounts an hour, and CPU-seconds an account, by how runs are executed.

Every row is a deployment of its own, started from the units of deploy/: an own database, 40 small
accounts (12 ads, 5 of them active, 90 days), a Graph API that answers in 100 ms. Time is from the
first request until the last account is in. CPU is that of code server, webserver, daemon, workers
and runs; not of Postgres and of the simulator. Wall time depends on what else the machine does,
CPU-seconds hardly: cores x 3600 / CPU-seconds is what a machine can do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks._lab import TOKEN, database
from meta_pipeline.commands.demo import batches
from meta_pipeline.commands.local.children import Children
from meta_pipeline.commands.local.ports import answers, free_port
from meta_pipeline_tests.e2e.stand import finished, redis, scalar, until
from meta_pipeline_tests.e2e.units import CELERY, SYSTEMD, Machine, Unit

ACCOUNTS = 40
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_DONE = """
    SELECT count(*) FROM meta_ads.sync_health
    WHERE entities_synced_at IS NOT NULL AND insights_synced_at IS NOT NULL
"""


@dataclass(frozen=True)
class Shape:
    """`workers` Celery workers of two places each, or none: runs are processes of their own."""

    workers: int
    accounts_per_run: int

    @property
    def name(self) -> str:
        how = f"{self.workers} Celery worker(s) x 2" if self.workers else "one process a run"
        return f"{how}, {self.accounts_per_run} account(s) a run"


SHAPES = tuple(Shape(workers, size) for workers in (0, 1, 2) for size in (1, 10))


def main() -> None:
    table = Table(title=f"{ACCOUNTS} accounts synced for the first time")
    for name in ("runs are executed by", "seconds", "accounts an hour", "CPU-s an account"):
        table.add_column(name, justify="left" if name.startswith("runs") else "right")
    for shape in SHAPES:
        seconds, cpu = measure(shape)
        table.add_row(
            shape.name,
            f"{seconds:.0f}",
            f"{ACCOUNTS / seconds * 3600:,.0f}",
            f"{cpu / ACCOUNTS:.2f}",
        )
        Console().print(f"{shape.name}: {seconds:.1f} s, {cpu:.1f} CPU-s")
    Console().print(table)


def measure(shape: Shape) -> tuple[float, float]:
    """Seconds and CPU-seconds of the whole fleet's first sync."""
    with database() as url, deployment(url, shape) as machine:
        keys = machine.api.partition_keys()
        assert len(keys) == ACCOUNTS
        before, began = cpu_seconds(machine), time.monotonic()
        runs = [
            machine.api.launch_partitions("sync_account", batch[0], batch[-1])
            if len(batch) > 1
            else machine.api.launch("sync_account", {"dagster/partition": batch[0]})
            for batch in batches(keys, ACCOUNTS // shape.accounts_per_run)
        ]
        until(lambda: finished(machine.api, runs), "the fleet is synced", 1800, every_seconds=1.0)
        seconds = time.monotonic() - began
        assert scalar(url, _DONE) == ACCOUNTS
        return seconds, cpu_seconds(machine) - before


@contextmanager
def deployment(url: str, shape: Shape) -> Iterator[Machine]:
    """The deployment, its accounts discovered, its sensor stopped."""
    with tempfile.TemporaryDirectory() as folder, Children(Path(folder) / "logs") as children:
        root = Path(folder)
        graph = world(children, root)
        credentials = {"database_url": url, "meta_access_token": TOKEN}
        drop_ins: tuple[Path, ...] = ()
        if shape.workers:
            broker, _ = redis(children, root / "redis")
            credentials |= {"celery_broker_url": f"{broker}/0"}
            credentials |= {"celery_result_backend": f"{broker}/1"}
            drop_ins = (CELERY / "celery.conf",)
        machine = Machine(root / "machine", children, credentials, {"META_GRAPH_URL": graph})
        if shape.workers:
            instance = (CELERY / "dagster.yaml").read_text(encoding="utf-8")
            (machine.folder / "var/dagster/dagster.yaml").write_text(instance, encoding="utf-8")
        machine.finish(Unit.read(SYSTEMD / "meta-pipeline-migrate.service"))
        units = {
            name: Unit.read(SYSTEMD / f"meta-pipeline-{name}.service", *drop_ins)
            for name in ("code", "webserver", "daemon")
        }
        for name in ("code", "webserver"):
            machine.start(units[name])
        until(machine.api.is_ready, "the webserver shows the code location")
        stop_sensor(machine, units["webserver"])
        machine.start(units["daemon"])
        for number in range(shape.workers):
            machine.start(Unit.read(CELERY / "meta-pipeline-worker@.service"), str(number + 1))
        discovery = machine.api.launch("discover_accounts")
        until(lambda: finished(machine.api, [discovery]), "the accounts are discovered")
        yield machine


def world(children: Children, folder: Path) -> str:
    port = free_port()
    module = "benchmarks._fleet_world"
    children.start(
        "simulator",
        [sys.executable, "-m", module, str(port), TOKEN, str(ACCOUNTS)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1])},
        cwd=folder,
    )
    until(lambda: answers(port), "the simulator answers")
    return f"http://127.0.0.1:{port}"


def stop_sensor(machine: Machine, unit: Unit) -> None:
    """Who is synced, and when, is what is measured here."""
    workspace = str(machine.folder / "etc/workspace.yaml")
    command = ["sensor", "stop", "next_stale_account", "--workspace", workspace]
    subprocess.run(
        [str(Path(sys.executable).with_name("meta-pipeline")), "exec", "dagster", *command],
        env=machine.environment(unit),
        cwd=machine.folder / "var",
        check=True,
        capture_output=True,
    )


def cpu_seconds(machine: Machine) -> float:
    """Of all that the units started, runs that ended included."""
    groups = {child.process.pid for child in machine.started}
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) in groups:
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS_PER_SECOND


if __name__ == "__main__":
    main()
