"""What run monitoring is told of a Celery worker: one that works, that is gone, that came back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_client
from celery.contrib.testing.worker import start_worker
from dagster import DagsterRun
from dagster._core.launcher import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from meta_pipeline.local.children import Children
from meta_pipeline.orchestration import celery_launcher
from meta_pipeline.orchestration.celery_launcher import WatchedCeleryRunLauncher
from meta_pipeline_tests.e2e.stand import redis
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

TASK = "0b5c0a5e-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    with Children(folder / "logs") as children:
        url, _ = redis(children, folder / "data")
        yield url


@pytest.fixture
def launcher(broker: str, monkeypatch: pytest.MonkeyPatch) -> WatchedCeleryRunLauncher:
    # As soon as the worker has answered nothing is waited for.
    monkeypatch.setattr(celery_launcher, "ANSWER_SECONDS", PATIENCE_SECONDS)
    redis_client.from_url(broker).flushall()
    return WatchedCeleryRunLauncher(
        default_queue="dagster", broker=f"{broker}/0", backend=f"{broker}/1"
    )


def run_of(task_id: str) -> DagsterRun:
    return DagsterRun(job_name="sync_account", tags={DAGSTER_CELERY_TASK_ID_TAG: task_id})


def started_on(launcher: WatchedCeleryRunLauncher, worker: str) -> None:
    """What the backend says of a task that a worker took: all that a killed one leaves behind."""
    launcher.celery.backend.store_result(TASK, {"pid": 1, "hostname": worker}, "STARTED")


def test_a_worker_that_is_gone_has_failed(
    launcher: WatchedCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_launcher, "ANSWER_SECONDS", 0.5)
    started_on(launcher, "worker-1@gone")
    found = launcher.check_run_worker_health(run_of(TASK))
    assert found.status is WorkerStatus.FAILED
    assert found.msg == "Celery worker worker-1@gone does not answer."


def test_a_worker_that_came_back_does_not_have_the_run(launcher: WatchedCeleryRunLauncher) -> None:
    with start_worker(launcher.celery, perform_ping_check=False) as worker:
        started_on(launcher, worker.hostname)
        found = launcher.check_run_worker_health(run_of(TASK))
    assert found.status is WorkerStatus.FAILED
    assert "was restarted" in str(found.msg)


def test_a_worker_that_works_is_running_until_it_is_done(
    launcher: WatchedCeleryRunLauncher,
) -> None:
    begun, done = threading.Event(), threading.Event()

    @launcher.celery.task(name="execute_job", track_started=True)  # type: ignore[untyped-decorator]
    def execute_job() -> int:
        begun.set()
        assert done.wait(PATIENCE_SECONDS)
        return 0

    with start_worker(
        launcher.celery, perform_ping_check=False, pool="threads", queues=["dagster"]
    ):
        result = execute_job.apply_async(queue="dagster")
        assert begun.wait(PATIENCE_SECONDS)
        assert launcher.check_run_worker_health(run_of(result.id)).status is WorkerStatus.RUNNING
        done.set()
        result.get(timeout=PATIENCE_SECONDS)
        assert launcher.check_run_worker_health(run_of(result.id)).status is WorkerStatus.SUCCESS


def test_a_run_that_began_before_it_was_tagged(launcher: WatchedCeleryRunLauncher) -> None:
    found = launcher.check_run_worker_health(DagsterRun(job_name="sync_account"))
    assert found.status is WorkerStatus.RUNNING


def test_a_broker_that_is_gone_fails_no_run(tmp_path: Path) -> None:
    lost = WatchedCeleryRunLauncher(
        default_queue="dagster",
        broker="redis://127.0.0.1:1/0",
        backend="redis://127.0.0.1:1/1",
        config_source={"redis_retry_on_timeout": False, "result_backend_max_retries": 0},
    )
    with pytest.raises(redis_client.exceptions.ConnectionError):
        lost.check_run_worker_health(run_of(TASK))
