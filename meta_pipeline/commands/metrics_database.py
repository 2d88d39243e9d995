"""The warehouse and the metric layer for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

from .console import explained, fail
from .database import chosen_database

_reads_demo: ContextVar[bool] = ContextVar("reads_demo", default=False)


def choose(*, demo: bool) -> None:
    """Note for the command that runs next whether it reads the demo's database."""
    _reads_demo.set(demo)


@contextmanager
def opened() -> Iterator[tuple[Warehouse, ModuleType]]:
    """The migrated warehouse, and the metric layer, which is imported only when it is used.

    What it refuses ends the command with the sentence it says, and exit code 1.
    """
    from meta_pipeline import metrics  # other commands need not wait for it

    with (
        explained(),
        chosen_database(Settings.load(), demo=_reads_demo.get()) as url,
        Warehouse(url) as warehouse,
    ):
        warehouse.migrate()
        try:
            yield warehouse, metrics
        except metrics.MetricsError as error:
            fail(str(error))
