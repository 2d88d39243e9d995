from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.warehouse import Warehouse

from .rows import Rows


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    with Warehouse(database_url) as opened:
        yield opened


@pytest.fixture
def rows(warehouse: Warehouse) -> Iterator[Rows]:
    with warehouse.connection() as connection:
        yield Rows(connection)
