"""Answers kept for the next time the same question comes, few enough to fit into memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

# Beside the number of pages: one of insights may be megabytes.
MOST_BYTES = 64_000_000


class CachedPage(NamedTuple):
    """A body and what is known of how it was made."""

    body: bytes
    etag: str
    rows: int
    weight: float
    flag: str | None


class PageCache:
    """The newest pages: at most `most` (0 keeps none) and at most `most_bytes` of bodies."""

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._pages: OrderedDict[Any, CachedPage] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, key: Any) -> CachedPage | None:
        return self._pages.get(key)

    def put(self, key: Any, page: CachedPage) -> None:
        """Keep a page and forget the oldest that no longer fit."""
        # Popped and put back, it is the newest.
        had = self._pages.pop(key, None)
        self._pages[key] = page
        self._bytes += len(page.body) - (len(had.body) if had else 0)
        while self._pages and (len(self._pages) > self._most or self._bytes > self._most_bytes):
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= len(oldest.body)
