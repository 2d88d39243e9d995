"""What the settings ask for, opened: tables, telemetry, and the connections to Meta."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from meta_pipeline.graph import GraphClient
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import TelemetryWriter, Warehouse

from .context import SyncContext, utc_now
from .run.memory import memory_for_pages
from .run.provenance import refuse_mixture


@contextmanager
def opened_context(settings: Settings, database_url: str | None = None) -> Iterator[SyncContext]:
    """What syncs share, from the settings: the schema is migrated, telemetry flushed at the end.

    Raises as `SyncEngine.open` says.
    """
    # Not at the top: what only asks an engine's types need not wait for ciphers.
    from meta_pipeline.connections import Keyring, UsableConnections, first_token  # noqa: PLC0415

    keyring = partial(Keyring.of, settings)

    url = database_url or settings.require_database_url()
    with memory_for_pages(), Warehouse(url) as warehouse, TelemetryWriter(url) as telemetry:
        token = settings.access_token and settings.require_token()
        # Stored tokens are in the tables; with one of the environment, a wrong host is told first.
        if token is None:
            warehouse.migrate()
            token = first_token(warehouse, settings, keyring, utc_now())
        with GraphClient(
            access_token=token or settings.require_token(),
            base_url=settings.graph_url,
            trusted_url=settings.trusted_graph_url,
            deadline_seconds=settings.call_deadline_seconds,
            max_answer_bytes=int(settings.max_answer_mb * 1_000_000),
            version=settings.api_version,
            app_secret=settings.app_secret.get_secret_value() if settings.app_secret else None,
            max_connections=max(8, settings.max_parallel_calls * 2),
        ) as client:
            warehouse.migrate()
            refuse_mixture(warehouse, is_simulated=settings.is_simulated)
            connections = UsableConnections(warehouse, settings, keyring, client, utc_now)
            yield SyncContext.of(settings, client, warehouse, telemetry, connections)
