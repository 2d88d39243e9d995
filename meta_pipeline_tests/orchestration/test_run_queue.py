"""Whoever may launch a run does not choose the image, the mounts or the queue it runs with."""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import cast

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.context import BaseWorkspaceRequestContext

from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.run_queue import GuardedRunQueue, ShapedElsewhere

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("meta_pipeline"), "__repository__"),
    "sync_account",
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    queue = {
        "module": GuardedRunQueue.__module__,
        "class": GuardedRunQueue.__name__,
        "config": {"dequeue_interval_seconds": 1},
    }
    with dg.instance_for_test(overrides={"run_coordinator": queue}) as opened:
        yield opened


def submitted(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    job = defs.resolve_job_def("sync_account")
    run = instance.create_run_for_job(
        job,
        tags=tags,
        remote_job_origin=ORIGIN,
        job_code_origin=dg.reconstructable(sync_account).get_python_origin(),
    )
    return instance.submit_run(run.run_id, cast("BaseWorkspaceRequestContext", None))


def sync_account() -> dg.JobDefinition:
    return defs.resolve_job_def("sync_account")


@pytest.mark.parametrize(
    "constant",
    [
        "dagster_k8s.job:USER_DEFINED_K8S_CONFIG_KEY",
        "dagster_k8s.job:K8S_RESOURCE_REQUIREMENTS_KEY",
        "dagster_celery.tags:DAGSTER_CELERY_QUEUE_TAG",
        "dagster_celery.tags:DAGSTER_CELERY_RUN_PRIORITY_TAG",
    ],
)
def test_a_run_that_shapes_its_own_place_is_refused(
    instance: dg.DagsterInstance, constant: str
) -> None:
    # Not at the top: every worker of the tests would import the client of Kubernetes.
    refuses(instance, resolve_name(constant))


def test_a_tag_that_a_later_version_reads_is_refused(instance: dg.DagsterInstance) -> None:
    refuses(instance, "dagster-k8s/whatever-a-later-version-reads")


def refuses(instance: dg.DagsterInstance, tag: str) -> None:
    with pytest.raises(ShapedElsewhere, match=tag):
        submitted(instance, {tag: '{"container_config": {"image": "evil"}}'})
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE, "it waits for nothing"


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"dagster/partition": "act_1", "dagster/priority": "3", "reason": "manual"},
        # What a launcher wrote on a run that is started again.
        {"dagster-celery/task_id": "5"},
    ],
)
def test_other_runs_are_queued(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    assert submitted(instance, tags).status is dg.DagsterRunStatus.QUEUED


def test_the_daemon_knows_it_as_dagsters_queue(instance: dg.DagsterInstance) -> None:
    """It dequeues for QueuedRunCoordinator and what is made of it only."""
    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
