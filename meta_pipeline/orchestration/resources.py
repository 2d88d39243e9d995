"""What the assets are handed: settings from Dagster's resources, one engine for each run."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import dagster as dg
from pydantic import Field

from meta_pipeline.settings import META_GRAPH_URL, Settings
from meta_pipeline.sync import SyncEngine

from .held_connections import held_connections
from .session import SyncSession, show_log


class MetaGraphResource(dg.ConfigurableResource[Any]):
    """Meta's Graph API: where it is and who asks.

    What is left empty comes from the settings of the process (environment, `.env`, `*_FILE`).
    """

    access_token: str | None = Field(default=None, description="Access token with ads_read")
    app_secret: str | None = Field(default=None, description="Switches on appsecret_proof")
    graph_url: str | None = Field(default=None, description=f"Host; {META_GRAPH_URL} by default")
    api_version: str | None = Field(default=None, description="Version, such as v26.0")


class WarehouseResource(dg.ConfigurableResource[Any]):
    """The Postgres the tables are in; left empty, the embedded server is used."""

    database_url: str | None = Field(default=None, description="postgresql://user:password@host/db")

    def settings(self) -> Settings:
        """The settings of this process with this database."""
        given = {"database_url": self.database_url} if self.database_url else {}
        return Settings.load(**given)


class SyncResource(dg.ConfigurableResource[Any]):
    """One sync engine for each run, opened when the first asset needs it and closed at its end.

    Assets receive the `SyncSession` in it. Settings are read when the run starts, so definitions
    load and validate without any.
    """

    graph: MetaGraphResource
    warehouse: WarehouseResource

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[SyncSession]:
        """Open the engine, migrated; close and flush it whatever happens."""
        show_log()
        settings = self.settings()
        held = held_connections(context.instance) if context.instance else nullcontext()
        with held, SyncEngine.open(settings) as engine:
            yield SyncSession(engine, is_simulated=settings.is_simulated)

    def settings(self) -> Settings:
        """The settings of this run: what the resources say, the process's for the rest."""
        given = {
            "access_token": self.graph.access_token,
            "app_secret": self.graph.app_secret,
            "graph_url": self.graph.graph_url,
            "api_version": self.graph.api_version,
            "database_url": self.warehouse.database_url,
        }
        return Settings.load(**{name: value for name, value in given.items() if value})


def default_resources() -> dict[str, Any]:
    """The resources by name. A variable that is set is shown in the UI, never its value."""
    graph = MetaGraphResource(
        access_token=_variable("META_ACCESS_TOKEN"),
        app_secret=_variable("META_APP_SECRET"),
        graph_url=_variable("META_GRAPH_URL"),
        api_version=_variable("META_API_VERSION"),
    )
    warehouse = WarehouseResource(database_url=_variable("DATABASE_URL"))
    return {
        "graph": graph,
        "warehouse": warehouse,
        "session": SyncResource(graph=graph, warehouse=warehouse),
    }


def _variable(name: str) -> dg.EnvVar | None:
    """The variable where it is set; else nothing, and the settings say what is missing and where
    it was looked for when a run needs it.
    """
    return dg.EnvVar(name) if os.environ.get(name) else None
