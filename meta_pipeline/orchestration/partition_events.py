"""What Dagster is told of an account's partitions besides that they are materialized."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent


def note_failed(
    context: dg.AssetExecutionContext, assets: Iterable[dg.AssetKey], account_id: str
) -> None:
    """Make the account's partitions red in a run whose tags do not name it.

    Dagster calls a partition failed when it was planned by a run that failed and not materialized
    after. It plans the partitions of a run's tags; those named in the config we do.
    """
    if account_id in context.partition_keys:
        return
    for key in assets:
        planned = DagsterEvent.build_asset_materialization_planned_event(
            context.job_name,
            str(context.op_execution_context.op_handle),
            AssetMaterializationPlannedData(key, partition=account_id),
        )
        context.instance.report_dagster_event(planned, context.run.run_id, logging.DEBUG)


def passed_on(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dg.Output[None]:
    """The asset's output, which lets the steps downstream start, without an event of its own.

    Dagster would materialize every partition of the run for it, also those that failed; the
    materializations of the step say which are in. This marker is how Dagster's own source assets
    leave that out.
    """
    return dg.Output(
        None,
        output_name=context.assets_def.get_output_name_for_asset_key(key),
        metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True},
    )
