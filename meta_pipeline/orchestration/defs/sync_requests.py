"""What people, programs and Meta asked for: a sensor claims it, runs bring it."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from datetime import datetime, timedelta

import dagster as dg
import psycopg

from meta_pipeline.orchestration.executor import own_job
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.outcome import StepOutcome, sentence
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS, missing_partitions
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.record_metadata import record_metadata
from meta_pipeline.orchestration.resources import Clock, WarehouseResource, of_a_tick
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.orchestration.runs.pool import POOL, keep_slots
from meta_pipeline.orchestration.runs.requested import (
    CLAIM_TAG,
    NAMED_OBJECTS,
    note_for,
    run_request,
    runs_of,
)
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.orchestration.tables import ENTITY_EXTRAS, STRUCTURE
from meta_pipeline.printable import markdown_lines
from meta_pipeline.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.sync import Extras, Status
from meta_pipeline.sync.context import thresholds_from
from meta_pipeline.sync_requests import Dispatcher, named_sync
from meta_pipeline.warehouse import CannotTell, Warehouse
from meta_pipeline.webhooks import collect

from .jobs import MAX_RUNTIME_SECONDS, sync_account

HERE = here()

SYNC_REQUESTS = "sync_requests"
# Somebody may be sitting in front of it.
TICK_SECONDS = 5


@dg.op(
    name=HERE.named("read_by_id"),
    config_schema={},
    pool=POOL,
    description="Read the objects that a claim of sync_requests names, by id and nothing else.",
)
@asking
def read_by_id(context: dg.OpExecutionContext, session: dg.ResourceParam[SyncSession]) -> None:
    claim_id = context.run.tags.get(CLAIM_TAG)
    if claim_id is None:
        raise dg.Failure(
            "Nobody asked for this run: name the objects with meta-pipeline requests add "
            '"My Shop" --id ads=123, and the sensor sync_requests starts it.',
            allow_retries=False,
        )
    outcome = StepOutcome(frozenset())
    rows = session.warehouse.sync_requests.claimed(claim_id)
    for account_id in dict.fromkeys(row.account_id for row in rows):
        asked = [row for row in rows if row.account_id == account_id]
        session.tell = context.log.info
        session.note = note_for(session.warehouse, {CLAIM_TAG: claim_id}, account_id, session.now)
        request = named_sync(session.warehouse, asked, context.run_id)
        try:
            record, account = session.sync(request)
        except Exception as error:  # one account must not take the others with it
            outcome.errors[account_id] = error
            context.log.error("%s: %s", account_id, redact(str(error)))
            continue
        outcome.records[account_id] = record
        if record.status is not Status.SUCCESS:
            context.log.warning(sentence(record))
        for table in (*STRUCTURE, *ENTITY_EXTRAS):
            if ids := request.objects.get(table.part):
                context.log_event(
                    dg.AssetObservation(
                        table.key,
                        partition=account_id,
                        description=markdown_lines(f"{len(ids)} read by id. {sentence(record)}"),
                        metadata=record_metadata(record, account),
                    )
                )
    if tags := outcome.tags():
        context.instance.add_run_tags(context.run_id, tags)
    if failure := outcome.failure():
        raise failure from None


@own_job(
    NAMED_OBJECTS,
    "Read single campaigns, ad sets, ads or creatives by id, as somebody or a webhook "
    "of Meta's asked for in sync_requests. The sensor of that name starts it.",
    max_runtime_seconds=MAX_RUNTIME_SECONDS,
)
def sync_named_objects() -> None:
    read_by_id()


@dg.sensor(
    name=HERE.named(SYNC_REQUESTS),
    jobs=[sync_account, sync_named_objects],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=HERE.sensor_status,
    description="Starts what was asked for by hand, over the API or by Meta's webhooks: the rows "
    "of sync_requests. One sync serves all who asked for the same; those of a blocked account "
    "wait until Meta lets us. Stop it and requests stay pending.",
)
@asking
def sync_requests(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.SensorResult | dg.SkipReason:
    settings = warehouse.settings()
    with warehouse.read("requests", of_a_tick()) as opened:
        try:
            return _tick(context, opened, settings, clock())
        except psycopg.errors.UndefinedTable:
            return dg.SkipReason("The tables of this version are not there yet.")
        except CannotTell as error:
            return dg.SkipReason(str(error))


def _tick(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    # First what Meta told: it becomes requests that this very tick can serve.
    collect(warehouse, now, timedelta(seconds=settings.webhook_quiet_seconds))
    dispatcher = Dispatcher(warehouse, thresholds_from(settings), settings.accounts_per_run)
    running, pending, _ = warehouse.sync_requests.standing()
    if not running + pending:
        return dg.SkipReason("Nobody asked for anything.")
    keep_slots(context.instance, settings.max_syncs)
    claim_ids = warehouse.sync_requests.open_claims()
    # Before anything is taken: an account whose run has ended is free again.
    dispatcher.settle(runs_of(context.instance, claim_ids), now)
    taken = dispatcher.take(now, busy=in_flight(context.instance).accounts)
    extras = Extras.of(settings)
    wanted = (account_id for claim in taken for account_id in claim.rows)
    missing = missing_partitions(context.instance, wanted)
    return dg.SensorResult(
        run_requests=[run_request(claim, extras, sync_account.name) for claim in taken],
        skip_reason=None if taken else _waiting(warehouse),
        dynamic_partitions_requests=[AD_ACCOUNTS.build_add_request(missing)] if missing else [],
    )


def _waiting(warehouse: Warehouse) -> str:
    running, pending, why = warehouse.sync_requests.standing()
    said = f"{running} requests are being served, {pending} wait."
    return f"{said} {why}" if why else said
