"""Dagster's queue of runs, which takes none whose tags shape the place it would run in.

The launchers of Kubernetes and Celery obey some tags of a run: `dagster-k8s/config` may name
another image, volumes of the host or a service account, `dagster-celery/queue` a queue that nobody
reads. So whoever may launch a run could have anything executed. Here dagster.yaml alone shapes one:
how many run at once and how often one is repeated stands there too.
"""

# Dagster builds it from dagster.yaml by module and class.
from __future__ import annotations

from dagster import DagsterRun

from .dagster_internals import QueuedRunCoordinator, SubmitRunContext

SHAPING = ("dagster-k8s/", "dagster-celery/", "dagster-docker/", "ecs/")
"""Beginnings of tags that launchers read; this graph sets none of them itself."""
# Celery's launcher writes it, and a run that is started again brings it along.
_SET_BY_LAUNCHERS = frozenset({"dagster-celery/task_id"})


class ShapedElsewhere(Exception):
    """A run whose tags would decide where and as what it runs; it is not queued."""


class GuardedRunQueue(QueuedRunCoordinator):
    """QueuedRunCoordinator, configured as its parent is; a run it refuses is failed by Dagster."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue the run; ShapedElsewhere names the tags that it must not have."""
        tags = sorted(
            tag
            for tag in context.dagster_run.tags
            if tag.startswith(SHAPING) and tag not in _SET_BY_LAUNCHERS
        )
        if tags:
            raise ShapedElsewhere(
                f"A run with {', '.join(tags)} is not started: where and as what runs are executed "
                "is said in dagster.yaml alone. Launch it without."
            )
        return super().submit_run(context)
