"""Prepared pages are bounded by number and by size."""

from __future__ import annotations

import pytest

from meta_pipeline.simulator.server.page_cache import CachedPage, PageCache


def page(size: int) -> CachedPage:
    return CachedPage(b"x" * size, "tag", 1, 1.0, None)


@pytest.mark.parametrize(
    ("most", "most_bytes", "sizes", "kept"),
    [
        (2, 1_000, [1, 1, 1], [1, 2]),
        (9, 100, [60, 30, 20], [1, 2]),
        (9, 100, [60, 101], []),
        (0, 1_000, [1], []),
    ],
)
def test_the_oldest_go_first(most: int, most_bytes: int, sizes: list[int], kept: list[int]) -> None:
    pages = PageCache(most, most_bytes)
    for key, size in enumerate(sizes):
        pages.put(key, page(size))
    assert [key for key in range(len(sizes)) if pages.get(key)] == kept


def test_a_page_made_again_counts_once() -> None:
    pages = PageCache(9, 100)
    pages.put("other", page(30))
    for _ in range(5):
        pages.put("same", page(60))
    assert len(pages) == 2
