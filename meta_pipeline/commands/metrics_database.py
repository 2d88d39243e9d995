"""The warehouse and the metric layer for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from . import database

if TYPE_CHECKING:
    from meta_pipeline.warehouse import Warehouse


@contextmanager
def opened(*, writes: bool = False) -> Iterator[tuple[Warehouse, ModuleType]]:
    """The migrated warehouse, and the metric layer, which is imported only when it is used.

    What `writes` may take its time; a question has its answer in a minute, or CannotTell.
    """
    from meta_pipeline import metrics
    from meta_pipeline.warehouse import Warehouse
    from meta_pipeline.warehouse.connect import READER, WRITER

    patience = WRITER if writes else READER
    with database.opened() as (_, url), Warehouse(url, patience=patience) as warehouse:
        warehouse.migrate()
        yield warehouse, metrics
