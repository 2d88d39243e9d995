"""How long a test waits for what another thread, process or server is about to do.

A machine with other work takes its time: waits end when the thing has happened, and only a thing
that never happens takes as long as this.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""Longer than any machine needs, shorter than pytest's own timeout."""


def wait_until(happened: Callable[[], object], what: str, *, every_seconds: float = 0.01) -> None:
    """Look until it has happened; AssertionError that names `what` when it never does."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < ends, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(every_seconds)
