"""A whole Dagster on real Postgres and a simulated Graph API, and what its tables say of syncs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from meta_pipeline.local.children import Children
from meta_pipeline.local.dagster import LocalDagster
from meta_pipeline.local.graphql import DagsterApi
from meta_pipeline.local.ports import free_port
from meta_pipeline_tests.e2e.stand import finished, retimed, scalar, until

SENSOR = "next_stale_account"
QUICK = {"poll_interval_seconds": 5, "free_slots_after_run_end_seconds": 5}
"""A person waits 30 s for what a test need not wait for."""


@dataclass
class Stack:
    """One Dagster and its database."""

    dagster: LocalDagster
    url: str

    @property
    def api(self) -> DagsterApi:
        return self.dagster.api

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return list(connection.execute(query, values).fetchall())

    def scalar(self, query: str, *values: object) -> object:
        return scalar(self.url, query, *values)

    def discover(self) -> list[str]:
        run = self.api.launch("discover_accounts")
        self.finish([run])
        return self.api.partition_keys()

    def sync(self, account_id: str) -> str:
        return self.api.launch("sync_account", {"dagster/partition": account_id})

    def finish(self, runs: list[str], seconds: float = 300) -> dict[str, str]:
        until(lambda: finished(self.api, runs), f"{len(runs)} runs end", seconds)
        return self.api.statuses(runs)

    def until_reading(self, account_id: str) -> None:
        """Wait until the account's sync is in the middle of its numbers."""
        query = (
            "SELECT count(*) FROM meta_ads.meta_api_logs "
            "WHERE account_id = %s AND endpoint_key LIKE 'insights%%'"
        )
        until(lambda: self.scalar(query, account_id), f"insights of {account_id} are read")

    def worker_of(self, account_id: str) -> int:
        """The process that syncs the account now."""
        host = self.scalar(
            "SELECT host FROM meta_ads.sync_runs WHERE account_id = %s AND status = 'running' "
            "ORDER BY started_at DESC LIMIT 1",
            account_id,
        )
        return int(str(host).rpartition(":")[2])

    def kill(self, name: str) -> None:
        """kill -9 one process of Dagster's, and only that one."""
        process = self.dagster.processes[name].process
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def held_locks(self) -> object:
        return self.scalar(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            "WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )

    def held_slots(self) -> object:
        return self.scalar(
            "SELECT count(*) FROM dagster.concurrency_slots WHERE run_id IS NOT NULL"
        )


@contextmanager
def stack(
    folder: Path,
    url: str,
    settings: Mapping[str, str],
    *,
    sensor_rests: bool = True,
    adapt: Mapping[str, int] = QUICK,
) -> Iterator[Stack]:
    """Webserver, daemon and code server, each a process of its own, until the end."""
    with Children(folder / "logs") as children:
        dagster = LocalDagster(
            children=children,
            home=folder / "dagster",
            database_url=url,
            port=free_port(),
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "DATABASE_URL": url,
                "META_FRESH_SECONDS": "3600",
                **settings,
            },
            cwd=folder,
            is_alone=True,
            sensor_rests=sensor_rests,
            adapt=lambda yaml: retimed(yaml, **adapt),
        )
        dagster.start()
        yield Stack(dagster, url)
