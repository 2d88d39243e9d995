"""Memory management that fits pages of insights: large, short-lived, many at a time.

A page is tens of thousands of small objects without a cycle, freed as soon as it is written. With
Python's usual threshold the collector walks through every page dozens of times and finds nothing,
which takes as long as decoding it. And glibc gives each thread a heap of its own, in which the gaps
that pages leave are not filled again: a long backfill then holds half as much again as a short one.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_OBJECTS = 50_000
"""About two pages; what cycles there are waits that long, a few megabytes."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Numbers of the options in glibc's malloc.h."""
_LARGE_BYTES = 256 * 1024
"""Answers and COPY text: what is as large goes back to the system when it is freed."""


@contextmanager
def memory_for_pages() -> Iterator[None]:
    """One heap for all threads from now on, and collections after tens of thousands of objects.

    Both are the whole process's. The collector's threshold is put back at the end; where the C
    library is not glibc, its heaps stay as they are.
    """
    # Threads take turns in Python anyway, so that one heap is no narrower than several.
    with suppress(AttributeError, OSError, TypeError):  # no mallopt, or no C library to ask
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    usual, *older = gc.get_threshold()
    if usual:  # 0: somebody switched the collector off
        gc.set_threshold(max(usual, _OBJECTS), *older)
    try:
        yield
    finally:
        gc.set_threshold(usual, *older)
