from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.warehouse import Warehouse

from .stored import Stored


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    with Warehouse(database_url) as opened:
        yield opened


@pytest.fixture
def stored(warehouse: Warehouse) -> Iterator[Stored]:
    with warehouse.connection() as connection:
        yield Stored(connection)
