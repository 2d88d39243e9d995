"""Rows a second from HTTP to Postgres, peak memory, and where the time goes, at several sizes.

Simulator, engine and Postgres share the machine. What the simulator costs is told twice: its CPU
beside ours, and by a second run of the same reading against answers that it has prepared, which is
what a server elsewhere would cost this machine. The official SDK reads the same prepared pages and
stores them with `executemany`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks._lab import SimulatorProcess, database, simulator

ROWS_PER_SECOND, PEAK_MB = 15_000, 300

# A child for each reading: peak memory of a process never falls.
_OURS = """
import resource, sys, time
import orjson
from benchmarks._lab import engine
from benchmarks._where import Where
from meta_pipeline.sync import DEFAULT_PARTS, ENTITIES, Part, SyncRequest
url, graph_url, days, parts = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
with engine(url, graph_url, META_BACKFILL_DAYS=days) as ours:
    account = ours.discover().accounts[0].account_id
    if parts == "insights":
        ours.sync(SyncRequest(account, parts=ENTITIES))
    chosen = {"entities": ENTITIES, "insights": frozenset({Part.INSIGHTS})}.get(parts)
    where = Where()
    where.start()
    began, cpu = time.perf_counter(), time.process_time()
    record = ours.sync(SyncRequest(account, parts=chosen or DEFAULT_PARTS))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    entities = record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched
    print(orjson.dumps({
        "status": record.status, "rows": record.insights_rows_read + entities,
        "calls": record.meta_call_count_total, "seconds": seconds, "cpu_seconds": cpu,
        "shares": where.shares(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }).decode())
"""
_SDK = """
import resource, sys, time
from datetime import UTC, datetime, timedelta
import orjson, psycopg
from psycopg.types.json import Jsonb
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from benchmarks._lab import TOKEN
from meta_pipeline.sync.rows.datasets import daily
url, graph_url, days = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = FacebookSession(access_token=TOKEN)
session.GRAPH = graph_url
api = FacebookAdsApi(session)
account = AdAccount(User("me", api=api).get_ad_accounts()[0]["id"], api=api)
until = datetime.now(UTC).date()
fields = list(daily("ad").fields)
names = [*fields, "date_start"]
columns = ", ".join(f"{name} jsonb" if name in {"actions", "action_values",
    "video_thruplay_watched_actions"} else f"{name} text" for name in names)
places = ", ".join(["%s"] * len(names))
began, cpu, rows = time.perf_counter(), time.process_time(), 0
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute("DROP TABLE IF EXISTS plain")
    connection.execute(f"CREATE TABLE plain ({columns}, PRIMARY KEY (ad_id, date_start))")
    store = f"INSERT INTO plain VALUES ({places}) ON CONFLICT (ad_id, date_start) DO UPDATE SET " \\
        + ", ".join(f"{name} = excluded.{name}" for name in names)
    for back in range(days):
        day = str(until - timedelta(days=back))
        found = account.get_insights(fields=fields, params={
            "level": "ad", "time_increment": 1, "limit": 500,
            "time_range": {"since": day, "until": day},
            "action_attribution_windows": ["1d_click", "7d_click", "1d_view"]})
        given = [row.export_all_data() for row in found]
        rows += len(given)
        with connection.transaction():
            connection.cursor().executemany(store, [
                [Jsonb(v) if isinstance(v := row.get(name), list) else v for name in names]
                for row in given])
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
print(orjson.dumps({
    "status": "success", "rows": rows, "calls": api.get_num_requests_attempted(),
    "seconds": seconds, "cpu_seconds": cpu, "shares": {},
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}).decode())
"""


@dataclass(frozen=True)
class Size:
    """One reading: of which world, how many days, which parts, and whether prepared as well."""

    name: str
    world: str
    days: int
    parts: str = "insights"
    prepared: bool = False


SIZES = (
    Size("10k insight rows", "insights", 1, prepared=True),
    Size("100k insight rows", "insights", 8, prepared=True),
    Size("1M insight rows", "insights", 83),
    Size("100k entities", "large", 1, "entities"),
    Size("100k entities and 90 days", "large", 90, "all"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="sizes whose name contains this")
    only = parser.parse_args().only
    table = Table(
        title="From HTTP to Postgres on one machine "
        f"(limits: {ROWS_PER_SECOND:,} rows/s, {PEAK_MB} MB at 1,000,000 rows)"
    )
    for name in (
        "size",
        "who, simulator's pages",
        "rows",
        "calls",
        "seconds",
        "rows/s",
        "peak MB",
        "CPU s",
        "Postgres CPU s",
        "simulator CPU s",
        "network",
        "parsing",
        "database",
    ):
        table.add_column(name, justify="left" if name[:3] in ("siz", "who") else "right")
    with database() as url:
        for size in SIZES:
            for row in _rows(url, size) if only in size.name else ():
                table.add_row(*row)
    Console(width=170).print(table)


def _rows(url: str, size: Size) -> Iterator[tuple[str, ...]]:
    with simulator(size.world, prepared=size.prepared) as sim:
        yield _measured(url, sim, size, "ours, made", _OURS)
        if size.prepared:
            yield _measured(url, sim, size, "ours, prepared", _OURS)
            _child(url, sim, size, _SDK)
            yield _measured(url, sim, size, "SDK, prepared", _SDK)


def _measured(url: str, sim: SimulatorProcess, size: Size, who: str, code: str) -> tuple[str, ...]:
    before = sim.cpu_seconds, postgres_cpu_seconds()
    found = _child(url, sim, size, code)
    served, stored = sim.cpu_seconds - before[0], postgres_cpu_seconds() - before[1]
    assert found["status"] == "success", found
    shares = [found["shares"].get(kind) for kind in ("network", "parsing", "database")]
    return (
        size.name,
        who,
        f"{found['rows']:,}",
        f"{found['calls']:,}",
        f"{found['seconds']:.1f}",
        f"{found['rows'] / found['seconds']:,.0f}",
        f"{found['peak_mb']:.0f}",
        f"{found['cpu_seconds']:.1f}",
        f"{stored:.1f}",
        f"{served:.1f}",
        *("" if share is None else f"{share:.0f} %" for share in shares),
    )


def _child(url: str, sim: SimulatorProcess, size: Size, code: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", code, url, sim.url, str(size.days), size.parts],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def postgres_cpu_seconds() -> float:
    """CPU of this benchmark's Postgres, its ended backends included."""
    ticks = 0
    for process in Path("/proc").iterdir():
        try:
            if f"meta-pipeline-bench-{os.getpid()}" in str((process / "cwd").readlink()):
                fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
                ticks += sum(map(int, fields[11:15]))
        except (OSError, ValueError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
