"""What the assets are handed: the settings of this process, one sync engine for each run.

None of it can be chosen in the launchpad: half of a run would go to another host, and whoever may
launch one could have the token sent to a host of their own.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from meta_pipeline.plain_log import show_log
from meta_pipeline.settings import Settings
from meta_pipeline.sync import SyncEngine

from .held_connections import held_connections
from .session import SyncSession


@dataclass(frozen=True)
class WarehouseResource(TreatAsResourceParam):
    """The settings of this process and the Postgres the tables are in.

    `database_url` is for who builds definitions of their own; empty: as the settings say.
    """

    database_url: str | None = field(default=None, repr=False)

    def settings(self) -> Settings:
        """The settings of this process with this database."""
        given = {"database_url": self.database_url} if self.database_url else {}
        return Settings.load(**given)


@contextmanager
def sync_session(context: dg.InitResourceContext) -> Iterator[SyncSession]:
    """One sync engine for each run, opened when the first asset needs it and closed at its end.

    Settings are read when the run starts, so definitions load and validate without any.
    """
    show_log()
    settings = Settings.load()
    held = held_connections(context.instance) if context.instance else nullcontext()
    with held, SyncEngine.open(settings) as engine:
        yield SyncSession(engine, is_simulated=settings.is_simulated)


def default_resources() -> dict[str, Any]:
    """The resources by name."""
    return {
        "warehouse": WarehouseResource(),
        "session": dg.ResourceDefinition(
            sync_session,
            config_schema={},
            description="One sync engine for each run, with the settings of this process",
        ),
        # Nothing passes from step to step but through the tables; Dagster's own default would
        # offer a folder to write to.
        "io_manager": dg.IOManagerDefinition(
            lambda _: dg.InMemoryIOManager(),  # type: ignore[no-untyped-call]
            config_schema={},
        ),
    }


def private(resource: Any) -> dg.ResourceDefinition:
    """The resource as it is, without a field of it in the launchpad."""
    if isinstance(resource, dg.ResourceDefinition):
        return resource
    return dg.ResourceDefinition(
        lambda _: resource, config_schema={}, description=type(resource).__doc__
    )
