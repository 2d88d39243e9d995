"""How fast programs and Meta are answered: webhook posts and facts, over a socket.

    python -m benchmarks.programs
    python -m benchmarks.programs --posts 100

Serves the web application in a process of its own on a durable Postgres, then posts: webhooks with
1,000 changes each (p95 of the answer, limit 30 ms), webhooks of one change from four clients
(posts/s, limit 200), and batches of 1,000 facts (facts/s, limit 2,000). Every change and fact is
new; each answer comes after its commit. The processor time that the web application took for one
post says the same on a machine that others use too: 5 ms a post are 200 posts/s on one core.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2
from rich.console import Console
from rich.table import Table

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web.access.api_keys import Scope, new_key
from meta_pipeline.webhooks import unpack

from . import _lab

SECRET = "benchmark-secret"
CLIENTS = 4
_WARM = 5
_PATIENCE_SECONDS = 300
"""For the web application to start, on a machine that others use too."""
_SERVE = """
import sys, uvicorn
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
settings = Settings.load(env_file=None)
warehouse = Warehouse(sys.argv[1], max_connections=8)
site = Site(settings, warehouse, Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))
uvicorn.run(web_application(site), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning",
            log_config=None, proxy_headers=False, lifespan="off")
"""
console = Console(width=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--posts", type=int, default=200)
    posts = parser.parse_args().posts
    with _lab.database() as url, Warehouse(url) as warehouse:
        warehouse.migrate()
        _, key = new_key(
            warehouse,
            "benchmark",
            tenant="default",
            scopes=[Scope.FACTS],
            created_by="benchmark",
            now=datetime.now(UTC),
        )
        with _served(url) as (base, cpu):
            before = cpu()
            large = _large(base, posts)
            after_large = cpu()
            small = _small(base, posts * 10)
            after_small = cpu()
            facts = _facts(base, key, posts // 10)
        start = time.process_time()
        unpacked = unpack(warehouse, most=posts)
        _show(
            large,
            small,
            facts,
            large_cpu_ms=1000 * (after_large - before) / (posts + _WARM),
            small_cpu_ms=1000 * (after_small - after_large) / (posts * 10),
            unpack_cpu_ms=1000 * (time.process_time() - start) / max(1, unpacked),
        )


def _show(
    large: list[float],
    posts_per_second: float,
    facts_per_second: float,
    *,
    large_cpu_ms: float,
    small_cpu_ms: float,
    unpack_cpu_ms: float,
) -> None:
    p95 = statistics.quantiles(large, n=20)[-1]
    table = Table(title=f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for head in ("what", "measured", "limit", ""):
        table.add_column(head)
    rows = (
        ("webhook, 1,000 changes a post, p50", statistics.median(large), None, "ms"),
        ("webhook, 1,000 changes a post, p95", p95, 30.0, "ms"),
        ("webhook, 1,000 changes, processor time of a post", large_cpu_ms, None, "ms"),
        ("webhook, 1,000 changes, taking it apart later, ours", unpack_cpu_ms, None, "ms"),
        ("webhook, one change, processor time of a post", small_cpu_ms, 5.0, "ms"),
        ("webhook, one change a post", posts_per_second, 200.0, "posts/s"),
        ("facts, 1,000 a post", facts_per_second, 2_000.0, "facts/s"),
    )
    for what, value, limit, unit in rows:
        is_good = limit is None or (value <= limit if unit == "ms" else value >= limit)
        shown = "" if limit is None else f"{limit:,.0f} {unit}"
        table.add_row(what, f"{value:,.1f} {unit}", shown, "ok" if is_good else "OVER")
    console.print(table)


@contextmanager
def _served(url: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """Its address, and the processor seconds it has taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "META_APP_SECRET": SECRET,
        "META_API_REQUESTS_PER_MINUTE": "1000000",
    }
    command = [sys.executable, "-c", _SERVE, url, str(port)]
    with subprocess.Popen(command, env=environment) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            _wait(base)
            yield base, lambda: _lab.cpu_seconds(server.pid)
        finally:
            server.terminate()


def _wait(base: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{base}/v1/health", timeout=5).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the web application does not answer")


def _large(base: str, posts: int) -> list[float]:
    """Milliseconds of each answer."""
    times = []
    with httpx2.Client(timeout=60) as client:
        for number in range(posts + _WARM):
            body = _delivery(f"1{number}", 1_000)
            headers = _signed(body)
            start = time.perf_counter()
            client.post(f"{base}/webhooks/meta", content=body, headers=headers).raise_for_status()
            if number >= _WARM:
                times.append(1000 * (time.perf_counter() - start))
    return times


def _small(base: str, posts: int) -> float:
    bodies = [_delivery(f"2{number}", 1) for number in range(posts)]

    def post(some: list[bytes]) -> None:
        with httpx2.Client(timeout=60) as client:
            for body in some:
                answer = client.post(f"{base}/webhooks/meta", content=body, headers=_signed(body))
                answer.raise_for_status()

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(post, [bodies[first::CLIENTS] for first in range(CLIENTS)]))
    return posts / (time.perf_counter() - start)


def _facts(base: str, key: str, batches: int) -> float:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    fact = {"provider": "crm", "account_id": "act_1", "level": "campaign", "metric": "leads"}
    fact |= {"date": "2026-11-01", "value": "1.5", "observed_at": "2026-11-02T00:00:00Z"}
    bodies = [
        json.dumps([fact | {"entity_id": f"{batch}-{n}"} for n in range(1_000)]).encode()
        for batch in range(batches + 1)
    ]
    with httpx2.Client(timeout=60, headers=headers) as client:
        client.post(f"{base}/v1/facts", content=bodies[0]).raise_for_status()
        start = time.perf_counter()
        for body in bodies[1:]:
            client.post(f"{base}/v1/facts", content=body).raise_for_status()
        return 1_000 * batches / (time.perf_counter() - start)


def _delivery(account: str, changes: int) -> bytes:
    told = [
        {
            "field": "field_changed",
            "value": {
                "object_id": str(23_850_000_000_000_000 + n),
                "object_type": "ad",
                "changed_fields": ["effective_status"],
            },
        }
        for n in range(changes)
    ]
    entry = {"id": account, "time": 1_782_862_117, "changes": told}
    return json.dumps({"object": "ad_account", "entry": [entry]}).encode()


def _signed(body: bytes) -> dict[str, str]:
    made = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={made}"}


if __name__ == "__main__":
    main()
