"""One look at the fleet: whose turn it is by rotation, and who may go by the governor.

Everything is read from the tables, nothing is asked of Meta. Knows no Dagster.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from meta_pipeline.governor import Meters, Needs, decide
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT, APP
from meta_pipeline.rotation import Batch, Choice, DuePart, Pick, SyncState, next_runs
from meta_pipeline.sync import ENTITIES, Part
from meta_pipeline.warehouse import RunRow, Warehouse
from meta_pipeline.warehouse.rotation_states import rotation_states

from .next_accounts import sync_states
from .rotation import Rotation

ROUNDS = 3
"""Looks within one tick: accounts that may not be called give their place to the next ones."""

_BLOCKS = uuid.UUID("6f0f5a2e-8e0c-4b53-9d0e-2b8b3f6c9b11")
_USE_CASES = {DuePart.ENTITIES: ADS_MANAGEMENT, DuePart.INSIGHTS: ADS_INSIGHTS}
_PARTS = {DuePart.ENTITIES: ENTITIES, DuePart.INSIGHTS: frozenset({Part.INSIGHTS})}


@dataclass(frozen=True, slots=True)
class Stopped:
    """An account whose turn it is and which may not be called before `until`; why, in words."""

    pick: Pick
    until: datetime
    reason: str
    usage: Mapping[str, Any]

    @property
    def account_id(self) -> str:
        return self.pick.account_id

    def row(self, now: datetime) -> RunRow:
        """Its `sync_runs` row: the same one however often the same block is found."""
        block = uuid.uuid5(_BLOCKS, f"{self.account_id}:{self.until.isoformat()}")
        return RunRow(
            sync_run_id=block.hex,
            account_id=self.account_id,
            scope=",".join(sorted(parts_of(self.pick.parts))),
            started_at=now,
            finished_at=now,
            status="throttled",
            reason=self.pick.reason,
            meta_call_count_total=0,
            weighted_cost_total=0,
            meta_usage_end_snapshot=dict(self.usage),
            error_summary=self.reason,
            not_before=self.until,
            host=socket.gethostname(),
        )


@dataclass(frozen=True, slots=True)
class Turns:
    """What one look came to: the runs to request, who was stopped, and all others in `choice`."""

    runs: tuple[Batch, ...]
    stopped: tuple[Stopped, ...]
    choice: Choice
    cursor: str | None
    accounts: int


def take_turns(
    warehouse: Warehouse,
    now: datetime,
    rotation: Rotation,
    *,
    slots: int,
    cursor: str | None = None,
    requested: Collection[str] = (),
) -> Turns:
    """Choose for `slots` free runs, ask the governor, and record whom it stops.

    `requested` are accounts whose run is queued or under way. Done twice, it finds the same.
    """
    with warehouse.connection() as connection:
        rows = rotation_states(
            connection,
            now,
            dataset=rotation.dataset,
            backfill_days=rotation.settings.backfill_days,
            newest_days=rotation.settings.newest_days,
            currency=rotation.currency,
        )
    states = {state.account_id: state for state in sync_states(rows, requested)}
    turns = _rounds(_Look(warehouse, now, rotation), states, slots, cursor)
    for each in turns.stopped:
        warehouse.runs.close(each.row(now))
    return turns


def parts_of(due: Iterable[DuePart]) -> frozenset[Part]:
    """What a sync is asked for when these are due."""
    return frozenset(part for each in due for part in _PARTS[each])


def _rounds(look: _Look, states: dict[str, SyncState], slots: int, cursor: str | None) -> Turns:
    stopped: dict[str, Stopped] = {}
    for _ in range(ROUNDS):
        found = next_runs(
            states.values(),
            look.now,
            look.rotation.policy,
            look.rotation.settings,
            cursor=cursor,
            slots=slots,
        )
        newly = look.stopped([pick for run in found.runs for pick in run.picks])
        stopped |= newly
        states |= {
            account_id: replace(states[account_id], not_before=each.until)
            for account_id, each in newly.items()
        }
        if not newly:
            break
    runs = tuple(run for each in found.runs if (run := _without(each, stopped)) is not None)
    return Turns(runs, tuple(stopped.values()), found.choice, found.cursor, len(states))


@dataclass(frozen=True, slots=True)
class _Look:
    """The governor's side of a look."""

    warehouse: Warehouse
    now: datetime
    rotation: Rotation

    def stopped(self, picks: Collection[Pick]) -> dict[str, Stopped]:
        if not picks:
            return {}
        meters = Meters(self.rotation.thresholds)
        meters.observe(self.warehouse.usage.current([APP, *(pick.account_id for pick in picks)]))
        judged = (self._judged(pick, meters) for pick in picks)
        return {each.account_id: each for each in judged if each is not None}

    def _judged(self, pick: Pick, meters: Meters) -> Stopped | None:
        needs = Needs(frozenset(_USE_CASES[part] for part in pick.parts))
        decision = decide(account_id=pick.account_id, meters=meters, now=self.now, needs=needs)
        if decision.may_call or decision.until is None:
            return None
        usage = meters.snapshot(self.now, pick.account_id)
        return Stopped(pick, decision.until, decision.reason, usage)


def _without(run: Batch, stopped: Collection[str]) -> Batch | None:
    picks = tuple(pick for pick in run.picks if pick.account_id not in stopped)
    return Batch(picks) if picks else None
