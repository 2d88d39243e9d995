"""Two stored connections that reach the same accounts, and Dagster with its settings about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from meta_pipeline.connections import Access, Connections, Keyring
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.defs.alerts import alerts
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.orchestration.runs.batches import tags_of_batch
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline.warehouse import ConnectionRow, Warehouse
from meta_pipeline_tests.alerts.catchers import Hook, hook
from meta_pipeline_tests.connections.place import DAY_SECONDS, KEY


@dataclass
class Standing:
    """`long` is used first: it lives longer than `short`. META_ACCESS_TOKEN is not set."""

    sim: Simulator
    warehouse: Warehouse
    instance: dg.DagsterInstance
    book: Connections
    hook: Hook
    long: ConnectionRow
    short: ConnectionRow
    tokens: dict[str, str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ids(self) -> list[str]:
        return [account.id for account in self.sim.world.accounts()]

    def run(self, job: str, **given: Any) -> dg.ExecuteInProcessResult:
        """A job, run as Dagster runs it, whatever becomes of it."""
        found = build_defs({"clock": lambda: datetime.now(UTC)}).resolve_job_def(job)
        return found.execute_in_process(instance=self.instance, raise_on_error=False, **given)

    def sync(self, *accounts: str) -> dg.ExecuteInProcessResult:
        """A run that syncs these accounts, or all."""
        ids = list(accounts or self.ids)
        config = run_config(accounts={"ids": ids}, freshness={"force": True})
        return self.run("sync_account", run_config=config, tags=tags_of_batch(ids[0]))

    def tick(self, minutes: float = 0) -> str:
        """A tick of sensor `alerts`; what the UI shows of it."""
        self.now += timedelta(minutes=minutes)
        context = dg.build_sensor_context(instance=self.instance)
        found: Any = alerts(context, warehouse=WarehouseResource(), clock=lambda: self.now)
        return str(found.skip_message)

    def query(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.warehouse.url) as connection:
            return connection.execute(text, values).fetchall()


@contextmanager
def standing(
    database_url: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Standing]:
    """Connected, with a webhook for alerts; nothing is discovered yet."""
    specs = tuple(AccountSpec(f"Shop {n}", 1, 1, 1, (1, 1, 1)) for n in range(2))
    world = World(seed=3, clock=WallClock(), accounts=specs)
    with Simulator(world) as sim, Warehouse(database_url) as warehouse, hook() as caught:
        app = sim.tokens.app
        for name, value in (
            ("DATABASE_URL", database_url),
            ("META_GRAPH_URL", sim.url),
            ("META_APP_ID", app.id),
            ("META_APP_SECRET", app.secret),
            ("META_TOKEN_KEYS", KEY),
            ("META_BACKFILL_DAYS", "3"),
            ("META_ALERT_WEBHOOK_URL", caught.url),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("META_ACCESS_TOKEN", raising=False)
        book = Connections(
            warehouse, Access(Settings.load(env_file=None)), Keyring.parse(KEY), "test"
        )
        tokens = {
            name: sim.issue(
                scopes=["ads_read"],
                kind="SYSTEM_USER",
                user_id=user_id,
                user_name=name,
                expires_in_seconds=days * DAY_SECONDS,
            )
            for name, user_id, days in (("Long", "701", 60), ("Short", "702", 50))
        }
        rows = {name: book.add(token) for name, token in tokens.items()}
        yield Standing(sim, warehouse, instance, book, caught, rows["Long"], rows["Short"], tokens)
