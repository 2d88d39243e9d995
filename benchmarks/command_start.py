"""What starting a command costs: CPU seconds of the whole process, the median of some runs.

    python -m benchmarks.command_start

`--version` and `--help` import no database, `status` no SQLAlchemy; each figure stands beside its
limit. Modules are compiled first, as an installation does it.
"""

from __future__ import annotations

import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import meta_pipeline
from meta_pipeline.embedded import EmbeddedPostgres
from meta_pipeline.warehouse import Warehouse

RUNS = 7
LIMITS_SECONDS = {"--version": 0.4, "--help": 0.4, "status": 0.9}


def main() -> dict[str, float]:
    """Print each command's CPU seconds beside its limit; return them."""
    compileall.compile_dir(str(Path(meta_pipeline.__file__).parent), quiet=1)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="meta-pipeline-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres", durable=False).running() as url:
            with Warehouse(url) as warehouse:
                warehouse.migrate()
            for command in LIMITS_SECONDS:
                runs = [_cpu_seconds(command, url, folder) for _ in range(RUNS + 1)]
                found[command] = statistics.median(runs[1:])  # the first one warms the files
    table = Table("command", "CPU seconds", "limit", title="Starting a command")
    for command, seconds in found.items():
        table.add_row(f"meta-pipeline {command}", f"{seconds:.2f}", str(LIMITS_SECONDS[command]))
    Console().print(table)
    return found


def _cpu_seconds(command: str, url: str, folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "meta_pipeline.cli", command],
        env={**os.environ, "DATABASE_URL": url, "META_PIPELINE_DATA": folder},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
