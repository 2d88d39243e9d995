"""What an open engine changes in its process, and puts back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from meta_pipeline.sync.run.memory import memory_for_pages


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    found = gc.get_threshold()
    yield found
    gc.set_threshold(*found)


def test_collections_are_rare_while_an_engine_is_open(usual: tuple[int, int, int]) -> None:
    with memory_for_pages():
        first, *older = gc.get_threshold()
        assert first >= 50_000
        assert tuple(older) == usual[1:]
    assert gc.get_threshold() == usual


def test_a_collector_that_was_switched_off_stays_off() -> None:
    gc.set_threshold(0, 10, 10)
    with memory_for_pages():
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold() == (0, 10, 10)
