"""How long people wait for pages: each page over a socket, at 1 or 10 million insight rows.

    python -m benchmarks.web_pages                   # one million rows
    python -m benchmarks.web_pages --rows 10000000 --url postgresql://.../postgres --keep
    python -m benchmarks.web_pages --accounts 1000   # as many rows of more accounts

Fills a database as `metrics_queries` does, serves the web application on a socket of this process
and opens each page as somebody who signed in by a link, those of all accounts also with a day of
one account rolled up anew before each, as after a sync: what is kept of their order is old then.
Prints p50 and p95 of the whole answer beside the limit (150 ms up to a million rows, 500 ms above),
the processor time of one page (ours and Postgres', the same on a machine that others use too), and
its size as it is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import uvicorn
from rich.console import Console
from rich.table import Table

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import SignIn

from . import _lab
from .metrics_queries import ACCOUNT, ACCOUNTS, NOW, filled

PAGES = {
    "overview": "/",
    "campaigns of an account, 7 days": f"/campaigns?account={ACCOUNT}",
    "campaigns of all accounts, 28 days": "/campaigns?days=last_28d",
    "ads of all accounts": "/campaigns?level=ad",
    "ads of all accounts, far down": "/campaigns?level=ad&page=100&after=1:20",
    "ads of all accounts, page 100 by number": "/campaigns?level=ad&page=100",
    "an account, 28 days": f"/accounts/{ACCOUNT}",
    "creatives of an account": f"/creatives?account={ACCOUNT}",
    "sync": "/sync",
}
WRITTEN_MEANWHILE = (
    "overview",
    "campaigns of all accounts, 28 days",
    "ads of all accounts",
)
_ROLLED_UP = """
    UPDATE meta_ads.metric_rollups SET rolled_up_at = rolled_up_at
    WHERE account_id = %s AND date_start = %s
"""
RUNS = 30
MOST_BYTES = 150_000
console = Console(width=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="keep the database")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    asked = parser.parse_args()
    limit_ms = 150 if asked.rows <= 1_000_000 else 500
    server = nullcontext(asked.url) if asked.url else _lab.database()
    with (
        server as url,
        filled(url, asked.rows, keep=asked.keep, accounts=asked.accounts) as warehouse,
        _browser(warehouse) as browser,
        psycopg.connect(warehouse.url, autocommit=True) as connection,
    ):

        def processor_ms() -> float:
            return 1000 * (time.process_time() + (_lab.postgres_seconds(connection) or 0))

        def roll_up() -> None:
            connection.execute(_ROLLED_UP, (ACCOUNT, NOW.date()))

        opened = {
            name: _opened(browser, path, processor_ms, lambda: None) for name, path in PAGES.items()
        }
        for name in WRITTEN_MEANWHILE:
            opened[f"{name}, after a sync"] = _opened(browser, PAGES[name], processor_ms, roll_up)
        _show(opened, limit_ms)


@dataclass(frozen=True, slots=True)
class Opened:
    """A page opened some times: milliseconds of each, of processor time on average, bytes sent."""

    times: list[float]
    processor_ms: float
    size: int

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.times, n=20)[-1]


def _show(opened: dict[str, Opened], limit_ms: float) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"{RUNS} runs of each, load {load:.1f} on {os.cpu_count()} processors")
    heads = ("page", "p50, ms", "p95, ms", "processor, ms", "bytes sent", f"limit {limit_ms:g} ms")
    for head in heads:
        table.add_column(head, justify="left" if head == "page" else "right")
    for name, one in opened.items():
        verdict = "ok" if one.p95 <= limit_ms and one.size <= MOST_BYTES else "OVER"
        numbers = (statistics.median(one.times), one.p95, one.processor_ms)
        table.add_row(name, *(f"{value:.0f}" for value in numbers), f"{one.size:,}", verdict)
    console.print(table)


def _opened(
    browser: httpx2.Client,
    path: str,
    processor_ms: Callable[[], float],
    before_each: Callable[[], None],
) -> Opened:
    """Every run but a first one, which fills the caches."""
    size = browser.get(path).raise_for_status().num_bytes_downloaded
    times = []
    before = processor_ms()
    for _ in range(RUNS):
        before_each()
        start = time.perf_counter()
        browser.get(path).raise_for_status()
        times.append(1000 * (time.perf_counter() - start))
    return Opened(times, (processor_ms() - before) / RUNS, size)


@contextmanager
def _browser(warehouse: Warehouse) -> Iterator[httpx2.Client]:
    site = Site(
        Settings.load(env_file=None), warehouse, Secret("b" * 32), SignIn.LINK, now=lambda: NOW
    )
    application = web_application(site)
    gc.freeze()  # as meta-pipeline web does
    with (
        _running(application) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=120) as browser,
    ):
        browser.get(new_link(site.secret, url))
        yield browser


@contextmanager
def _running(application: Any) -> Iterator[str]:
    # asyncio sets TCP_NODELAY on sockets that say they are TCP, as uvicorn's own do; without it an
    # answer waits for an acknowledgement, 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(application, proxy_headers=False, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


if __name__ == "__main__":
    main()
