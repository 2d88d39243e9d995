"""All that this room uses of Dagster's private parts, as of the versions named here.

Whatever has a public name is imported as `dg.` elsewhere. What is here may move with any release:
`test_dagster_internals` fails with the next version and says what to look at, name by name;
`test_installed` does so at both ends of the range.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import dagster as dg
import sqlalchemy as sa
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
    TickData,
    TickStatus,
)
from dagster._core.secrets import SecretsLoader
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
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
    "newest_ticks",
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


def newest_ticks(
    instance: dg.DagsterInstance, selector_ids: Sequence[str], each: int
) -> Mapping[str, Sequence[InstigatorTick]]:
    """The newest ticks of each sensor and schedule, newest first, at most `each` of one.

    `get_batch_ticks` ranks all ticks that were kept, and `get_ticks` sorts all of one, a hundred
    thousand where a sensor looks every few seconds. These are so many entries of an index.
    """
    storage = instance.schedule_storage
    if not (selector_ids and isinstance(storage, SqlScheduleStorage)):
        return instance.get_batch_ticks(selector_ids, limit=each)
    tick = JobTickTable.c
    of_all = sa.select(tick.id, tick.selector_id, tick.timestamp, tick.tick_body)
    newest = of_all.order_by(tick.timestamp.desc()).limit(each)
    looks = (newest.where(tick.selector_id == one).subquery() for one in selector_ids)
    rows = storage.execute(sa.union_all(*map(sa.select, looks)).order_by(sa.desc("timestamp")))
    found: dict[str, list[InstigatorTick]] = {}
    for tick_id, selector_id, _, body in rows:
        data = dg.deserialize_value(body, TickData)
        found.setdefault(selector_id, []).append(InstigatorTick(tick_id, data))
    return found
