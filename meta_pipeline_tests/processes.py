"""Child processes of tests that share a function with their parent."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager

CHILDREN = multiprocessing.get_context("forkserver")
"""Children of a server process that has no threads.

A test process has many (simulators, connection pools, telemetry). Forked while one of them holds a
lock, a child waits for that lock for ever.
"""
CHILDREN.set_forkserver_preload(
    ["meta_pipeline.embedded", "meta_pipeline.sync", "meta_pipeline.warehouse.migrator"]
)


@contextmanager
def closable_terminal() -> Iterator[None]:
    """Inside, a child hears of a closed terminal, also where the tests run under nohup."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, inherited)
