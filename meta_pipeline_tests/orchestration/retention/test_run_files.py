"""The files of old runs go, those of new ones and everything else stay."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from benchmarks.run_files import a_run, inodes, nights
from meta_pipeline.orchestration.defs.maintenance import maintenance
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.orchestration.retention.run_files import remove_run_files

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def run_folder(storage: Path, days_old: float, *, log_days_old: float | None = None) -> Path:
    folder = storage / str(uuid.uuid4())
    logs = folder / "compute_logs"
    logs.mkdir(parents=True)
    for name in ("a.out", "a.err", "a.complete"):
        (logs / name).write_text("said")
    ages = {folder: days_old, logs: days_old}
    ages |= dict.fromkeys(logs.iterdir(), days_old if log_days_old is None else log_days_old)
    for path, days in ages.items():
        moment = (NOW - timedelta(days=days)).timestamp()
        os.utime(path, (moment, moment))
    return folder


def test_only_folders_of_old_runs_are_removed(tmp_path: Path) -> None:
    old = [run_folder(tmp_path, days) for days in (2.1, 30)]
    new = [run_folder(tmp_path, 1.9), run_folder(tmp_path, 9, log_days_old=0.1)]
    other = tmp_path / "schedules"
    other.mkdir()
    os.utime(other, (0, 0))
    link = tmp_path / str(uuid.uuid4())
    link.symlink_to(new[0])
    plain = tmp_path / str(uuid.uuid4())
    plain.write_text("no folder")
    assert remove_run_files(tmp_path, NOW - timedelta(days=2)) == 2
    assert not any(folder.exists() for folder in old)
    assert all(path.exists() for path in [*new, other, link, plain])
    assert len(list((new[1] / "compute_logs").iterdir())) == 3


def test_weeks_of_many_runs_leave_a_bounded_number_of_files(tmp_path: Path) -> None:
    """With what a real run leaves; three days of runs are there before a night's cleaning."""
    pattern = a_run(tmp_path / "instance")
    each = inodes(pattern)
    assert each >= 5, "the folder, one for logs, and three files"
    found = list(nights(tmp_path / "storage", pattern, runs=24, days=14, kept_days=2))
    assert [night.before for night in found[2:]] == [3 * 24 * each] * 12
    assert [night.after for night in found[1:]] == [2 * 24 * each] * 13


def test_no_storage_is_nothing_to_do(tmp_path: Path) -> None:
    assert remove_run_files(tmp_path / "none", NOW) == 0


def test_maintenance_does_it_daily(database_url: str, tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        storage = Path(instance.storage_directory())
        old, new = run_folder(storage, 3), run_folder(storage, 1)
        done = maintenance.execute_in_process(
            instance=instance,
            resources={"warehouse": WarehouseResource(database_url), "clock": lambda: NOW},
            op_selection=["run_files"],
        )
        assert done.success
        assert not old.exists()
        assert new.exists()
