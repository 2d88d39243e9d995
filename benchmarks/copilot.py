"""How long a program or a person waits for an answer: every MCP tool, and `meta-pipeline ask`.

    python -m benchmarks.copilot                     # one million insight rows
    python -m benchmarks.copilot --rows 10000000 --url postgresql://.../postgres --keep

Each tool is called in memory by the official client over the database of `metrics_queries`; p95
beside its limit: 300 ms up to a million rows, 1 s above. `ask` is a process of its own, from the
keypress to the end of its answer, beside 1.5 s; its CPU seconds say what it costs when others work.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from typing import Any

from mcp import Client
from rich.console import Console
from rich.table import Table

from meta_pipeline.copilot.server import mcp_server
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import ASKER

from . import _lab
from .metrics_queries import ACCOUNT, NOW, filled

RUNS = 20
FIRST_ANSWER_SECONDS = 1.5
WEEK = {"since": "2026-03-11", "until": "2026-03-17"}
CALLS: dict[str, dict[str, Any]] = {
    "list_accounts": {},
    "list_metrics": {},
    "describe_metric": {"metric": "cpl"},
    "query_metrics": {"metrics": ["spend", "cpl"], "accounts": [ACCOUNT], "level": "ad", **WEEK},
    "compare_periods": {"metrics": ["spend"], "accounts": [ACCOUNT], "by": ["campaign"], **WEEK},
    "explain_change": {"metric": "cpl", "accounts": [ACCOUNT], **WEEK},
    "entity_timeline": {"entity": ACCOUNT, "with_below": True},
    "data_health": {},
    "ask": {"question": f"top 5 campaigns by spend last week for {ACCOUNT}"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a Postgres where databases may be made; embedded without")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="keep the database")
    asked = parser.parse_args()
    server = nullcontext(asked.url) if asked.url else _lab.database()
    limit_ms = 300 if asked.rows <= 1_000_000 else 1_000
    with (
        server as url,
        filled(url, asked.rows, keep=asked.keep) as found,
        Warehouse(found.url, patience=ASKER) as warehouse,
    ):
        _show(asyncio.run(_tools(warehouse)), limit_ms)
        _first_answer(found.url)


async def _tools(warehouse: Warehouse) -> dict[str, list[float]]:
    """Milliseconds of each call but the first, which fills the caches."""
    times: dict[str, list[float]] = {}
    async with Client(mcp_server(lambda _: warehouse, lambda: NOW)) as client:
        for name, given in CALLS.items():
            taken = []
            for _ in range(RUNS + 1):
                start = time.perf_counter()
                result = await client.call_tool(name, given)
                taken.append(1000 * (time.perf_counter() - start))
                content = result.structured_content
                assert content is not None, result.content
                assert content["outcome"] == "answered", content["message"]
            times[name] = taken[1:]
    return times


def _show(times: dict[str, list[float]], limit_ms: float) -> None:
    load = os.getloadavg()[0]
    table = Table(title=f"{RUNS} calls of each, load {load:.1f} on {os.cpu_count()} processors")
    for head in ("tool", "p50, ms", "p95, ms", f"limit {limit_ms:g} ms"):
        table.add_column(head, justify="left" if head == "tool" else "right")
    for name, taken in times.items():
        p95 = statistics.quantiles(taken, n=20)[-1]
        verdict = "ok" if p95 <= limit_ms else "OVER"
        table.add_row(name, f"{statistics.median(taken):.1f}", f"{p95:.1f}", verdict)
    Console().print(table)


def _first_answer(url: str) -> None:
    seconds, cpu = [], []
    question = f"spend since 2026-03-01 by campaign for {ACCOUNT}"
    with tempfile.TemporaryDirectory(prefix="meta-pipeline-bench-") as folder:
        for _ in range(6):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "meta_pipeline.cli", "ask", question],
                env={**os.environ, "DATABASE_URL": url, "META_PIPELINE_DATA": folder},
                cwd=folder,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            seconds.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    Console().print(
        f"meta-pipeline ask: {statistics.median(seconds[1:]):.2f} s to the answer, "
        f"{statistics.median(cpu[1:]):.2f} CPU seconds (limit {FIRST_ANSWER_SECONDS} s)"
    )


if __name__ == "__main__":
    main()
