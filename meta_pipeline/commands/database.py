"""The database of this process: the one of the settings, or the embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse.embedded import EmbeddedPostgres


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL to use for as long as the context lasts; starts the embedded server if needed."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with EmbeddedPostgres(settings.data_dir).running() as url:
        yield url
