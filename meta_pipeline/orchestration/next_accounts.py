"""Who is synced next, from the tables to the runs to request. Knows no Dagster."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from meta_pipeline.rotation import NextRuns, Policy, RotationSettings, SyncState, next_runs
from meta_pipeline.warehouse import Connection
from meta_pipeline.warehouse.rotation_states import RotationStateRow, rotation_states


def next_accounts(
    connection: Connection,
    now: datetime,
    *,
    policy: Policy = Policy.HYBRID,
    settings: RotationSettings | None = None,
    cursor: str | None = None,
    slots: int = 3,
    requested: Collection[str] = (),
    dataset: str = "insights_ad",
    currency: str = "USD",
) -> NextRuns:
    """Choose for `slots` free runs. `requested` are accounts whose run is queued or under way.

    `dataset` and `currency` are those of `rotation_states`. One query and no call to Meta; safe
    to do twice.
    """
    settings = settings or RotationSettings()
    rows = rotation_states(
        connection,
        now,
        dataset=dataset,
        backfill_days=settings.backfill_days,
        newest_days=settings.newest_days,
        currency=currency,
    )
    return next_of(
        sync_states(rows, requested),
        now,
        policy=policy,
        settings=settings,
        cursor=cursor,
        slots=slots,
    )


def next_of(
    states: Collection[SyncState],
    now: datetime,
    *,
    policy: Policy,
    settings: RotationSettings,
    cursor: str | None,
    slots: int,
) -> NextRuns:
    """The same for states that are already there."""
    return next_runs(states, now, policy, settings, cursor=cursor, slots=slots)


def sync_states(
    rows: Iterable[RotationStateRow], requested: Collection[str] = ()
) -> list[SyncState]:
    """Rows of the warehouse as rotation knows them."""
    taken = frozenset(requested)
    return [_state(row, is_requested=row.account_id in taken) for row in rows]


def _state(row: RotationStateRow, *, is_requested: bool) -> SyncState:
    return SyncState(
        account_id=row.account_id,
        tenant=row.tenant,
        entities_synced_at=row.entities_synced_at,
        insights_synced_at=row.insights_synced_at,
        last_attempt_at=row.last_attempt_at,
        last_status=row.last_status,
        failures=row.failures,
        not_before=row.not_before,
        spend_7d=row.spend_7d,
        currency=row.currency,
        is_comparable=row.is_comparable,
        can_deliver=row.can_deliver,
        is_accessible=row.is_accessible,
        first_seen_at=row.first_seen_at,
        has_backfill_gap=row.has_backfill_gap,
        has_newest_days_only=row.has_newest_days_only,
        is_running=row.is_running,
        is_requested=is_requested,
    )
