"""The database of this process: the one of the settings, or the embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse.embedded import EmbeddedPostgres

from .console import fail


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL to use for as long as the context lasts; starts the embedded server if needed."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with EmbeddedPostgres(settings.data_dir).running() as url:
        yield url


DemoOption = Annotated[
    bool, typer.Option("--demo", help="Use the database that meta-pipeline demo filled.")
]


@contextmanager
def chosen_database(settings: Settings, *, demo: bool) -> Iterator[str]:
    """The URL of the demo's database, or of the one of the settings, as `database` gives it."""
    from .local.database import RealData, demo_database

    try:
        with demo_database(settings) if demo else database(settings) as url:
            yield url
    except RealData as error:
        fail(str(error))
