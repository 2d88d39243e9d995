"""Runs on a fleet of Celery workers: the launcher of deploy/celery/dagster.yaml.

`dagster_celery.launcher.CeleryRunLauncher` believes the result backend, and there a task whose
worker was killed (kill -9, out of memory, a lost host) stays STARTED for ever: its run would hold
its slots until `max_runtime_seconds`. This one asks the worker itself.
"""

# Dagster builds it from dagster.yaml by module and class.
from __future__ import annotations

from dagster import DagsterRun
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from .dagster_internals import CheckRunHealthResult, WorkerStatus

ANSWER_SECONDS = 5.0
"""How long a worker may take to answer; the pool's main process does, however busy its children."""

# A worker that is slow for once has not lost its run.
_TRIES = 2
_STARTED = "STARTED"


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """CeleryRunLauncher whose run monitoring notices a worker that died with its run.

    Configured as its parent is; the result backend must keep states of its own (Redis does, the
    default `rpc://` does not).
    """

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING only while the worker that started the task says that it has it.

        FAILED makes Dagster fail the run, free its slots and, with `run_retries`, start it again.
        A broker that does not answer raises instead: Dagster then asks again at the next poll.
        """
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        result = None if task_id is None else self.celery.AsyncResult(task_id)
        if result is None:  # tagged only once it is handed over; it may have begun already
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        # The node that started the task, such as `celery@host`.
        meta = result.info
        worker = str(meta["hostname"]) if isinstance(meta, dict) and meta.get("hostname") else None
        if worker is None or result.state != _STARTED:
            return super().check_run_worker_health(run)
        for _ in range(_TRIES):
            # Of one worker, of which one answer is all there is to wait for; None: it gave none.
            asked = self.celery.control.inspect([worker], timeout=ANSWER_SECONDS, limit=1)
            answer = (asked.query_task(result.id) or {}).get(worker)
            if answer is not None and result.id in answer:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            if answer is not None or result.state != _STARTED:
                break
        if result.state != _STARTED:  # it ended while we asked
            return super().check_run_worker_health(run)
        what = "does not answer" if answer is None else "was restarted and does not have the run"
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Celery worker {worker} {what}.")
