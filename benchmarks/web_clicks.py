"""Whether the web application's memory stays flat while many people click for a while.

    python -m benchmarks.web_clicks                      # 50 people, ten minutes
    python -m benchmarks.web_clicks --people 10 --seconds 60

Starts `meta-pipeline web` as anybody would, signs in by a link (one for all: an address signs in
twenty times a minute at most, and sessions are the browser's, not the server's), and lets everybody
open pages by chance over a socket, with a second or so between clicks: the overview, accounts,
campaigns by level, search, sort and page, a CSV, pages that are not there. Memory is what the
process holds (VmRSS), the median of a part of the time: it is warm after the first third, and the
last third must not be more than 10 % above the second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import httpx2
from rich.console import Console
from rich.table import Table

from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret

from . import _lab
from .metrics_queries import ACCOUNTS, filled

MOST_GROWTH_PCT = 10.0
_PAUSE_SECONDS = 1.0
_SECRET = "for-this-benchmark-alone-32-characters"
_PATIENCE_SECONDS = 300
console = Console(width=100)


@dataclass
class Clicked:
    """What came of it: memory in MB by second, milliseconds of each answer, answers by status."""

    memory_mb: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def thirds_mb(self) -> tuple[float, float, float]:
        """The median memory of each third of the time."""
        size = max(1, len(self.memory_mb) // 3)
        parts = (self.memory_mb[start : start + size] for start in (0, size, 2 * size))
        first, second, third = (statistics.median(part) for part in parts)
        return first, second, third

    @property
    def growth_pct(self) -> float:
        """By how much the last third is above the second, when everything is warm."""
        _, second, third = self.thirds_mb
        return 100 * (third - second) / second


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--keep", action="store_true", help="keep the database")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=600)
    asked = parser.parse_args()
    server = contextlib.nullcontext(asked.url) if asked.url else _lab.database()
    with server as url, filled(url, asked.rows, keep=asked.keep) as warehouse:
        _show(clicked(warehouse.url, people=asked.people, seconds=asked.seconds), asked.people)


def clicked(database_url: str, *, people: int, seconds: float) -> Clicked:
    """Serve the database and let `people` click for so many seconds."""
    found = Clicked()
    with _served(database_url) as (base, pid):
        asyncio.run(_everybody(base, pid, people, seconds, found))
    return found


def _show(found: Clicked, people: int) -> None:
    load = os.getloadavg()[0]
    first, second, third = found.thirds_mb
    table = Table(title=f"{people} people, load {load:.1f} on {os.cpu_count()} processors")
    for head in ("what", "measured", "limit", ""):
        table.add_column(head)
    verdict = "ok" if found.growth_pct <= MOST_GROWTH_PCT else "OVER"
    failed = sum(count for status, count in found.statuses.items() if status >= 500)
    rows = (
        ("memory, first third", f"{first:.0f} MB", "", ""),
        ("memory, second third", f"{second:.0f} MB", "", ""),
        ("memory, last third", f"{third:.0f} MB", "", ""),
        ("growth", f"{found.growth_pct:+.1f} %", f"{MOST_GROWTH_PCT:.0f} %", verdict),
        ("answers", f"{len(found.times_ms):,}", "", ""),
        ("answer, p50", f"{statistics.median(found.times_ms):,.0f} ms", "", ""),
        ("answers that failed", f"{failed:,}", "0", "ok" if not failed else "OVER"),
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


async def _everybody(base: str, pid: int, people: int, seconds: float, found: Clicked) -> None:
    async with httpx2.AsyncClient(follow_redirects=True, timeout=_PATIENCE_SECONDS) as first:
        (await first.get(new_link(Secret(_SECRET), base))).raise_for_status()
        session = dict(first.cookies)
    ends = time.monotonic() + seconds
    watching = asyncio.create_task(_watch(pid, found))
    await asyncio.gather(*(_person(base, session, number, ends, found) for number in range(people)))
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def _watch(pid: int, found: Clicked) -> None:
    while True:
        found.memory_mb.append(_memory_mb(pid))
        await asyncio.sleep(1)


async def _person(
    base: str, session: dict[str, str], number: int, ends: float, found: Clicked
) -> None:
    chance = random.Random(number)
    async with httpx2.AsyncClient(
        base_url=base, cookies=session, timeout=_PATIENCE_SECONDS
    ) as browser:
        while time.monotonic() < ends:
            start = time.perf_counter()
            answer = await browser.get(_address(chance))
            found.times_ms.append(1000 * (time.perf_counter() - start))
            found.statuses[answer.status_code] = found.statuses.get(answer.status_code, 0) + 1
            await asyncio.sleep(chance.expovariate(1 / _PAUSE_SECONDS))


def _address(chance: random.Random) -> str:
    account = f"act_{chance.randint(1, ACCOUNTS)}"
    days = chance.choice(("last_7d", "last_14d", "last_28d"))
    level = chance.choice(("campaign", "adset", "ad"))
    table = {
        "account": chance.choice(("", account)),
        "level": level,
        "days": days,
        "sort": chance.choice(("spend", "results", "name")),
        "search": chance.choice(("", "", f"{chance.randint(0, 99)}")),
        "page": chance.randint(1, 3),
    }
    return chance.choice(
        (
            "/",
            f"/?days={days}",
            f"/accounts/{account}?days={days}",
            f"/campaigns?{urlencode(table)}",
            f"/campaigns?{urlencode(table)}",
            f"/campaigns?{urlencode(table)}",
            f"/campaigns.csv?account={account}&level={level}",
            f"/creatives?account={account}",
            "/sync",
            "/health",
            f"/nowhere/{chance.random()}",
        )
    )


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} is gone")


@contextmanager
def _served(database_url: str) -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("META_")},
            "DATABASE_URL": database_url,
            "META_WEB_SECRET": _SECRET,
            "META_PIPELINE_DATA": folder,
        }
        command = [sys.executable, "-m", "meta_pipeline.cli", "web", "--port", str(port)]
        with subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL
        ) as server:
            try:
                base = f"http://127.0.0.1:{port}"
                _wait(base, server)
                yield base, server.pid
            finally:
                server.terminate()


def _wait(base: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            httpx2.get(f"{base}/v1/health", timeout=_PATIENCE_SECONDS)
            return
        time.sleep(0.2)
    raise TimeoutError("the web application does not answer")


if __name__ == "__main__":
    main()
