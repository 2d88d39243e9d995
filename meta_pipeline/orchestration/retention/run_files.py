"""The files of runs: Dagster writes three for each (what it printed) and removes none.

24,000 runs a day are 120,000 inodes; a small disk is out of them within a week, with space left.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime
from pathlib import Path

RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""A run's id, which is the name of its folder; whatever else lies there is not ours to remove."""


def remove_run_files(storage: Path, before: datetime) -> int:
    """Remove the folders of runs that wrote nothing since then; returns how many.

    A folder that cannot be removed is left for the next time. May be stopped anywhere.
    """
    if not storage.is_dir():
        return 0
    with os.scandir(storage) as entries:
        # Never through a link: what it leads to is no run's folder.
        folders = [
            Path(entry.path)
            for entry in entries
            if RUN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    removed = 0
    for folder in folders:
        if _last_written(folder) < before.timestamp():
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def _last_written(folder: Path) -> float:
    """When anything in it changed last; now, for one that just went away."""
    try:
        moments = [folder.lstat().st_mtime]
        for place, folders, files in os.walk(folder):
            moments += [Path(place, name).lstat().st_mtime for name in (*folders, *files)]
    except OSError:
        return float("inf")
    return max(moments)
