"""The folder a running Dagster of ours lives in, used by one at a time."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta_pipeline.embedded import is_alive
from meta_pipeline.folders import make_folders

# An earlier demo that was just ended still stops its children.
_WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.2


class AlreadyRunning(Exception):
    """Another process of ours uses the folder; the message says which and where its UI is."""


@dataclass(frozen=True)
class Home:
    """`path` holds Dagster's home, the logs of its processes and who uses it."""

    path: Path

    @property
    def dagster(self) -> Path:
        return self.path / "dagster"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def _note(self) -> Path:
        return self.path / "running.json"

    @contextmanager
    def taken(self, wait_seconds: float = _WAIT_SECONDS) -> Iterator[int]:
        """Have the folder alone; yields the lock's file descriptor. AlreadyRunning otherwise.

        Two daemons on one Dagster would start every run twice. A killed user's guardian still
        holds the lock while it ends what was started, so wait a little for one that is dying.
        """
        make_folders(self.path)
        self.path.chmod(0o700)  # compute logs, storage, the password of the database
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        # Closing leaves the lock to a guardian that is still at work; that is meant.
        with os.fdopen(descriptor):
            self._lock(descriptor, wait_seconds)
            try:
                yield descriptor
            finally:
                self._note.unlink(missing_ok=True)

    def note(self, **facts: Any) -> None:
        """Say who uses the folder and what it has running, for other commands."""
        self._note.touch(0o600)
        self._note.write_text(json.dumps({"pid": os.getpid(), **facts}), encoding="utf-8")

    def simulator(self) -> tuple[str, str] | None:
        """URL and token of the simulator that whoever uses the folder has running; else None."""
        return self._noted("graph_url", "graph_token")

    def secrets(self) -> tuple[str, str] | None:
        """Keys of stored tokens and app secret of what runs in the folder; else None."""
        return self._noted("token_keys", "app_secret")

    def _noted(self, one: str, other: str) -> tuple[str, str] | None:
        # Half written, of an older version, or of a process that is gone: as if there were none.
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if is_alive(int(note["pid"])):
                return str(note[one]), str(note[other])
        return None

    def _lock(self, descriptor: int, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            pid, url = None, None
            with suppress(OSError, ValueError):
                note = json.loads(self._note.read_text(encoding="utf-8"))
                pid, url = int(note["pid"]), note.get("url")
            if (pid is not None and is_alive(pid)) or time.monotonic() > deadline:
                raise AlreadyRunning(
                    f"This already runs{f' at {url}' if url else ''}"
                    f"{f' (process {pid})' if pid else ''}, in {self.path}. "
                    "Use that one, or end it with Ctrl-C where it was started."
                )
            time.sleep(_POLL_SECONDS)
