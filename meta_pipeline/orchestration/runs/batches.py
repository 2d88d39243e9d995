"""Runs of many accounts: all by which such a run imitates the partitions that Dagster has not.

Dagster has tags for one partition and for a range in the order the keys were added, none for any
set of them. So the accounts of such a run are in its config; its tags name one of them, because it
wants a partition of every run of partitioned assets; failed accounts are planned by hand, and the
outputs of a step tell nothing of their own. What it is worth, on two cores that others wanted too
(`python -m benchmarks deployments`, docs/deploy.md):

=============================  ==============  ====================  ================
runs are executed by           accounts a run  CPU-s an account      accounts an hour
=============================  ==============  ====================  ================
a process for each run         1               4.8                   430
a process for each run         25              0.33 to 0.42          4,030 to 6,440
a warm Celery worker of 2      1               0.82                  1,760
a warm Celery worker of 2      25              0.22                  5,680
=============================  ==============  ====================  ================

One account a run would cost twelve times the processor where each run is a process (the default,
systemd, containers, Kubernetes), and four times on warm workers, which want a Redis.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from meta_pipeline.orchestration.configuration import Accounts
from meta_pipeline.orchestration.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION,
    AssetMaterializationPlannedData,
    DagsterEvent,
)

MAX_ACCOUNTS_PER_RUN = 25
"""Accounts a backfill started in the UI puts into one run; the sensor's: META_ACCOUNTS_PER_RUN."""


def tags_of_batch(account_id: str) -> Mapping[str, str]:
    """A range of one account, for a run whose config names its accounts."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: account_id,
        ASSET_PARTITION_RANGE_END_TAG: account_id,
    }


def accounts_in(context: dg.AssetExecutionContext, accounts: Accounts) -> Sequence[str]:
    """The accounts of the run: those its config names, else those of its partitions."""
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            "Which account? Choose its partition when you launch the job; for several, choose "
            "them on the page of the asset, under Materialize.",
            allow_retries=False,
        )
    return accounts.ids or list(context.partition_keys)


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
