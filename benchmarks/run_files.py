"""How many files a day of many runs leaves behind, and what removing the old ones costs.

A run of Dagster's is carried out once, its folder counted and copied as often as runs there are;
each night the files of runs older than META_RUN_FILES_DAYS go, as the job `maintenance` has it.
Inodes are those of the storage folder, counted one by one.

    python -m benchmarks run_files
    python -m benchmarks.run_files --runs 24000 --days 6
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from meta_pipeline.orchestration.retention.run_files import remove_run_files
from meta_pipeline.settings import Settings

RUNS, DAYS = 2_400, 6
_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Night:
    """Inodes before and after one night's cleaning, and how long that took."""

    day: int
    before: int
    after: int
    seconds: float


def main() -> None:
    """Print each night's inodes, and how many there may be."""
    parser = argparse.ArgumentParser(prog="benchmarks.run_files")
    parser.add_argument("--runs", type=int, default=RUNS, help="Runs a day.")
    parser.add_argument("--days", type=int, default=DAYS)
    asked = parser.parse_args()
    kept_days = Settings.load(env_file=None).run_files_days
    with tempfile.TemporaryDirectory(prefix="meta-pipeline-bench-") as folder:
        pattern = a_run(Path(folder) / "instance")
        each = inodes(pattern)
        limit = asked.runs * each * (kept_days + 1)
        table = Table(
            *("night", "inodes before", "after", "limit", "seconds to remove"),
            title=f"{asked.runs:,} runs a day of {each} inodes, kept for {kept_days} days",
        )
        storage = Path(folder) / "storage"
        for night in nights(storage, pattern, asked.runs, asked.days, kept_days):
            table.add_row(
                f"{night.day}",
                f"{night.before:,}",
                f"{night.after:,}",
                f"{limit:,}{'' if night.before <= limit else ' OVER'}",
                f"{night.seconds:.1f}",
            )
    Console().print(table)


def a_run(home: Path) -> Path:
    """Carry out a run of one step, and return the folder of what it left."""

    @dg.op
    def say() -> None:
        print("said")

    @dg.job
    def saying() -> None:
        say()

    home.mkdir(parents=True)
    quiet = {"telemetry": {"enabled": False}, "python_logs": {"python_log_level": "ERROR"}}
    with dg.DagsterInstance.local_temp(str(home), overrides=quiet) as instance:
        run = saying.execute_in_process(instance=instance)
        return Path(instance.storage_directory()) / run.run_id


def inodes(folder: Path) -> int:
    """Files and folders in it, itself included."""
    return 1 + sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def nights(storage: Path, pattern: Path, runs: int, days: int, kept_days: float) -> Iterator[Night]:
    """`runs` copies of `pattern` a day, spread over it, and the cleaning at its end."""
    storage.mkdir()
    for day in range(1, days + 1):
        begin = _BEGIN + timedelta(days=day - 1)
        for number in range(runs):
            moment = (begin + timedelta(days=number / runs)).timestamp()
            _copy(pattern, storage / str(uuid.uuid4()), moment)
        before = inodes(storage) - 1
        started = time.perf_counter()
        remove_run_files(storage, begin + timedelta(days=1) - timedelta(days=kept_days))
        yield Night(day, before, inodes(storage) - 1, time.perf_counter() - started)


def _copy(pattern: Path, folder: Path, moment: float) -> None:
    shutil.copytree(pattern, folder)
    for place, _, files in os.walk(folder, topdown=False):
        for path in (*(Path(place, name) for name in files), Path(place)):
            os.utime(path, (moment, moment))


if __name__ == "__main__":
    main()
