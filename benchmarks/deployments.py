"""Accounts an hour, and CPU-seconds an account, by how runs are executed.

Every row is a deployment of its own, started from the units of deploy/: an own database, small
accounts (12 ads, 5 of them active, 90 days), a Graph API that answers in 100 ms. Time is from the
first request until the last account is in. CPU is that of code server, webserver, daemon, workers
and runs; not of Postgres and of the simulator, which `machine busy` has too. Wall time depends on
what else the machine does, CPU-seconds hardly: cores x 3600 / CPU-seconds is what a machine can do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from benchmarks._lab import TOKEN, database
from meta_pipeline.commands.processes.demo import batches
from meta_pipeline.local.children import Children
from meta_pipeline.local.ports import answers, free_port
from meta_pipeline_tests.e2e.stand import finished, redis, retimed, scalar, until
from meta_pipeline_tests.e2e.units import CELERY, SYSTEMD, Machine, Unit

BATCH = 25
"""Accounts of a full batch."""

PLACES = 2
"""Runs a Celery worker executes at once."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_DONE = """
    SELECT count(*) FROM meta_ads.sync_health
    WHERE entities_synced_at IS NOT NULL AND insights_synced_at IS NOT NULL
"""


@dataclass(frozen=True)
class Shape:
    """`workers` Celery workers of two places each, or none: runs are processes of their own.

    `fleet` is how many accounts there are where that does not follow from the other two.
    """

    workers: int
    accounts_per_run: int
    fleet: int | None = None
    latency_ms: float = 100

    @property
    def name(self) -> str:
        how = f"{self.workers} Celery worker(s) x {PLACES}" if self.workers else "a process a run"
        return f"{how}, {self.accounts_per_run} account(s) a run"

    @property
    def accounts(self) -> int:
        """Enough for every place to be taken twice or more, whatever number there are of them."""
        if self.fleet is not None:
            return self.fleet
        return 24 if self.accounts_per_run == 1 else 12 * self.accounts_per_run


@dataclass(frozen=True)
class Measured:
    """What the fleet's first sync took."""

    seconds: float
    cpu_seconds: float
    busy_share: float


SHAPES = tuple(Shape(workers, size) for workers in (0, 1, 2, 3) for size in (1, BATCH))


def main(shapes: tuple[Shape, ...] = SHAPES) -> None:
    table = Table(title="Accounts synced for the first time")
    for name in ("runs are executed by", "accounts", "seconds", "accounts an hour"):
        table.add_column(name, justify="left" if name.startswith("runs") else "right")
    for name in ("CPU-s an account", "machine busy"):
        table.add_column(name, justify="right")
    for shape in shapes:
        found = measure(shape)
        row = (
            shape.name,
            f"{shape.accounts}",
            f"{found.seconds:.0f}",
            f"{shape.accounts / found.seconds * 3600:,.0f}",
            f"{found.cpu_seconds / shape.accounts:.2f}",
            f"{found.busy_share:.0%}",
        )
        table.add_row(*row)
        Console().print("  ".join(row))
    Console().print(table)


def measure(shape: Shape) -> Measured:
    """The whole fleet's first sync."""
    with database() as url, deployment(url, shape) as machine:
        keys = machine.api.partition_keys()
        assert len(keys) == shape.accounts
        cpu, machine_cpu, began = cpu_seconds(machine), busy_seconds(), time.monotonic()
        runs = [
            machine.api.launch_partitions("sync_account", batch[0], batch[-1])
            if len(batch) > 1
            else machine.api.launch("sync_account", {"dagster/partition": batch[0]})
            for batch in batches(keys, shape.accounts // shape.accounts_per_run)
        ]
        until(lambda: finished(machine.api, runs), "the fleet is synced", 1800, every_seconds=1.0)
        seconds = time.monotonic() - began
        assert scalar(url, _DONE) == shape.accounts
        busy = (busy_seconds() - machine_cpu) / seconds / (os.cpu_count() or 1)
        return Measured(seconds, cpu_seconds(machine) - cpu, busy)


@contextmanager
def deployment(
    url: str, shape: Shape, settings: Mapping[str, str] | None = None
) -> Iterator[Machine]:
    """The deployment, its accounts discovered, its sensor stopped."""
    with tempfile.TemporaryDirectory() as folder, Children(Path(folder) / "logs") as children:
        root = Path(folder)
        graph = world(children, root, shape.accounts, shape.latency_ms)
        credentials = {"database_url": url, "meta_access_token": TOKEN}
        drop_ins: tuple[Path, ...] = ()
        if shape.workers:
            broker, _ = redis(children, root / "redis")
            credentials |= {"celery_broker_url": f"{broker}/0"}
            credentials |= {"celery_result_backend": f"{broker}/1"}
            drop_ins = (CELERY / "celery.conf",)
        chosen = {"META_GRAPH_URL": graph, **(settings or {})}
        if shape.workers:
            chosen["META_MAX_SYNCS"] = str(PLACES * shape.workers)
        machine = Machine(root / "machine", children, credentials, chosen)
        if shape.workers:
            places = PLACES * shape.workers
            instance = retimed(
                (CELERY / "dagster.yaml").read_text(encoding="utf-8"),
                max_concurrent_runs=places,
            )
            (machine.folder / "var/dagster/dagster.yaml").write_text(instance, encoding="utf-8")
        machine.finish(Unit.read(SYSTEMD / "meta-pipeline-migrate.service"))
        units = {
            name: Unit.read(SYSTEMD / f"meta-pipeline-{name}.service", *drop_ins)
            for name in ("code", "webserver", "daemon")
        }
        for name in ("code", "webserver"):
            machine.start(units[name])
        until(machine.api.is_ready, "the webserver shows the code location")
        turn_sensor(machine, "stop")
        machine.start(units["daemon"])
        for number in range(shape.workers):
            machine.start(Unit.read(CELERY / "meta-pipeline-worker@.service"), str(number + 1))
        discovery = machine.api.launch("discover_accounts")
        until(lambda: finished(machine.api, [discovery]), "the accounts are discovered")
        yield machine


def world(children: Children, folder: Path, accounts: int, latency_ms: float) -> str:
    port = free_port()
    module = "benchmarks._fleet_world"
    children.start(
        "simulator",
        [sys.executable, "-m", module, str(port), TOKEN, str(accounts), str(latency_ms)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1])},
        cwd=folder,
    )
    until(lambda: answers(port), "the simulator answers")
    return f"http://127.0.0.1:{port}"


def turn_sensor(machine: Machine, command: Literal["start", "stop"]) -> None:
    """Who is synced, and when: by the sensor, or by what is measured here."""
    workspace = str(machine.folder / "etc/workspace.yaml")
    arguments = ["sensor", command, "next_stale_account", "--workspace", workspace]
    subprocess.run(
        [str(Path(sys.executable).with_name("meta-pipeline")), "exec", "dagster", *arguments],
        env=machine.environment(Unit.read(SYSTEMD / "meta-pipeline-webserver.service")),
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


def busy_seconds() -> float:
    """Of all processors and everything on the machine."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split(maxsplit=4)[1:4])
    return (user + nice + system) / _TICKS_PER_SECOND


if __name__ == "__main__":
    main()
