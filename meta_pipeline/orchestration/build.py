"""The composition root: all that is in `defs`, with its resources and its executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from . import defs
from .dagster_internals import InProcessExecutor, RetryMode, StepDependencyConfig, loaded
from .resources import default_resources, private


@dg.executor(name="in_process", config_schema={})
def in_process(_: dg.InitExecutorContext) -> dg.Executor:
    """A step in a process of its own costs 3 s, in this one 0.2 s. Numbers are read as soon as the
    structure of an account is in, also when another account of the run failed.
    """
    return InProcessExecutor(
        retries=RetryMode.ENABLED,
        step_dependency_config=StepDependencyConfig(require_upstream_step_success=False),
    )


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; `resources` replaces some of the default ones by name, as tests do."""
    return loaded(
        defs,
        {
            name: private(resource)
            for name, resource in {**default_resources(), **(resources or {})}.items()
        },
        in_process,
    )
