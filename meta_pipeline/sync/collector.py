"""Garbage collection that fits pages of insights.

A page is tens of thousands of small objects without a cycle, freed as soon as it is written. With
Python's usual threshold the collector walks through every page dozens of times and finds nothing,
which takes as long as decoding it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 50_000
"""About two pages; what cycles there are waits that long, a few megabytes."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect after tens of thousands of new objects, in the whole process, until left."""
    usual, *older = gc.get_threshold()
    if usual:  # 0: somebody switched the collector off
        gc.set_threshold(max(usual, _OBJECTS), *older)
    try:
        yield
    finally:
        gc.set_threshold(usual, *older)
