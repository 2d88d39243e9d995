"""Rows a second from HTTP to Postgres, peak memory, and where the time goes, at three sizes.

The simulator serves prepared pages from a process of its own; its CPU is told apart from ours. The
same machine runs all three (simulator, engine, Postgres), so the figures are a lower bound.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks._lab import SimulatorProcess, database, simulator

# A child for each size: peak memory of a process never falls.
_CHILD = """
import os, resource, sys, time
import orjson
from benchmarks._lab import engine
from meta_pipeline.sync import ENTITIES, Part, SyncRequest
url, graph_url, days, parts = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
with engine(url, graph_url, META_BACKFILL_DAYS=days) as ours:
    account = ours.discover().accounts[0].account_id
    chosen = ENTITIES if parts == "entities" else frozenset({Part.INSIGHTS})
    began, cpu = time.perf_counter(), time.process_time()
    record = ours.sync(SyncRequest(account, parts=chosen))
    seconds = time.perf_counter() - began
    with ours.warehouse.connection() as connection:
        (waited,) = connection.execute(
            "SELECT coalesce(sum(latency_ms), 0)::float8 FROM meta_ads.meta_api_logs"
        ).fetchone()
    entities = record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched
    print(orjson.dumps({
        "status": record.status, "rows": record.insights_rows_read or entities,
        "calls": record.meta_call_count_total, "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu, "network_ms": waited,
        "database_ms": record.db_write_ms,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }).decode())
"""


@dataclass(frozen=True)
class Size:
    name: str
    world: str
    days: int
    parts: str = "insights"


SIZES = (
    Size("10k insight rows", "insights", 1),
    Size("100k insight rows", "insights", 8),
    Size("1M insight rows", "insights", 75),
    Size("100k entities", "large", 1, "entities"),
    Size("100k-entity account, 90 days", "large", 90),
)


def main() -> None:
    table = Table(title="From HTTP to Postgres on one machine (limits: 15,000 rows/s, 300 MB)")
    for name in (
        "size",
        "rows",
        "calls",
        "seconds",
        "rows/s",
        "peak MB",
        "our CPU s",
        "simulator CPU s",
        "database s",
        "rows/s less simulator",
    ):
        table.add_column(name, justify="left" if name == "size" else "right")
    with database() as url:
        for size in SIZES:
            with simulator(size.world) as sim:
                table.add_row(size.name, *_measure(url, sim, size))
    Console(width=150).print(table)


def _measure(url: str, sim: SimulatorProcess, size: Size) -> tuple[str, ...]:
    before = sim.cpu_seconds
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, url, sim.url, str(size.days), size.parts],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    found = orjson.loads(done.stdout.splitlines()[-1])
    assert found["status"] == "success", found
    served = sim.cpu_seconds - before
    rows, seconds = found["rows"], found["seconds"]
    return (
        f"{rows:,}",
        f"{found['calls']:,}",
        f"{seconds:.1f}",
        f"{rows / seconds:,.0f}",
        f"{found['peak_mb']:.0f}",
        f"{found['cpu_seconds']:.1f}",
        f"{served:.1f}",
        f"{found['database_ms'] / 1000:.1f}",
        f"{rows / max(seconds - served, 0.001):,.0f}",
    )


if __name__ == "__main__":
    main()
