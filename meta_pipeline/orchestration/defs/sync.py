"""The assets that are filled account by account: structure first, numbers downstream.

A run may hold several accounts (a run costs 6-7 CPU-seconds before it does anything). Each is
synced, recorded and materialized on its own, at once, so that a crash or a failing neighbour takes
nothing back; the step fails at its end when an account's data is not in.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from meta_pipeline.orchestration.configuration import (
    ALL_THAT_ARE_DUE,
    AS_THE_SETTINGS_SAY,
    Accounts,
    Freshness,
    InsightsDays,
)
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.outcome import StepOutcome, sentence
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS, account_tags
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.record_metadata import (
    Account,
    materialization_metadata,
    record_metadata,
)
from meta_pipeline.orchestration.runs.batches import (
    MAX_ACCOUNTS_PER_RUN,
    accounts_in,
    note_failed,
    passed_on,
)
from meta_pipeline.orchestration.runs.pool import POOL
from meta_pipeline.orchestration.runs.requested import note_for
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.orchestration.tables import (
    AD_ACCOUNTS_KEY,
    DELIVERY,
    STRUCTURE,
    AccountTable,
    account_specs,
)
from meta_pipeline.printable import markdown_lines
from meta_pipeline.redaction import redact
from meta_pipeline.sync import Part, Status, SyncRequest, SyncRun

HERE = here()

REASON_TAG = "reason"
logger = logging.getLogger("meta_pipeline.progress")

Event = dg.AssetMaterialization | dg.AssetObservation | dg.Output[None]


@dataclass(frozen=True)
class Step:
    """What one step of a run asks of the sync."""

    name: str
    tables: Sequence[AccountTable]
    accounts: Sequence[str] = ()
    begin_within: timedelta | None = None
    """After so long no further account of a batch begins; None: all of them do."""
    freshness: Freshness = AS_THE_SETTINGS_SAY
    """How old data may be and still not be read again."""
    days: InsightsDays = ALL_THAT_ARE_DUE
    breakdowns: tuple[tuple[str, ...], ...] = ()
    """Tables of breakdowns, each as Meta's names of its dimensions."""
    after_structure: bool = False
    """Whether an account is left out whose structure failed in this run."""
    is_extra: bool = False
    """Whether it may wait: one that is throttled fails no run."""

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset(table.part for table in self.tables)

    @property
    def keys(self) -> list[dg.AssetKey]:
        return [table.key for table in self.tables]


@dg.multi_asset(
    name=HERE.named("entities"),
    specs=account_specs(STRUCTURE, group="entities", deps=[AD_ACCOUNTS_KEY]),
    can_subset=True,
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
    pool=POOL,
)
@asking
def entities(
    context: dg.AssetExecutionContext,
    session: dg.ResourceParam[SyncSession],
    accounts: dg.ResourceParam[Accounts],
    freshness: dg.ResourceParam[Freshness],
) -> Iterator[Event]:
    """Campaigns, ad sets and ads of the accounts, read in parallel."""
    step = Step(
        "structure",
        selected_of(context, STRUCTURE),
        accounts_in(context, accounts),
        accounts.begin_within,
        freshness,
    )
    yield from _run(context, session, step)


@dg.multi_asset(
    name=HERE.named("insights"),
    specs=account_specs(DELIVERY, group="insights", deps=[table.key for table in STRUCTURE]),
    can_subset=True,
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
    pool=POOL,
)
@asking
def insights(
    context: dg.AssetExecutionContext,
    session: dg.ResourceParam[SyncSession],
    accounts: dg.ResourceParam[Accounts],
    freshness: dg.ResourceParam[Freshness],
    days: dg.ResourceParam[InsightsDays],
) -> Iterator[Event]:
    """Daily numbers of the accounts, once their structure is there."""
    step = Step(
        "numbers",
        selected_of(context, DELIVERY),
        accounts_in(context, accounts),
        accounts.begin_within,
        freshness,
        days,
        after_structure=True,
    )
    yield from _run(context, session, step)


def _run(context: dg.AssetExecutionContext, session: SyncSession, step: Step) -> Iterator[Event]:
    outcome = StepOutcome(step.parts)
    note_accounts(context, step.accounts)
    for account_id in in_time(step, session, _twice_where_refused(step, outcome)):
        if step.after_structure and account_id in session.failed:
            outcome.skipped[account_id] = (
                f"{account_id}: its {step.name} were not read because its structure failed."
            )
            note_failed(context, step.keys, account_id)
            continue
        yield from sync_one(context, session, step, account_id, outcome)
    for table in step.tables:
        yield passed_on(context, table.key)
    if tags := outcome.tags():
        context.instance.add_run_tags(context.run.run_id, tags)
    if failure := outcome.failure():
        raise failure from None  # the causes are logged above, without secrets


