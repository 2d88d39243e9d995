"""The database of this command: that of the settings, the embedded server's, or the demo's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import profile

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL to use for as long as the context lasts; starts the embedded server if needed."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from meta_pipeline.warehouse.embedded import EmbeddedPostgres

    with EmbeddedPostgres(settings.data_dir).running() as url:
        yield url


@contextmanager
def opened(*, with_graph: bool = False) -> Iterator[tuple[Settings, str]]:
    """The settings and the URL of the database this command works on, as long as it lasts.

    With `--demo` they are the demo's. `with_graph` says that Meta is going to be asked: the demo's
    simulator is then started if the demo does not run.
    """
    from meta_pipeline.settings import Settings

    settings = Settings.load()
    if not profile.is_demo():
        with database(settings) as url:
            yield settings, url
        return
    from .local.database import demo_database
    from .local.simulated import demo_settings

    with demo_database(settings) as url, demo_settings(settings, url, with_graph) as of_demo:
        yield of_demo, url
