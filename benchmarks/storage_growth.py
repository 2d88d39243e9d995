"""What a thousand syncs leave in Postgres: our logs and Dagster's history, alone and in batches.

Steady state: twelve demo accounts that were synced before are synced again, structure as a delta
and today's insights, as every hour.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks._lab import TOKEN, database, simulator
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.warehouse import create_dagster_schema, dagster_url

ROUNDS = 5
_SIZES = """
    SELECT relname, pg_total_relation_size(relid), n_live_tup
    FROM pg_stat_user_tables WHERE schemaname IN ('meta_ads', 'dagster')
"""
_STORY = ("event_logs", "runs", "run_tags", "asset_event_tags", "asset_check_executions")
_LOGS = ("meta_api_logs", "meta_api_hours", "meta_api_days", "meta_api_latency_hours", "sync_runs")
console = Console()


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


def main() -> None:
    with database() as url, simulator("demo") as sim, _instance(url, sim.url) as instance:
        accounts = _discover(instance)
        _sync(instance, accounts)
        table = Table("what", "per 1,000 syncs, MiB", "rows", title="Storage growth")
        for name, groups in (
            ("one account a run", [[account] for account in accounts]),
            ("batches of twelve", [accounts]),
        ):
            before = _sizes(url)
            for _ in range(ROUNDS):
                for group in groups:
                    _sync(instance, group)
            _report(table, name, before, _sizes(url), ROUNDS * len(accounts))
        console.print(table)


@contextmanager
def _instance(url: str, graph_url: str) -> Iterator[dg.DagsterInstance]:
    create_dagster_schema(url)
    os.environ |= {
        "DATABASE_URL": url,
        "META_ACCESS_TOKEN": TOKEN,
        "META_GRAPH_URL": graph_url,
        "META_BACKFILL_DAYS": "7",
        "META_FRESH_SECONDS": "0",
    }
    overrides = {
        "storage": {"postgres": {"postgres_url": dagster_url(url)}},
        "python_logs": {"python_log_level": "ERROR"},
    }
    with dg.instance_for_test(overrides=overrides) as instance:
        yield instance


def _discover(instance: dg.DagsterInstance) -> list[str]:
    build_defs().resolve_job_def("discover_accounts").execute_in_process(instance=instance)
    # One of the demo's accounts is out of reach on purpose: it would measure failures.
    return [name for name in instance.get_dynamic_partitions("ad_account") if _is_open(name)]


def _is_open(account_id: str) -> bool:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT is_accessible FROM meta_ads.meta_ad_accounts WHERE account_id = %s",
            (account_id,),
        ).fetchone()
    return bool(row and row[0])


def _sync(instance: dg.DagsterInstance, accounts: Sequence[str]) -> None:
    with dg.execute_job(
        dg.reconstructable(sync_account),
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": accounts[0],
            "dagster/asset_partition_range_end": accounts[0],
            "reason": "benchmark",
        },
        run_config=run_config(
            accounts={"ids": list(accounts)}, days={"preset": "today"}, freshness={"force": True}
        ),
        raise_on_error=False,
    ):
        pass


def _sizes(url: str) -> dict[str, tuple[int, int]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        return {name: (size, rows) for name, size, rows in connection.execute(_SIZES)}


def _report(
    table: Table,
    name: str,
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
    syncs: int,
) -> None:
    table.add_section()
    grown: dict[str, Any] = {
        table: (after[table][0] - before.get(table, (0, 0))[0], after[table][1]) for table in after
    }
    for title, tables in (("Dagster's history", _STORY), ("our logs", _LOGS)):
        size = sum(grown[one][0] for one in tables if one in grown)
        rows = sum(after[one][1] - before.get(one, (0, 0))[1] for one in tables if one in after)
        mib = size / 1024 / 1024 / syncs * 1000
        table.add_row(f"{name}: {title}", f"{mib:,.1f}", f"{rows / syncs * 1000:,.0f}")


if __name__ == "__main__":
    main()
