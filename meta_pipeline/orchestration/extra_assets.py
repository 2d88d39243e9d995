"""The assets that are off until somebody wants them: creatives, the change log, hours, breakdowns.

Each costs calls of its own, so the settings say for which accounts a sync brings it. Everywhere
else a step does nothing: no call, no event. A person who materializes one of these assets, and no
plain one with it, gets it for any account. Each is a sync of its own, after the account's structure
and numbers: one that fails turns nothing red but itself, and one that the governor leaves out is
told on its partition and read by a later sync.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import is_reserved_asset_job_name

from meta_pipeline.sync import Part
from meta_pipeline.sync.plan.presets import Preset

from .account_assets import Event, Step, accounts_in, in_time, selected_of, sync_one
from .configuration import EntitiesConfig, InsightExtrasConfig, chosen, fields_of
from .metric_assets import INSIGHTS_KEY, accounts_of
from .outcome import Outcome, failure_of
from .partition_events import note_failed, passed_on
from .partitions import AD_ACCOUNTS, MAX_ACCOUNTS_PER_RUN
from .pool import POOL
from .session import SyncSession
from .tables import (
    DELIVERY,
    ENTITY_EXTRAS,
    INSIGHT_EXTRAS,
    STRUCTURE,
    AccountTable,
    account_specs,
)

EXTRA_TAG = "meta_pipeline/{part}_{{status}}"
"""Name of the run tags, such as `meta_pipeline/creatives_fail: act_1`."""

SETTINGS = {
    Part.CREATIVES: "META_CREATIVES",
    Part.ACTIVITIES: "META_ACTIVITIES",
    Part.HOURLY: "META_HOURLY",
    Part.BREAKDOWNS: "META_BREAKDOWNS and META_BREAKDOWN_ACCOUNTS",
}
_LAST = {"dagster/priority": "-1"}
"""Whatever else is ready goes first: numbers and metrics do not wait for extras."""


def build_extra_assets() -> list[dg.AssetsDefinition]:
    """The steps `entity_extras` and `insight_extras`, downstream of structure and of insights."""
    keys = {table.part: table.key for table in STRUCTURE}
    creatives, activities = ENTITY_EXTRAS
    of_entities = [
        *account_specs([creatives], group="entities", deps=[keys[Part.ADS]]),
        *account_specs([activities], group="entities", deps=list(keys.values())),
    ]
    of_insights = account_specs(INSIGHT_EXTRAS, group="insights", deps=[INSIGHTS_KEY])

    @dg.multi_asset(
        name="entity_extras",
        specs=of_entities,
        can_subset=True,
        partitions_def=AD_ACCOUNTS,
        backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
        config_schema=fields_of(EntitiesConfig),
        pool=POOL,
        op_tags=_LAST,
    )
    def entity_extras(
        context: dg.AssetExecutionContext,
        session: dg.ResourceParam[SyncSession],
    ) -> Iterator[Event]:
        """Creatives and the change log, for the accounts they are on for."""
        config = chosen(EntitiesConfig, context)
        step = Step(
            "extras",
            selected_of(context, ENTITY_EXTRAS),
            is_extra=True,
            accounts=_accounts(context, config),
            force=config.force,
            max_age=config.max_age,
            begin_within=config.begin_within,
        )
        yield from _run(context, session, step)

    @dg.multi_asset(
        name="insight_extras",
        specs=of_insights,
        can_subset=True,
        partitions_def=AD_ACCOUNTS,
        backfill_policy=dg.BackfillPolicy.multi_run(MAX_ACCOUNTS_PER_RUN),
        config_schema=fields_of(InsightExtrasConfig),
        pool=POOL,
        op_tags=_LAST,
    )
    def insight_extras(
        context: dg.AssetExecutionContext,
        session: dg.ResourceParam[SyncSession],
    ) -> Iterator[Event]:
        """Hourly numbers and breakdowns, for the accounts they are on for."""
        config = chosen(InsightExtrasConfig, context)
        step = Step(
            "extras",
            selected_of(context, INSIGHT_EXTRAS),
            is_extra=True,
            accounts=_accounts(context, config),
            preset=Preset(config.preset) if config.preset else None,
            since=config.first_day,
            until=config.last_day,
            force=config.force,
            max_age=config.max_age,
            newest_days=config.newest_days,
            begin_within=config.begin_within,
            breakdowns=config.breakdown_tables,
        )
        yield from _run(context, session, step)

    return [entity_extras, insight_extras]


def _accounts(context: dg.AssetExecutionContext, config: EntitiesConfig) -> Sequence[str]:
    """Those of the step's own config, else those the run syncs."""
    partitions = accounts_in(context, config)
    return partitions if config.accounts else accounts_of(context)


def _run(context: dg.AssetExecutionContext, session: SyncSession, step: Step) -> Iterator[Event]:
    """Each extra is a sync of its own, so that none fails for another."""
    outcomes: dict[str, Outcome] = {}
    for table in step.tables:
        outcome = Outcome(frozenset({table.part}), can_wait=True)
        outcomes[str(table.part)] = outcome
        yield from _each(context, session, replace(step, tables=[table]), table, outcome)
    for table in step.tables:
        yield passed_on(context, table.key)
    _tag(context, outcomes)
    if failure := failure_of(outcomes):
        raise failure from None  # the causes are logged above, without secrets


def _each(
    context: dg.AssetExecutionContext,
    session: SyncSession,
    step: Step,
    table: AccountTable,
    outcome: Outcome,
) -> Iterator[Event]:
    is_asked_for = _is_asked_for(context)
    for account_id in in_time(step, session, step.accounts):
        if not is_asked_for and table.part not in session.extras.on(account_id):
            yield from _off(context, table, account_id)
        elif account_id in session.failed:
            # Said by the step that failed; only the partition must not look fresh.
            note_failed(context, [table.key], account_id)
        elif table.part is Part.BREAKDOWNS and not (step.breakdowns or session.extras.breakdowns):
            outcome.skipped[account_id] = (
                f"{account_id}: which breakdowns? Name them in META_BREAKDOWNS, or in the "
                "launchpad: breakdowns: ['age,gender']."
            )
            note_failed(context, [table.key], account_id)
        else:
            yield from sync_one(context, session, step, account_id, outcome)


def _is_asked_for(context: dg.AssetExecutionContext) -> bool:
    """Whether a person chose extras and nothing plain: *Materialize all* is no wish for extras."""
    plain = {table.key for table in (*STRUCTURE, *DELIVERY)}
    return _is_by_hand(context) and not plain & (context.run.asset_selection or set())


def _is_by_hand(context: dg.AssetExecutionContext) -> bool:
    """Whether assets are materialized without a job of ours."""
    return is_reserved_asset_job_name(context.job_name)


def _off(
    context: dg.AssetExecutionContext, table: AccountTable, account_id: str
) -> Iterator[dg.AssetObservation]:
    """Nothing at all, unless a person chose the asset and would wonder."""
    if _is_by_hand(context):
        yield dg.AssetObservation(
            table.key,
            partition=account_id,
            description=f"Off for {account_id} by {SETTINGS[table.part]}, and not read together "
            "with plain assets. To read it once, materialize this asset by itself.",
        )


def _tag(context: dg.AssetExecutionContext, outcomes: dict[str, Outcome]) -> None:
    tags: dict[str, str] = {}
    for part, outcome in outcomes.items():
        tags |= outcome.tags(EXTRA_TAG.format(part=part))
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)
