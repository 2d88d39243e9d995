"""Whoever may launch a run does not choose the image, the mounts or the queue it runs with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
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


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    queue = {
        "module": GuardedRunQueue.__module__,
        "class": GuardedRunQueue.__name__,
        "config": {"dequeue_interval_seconds": 1},
    }
    with dg.instance_for_test(overrides={"run_coordinator": queue}) as opened:
        yield opened


def created(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    run = dg.DagsterRun(
        job_name="sync_account",
        tags=tags,
        remote_job_origin=ORIGIN,
        job_code_origin=dg.reconstructable(sync_account).get_python_origin(),
    )
    return instance.add_run(run)


def submitted(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    return instance.submit_run(run.run_id, cast("BaseWorkspaceRequestContext", None))


def sync_account() -> dg.JobDefinition:
    return defs.resolve_job_def("sync_account")


def value_of(package: str, module: str, name: str) -> str:
    """The text a constant of an installed package is given.

    Read and not imported: dagster_k8s brings all of Kubernetes' client along, seconds of work.
    """
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).with_name(f"{module}.py").read_text(encoding="utf-8")
    (value,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return str(value)


@pytest.mark.parametrize(
    "constant",
    [
        ("dagster_k8s", "job", "USER_DEFINED_K8S_CONFIG_KEY"),
        ("dagster_k8s", "job", "K8S_RESOURCE_REQUIREMENTS_KEY"),
        ("dagster_celery", "tags", "DAGSTER_CELERY_QUEUE_TAG"),
        ("dagster_celery", "tags", "DAGSTER_CELERY_RUN_PRIORITY_TAG"),
    ],
    ids=lambda constant: constant[-1],
)
def test_a_run_that_shapes_its_own_place_is_refused(
    instance: dg.DagsterInstance, constant: tuple[str, str, str]
) -> None:
    refuses(instance, value_of(*constant))


def test_a_tag_that_a_later_version_reads_is_refused(instance: dg.DagsterInstance) -> None:
    refuses(instance, "dagster-k8s/whatever-a-later-version-reads")


def refuses(instance: dg.DagsterInstance, tag: str) -> None:
    run = created(instance, {tag: '{"container_config": {"image": "evil"}}'})
    with pytest.raises(ShapedElsewhere, match=tag):
        submitted(instance, run)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE, "it waits for nothing"


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
    assert submitted(instance, created(instance, tags)).status is dg.DagsterRunStatus.QUEUED


def test_the_daemon_knows_it_as_dagsters_queue(instance: dg.DagsterInstance) -> None:
    """It dequeues for QueuedRunCoordinator and what is made of it only."""
    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
