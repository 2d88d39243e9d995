"""What happens because it is due: the next accounts are synced. Thin: `fleet.tick` decides.

A tick asks our tables, never Meta, and writes down which accounts a limit stops. A lost tick costs
its interval; a doubled one requests the same run keys, which Dagster drops.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg

from meta_pipeline.fleet import Batch, DuePart
from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.skip_reason import skip_reason
from meta_pipeline.fleet.tick import Stopped, look, record
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS, account_tags, missing_partitions
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource, of_a_tick
from meta_pipeline.orchestration.runs.batches import tags_of_batch
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.orchestration.runs.pool import keep_slots
from meta_pipeline.orchestration.runs.run_selection import RunSelection
from meta_pipeline.orchestration.tables import AD_ACCOUNTS_KEY, DELIVERY
from meta_pipeline.printable import markdown_lines
from meta_pipeline.settings import Settings
from meta_pipeline.sync import Extras
from meta_pipeline.warehouse import CannotTell, Warehouse

from .jobs import discover_accounts, entities_only, insights_only, sync_account

HERE = here()

NEXT_STALE_ACCOUNT = "next_stale_account"
TICK_SECONDS = 30
DISCOVERY = discover_accounts.name
JOBS = {
    frozenset({DuePart.ENTITIES, DuePart.INSIGHTS}): sync_account.name,
    frozenset({DuePart.ENTITIES}): entities_only.name,
    frozenset({DuePart.INSIGHTS}): insights_only.name,
}
"""The job that reads these parts."""

# Tags are indexed with their value, and an entry of a Postgres index has 2.7 kB at most.
_WHY_CHARACTERS = 500


@dg.sensor(
    name=HERE.named(NEXT_STALE_ACCOUNT),
    jobs=[discover_accounts, sync_account, entities_only, insights_only],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=HERE.sensor_status,
    description="Syncs whoever is due, by META_ROTATION_POLICY and the governor: one account "
    "is a run of its own, many share runs of up to META_ACCOUNTS_PER_RUN, four times as many new "
    "ones while nobody else waits, and at most META_MAX_SYNCS runs are under way. Stop it and "
    "accounts are synced by hand only.",
)
@asking
def next_stale_account(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.SensorResult | dg.SkipReason:
    settings = warehouse.settings()
    with warehouse.read("sensor", of_a_tick()) as opened:
        try:
            return _tick(context, opened, settings, clock())
        except CannotTell as error:
            # The round goes on from there once the tables answer.
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)


def _tick(
    context: dg.SensorEvaluationContext,
    warehouse: Warehouse,
    settings: Settings,
    now: datetime,
) -> dg.SensorResult | dg.SkipReason:
    rotation, extras = Rotation.of(settings), Extras.of(settings)
    keep_slots(context.instance, rotation.slots)
    busy = in_flight(context.instance)
    try:
        tick = look(
            warehouse,
            now,
            rotation,
            slots=max(0, rotation.slots - busy.runs),
            cursor=context.cursor,
            requested=busy.accounts,
            settings=settings,
        )
    # A tick migrates nothing: the run of the first discovery makes the tables.
    except psycopg.errors.UndefinedTable:
        return dg.SensorResult(run_requests=[_discovery(now)])
    record(warehouse, tick, now)
    if not tick.accounts:
        return dg.SensorResult(run_requests=[_discovery(now)])
    requests: list[dg.RunRequest] = []
    for run in tick.runs:
        try:
            requests.append(run_request(run, extras, rotation.rules.begin_within))
        except Exception:  # the other accounts have their turn all the same
            context.log.exception("No run could be made for %s", ", ".join(run.account_ids))
    # Accounts that the command line synced are due whether or not they were ever listed here.
    if context.instance.get_latest_materialization_event(AD_ACCOUNTS_KEY) is None:
        requests.append(_discovery(now))
    elif since := warehouse.connections.unlisted_since():
        # Once for each choice: where the list does not come, the hourly one tries again.
        requests.append(_listing(f"{since.astimezone(UTC):%Y%m%dT%H%M%S.%f}", "accounts chosen"))
    # Accounts that the command line discovered have no partition yet.
    named = (name for run in tick.runs for name in run.account_ids)
    missing = missing_partitions(context.instance, named)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else skip_reason(tick, busy.runs, now, warehouse.accounts),
        cursor=tick.cursor,
        dynamic_partitions_requests=[AD_ACCOUNTS.build_add_request(missing)] if missing else [],
        asset_events=[_observation(each) for each in tick.stopped],
    )


def _discovery(now: datetime) -> dg.RunRequest:
    """No account is known, or they were never listed: look for some, at most once an hour."""
    return _listing(f"{now:%Y%m%dT%H}", "first start")


def _listing(key: str, reason: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"{DISCOVERY}:{key}", job_name=DISCOVERY, tags={"reason": reason})


def run_request(run: Batch, extras: Extras, begin_within: timedelta) -> dg.RunRequest:
    """What is due of a run's accounts, and their extras.

    One account is a run of its partition; several are named in the run's config, and the tags name
    one of them (`runs.batches` says why).
    """
    selection = RunSelection.of(run, extras)
    first = selection.account_id
    is_one = len(run.picks) == 1
    tags = {**run.tags, "why": run.why[:_WHY_CHARACTERS], **account_tags(run.account_ids)}
    if not is_one:
        tags |= tags_of_batch(first)
    return dg.RunRequest(
        run_key=run.run_key,
        job_name=JOBS[run.parts],
        partition_key=first if is_one else None,
        run_config=_run_config(run, [] if is_one else run.account_ids, begin_within),
        tags=tags,
        asset_selection=selection.assets,
        asset_check_keys=selection.checks,
    )


def _run_config(run: Batch, accounts: Sequence[str], begin_within: timedelta) -> dict[str, Any]:
    # All of a run are due: each is older than the shortest cadence among them.
    max_age = min(pick.max_age for pick in run.picks)
    chosen: dict[str, dict[str, object]] = {
        "freshness": {"max_age_seconds": int(max_age.total_seconds())}
    }
    if accounts:
        seconds = int(begin_within.total_seconds())
        chosen["accounts"] = {"ids": list(accounts), "begin_within_seconds": seconds}
    if run.newest_days and DuePart.INSIGHTS in run.parts:
        chosen["days"] = {"newest_days": run.newest_days}
    return run_config(**chosen)


def _observation(stopped: Stopped) -> dg.AssetObservation:
    """So that the account's partition tells why nothing new came; once for each block."""
    return dg.AssetObservation(
        DELIVERY[0].key,
        partition=stopped.account_id,
        description=markdown_lines(stopped.reason),
        metadata={
            "account": stopped.account_id,
            "status": "throttled",
            "not_before": dg.MetadataValue.timestamp(stopped.until),
            "what_to_do": "Nothing: the sensor syncs it once Meta lets us.",
        },
    )
