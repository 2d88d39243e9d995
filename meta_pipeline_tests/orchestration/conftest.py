from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest
from typer.testing import CliRunner

from meta_pipeline.cli import app
from meta_pipeline.settings import current
from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline_tests.orchestration.instances import dagster_template

__all__ = ["dagster_template"]

TOKEN = "EAAORCHESTRATION0TESTS0TOKEN"
ACCOUNTS = (
    AccountSpec("Nordwind Shop", 4, 8, 16, (2, 3, 6), zone="Europe/Berlin", currency="EUR"),
    AccountSpec("Closed to us", 1, 1, 1, (1, 1, 1), permitted=False),
    AccountSpec("Óbuda Kávéház", 2, 3, 6, (1, 1, 2), zone="Europe/Budapest", currency="HUF"),
)


@dataclass(frozen=True)
class Stand:
    """A Dagster instance with three accounts: the first and the last are fine, the second not."""

    sim: Simulator
    instance: dg.DagsterInstance
    database_url: str

    @property
    def accounts(self) -> list[str]:
        return [account.id for account in self.sim.world.accounts()]

    @property
    def good(self) -> str:
        return self.accounts[0]

    @property
    def closed(self) -> str:
        return self.accounts[1]

    def read(self, account_id: str) -> None:
        """Fill the tables as a run of the account does, at a fourth of its price."""
        current.cache_clear()
        done = CliRunner().invoke(app, ["sync", account_id])
        current.cache_clear()
        assert done.exit_code == 0, done.output

    def materialized(self, table: str, account_id: str) -> int:
        """How often the account's partition of an asset was materialized."""
        asked = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(["meta", table]), asset_partitions=[account_id]
        )
        return len(self.instance.fetch_materializations(asked, limit=100).records)

    def failed(self, table: str) -> set[str]:
        """The accounts whose partition of an asset the UI shows in red."""
        attempts = self.instance.event_log_storage
        return set(
            attempts.get_latest_asset_partition_materialization_attempts_without_materializations(
                dg.AssetKey(["meta", table])
            )
        )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory; a module whose tests look at ticks has a stored one."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def stand(
    instance: dg.DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    """Settings come from the environment, as they do in a run's own process."""
    world = World(seed=5, clock=WallClock(), accounts=ACCOUNTS)
    with Simulator(world, token=TOKEN) as sim:
        monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
        monkeypatch.setenv("META_GRAPH_URL", sim.url)
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("META_BACKFILL_DAYS", "3")
        instance.add_dynamic_partitions("ad_account", [one.id for one in world.accounts()])
        yield Stand(sim, instance, database_url)
