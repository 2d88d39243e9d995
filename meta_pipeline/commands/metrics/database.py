"""The warehouse and the metric layer for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from meta_pipeline.commands.database import opened_warehouse

if TYPE_CHECKING:
    from meta_pipeline.warehouse import Warehouse


@contextmanager
def opened(*, writes: bool = False) -> Iterator[tuple[Warehouse, ModuleType]]:
    """The warehouse, and the metric layer, which is imported only when it is used."""
    from meta_pipeline import metrics

    with opened_warehouse(writes=writes) as (_, warehouse):
        yield warehouse, metrics
