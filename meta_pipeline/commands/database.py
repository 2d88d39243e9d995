"""The database of this command: that of the settings, the embedded server's, or the demo's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import profile

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import Warehouse


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL to use for as long as the context lasts; starts the embedded server if needed."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from meta_pipeline.embedded import EmbeddedPostgres, told_to_nobody
    from meta_pipeline.local.signals import termination_as_interrupt

    # However the command is told to end, its last user stops the server.
    with termination_as_interrupt(), EmbeddedPostgres(settings.data_dir).running() as url:
        yield told_to_nobody(url)


@contextmanager
def opened_warehouse(
    *,
    writes: bool = False,
    asks: bool = False,
    application_name: str = "meta_pipeline",
    max_connections: int = 4,
) -> Iterator[tuple[Settings, Warehouse]]:
    """The settings and the warehouse, if its schema is this version's; changes none of it.

    A command migrates only where it prepares a sync or Dagster: who asks a question may read no
    more than the tables, and must not change them under those who run another version. Raises
    DatabaseOutdated, which names the command to run, or DatabaseNewer. What `writes` rows may take
    its time; a question has its answer in a minute, or CannotTell. What only `asks` on behalf of
    others is refused every change by Postgres itself, and has less time.
    """
    from meta_pipeline.warehouse import Warehouse
    from meta_pipeline.warehouse.connect import ASKER, READER, WRITER

    with (
        opened() as (settings, url),
        Warehouse(
            url,
            application_name=application_name,
            max_connections=max_connections,
            patience=ASKER if asks else WRITER if writes else READER,
        ) as warehouse,
    ):
        refuse_another_version(warehouse)
        yield settings, warehouse


def refuse_another_version(warehouse: Warehouse, *, or_none: bool = False) -> None:
    """Raise DatabaseOutdated with the command to run, or DatabaseNewer.

    With `or_none` a database without any of our tables will do.
    """
    from meta_pipeline.warehouse.migrator import MIGRATE

    command = f"{MIGRATE} --demo" if profile.is_demo() else MIGRATE
    warehouse.require_current(command, or_none=or_none)


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
    from meta_pipeline.local.database import demo_database
    from meta_pipeline.local.simulated import demo_settings

    # The database first: the demo's settings name it, and its simulator is found through it.
    with demo_database(settings) as url, demo_settings(settings, url, with_graph) as of_demo:
        yield of_demo, url
