"""What the sync benchmarks share: a database of their own, and a simulator as its own process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.settings import Settings
from meta_pipeline.sync import SyncEngine
from meta_pipeline.warehouse import Warehouse

TOKEN = "EAABENCHMARK"
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def database() -> Iterator[str]:
    """A durable Postgres in a temporary folder, as a user's would be; removed afterwards."""
    folder = Path(gettempdir()) / f"meta-pipeline-bench-{os.getpid()}"
    server = EmbeddedPostgres(folder)
    try:
        with server.running() as url:
            yield url
    finally:
        server.reset(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def asked_rows(about: str | None) -> Namespace:
    """The options of a benchmark of many rows: `url` of a server, `rows`, `keep` the databases."""
    parser = ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="keep what is filled")
    return parser.parse_args()


def server(url: str | None) -> AbstractContextManager[str]:
    """The Postgres at `url`; one of its own without."""
    return nullcontext(url) if url else database()


@contextmanager
def filled(url: str, name: str, fill: Callable[[str], None], *, keep: bool) -> Iterator[str]:
    """The URL of a database of that name; a new one is migrated and given to `fill`."""
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        is_new = known.fetchone() is None
        if is_new:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    there = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    if is_new:
        with Warehouse(there) as warehouse:
            warehouse.migrate()
        fill(there)
    yield there
    if not keep:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def postgres_seconds(connection: psycopg.Connection[Any]) -> float | None:
    """Processor time of the server's processes so far; None where it runs on another machine.

    The one of this connection is left out. Processes that ended count, parallel workers above all.
    """
    pids = [pid for (pid,) in connection.execute(_BACKENDS)]
    parent = _stat(connection.info.backend_pid)
    if parent is None or "postgres" not in parent[0]:
        return None
    server = _stat(int(parent[1][1]))
    ended = server[1][13:15] if server else ()
    living = [one[1][11:13] for pid in pids if (one := _stat(pid))]
    return sum(int(ticks) for pair in (*living, ended) for ticks in pair) / _TICKS_PER_SECOND


_BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _stat(pid: int) -> tuple[str, list[str]] | None:
    """Name and figures of a process, from its state on."""
    try:
        before, after = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
    except OSError:
        return None
    return before.split("(", 1)[1], after.split()


@dataclass(frozen=True)
class SimulatorProcess:
    url: str
    pid: int

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)


_SERVE = """
from meta_pipeline.simulator import serve
serve(port=0, world_name={world!r}, token={token!r}, latency_ms={latency_ms}, latency_sigma=0,
      tier="standard_access", stop_with_parent=True)
"""
# Time stands still there, so that an answer that was given once is an answer for good.
_SERVE_PREPARED = """
from datetime import UTC, datetime
from meta_pipeline.simulator import Limits, Simulator, VirtualClock
from meta_pipeline.simulator import WORLDS
sim = Simulator(
    WORLDS[{world!r}](VirtualClock(datetime.now(UTC))), token={token!r},
    limits=Limits(tier="standard_access"), pages=10_000, page_bytes=4_000_000_000,
)
print("ready", sim.bind(), flush=True)
sim.run()
"""


@contextmanager
def simulator(
    world: str = "demo", *, latency_ms: float = 0, prepared: bool = False
) -> Iterator[SimulatorProcess]:
    """The simulator as a process: what it costs is not ours.

    `prepared` keeps every answer: whoever asks the same a second time pays for the socket only.
    """
    code = (_SERVE_PREPARED if prepared else _SERVE).format(
        world=world, token=TOKEN, latency_ms=latency_ms
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield SimulatorProcess(process.stdout.readline().split()[1], process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def engine(database_url: str, graph_url: str, **settings: object) -> Iterator[SyncEngine]:
    """An engine as the CLI makes it, on an empty schema."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS meta_ads CASCADE")
    chosen = Settings.load(
        env_file=None,
        META_ACCESS_TOKEN=TOKEN,
        META_GRAPH_URL=graph_url,
        DATABASE_URL=database_url,
        **settings,
    )
    with SyncEngine.open(chosen) as found:
        yield found