def in_time(step: Step, session: SyncSession, accounts: Iterable[str]) -> Iterator[str]:
    """The accounts while the step may begin another one, and the first whatever the time.

    Those left over were not asked for anything: they are due as before and come with another run.
    """
    began = session.now()
    for number, account_id in enumerate(accounts):
        if number and step.begin_within is not None and session.now() - began > step.begin_within:
            logger.info("%s: the others of %s are left to the next run", account_id, step.name)
            return
        yield account_id


def _twice_where_refused(step: Step, outcome: StepOutcome) -> Iterator[str]:
    """The accounts, and after them once more those that others were syncing meanwhile.

    By then the other sync is mostly through: its data is fresh, costs no call, and is materialized
    here too, as a backfill that several people started wants it.
    """
    yield from step.accounts
    if len(step.accounts) > 1:
        refused = [
            account_id
            for account_id, record in outcome.records.items()
            if record.status is Status.REFUSED
        ]
        yield from refused


def sync_one(
    context: dg.AssetExecutionContext,
    session: SyncSession,
    step: Step,
    account_id: str,
    outcome: StepOutcome,
) -> Iterator[Event]:
    """Sync one account, note in `outcome` how that ended, and give what Dagster is told of it."""
    try:
        session.tell = context.log.info
        session.note = note_for(session.warehouse, context.run.tags, account_id, session.now)
        record, account = session.sync(_request(context, session, step, account_id))
    except Exception as error:  # one account must not take the others with it
        outcome.errors[account_id] = error
        if not step.is_extra:
            session.failed[account_id] = type(error).__name__
        note_failed(context, step.keys, account_id)
        context.log.error("%s: %s", account_id, redact(traceback.format_exc()))
        return
    outcome.records[account_id] = record
    if record.status in (Status.FAIL, Status.THROTTLED) and not step.is_extra:
        session.failed[account_id] = sentence(record)
    if record.status is not Status.SUCCESS:
        context.log.warning(sentence(record))
    if not outcome.is_settled(record):
        note_failed(context, step.keys, account_id)
    yield from _events(session, record, account, step)


def _request(
    context: dg.AssetExecutionContext, session: SyncSession, step: Step, account_id: str
) -> SyncRequest:
    days, tags = step.days, context.run.tags
    since, until = days.first_day, days.last_day
    if days.newest_days:
        since = session.first_of_newest(days.newest_days, account_id)
    if days.preset is not None:
        since, until = session.days_of(days.preset, account_id)
    return SyncRequest(
        account_id,
        parts=step.parts,
        since=since,
        until=until,
        force=step.freshness.force,
        max_age=step.freshness.max_age,
        breakdowns=step.breakdowns,
        reports=tuple(table.report.name for table in step.tables if table.report),
        # Sensors and schedules of ours say why; of a backfill there is Dagster's own tag.
        reason=tags.get(REASON_TAG, "backfill" if "dagster/backfill" in tags else "manual"),
        dagster_run_id=context.run.run_id,
    )


def _events(session: SyncSession, record: SyncRun, account: Account, step: Step) -> Iterator[Event]:
    """What Dagster is told of each asset: materialized, or only looked at."""
    why = sentence(record)
    for table in step.tables:
        if record.is_in(table.part):
            yield dg.AssetMaterialization(
                table.key,
                description=markdown_lines(why) if record.status is Status.PARTIAL else None,
                partition=account.account_id,
                metadata=materialization_metadata(
                    record, account, table, session.rows_stored(table, account.account_id)
                ),
            )
        else:
            yield dg.AssetObservation(
                table.key,
                description=markdown_lines(why),
                partition=account.account_id,
                metadata=record_metadata(record, account),
            )


def note_accounts(context: dg.AssetExecutionContext, accounts: Sequence[str]) -> None:
    """Make a run that a person or a backfill started findable by its accounts, as others are."""
    missing = account_tags(accounts).items() - context.run.tags.items()
    if missing:
        context.instance.add_run_tags(context.run.run_id, dict(missing))


def selected_of(
    context: dg.AssetExecutionContext, tables: Sequence[AccountTable]
) -> tuple[AccountTable, ...]:
    """The tables whose assets this run is to bring."""
    return tuple(table for table in tables if table.key in context.selected_asset_keys)
