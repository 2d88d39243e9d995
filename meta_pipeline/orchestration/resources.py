"""What the assets are handed: the settings of this process, one sync engine for each run, and what
was chosen in the launchpad.

Neither settings nor engine can be chosen there: half of a run would go to another host, and whoever
may launch one could have the token sent to a host of their own.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from meta_pipeline.plain_log import show_log
from meta_pipeline.settings import Settings
from meta_pipeline.sync import SyncEngine
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import READER, TICK, Patience

from .configuration import choices
from .dagster_internals import TreatAsResourceParam
from .place import here
from .runs.held_connections import held_connections
from .session import SyncSession

# Beside it a tick has Dagster's own tables to ask, and has to connect.
_TICK_SECONDS = 40.0


def of_a_tick() -> Patience:
    """How long one tick that begins now waits for our tables.

    Dagster's daemon gives a tick up after a minute and tells nobody what it waited for, while its
    thread in the code server goes on: so the tick itself says sooner that it cannot tell.
    """
    return TICK.within(_TICK_SECONDS)


@dataclass(frozen=True)
class WarehouseResource(TreatAsResourceParam):
    """The settings of this process and the Postgres the tables are in.

    `database_url` is for who builds definitions of their own; empty: as the settings say.
    """

    database_url: str | None = field(default=None, repr=False)

    def settings(self) -> Settings:
        """The settings of this process with this database."""
        given = {"database_url": self.database_url} if self.database_url else {}
        return here().load_settings(**given)

    @contextmanager
    def read(self, name: str, patience: Patience = READER) -> Iterator[Warehouse]:
        """The tables as they are, for whoever must not wait long; `name` is shown by Postgres."""
        with Warehouse(
            self.settings().require_database_url(),
            application_name=f"meta_pipeline {name}",
            max_connections=1,
            patience=patience,
        ) as opened:
            yield opened

    @contextmanager
    def migrated(
        self, name: str, max_connections: int = 1, patience: Patience = READER
    ) -> Iterator[Warehouse]:
        """The tables as this version has them: the one place here that migrates, besides the
        engine of a sync.
        """
        with Warehouse(
            self.settings().require_database_url(),
            application_name=f"meta_pipeline {name}",
            max_connections=max_connections,
            patience=patience,
        ) as opened:
            opened.migrate()
            yield opened


@contextmanager
def sync_session(context: dg.InitResourceContext) -> Iterator[SyncSession]:
    """One sync engine for each run, opened when the first asset needs it and closed at its end.

    Settings are read when the run starts, so definitions load and validate without any.
    """
    settings = here().load_settings()
    # In somebody else's process logging is theirs to set up.
    if here().is_own:
        show_log()
    instance = context.instance if here().is_own else None
    held = held_connections(instance) if instance else nullcontext()
    with held, SyncEngine.open(settings) as engine:
        yield SyncSession(engine, is_simulated=settings.is_simulated)


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def default_resources() -> dict[str, Any]:
    """The resources by name."""
    return {
        "warehouse": WarehouseResource(),
        "session": dg.ResourceDefinition(
            sync_session,
            config_schema={},
            description="One sync engine for each run, with the settings of this process",
        ),
        "meta": dg.ResourceDefinition(
            lambda context: getattr(context.resources, here().named("session")).graph(),
            config_schema={},
            required_resource_keys={here().named("session")},
            description="The Graph API client, for assets of one's own: each call is logged with "
            "its usage headers, and none is made while the governor forbids it",
        ),
        **choices(),
        "clock": private(utc_now),
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
