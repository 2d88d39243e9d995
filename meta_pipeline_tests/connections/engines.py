"""A sync engine over the connections of a place: that of the environment, and the stored ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meta_pipeline.connections import UsableConnections
from meta_pipeline.graph import GraphClient
from meta_pipeline.sync import PlanPolicy, SyncContext, SyncEngine
from meta_pipeline.warehouse import TelemetryWriter
from meta_pipeline_tests.connections.place import Place


@contextmanager
def engine_of(place: Place, *, has_environment: bool = True) -> Iterator[SyncEngine]:
    """An engine on the place's clock; without `has_environment` META_ACCESS_TOKEN is not set."""
    settings = place.book.access.settings
    assert settings.access_token is not None
    assert settings.app_secret is not None
    with (
        TelemetryWriter(place.warehouse.url) as telemetry,
        GraphClient(
            access_token=settings.access_token.get_secret_value(),
            base_url=settings.graph_url,
            app_secret=settings.app_secret.get_secret_value(),
            clock=place.clock.now,
            sleep=place.sim.sleep,
        ) as client,
    ):
        if not has_environment:
            settings = settings.model_copy(update={"access_token": None})
        keyring = place.book.keyring
        found = UsableConnections(
            place.warehouse, settings, lambda: keyring, client, place.clock.now
        )
        yield SyncEngine(
            SyncContext(
                client=client,
                warehouse=place.warehouse,
                telemetry=telemetry,
                policy=PlanPolicy(backfill_days=5),
                clock=place.clock.now,
                sleep=place.sim.sleep,
                connections=found,
            )
        )
