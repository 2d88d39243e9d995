"""Two Celery workers with Redis between them sync a fleet; one is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import Celery
from celery.result import AsyncResult

from meta_pipeline.local.children import Child, Children
from meta_pipeline_tests.e2e.stand import finished, redis, retimed, scalar, simulator, until
from meta_pipeline_tests.e2e.units import CELERY, SYSTEMD, Machine, Unit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DROP_IN = CELERY / "celery.conf"
WORKER = Unit.read(CELERY / "meta-pipeline-worker@.service")

# A call belongs to a sync: those of two syncs of one account must not lie between each other.
AT_ONCE = """
    WITH spans AS (
        SELECT account_id, sync_run_id, max(timestamp) AS ended,
               min(timestamp - latency_ms * interval '1 ms') AS began
        FROM meta_ads.meta_api_logs WHERE sync_run_id IS NOT NULL GROUP BY 1, 2
    )
    SELECT count(*) FROM spans a JOIN spans b USING (account_id)
    WHERE a.sync_run_id < b.sync_run_id AND a.began < b.ended AND b.began < a.ended
"""
NOT_SYNCED = """
    SELECT count(*) FROM meta_ads.sync_health
    WHERE entities_synced_at IS NULL OR insights_synced_at IS NULL OR last_status <> 'success'
"""
# The rows of the ads add up to what the account itself reports, day by day.
NOT_ADDING_UP = """
    SELECT count(*) FROM (
        SELECT account_id, date_start,
               sum(spend) FILTER (WHERE entity_type = 'ad') AS of_ads,
               sum(spend) FILTER (WHERE entity_type = 'account') AS of_account
        FROM meta_ads.meta_insights GROUP BY 1, 2
    ) days WHERE coalesce(of_ads, 0) IS DISTINCT FROM coalesce(of_account, 0)
"""
SLOTS_TAKEN = "SELECT count(*) FROM dagster.concurrency_slots WHERE run_id IS NOT NULL"
RETRIED = """
    SELECT t.value FROM dagster.runs r JOIN dagster.run_tags t USING (run_id)
    WHERE t.key = 'dagster/root_run_id' AND r.status = 'SUCCESS'
"""
FAILED = "SELECT run_id FROM dagster.runs WHERE status IN ('FAILURE', 'CANCELED')"
UNFINISHED = """
    SELECT count(*) FROM dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')
"""
TASKS = "SELECT run_id, value FROM dagster.run_tags WHERE key = 'dagster-celery/task_id'"
RUNNING_SYNCS = """
    SELECT count(*) FROM meta_ads.sync_runs s
    WHERE s.status = 'running' AND s.host IS NOT NULL AND s.dagster_run_id = ANY (%s)
"""


@dataclass
class Fleet:
    """A machine whose runs are executed by two workers."""

    url: str
    machine: Machine
    workers: list[Child]


@pytest.fixture
def fleet(empty_url: str, tmp_path: Path) -> Iterator[Fleet]:
    with Children(tmp_path / "logs") as children:
        broker, _ = redis(children, tmp_path / "redis")
        graph = simulator(children, tmp_path / "simulator", latency_ms=300)
        machine = Machine(
            tmp_path / "machine",
            children,
            credentials={
                "database_url": empty_url,
                "meta_access_token": graph.token,
                "celery_broker_url": f"{broker}/0",
                "celery_result_backend": f"{broker}/1",
            },
            settings={"META_GRAPH_URL": graph.url},
        )
        instance = (CELERY / "dagster.yaml").read_text(encoding="utf-8")
        (machine.folder / "var/dagster/dagster.yaml").write_text(
            retimed(instance, poll_interval_seconds=2, free_slots_after_run_end_seconds=2)
        )
        machine.finish(Unit.read(SYSTEMD / "meta-pipeline-migrate.service"))
        for name in ("code", "webserver"):
            machine.start(Unit.read(SYSTEMD / f"meta-pipeline-{name}.service", DROP_IN))
        until(machine.api.is_ready, "the webserver shows the code location")
        machine.start(Unit.read(SYSTEMD / "meta-pipeline-daemon.service", DROP_IN))
        workers = [machine.start(WORKER, instance=str(number)) for number in (1, 2)]
        yield Fleet(empty_url, machine, workers)


def test_a_killed_worker_loses_nothing(fleet: Fleet) -> None:
    api = fleet.machine.api
    discovery = api.launch("discover_accounts")
    until(lambda: finished(api, [discovery]), "the accounts are discovered")
    accounts = api.partition_keys()
    assert len(accounts) == 12
    runs = [api.launch("sync_account", {"dagster/partition": one}) for one in accounts]

    victim = fleet.workers[1]
    until(lambda: is_reading(fleet, victim), "the second worker syncs")
    os.killpg(victim.process.pid, signal.SIGKILL)
    fleet.machine.children.forget(victim)
    lost = runs_of_second(fleet)
    assert lost

    until(lambda: finished(api, runs), "all runs that were asked for ended", 300)
    until(lambda: column(fleet.url, RETRIED) >= lost, "the lost runs were done again", 300)
    until(lambda: scalar(fleet.url, UNFINISHED) == 0, "nothing is left to do", 300)
    assert column(fleet.url, FAILED) == lost

    assert scalar(fleet.url, NOT_SYNCED) == 0
    assert scalar(fleet.url, AT_ONCE) == 0
    assert scalar(fleet.url, NOT_ADDING_UP) == 0
    found = [
        scalar(fleet.url, f"SELECT count(*) FROM meta_ads.meta_{name}")
        for name in ("campaigns", "adsets", "ads")
    ]
    assert found == [183, 576, 1074]
    assert scalar(fleet.url, "SELECT count(*) FROM meta_ads.sync_runs WHERE status='running'") == 0
    until(lambda: scalar(fleet.url, SLOTS_TAKEN) == 0, "the slots are free", 30)


def is_reading(fleet: Fleet, worker: Child) -> bool:
    """Whether each run that the worker has in hand calls Meta, and it has one at least."""
    worker.require_alive()
    held = runs_of_second(fleet)
    return bool(held) and scalar(fleet.url, RUNNING_SYNCS, list(held)) == len(held)


def runs_of_second(fleet: Fleet) -> set[str]:
    """The runs that the second worker began and did not end, alive or not."""
    given = fleet.machine.credentials
    app = Celery(broker=given["celery_broker_url"], backend=given["celery_result_backend"])
    with psycopg.connect(fleet.url) as connection:
        tasks: dict[str, str] = dict(connection.execute(TASKS).fetchall())
    began = {run_id: app.AsyncResult(task_id) for run_id, task_id in tasks.items()}
    return {run_id for run_id, task in began.items() if is_begun(task, "worker-2")}


def is_begun(task: AsyncResult[Any], worker: str) -> bool:
    meta = task.info if task.state == "STARTED" else None
    return isinstance(meta, dict) and str(meta.get("hostname")).startswith(worker)


def column(url: str, query: str, *values: object) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute(query, values).fetchall()}
