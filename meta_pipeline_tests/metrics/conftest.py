from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import TestPostgres

from .rows import Rows
from .world import World, synced_world


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    with Warehouse(database_url) as opened:
        yield opened


@pytest.fixture
def rows(warehouse: Warehouse) -> Iterator[Rows]:
    with warehouse.connection() as connection:
        yield Rows(connection)


@pytest.fixture(scope="session")
def world(postgres: TestPostgres) -> Iterator[World]:
    """One simulated account, synced once for all tests that only read."""
    with synced_world(postgres) as found:
        yield found
