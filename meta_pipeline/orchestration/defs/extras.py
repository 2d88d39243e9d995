"""The assets that are off until somebody wants them: creatives, the change log, what Meta
recommends, custom conversions, custom audiences, images, hours, breakdowns, custom reports.

Each costs calls of its own, so the settings say for which accounts a sync brings it. Everywhere
else a step does nothing: no call, no event. A person who materializes one of these assets, and no
plain one with it, gets it for any account. Each is a sync of its own, after the account's structure
and numbers: one that fails turns nothing red but itself, and one that the governor leaves out is
told on its partition and read by a later sync.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from meta_pipeline.orchestration.configuration import Accounts, Breakdowns, Freshness, InsightsDays
from meta_pipeline.orchestration.dagster_internals import is_reserved_asset_job_name
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.outcome import StepOutcome, failure_of
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.runs.batches import (
    MAX_ACCOUNTS_PER_RUN,
    accounts_in,
    note_failed,
    passed_on,
)
from meta_pipeline.orchestration.runs.pool import POOL
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.orchestration.tables import (
    DELIVERY,
    ENTITY_EXTRAS,
    INSIGHT_EXTRAS,
    INSIGHTS_KEY,
    STRUCTURE,
    AccountTable,
    account_specs,
)
from meta_pipeline.printable import markdown_lines
from meta_pipeline.sync import Part

from .sync import Event, Step, in_time, selected_of, sync_one

HERE = here()

EXTRA_TAG = "meta_pipeline/{part}_{{status}}"
"""Name of the run tags, such as `meta_pipeline/creatives_fail: act_1`."""

SETTINGS = {
    Part.CREATIVES: "META_CREATIVES",
    Part.ACTIVITIES: "META_ACTIVITIES",
    Part.RECOMMENDATIONS: "META_RECOMMENDATIONS",
    Part.CUSTOM_CONVERSIONS: "META_CUSTOM_CONVERSIONS",
    Part.CUSTOM_AUDIENCES: "META_CUSTOM_AUDIENCES",
    Part.IMAGES: "META_IMAGES",
    Part.HOURLY: "META_HOURLY",
    Part.BREAKDOWNS: "META_BREAKDOWNS and META_BREAKDOWN_ACCOUNTS",
    Part.REPORTS: "its accounts in META_REPORTS_FILE",
}
_LAST = {"dagster/priority": "-1"}
"""Whatever else is ready goes first: numbers and metrics do not wait for extras."""


_OF = {table.part: table.key for table in STRUCTURE}
_OF_ADS = frozenset({Part.CREATIVES, Part.IMAGES})


@dg.multi_asset(
    name=HERE.named("entity_extras"),
    specs=[
        spec
        for table in ENTITY_EXTRAS
        for spec in account_specs(
            [table],
            group="entities",
            deps=[_OF[Part.ADS]] if table.part in _OF_ADS else list(_OF.values()),
        )
    ],
    can_subset=True,
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
    pool=POOL,
    op_tags=_LAST,
)
@asking
def entity_extras(
    context: dg.AssetExecutionContext,
    session: dg.ResourceParam[SyncSession],
    accounts: dg.ResourceParam[Accounts],
    freshness: dg.ResourceParam[Freshness],
) -> Iterator[Event]:
    """Creatives, change log, Meta's recommendations, custom conversions, custom audiences and
    images, for the accounts they are on for.
    """
    step = Step(
        "extras",
        selected_of(context, ENTITY_EXTRAS),
        accounts_in(context, accounts),
        accounts.begin_within,
        freshness,
        is_extra=True,
    )
    yield from _run(context, session, step)


@dg.multi_asset(
    name=HERE.named("insight_extras"),
    specs=account_specs(INSIGHT_EXTRAS, group="insights", deps=[INSIGHTS_KEY]),
    can_subset=True,
    partitions_def=AD_ACCOUNTS,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
    pool=POOL,
    op_tags=_LAST,
)
@asking
def insight_extras(
    context: dg.AssetExecutionContext,
    session: dg.ResourceParam[SyncSession],
    accounts: dg.ResourceParam[Accounts],
    freshness: dg.ResourceParam[Freshness],
    *,
    days: dg.ResourceParam[InsightsDays],
    breakdowns: dg.ResourceParam[Breakdowns],
) -> Iterator[Event]:
    """Hourly numbers, breakdowns and custom reports, for the accounts they are on for."""
    step = Step(
        "extras",
        selected_of(context, INSIGHT_EXTRAS),
        accounts_in(context, accounts),
        accounts.begin_within,
        freshness,
        days,
        breakdowns.dimensions,
        is_extra=True,
    )
    yield from _run(context, session, step)


def _run(context: dg.AssetExecutionContext, session: SyncSession, step: Step) -> Iterator[Event]:
    """Each extra is a sync of its own, so that none fails for another."""
    outcomes: dict[str, StepOutcome] = {}
    for table in step.tables:
        outcome = StepOutcome(frozenset({table.part}), can_wait=True)
        outcomes[table.name] = outcome
        yield from _each(context, session, replace(step, tables=[table]), table, outcome)
    for table in step.tables:
        yield passed_on(context, table.key)
    tags: dict[str, str] = {}
    for name, outcome in outcomes.items():
        tags |= outcome.tags(EXTRA_TAG.format(part=name))
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)
    if failure := failure_of(outcomes):
        raise failure from None  # the causes are logged above, without secrets


def _each(
    context: dg.AssetExecutionContext,
    session: SyncSession,
    step: Step,
    table: AccountTable,
    outcome: StepOutcome,
) -> Iterator[Event]:
    # *Materialize* on the page of an asset runs in a job that Dagster makes up; ours have names.
    is_by_hand = is_reserved_asset_job_name(context.job_name)
    # Whether a person chose extras and nothing plain: *Materialize all* is no wish for extras.
    plain = {one.key for one in (*STRUCTURE, *DELIVERY)}
    is_asked_for = is_by_hand and not plain & (context.run.asset_selection or set())
    for account_id in in_time(step, session, step.accounts):
        if not is_asked_for and not table.is_on(account_id, session.extras):
            if is_by_hand:  # who chose the asset would wonder
                yield dg.AssetObservation(
                    table.key,
                    partition=account_id,
                    description=markdown_lines(
                        f"Off for {account_id} by {SETTINGS[table.part]}, and not read together "
                        "with plain assets. To read it once, materialize this asset by itself."
                    ),
                )
        elif account_id in session.failed:
            # Said by the step that failed; only the partition must not look fresh.
            note_failed(context, [table.key], account_id)
        elif table.part is Part.BREAKDOWNS and not (step.breakdowns or session.extras.breakdowns):
            outcome.skipped[account_id] = (
                f"{account_id}: which breakdowns? Name them in META_BREAKDOWNS, or in the "
                "launchpad: breakdowns: {config: {tables: ['age,gender']}}."
            )
            note_failed(context, [table.key], account_id)
        else:
            yield from sync_one(context, session, step, account_id, outcome)
