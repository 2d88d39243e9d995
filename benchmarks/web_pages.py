"""How long people wait for pages: each page over a socket, at 1 or 10 million insight rows.

    python -m benchmarks.web_pages                   # one million rows
    python -m benchmarks.web_pages --rows 10000000 --url postgresql://.../postgres --keep

Fills a database as `metrics_queries` does, serves the web application on a socket of this process
and opens each page as somebody who signed in by a link. Prints p50 and p95 of the whole answer
beside the limit (150 ms up to a million rows, 500 ms above) and its size as it is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import httpx2
import uvicorn
from rich.console import Console
from rich.table import Table

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.ways import Way

from . import _lab
from .metrics_queries import ACCOUNT, NOW, filled

PAGES = {
    "overview, 20 accounts": "/",
    "campaigns of an account, 7 days": f"/campaigns?account={ACCOUNT}",
    "campaigns of all accounts, 28 days": "/campaigns?days=last_28d",
    "ads of all accounts, page 100": "/campaigns?level=ad&page=100",
    "an account, 28 days": f"/accounts/{ACCOUNT}",
    "creatives of an account": f"/creatives?account={ACCOUNT}",
    "sync": "/sync",
}
RUNS = 30
MOST_BYTES = 150_000
console = Console(width=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="keep the database")
    asked = parser.parse_args()
    limit_ms = 150 if asked.rows <= 1_000_000 else 500
    server = nullcontext(asked.url) if asked.url else _lab.database()
    with (
        server as url,
        filled(url, asked.rows, keep=asked.keep) as warehouse,
        _browser(warehouse) as browser,
    ):
        _show({name: _times(browser, path) for name, path in PAGES.items()}, limit_ms)


def _show(timed: dict[str, tuple[list[float], int]], limit_ms: float) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"{RUNS} runs of each, load {load:.1f} on {os.cpu_count()} processors")
    for head in ("page", "p50, ms", "p95, ms", "bytes sent", f"limit {limit_ms:g} ms"):
        table.add_column(head, justify="left" if head == "page" else "right")
    for name, (times, size) in timed.items():
        p95 = statistics.quantiles(times, n=20)[-1]
        verdict = "ok" if p95 <= limit_ms and size <= MOST_BYTES else "OVER"
        table.add_row(name, f"{statistics.median(times):.0f}", f"{p95:.0f}", f"{size:,}", verdict)
    console.print(table)


def _times(browser: httpx2.Client, path: str) -> tuple[list[float], int]:
    """Milliseconds of every run but a first one, which fills the caches; bytes as sent."""
    size = 0
    times = []
    for number in range(RUNS + 1):
        start = time.perf_counter()
        answer = browser.get(path)
        if number:
            times.append(1000 * (time.perf_counter() - start))
        answer.raise_for_status()
        size = answer.num_bytes_downloaded
    return times, size


@contextmanager
def _browser(warehouse: Warehouse) -> Iterator[httpx2.Client]:
    site = Site(
        Settings.load(env_file=None), warehouse, Secret("b" * 32), Way.LINK, now=lambda: NOW
    )
    with (
        _running(web_application(site)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=120) as browser,
    ):
        browser.get(new_link(site.secret, url))
        yield browser


@contextmanager
def _running(application: Any) -> Iterator[str]:
    listening = socket.socket()
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
