"""All that this room uses of Dagster's private parts, as of the versions named here.

Whatever has a public name is imported as `dg.` elsewhere. What is here may move with any release:
`test_dagster_internals` fails with the next version and says what to look at, name by name;
`test_installed` does so at both ends of the range.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._config import Shape
from dagster._core.definitions.assets.job.asset_job import is_reserved_asset_job_name
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)
from dagster._core.event_api import RunStatusChangeRecordsFilter
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    TickStatus,
)
from dagster._core.secrets import SecretsLoader
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
    WILL_RETRY_TAG,
)
from dagster._serdes import ConfigurableClass, ConfigurableClassData

VERSIONS = ("1.12.0", "1.13.27")
"""The oldest and the newest Dagster that all of this was looked at in, and run with."""

ENGINE = "_engine"
"""Where a storage in Postgres keeps its SQLAlchemy engine."""

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "ENGINE",
    "MAX_RETRIES_TAG",
    "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION",
    "VERSIONS",
    "WILL_RETRY_TAG",
    "AssetJob",
    "AssetMaterializationPlannedData",
    "CheckRunHealthResult",
    "ConfigurableClass",
    "ConfigurableClassData",
    "DagsterEvent",
    "InProcessExecutor",
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorTick",
    "InstigatorType",
    "QueuedRunCoordinator",
    "RetryMode",
    "RunStatusChangeRecordsFilter",
    "SecretsLoader",
    "Shape",
    "StepDependencyConfig",
    "SubmitRunContext",
    "TickStatus",
    "TreatAsResourceParam",
    "WorkerStatus",
    "engines_of",
    "is_reserved_asset_job_name",
    "loaded",
]


def loaded(
    package: ModuleType, resources: Mapping[str, Any], executor: dg.ExecutorDefinition | None
) -> dg.Definitions:
    """All that the package's modules define. Public, and called a preview by this version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.load_definitions_from_package_module(package, resources, executor=executor)


def engines_of(instance: dg.DagsterInstance) -> list[tuple[dict[str, Any], Any]]:
    """The attributes of each storage in Postgres, and its engine.

    The instance of a test, which `dg.materialize` makes where none is given, has no schedules.
    """
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    return [(vars(one), vars(one)[ENGINE]) for one in storages if one and ENGINE in vars(one)]
