"""Folders: those that are missing are made for their owner alone, whoever comes first."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_folders(path: Path) -> None:
    """Like mkdir -p; leaves the rights of those that exist alone.

    `parents=True` would make those above by the umask, open to everybody on the machine. Root's
    can be entered by the account that its Postgres runs as.
    """
    mode = 0o755 if os.geteuid() == 0 else 0o700
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            with suppress(FileExistsError):
                folder.mkdir(mode=mode)
                folder.chmod(mode)  # whatever the umask says
