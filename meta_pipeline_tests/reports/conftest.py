"""A morning of syncs against the simulator, shared by all tests of this room, which only read it.

Two accounts are synced every hour; the third runs into Meta's limit once and is stopped by the
governor after that. Its clock ends at `Morning.now`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row

from meta_pipeline.simulator import AccountSpec, Limits
from meta_pipeline.sync import Status, SyncRun
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync.lab import START, Lab, lab

SHOP = AccountSpec("Nordwind Shop", 6, 14, 40, (3, 7, 20), zone="Europe/Berlin", currency="EUR")
QUIET = AccountSpec("Quiet & Sons <Ltd>", 2, 2, 4, (1, 1, 2))
BUSY = AccountSpec("Busy", 3, 6, 12, (2, 4, 8))
HOURS = 4
LIMITS = Limits(tier="development_access", calls=200)


@dataclass(frozen=True)
class Morning:
    url: str
    now: datetime
    records: list[SyncRun]

    @property
    def throttled(self) -> list[SyncRun]:
        return [one for one in self.records if one.status is Status.THROTTLED]

    def query(self, text: str, *values: Any) -> list[dict[str, Any]]:
        with Warehouse(self.url) as warehouse, warehouse.connection() as connection:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", [str(self.now)])
            return connection.cursor(row_factory=dict_row).execute(text, values).fetchall()

    def scalar(self, text: str, *values: Any) -> Any:
        (row,) = self.query(text, *values)
        return next(iter(row.values()))


@pytest.fixture(scope="session")
def morning(postgres: TestPostgres) -> Iterator[Morning]:
    with postgres.fresh_database() as url, lab(url, SHOP, QUIET, BUSY, limits=LIMITS) as made:
        records = list(_live(made))
        yield Morning(url, made.clock.now(), records)


def _live(made: Lab) -> Iterator[SyncRun]:
    made.engine.discover()
    shop, quiet, busy = (one.id for one in made.world.accounts())
    for hour in range(HOURS):
        if hour == 1:
            made.sim.limits.exhaust(busy, regain_minutes=45)
        for account_id in (shop, quiet, busy):
            yield made.sync(account_id, force=hour == 2)
            made.advance(minutes=1)
        if hour == 1:
            yield made.sync(busy)
        made.advance(minutes=17 if hour == 1 else 57)
    made.sim.limits.exhaust(busy, regain_minutes=45)
    yield made.sync(busy, force=True)
    made.telemetry.flush()


@pytest.fixture
def warehouse_of_morning(morning: Morning) -> Iterator[Warehouse]:
    with Warehouse(morning.url) as warehouse:
        yield warehouse


__all__ = ["START", "Morning", "timedelta"]
