"""The assets made of insights: daily metrics, and the proof that the ad rows add up.

Both look for themselves what is behind, so a run after any sync, or after none, brings them up to
the insights that are stored. An account that cannot be computed is named at the end of the step and
takes nothing from the others.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import time
from collections.abc import Iterator

import dagster as dg

from meta_pipeline import metrics
from meta_pipeline.metrics.unreconciled import unreconciled_days
from meta_pipeline.orchestration.configuration import Accounts
from meta_pipeline.orchestration.metric_metadata import (
    DAILY_METRICS,
    RECONCILES,
    RECONCILIATION,
    ROLLUPS,
    daily_key,
    daily_relation,
    reconciled,
    rolled_up,
    verdict,
)
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.orchestration.runs.batches import MAX_ACCOUNTS_PER_RUN, passed_on
from meta_pipeline.orchestration.runs.each_account import Event, each_account, raise_failed
from meta_pipeline.orchestration.tables import INSIGHTS_KEY, table_spec
from meta_pipeline.warehouse import Connection, Warehouse, schema

HERE = here()

_DOCS = "https://developers.facebook.com/docs/marketing-api/insights"
_SUMMARIES = {
    "campaign": "Daily metrics by campaign: conversions as the metric dictionary counts them.",
    "adset": "Daily metrics by ad set: conversions as the metric dictionary counts them.",
    "ad": "Daily metrics by ad: conversions as the metric dictionary counts them.",
}

# Campaigns are counted: ads without an ad set are one row a day there, whatever their campaigns.
_ROWS_ON_RECORD = {
    "ad": "SELECT coalesce(sum(ad_rows), 0) FROM meta_ads.metric_rollups AS f",
    "adset": """
        SELECT coalesce(sum(upper(one) - lower(one)), 0)
        FROM meta_ads.adset_goal_days AS f CROSS JOIN unnest(f.days) AS one
    """,
}

# Dagster marks as stale what was materialized under another version of the definitions.
_VERSION = metrics.read_dictionary().version()


@dg.multi_asset(
    name=HERE.named("rollups"),
    specs=[
        table_spec(
            daily_key(level),
            daily_relation(level),
            group="metrics",
            deps=[INSIGHTS_KEY],
            summary=_SUMMARIES[level],
            docs=_DOCS,
        ).replace_attributes(code_version=_VERSION, kinds={"postgres"})
        for level in ROLLUPS
    ],
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
)
@asking
def rollups(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    accounts: dg.ResourceParam[Accounts],
) -> Iterator[Event]:
    """Recompute the days whose insights were read again or whose definitions changed."""
    failed: dict[str, str] = {}
    yield from each_account(context, warehouse, accounts, "metrics", _roll_up, failed)
    yield from (passed_on(context, key) for key in DAILY_METRICS)
    raise_failed(failed, "rolled up")


@dg.multi_asset(
    name=HERE.named("reconciliation"),
    specs=[
        table_spec(
            RECONCILIATION,
            schema.reconciliations,
            group="metrics",
            deps=[INSIGHTS_KEY],
            summary="Proof that the numbers are right: what the ad rows of a day add up to, beside "
            "what Meta says of the account as a whole.",
            docs=_DOCS,
        ).replace_attributes(kinds={"postgres"})
    ],
    check_specs=[
        dg.AssetCheckSpec(
            RECONCILES,
            asset=RECONCILIATION,
            description="The days the last run compared add up, whichever accounts they "
            "were of; check `reconciliation` says it of every account.",
        )
    ],
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
)
@asking
def reconciliation(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    accounts: dg.ResourceParam[Accounts],
) -> Iterator[Event]:
    """Compare the ad rows of the days read since the last comparison with the account row."""
    differing: list[metrics.Reconciliation] = []
    failed: dict[str, str] = {}

    def compare(opened: Warehouse, account_id: str) -> Iterator[dg.AssetMaterialization]:
        with opened.connection() as connection:
            wanted = unreconciled_days(connection, account_id)
            # Asked once from the first to the last, whatever lies between and agrees already.
            compared = (
                metrics.reconcile(connection, account_id, wanted[0], wanted[-1]) if wanted else []
            )
        days = [day for day in compared if day.date_start in wanted]
        differing.extend(day for day in days if not day.is_ok)
        yield reconciled(account_id, days)

    yield from each_account(context, warehouse, accounts, "metrics", compare, failed)
    yield verdict(differing)
    yield passed_on(context, RECONCILIATION)
    raise_failed(failed, "reconciled")


def _roll_up(opened: Warehouse, account_id: str) -> Iterator[dg.AssetMaterialization]:
    with opened.connection() as connection:
        started = time.perf_counter()
        done = metrics.rollup(connection, account_id)
        seconds = time.perf_counter() - started
        for level in ROLLUPS:
            yield rolled_up(done, level, _rows(connection, level, account_id), seconds)


def _rows(connection: Connection, level: str, account_id: str) -> int:
    """Rows the table holds of the account; counting them is slow where they are on record."""
    query = _ROWS_ON_RECORD.get(level, f"SELECT count(*) FROM {ROLLUPS[level].fullname} AS f")
    row = connection.execute(f"{query} WHERE f.account_id = %s", (account_id,)).fetchone()
    return int(row[0]) if row else 0
