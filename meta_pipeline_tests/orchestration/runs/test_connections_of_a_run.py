"""One run of many accounts over several connections, without META_ACCESS_TOKEN."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from meta_pipeline.connections import Access, Connections, Keyring
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.runs.batches import tags_of_batch
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.connections.place import DAY_SECONDS, KEY

ACCOUNTS, OWNERS = 25, 5


@pytest.mark.slow
def test_twenty_five_accounts_over_five_connections_are_one_run(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five connections reach six accounts each, their own and one of the next; one is dead."""
    specs = tuple(AccountSpec(f"Shop {n}", 1, 1, 1, (1, 1, 1)) for n in range(ACCOUNTS))
    with (
        Simulator(World(seed=3, clock=WallClock(), accounts=specs)) as sim,
        Warehouse(database_url) as warehouse,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        ids = [account.id for account in sim.world.accounts()]
        for name, value in (
            ("DATABASE_URL", database_url),
            ("META_GRAPH_URL", sim.url),
            ("META_TOKEN_KEYS", KEY),
            ("META_BACKFILL_DAYS", "3"),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("META_ACCESS_TOKEN", raising=False)
        settings = Settings.load(env_file=None)
        book = Connections(warehouse, Access(settings), Keyring.parse(KEY), "test")
        each = ACCOUNTS // OWNERS
        tokens = [
            sim.issue(
                scopes=["ads_read"],
                kind="SYSTEM_USER",
                user_id=f"70{owner}",
                user_name=f"Owner {owner}",
                expires_in_seconds=(60 - owner) * DAY_SECONDS,
                accounts=[ids[(owner * each + n) % ACCOUNTS] for n in range(each + 1)],
            )
            for owner in range(OWNERS)
        ]
        rows = [book.add(token) for token in tokens]
        sim.tokens.revoke(tokens[2])
        defs = build_defs({"clock": lambda: datetime.now(UTC)})
        discovered = defs.resolve_job_def("discover_accounts").execute_in_process(instance=instance)
        assert discovered.success
        assert set(instance.get_dynamic_partitions("ad_account")) == set(ids) - set(ids[11:15])
        reached = [one for one in ids if one not in ids[11:15]]
        run = defs.resolve_job_def("sync_account").execute_in_process(
            instance=instance,
            run_config=run_config(accounts={"ids": reached}),
            tags=tags_of_batch(reached[0]),
            raise_on_error=False,
        )
        with psycopg.connect(database_url) as connection:
            found = connection.execute(
                "SELECT account_id, connection_id, status, dagster_run_id FROM meta_ads.sync_runs"
            ).fetchall()
        assert run.success, found
        assert {status for _, _, status, _ in found} == {"success"}
        assert {account_id for account_id, _, _, _ in found} == set(reached)
        assert {run_id for _, _, _, run_id in found} == {run.run_id}, "one run"
        used = {connection_id for _, connection_id, _, _ in found}
        assert used == {row.connection_id for n, row in enumerate(rows) if n != 2}
