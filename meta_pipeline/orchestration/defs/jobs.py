"""The jobs a person finds in the UI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.dagster_internals import AssetJob
from meta_pipeline.orchestration.executor import in_process
from meta_pipeline.orchestration.metric_metadata import (
    FOLLOWING_CHECKS,
    FOLLOWING_KEYS,
    RECONCILES,
    RECONCILIATION,
)
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.runs.run_selection import CHANGES
from meta_pipeline.orchestration.tables import (
    AD_ACCOUNTS_KEY,
    DELIVERY,
    ENTITY_EXTRAS,
    INSIGHT_EXTRAS,
    STRUCTURE,
    AccountTable,
)

from .lake import EXPORT_KEY
from .quality import DATA_QUALITY_KEY
from .report import REPORT_KEY

HERE = here()
# A run that hangs gives its slot of the pool back; what it did not begin comes back.
MAX_RUNTIME_SECONDS = 7200
FOLLOWING = dg.AssetSelection.assets(*FOLLOWING_KEYS).without_checks() | dg.AssetSelection.checks(
    *FOLLOWING_CHECKS
)
"""What is made of insights, in the same run; checks over all accounts have a job of their own."""


def _keys(*groups: Sequence[AccountTable]) -> dg.AssetSelection:
    keys = (table.key for group in groups for table in group)
    return dg.AssetSelection.assets(*keys).without_checks()


def _job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    config: dict[str, Any] | None = None,
) -> AssetJob:
    return dg.define_asset_job(
        HERE.named(name),
        selection=selection,
        # Said for each job: the default one belongs to whoever owns the code location.
        executor_def=in_process,
        hooks=HERE.hooks,
        description=description,
        config=config,
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
    )


discover_accounts = _job(
    "discover_accounts",
    dg.AssetSelection.assets(AD_ACCOUNTS_KEY).without_checks(),
    "Refresh the list of ad accounts; new ones become partitions.",
)
sync_account = _job(
    "sync_account",
    _keys(STRUCTURE, DELIVERY, ENTITY_EXTRAS, INSIGHT_EXTRAS) | FOLLOWING,
    "Sync an ad account: campaigns, ad sets and ads, then insights, then the extras that "
    "the settings switch on for it. Choose the partition of the account; without dates "
    "the plan reads what is missing or may have changed.",
)
entities_only = _job(
    "entities_only",
    _keys(STRUCTURE, ENTITY_EXTRAS),
    "Refresh the structure of an ad account: campaigns, ad sets and ads; creatives and "
    "the change log where they are on.",
)
insights_only = _job(
    "insights_only",
    _keys(DELIVERY, CHANGES, INSIGHT_EXTRAS) | FOLLOWING,
    "Read the insights of an ad account, of a range of days where one is given; hours, "
    "breakdowns and the change log where they are on.",
)
backfill_insights = _job(
    "backfill_insights",
    _keys(DELIVERY) | FOLLOWING,
    "Bring in a range of days of an ad account: choose its partition, and in the config a "
    "preset or since and until. Days that are there and still valid are not read again; "
    "a run that is stopped goes on where it was.",
    config=run_config(days={"preset": "last_90d"}),
)
restate = _job(
    "restate",
    _keys(DELIVERY) | FOLLOWING,
    "Read days of an ad account again, also those that are fresh: Meta restates a day for "
    "28 days. Needed when numbers should be compared with Ads Manager now.",
    config=run_config(days={"preset": "last_28d"}, freshness={"force": True}),
)
reconcile_job = _job(
    "reconcile",
    dg.AssetSelection.assets(RECONCILIATION).without_checks()
    | dg.AssetSelection.checks(dg.AssetCheckKey(RECONCILIATION, RECONCILES)),
    "Compare what the ad rows of an account's days add up to with Meta's own total. Reads "
    "the tables only; `restate` reads the days again.",
)
data_quality_job = _job(
    "data_quality",
    dg.AssetSelection.assets(DATA_QUALITY_KEY),
    "Ask the whole tables whether the data is right, every account at once, and Meta "
    "whether the token is. Every check says what to do when it fails.",
)
operations_report_job = _job(
    "operations_report",
    dg.AssetSelection.assets(REPORT_KEY),
    "Answer the operational questions from the API log and the syncs: limits, time, "
    "throttling, cost, latency, freshness. Asks Meta nothing.",
)
export_parquet = _job(
    "export_parquet",
    dg.AssetSelection.assets(EXPORT_KEY),
    "Bring the Parquet files at META_EXPORT_TO up to date: only months that changed are "
    "written. Asks Meta nothing.",
)
