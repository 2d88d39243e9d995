"""What happens because it is due: the next accounts are synced. Thin: `fleet.tick` decides.

A tick reads tables only, never Meta. A lost tick costs its interval; a doubled one requests the
same run keys, which Dagster drops.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from meta_pipeline.fleet import Batch, DuePart
from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.skip_reason import skip_reason
from meta_pipeline.fleet.tick import Stopped, Tick, look, record
from meta_pipeline.sync import Extras
from meta_pipeline.warehouse import CannotTell, Warehouse
from meta_pipeline.warehouse.connect import READER

from .accounts_asset import AD_ACCOUNTS_KEY
from .in_flight import in_flight
from .partitions import AD_ACCOUNTS, account_tags, in_order
from .pool import keep_slots
from .resources import WarehouseResource
from .run_selection import RunSelection
from .tables import DELIVERY

NEXT_STALE_ACCOUNT = "next_stale_account"
TICK_SECONDS = 30
DISCOVERY = "discover_accounts"
JOBS = {
    frozenset({DuePart.ENTITIES, DuePart.INSIGHTS}): "sync_account",
    frozenset({DuePart.ENTITIES}): "entities_only",
    frozenset({DuePart.INSIGHTS}): "insights_only",
}
"""The job that reads these parts."""

_OPS = {DuePart.ENTITIES: "entities", DuePart.INSIGHTS: "insights"}
_STEPS_OF_DAYS = frozenset({"insights", "insight_extras"})
_WHY_CHARACTERS = 500


def build_sensors(
    jobs: Iterable[UnresolvedAssetJobDefinition],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[dg.SensorDefinition]:
    """The sensor that keeps the accounts fresh; `jobs` are those it may start."""
    wanted = {DISCOVERY, *JOBS.values()}

    @dg.sensor(
        name=NEXT_STALE_ACCOUNT,
        jobs=[job for job in jobs if job.name in wanted],
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Syncs whoever is due, by META_ROTATION_POLICY and the governor: one account "
        "is a run of its own, many share runs of up to META_ACCOUNTS_PER_RUN, and at most "
        "META_MAX_SYNCS runs are under way. Stop it and accounts are synced by hand only.",
    )
    def next_stale_account(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult | dg.SkipReason:
        settings = warehouse.settings()
        url = settings.require_database_url()
        with Warehouse(
            url, application_name="meta_pipeline sensor", max_connections=1, patience=READER
        ) as opened:
            try:
                return _tick(context, opened, Rotation.of(settings), Extras.of(settings), clock())
            except CannotTell as error:
                return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)

    return [next_stale_account]


def _tick(
    context: dg.SensorEvaluationContext,
    warehouse: Warehouse,
    rotation: Rotation,
    extras: Extras,
    now: datetime,
) -> dg.SensorResult | dg.SkipReason:
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
        )
    except psycopg.errors.UndefinedTable:
        return dg.SensorResult(run_requests=[_discovery(now)])
    record(warehouse, tick, now)
    if not tick.accounts:
        return dg.SensorResult(run_requests=[_discovery(now)])
    requests = list(_requests(context, tick, extras, rotation.rules.begin_within))
    # Accounts that the command line synced are due whether or not they were ever listed here.
    if context.instance.get_latest_materialization_event(AD_ACCOUNTS_KEY) is None:
        requests.append(_discovery(now))
    reason = None if requests else skip_reason(tick, busy.runs, now, warehouse.accounts)
    return _result(context, tick, requests, reason)


def _requests(
    context: dg.SensorEvaluationContext, tick: Tick, extras: Extras, begin_within: timedelta
) -> Iterator[dg.RunRequest]:
    for run in tick.runs:
        try:
            yield run_request(run, extras, begin_within)
        except Exception:  # the other accounts have their turn all the same
            context.log.exception("No run could be made for %s", ", ".join(run.account_ids))


def _discovery(now: datetime) -> dg.RunRequest:
    """No account is known, or they were never listed: look for some, at most once an hour."""
    return dg.RunRequest(
        run_key=f"{DISCOVERY}:{now:%Y%m%dT%H}", job_name=DISCOVERY, tags={"reason": "first start"}
    )


def _result(
    context: dg.SensorEvaluationContext,
    tick: Tick,
    requests: list[dg.RunRequest],
    reason: str | None,
) -> dg.SensorResult:
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=reason,
        cursor=tick.cursor,
        dynamic_partitions_requests=_missing_partitions(context.instance, tick.runs),
        asset_events=[_observation(each) for each in tick.stopped],
    )


def run_request(run: Batch, extras: Extras, begin_within: timedelta) -> dg.RunRequest:
    """What is due of a run's accounts, and their extras.

    One account is a run of its partition; several are named in the run's config.

    Dagster has tags for one partition and for a range in the order the keys were added, none for
    any set of them. It wants a partition of every run of partitioned assets: one account's.
    """
    selection = RunSelection.of(run, extras)
    first = selection.account_id
    is_one = len(run.picks) == 1
    tags = {**run.tags, "why": run.why[:_WHY_CHARACTERS], **account_tags(run.account_ids)}
    if not is_one:
        tags |= {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: first}
    return dg.RunRequest(
        run_key=run.run_key,
        job_name=JOBS[run.parts],
        partition_key=first if is_one else None,
        run_config=_run_config(
            run, [] if is_one else run.account_ids, selection.steps, begin_within
        ),
        tags=tags,
        asset_selection=selection.assets,
        asset_check_keys=selection.checks,
    )


def _run_config(
    run: Batch, accounts: Sequence[str], extra_steps: Sequence[str], begin_within: timedelta
) -> Mapping[str, Any]:
    # All of a run are due: each is older than the shortest cadence among them.
    config: dict[str, Any] = {
        "max_age_seconds": int(min(pick.max_age for pick in run.picks).total_seconds())
    }
    if accounts:
        config["accounts"] = list(accounts)
        config["begin_within_seconds"] = int(begin_within.total_seconds())
    steps = [*(_OPS[part] for part in sorted(run.parts)), *extra_steps]
    days = {"newest_days": run.newest_days} if run.newest_days else {}
    return {
        "ops": {
            step: {"config": config | (days if step in _STEPS_OF_DAYS else {})} for step in steps
        }
    }


def _missing_partitions(
    instance: dg.DagsterInstance, runs: Sequence[Batch]
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """Accounts that the command line discovered have no partition yet."""
    if not runs:
        return []
    known = set(instance.get_dynamic_partitions(str(AD_ACCOUNTS.name)))
    missing = in_order(name for run in runs for name in run.account_ids if name not in known)
    return [AD_ACCOUNTS.build_add_request(missing)] if missing else []


def _observation(stopped: Stopped) -> dg.AssetObservation:
    """So that the account's partition tells why nothing new came; once for each block."""
    return dg.AssetObservation(
        DELIVERY[0].key,
        partition=stopped.account_id,
        description=stopped.reason,
        metadata={
            "account": stopped.account_id,
            "status": "throttled",
            "not_before": dg.MetadataValue.timestamp(stopped.until),
            "what_to_do": "Nothing: the sensor syncs it once Meta lets us.",
        },
    )
