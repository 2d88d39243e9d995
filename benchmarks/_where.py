"""Where a process's threads spend their time: sampled, sorted by what the stack says."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from types import FrameType

_EVERY_SECONDS = 0.005
# The innermost frame that is one of these decides. Waiting for each other is nobody's time.
_KINDS = {
    "graph/answer.py": "parsing",
    "insights_mapping.py": "parsing",
    "sync/mapping.py": "parsing",
    "copytext.py": "parsing",
    "psycopg/": "database",
    "warehouse/": "database",
    "urllib3/": "network",
    "graph/transport.py": "network",
    "queue.py": "idle",
    "concurrent/": "idle",
    "sync/quota.py": "idle",
}


class Where(threading.Thread):
    """Samples all other threads until `shares` is asked for."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="where")
        self._found: Counter[str] = Counter()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            own = threading.get_ident()
            for thread, frame in sys._current_frames().items():  # noqa: SLF001
                if thread != own:
                    self._found[_kind(frame)] += 1

    def shares(self) -> dict[str, float]:
        """Percent of the time in which threads were not idle."""
        self._over.set()
        self.join()
        busy = {kind: count for kind, count in self._found.items() if kind != "idle"}
        return {kind: 100 * count / sum(busy.values()) for kind, count in busy.items()}


def _kind(frame: FrameType | None) -> str:
    while frame is not None:
        for mark, kind in _KINDS.items():
            if mark in frame.f_code.co_filename:
                return kind
        frame = frame.f_back
    return "idle"
