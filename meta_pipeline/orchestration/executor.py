"""Our own runs: all steps in one process, and jobs that are run so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from .dagster_internals import InProcessExecutor, RetryMode, StepDependencyConfig
from .place import here


@dg.executor(name="in_process", config_schema={})
def in_process(_: dg.InitExecutorContext) -> dg.Executor:
    """A step in a process of its own costs 3 s, in this one 0.2 s. Numbers are read as soon as the
    structure of an account is in, also when another account of the run failed.
    """
    return InProcessExecutor(
        retries=RetryMode.ENABLED,
        step_dependency_config=StepDependencyConfig(require_upstream_step_success=False),
    )


def own_job(
    name: str, description: str, *, max_runtime_seconds: int, tags: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], dg.JobDefinition]:
    """A job of ops of ours: named and hooked as this place has it, ended after a while."""
    return dg.job(
        name=here().named(name),
        executor_def=in_process,
        hooks=here().hooks,
        description=description,
        tags={"dagster/max_runtime": str(max_runtime_seconds), **(tags or {})},
    )
