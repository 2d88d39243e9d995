"""What a Celery worker loads: `celery -A meta_pipeline.orchestration.celery_app worker`.

Broker, result backend and every other setting come from the run launcher of DAGSTER_HOME's
dagster.yaml, so that the worker and the daemon cannot disagree. `meta-pipeline exec` hands over
what that file reads from the environment.
"""

from __future__ import annotations

import dagster as dg
from celery import Celery
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task


class NotACeleryInstance(Exception):
    """DAGSTER_HOME is of a Dagster that starts its runs otherwise."""


def build_app() -> Celery:
    """The Celery app of the instance's launcher, with the tasks that execute runs."""
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, CeleryRunLauncher):
            raise NotACeleryInstance(
                f"The dagster.yaml of DAGSTER_HOME starts runs with {type(launcher).__name__}. "
                "Put deploy/celery/dagster.yaml into DAGSTER_HOME of the workers and the daemon."
            )
        app: Celery = launcher.celery
    # Under the names that the launcher sends: a worker drops a task that it does not know.
    create_execute_job_task(app)
    create_resume_job_task(app)
    return app


app = build_app()
