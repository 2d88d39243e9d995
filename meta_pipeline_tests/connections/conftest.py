"""Fixtures of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline_tests.connections.place import Place, place_of


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with place_of(database_url) as found:
        yield found
