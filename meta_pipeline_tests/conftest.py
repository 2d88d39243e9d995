"""Fixtures of every room: a migrated database of each test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import database_url, postgres, postgres_server

__all__ = ["build_template", "database_url", "postgres", "postgres_server"]


def _migrate(url: str) -> None:
    with Warehouse(url) as warehouse:
        warehouse.migrate()


@pytest.fixture(scope="session")
def build_template() -> Callable[[str], None]:
    """Every test's database starts with the tables of `meta_ads`."""
    return _migrate
