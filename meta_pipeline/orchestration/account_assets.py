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
from datetime import date, timedelta

import dagster as dg

from meta_pipeline.redaction import redact
from meta_pipeline.sync import Part, Status, SyncRequest, SyncRun
from meta_pipeline.sync.plan.presets import Preset

from .configuration import EntitiesConfig, InsightsConfig, chosen, fields_of
from .outcome import Outcome, sentence
from .partition_events import note_failed, passed_on
from .partitions import AD_ACCOUNTS, MAX_ACCOUNTS_PER_RUN, account_tags
from .pool import POOL
from .record_metadata import Account, materialization_metadata, record_metadata
from .session import SyncSession
from .tables import DELIVERY, STRUCTURE, AccountTable, account_specs

REASON_TAG = "reason"
logger = logging.getLogger("meta_pipeline.progress")

Event = dg.AssetMaterialization | dg.AssetObservation | dg.Output[None]


@dataclass(frozen=True)
class Step:
    """What one step of a run asks of the sync; one of extras (`is_extra`) stops no other."""

    name: str
    tables: Sequence[AccountTable]
    after_structure: bool = False
    is_extra: bool = False
    accounts: Sequence[str] = ()
    preset: Preset | None = None
    since: date | None = None
    until: date | None = None
    force: bool = False
    max_age: timedelta | None = None
    newest_days: int = 0
    begin_within: timedelta | None = None
    breakdowns: tuple[tuple[str, ...], ...] = ()

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset(table.part for table in self.tables)

    @property
    def keys(self) -> list[dg.AssetKey]:
        return [table.key for table in self.tables]


def build_account_assets(ad_accounts: dg.AssetKey) -> list[dg.AssetsDefinition]:
    """The two steps of an account's sync: `entities`, then `insights`."""
    structure = account_specs(STRUCTURE, group="entities", deps=[ad_accounts])
    delivery = account_specs(DELIVERY, group="insights", deps=[spec.key for spec in structure])

    @dg.multi_asset(
        name="entities",
        specs=structure,
        can_subset=True,
        partitions_def=AD_ACCOUNTS,
        backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
        config_schema=fields_of(EntitiesConfig),
        pool=POOL,
    )
    def entities(
        context: dg.AssetExecutionContext,
        session: dg.ResourceParam[SyncSession],
    ) -> Iterator[Event]:
        """Campaigns, ad sets and ads of the accounts, read in parallel."""
        config = chosen(EntitiesConfig, context)
        step = Step(
            "structure",
            selected_of(context, STRUCTURE),
            accounts=accounts_in(context, config),
            force=config.force,
            max_age=config.max_age,
            begin_within=config.begin_within,
        )
        yield from _run(context, session, step)

    @dg.multi_asset(
        name="insights",
        specs=delivery,
        can_subset=True,
        partitions_def=AD_ACCOUNTS,
        backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
        config_schema=fields_of(InsightsConfig),
        pool=POOL,
    )
    def insights(
        context: dg.AssetExecutionContext,
        session: dg.ResourceParam[SyncSession],
    ) -> Iterator[Event]:
        """Daily numbers of the accounts, once their structure is there."""
        config = chosen(InsightsConfig, context)
        step = Step(
            "numbers",
            selected_of(context, DELIVERY),
            after_structure=True,
            accounts=accounts_in(context, config),
            preset=Preset(config.preset) if config.preset else None,
            since=config.first_day,
            until=config.last_day,
            force=config.force,
            max_age=config.max_age,
            newest_days=config.newest_days,
            begin_within=config.begin_within,
        )
        yield from _run(context, session, step)

    return [entities, insights]


def _run(context: dg.AssetExecutionContext, session: SyncSession, step: Step) -> Iterator[Event]:
    outcome = Outcome(step.parts)
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


def _twice_where_refused(step: Step, outcome: Outcome) -> Iterator[str]:
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
    outcome: Outcome,
) -> Iterator[Event]:
    """Sync one account, note in `outcome` how that ended, and give what Dagster is told of it."""
    try:
        session.tell = context.log.info
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
    since, until = step.since, step.until
    if step.newest_days:
        since = session.first_of_newest(step.newest_days, account_id)
    if step.preset is not None:
        since, until = session.days_of(step.preset, account_id)
    return SyncRequest(
        account_id,
        parts=step.parts,
        since=since,
        until=until,
        force=step.force,
        max_age=step.max_age,
        breakdowns=step.breakdowns,
        reason=context.run.tags.get(REASON_TAG, _default_reason(context)),
        dagster_run_id=context.run.run_id,
    )


def _default_reason(context: dg.AssetExecutionContext) -> str:
    return "backfill" if "dagster/backfill" in context.run.tags else "manual"


def _events(session: SyncSession, record: SyncRun, account: Account, step: Step) -> Iterator[Event]:
    """What Dagster is told of each asset: materialized, or only looked at."""
    for table in step.tables:
        if record.is_in(table.part):
            yield dg.AssetMaterialization(
                table.key,
                description=sentence(record) if record.status is Status.PARTIAL else None,
                partition=account.account_id,
                metadata=materialization_metadata(
                    record, account, table, session.rows_stored(table, account.account_id)
                ),
            )
        else:
            yield dg.AssetObservation(
                table.key,
                description=sentence(record),
                partition=account.account_id,
                metadata=record_metadata(record, account),
            )


def accounts_in(context: dg.AssetExecutionContext, config: EntitiesConfig) -> Sequence[str]:
    """The accounts of the run: those named in its config, else those of its partitions."""
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            "Which account? Choose its partition when you launch the job; for several, choose "
            "them on the page of the asset, under Materialize.",
            allow_retries=False,
        )
    return config.accounts or list(context.partition_keys)


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
