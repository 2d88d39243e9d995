"""One look at the fleet: whose turn it is by rotation, and who may go by the governor.

The sensor and `meta-pipeline rotation next` look alike. Everything is read from the tables, nothing
is asked of Meta.
"""

from __future__ import annotations

import socket
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from meta_pipeline.connections import Reach
from meta_pipeline.governor import stops
from meta_pipeline.model.part import ENTITIES, Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT, APP
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores.rotation_states import rotation_states

from .batch import Batch
from .candidate import DuePart
from .choice import Choice, Pick
from .next_runs import NextRuns, next_runs
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
    app: str = APP

    @property
    def account_id(self) -> str:
        return self.pick.account_id

    def row(self, now: datetime) -> SyncRun:
        """Its `sync_runs` row: the same one however often the same block is found."""
        block = uuid.uuid5(_BLOCKS, f"{self.account_id}:{self.until.isoformat()}")
        parts = {part for due in self.pick.parts for part in _PARTS[due]}
        return SyncRun(
            sync_run_id=block.hex,
            account_id=self.account_id,
            scope=",".join(sorted(parts)),
            started_at=now,
            finished_at=now,
            status=Status.THROTTLED,
            reason=self.pick.reason,
            meta_usage_end_snapshot=dict(self.usage),
            error_summary=self.reason,
            not_before=self.until,
            app_key=self.app,
            host=socket.gethostname(),
        )


@dataclass(frozen=True, slots=True)
class Tick:
    """What one look came to: the runs to request, who was stopped, and all others in `choice`.

    `cursor` is for the next look, `accounts` how many there are.
    """

    runs: tuple[Batch, ...]
    stopped: tuple[Stopped, ...]
    choice: Choice
    cursor: str | None
    accounts: int

    @property
    def skipped(self) -> dict[str, str]:
        """Why each account that is in no run is in none, as `<kind>: <sentence>`."""
        stops = {each.account_id: f"throttled: {each.reason}" for each in self.stopped}
        return dict(self.choice.skipped) | stops

    @property
    def summary(self) -> str:
        """The fleet in one line: `2 picked; 8 not due, 1 throttled`."""
        kinds = Counter(reason.partition(":")[0] for reason in self.skipped.values())
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        head = f"{sum(len(run.picks) for run in self.runs)} picked"
        return f"{head}; {others}" if others else head


def look(
    warehouse: Warehouse,
    now: datetime,
    rotation: Rotation,
    *,
    slots: int,
    cursor: str | None = None,
    requested: Collection[str] = (),
    settings: Settings | None = None,
) -> Tick:
    """Choose for `slots` free runs and ask the governor; done twice, it finds the same.

    `requested` are accounts whose run is queued or under way. With `settings`, an account that no
    connection lets us read has no turn, and each app's limits stop its own accounts only.
    """
    reach = None if settings is None else Reach.read(warehouse, settings, now, anywhere=True)
    with warehouse.connection() as connection:
        rows = rotation_states(
            connection,
            now,
            dataset=rotation.dataset,
            backfill_days=rotation.rules.backfill_days,
            newest_days=rotation.rules.newest_days,
            currency=rotation.currency,
        )
    taken = frozenset(requested)
    states = {row.account_id: replace(row, is_requested=row.account_id in taken) for row in rows}
    if reach is not None and not reach.is_plain:
        states = {
            each: replace(row, unreached=reach.why_none(each)) for each, row in states.items()
        }
    stopped: dict[str, Stopped] = {}
    for _ in range(ROUNDS):
        coming = next_runs(
            states.values(), now, rotation.policy, rotation.rules, cursor=cursor, slots=slots
        )
        newly = _stopped(warehouse, now, rotation, coming, reach)
        stopped |= newly
        for account_id, each in newly.items():
            states[account_id] = replace(states[account_id], not_before=each.until)
        if not newly:
            break
    # Those that the last round stopped have their place in vain: another look is not worth it.
    going = [[pick for pick in run.picks if pick.account_id not in stopped] for run in coming.runs]
    runs = tuple(Batch(tuple(picks)) for picks in going if picks)
    return Tick(runs, tuple(stopped.values()), coming.choice, coming.cursor, len(states))


def record(warehouse: Warehouse, tick: Tick, now: datetime) -> None:
    """Note whom the governor stopped, so that the account's history tells why nothing came."""
    for each in tick.stopped:
        warehouse.runs.close(each.row(now))


def _stopped(
    warehouse: Warehouse,
    now: datetime,
    rotation: Rotation,
    coming: NextRuns,
    reach: Reach | None,
) -> dict[str, Stopped]:
    """Those of the chosen that may not be called now, by the meters of the app each is read as."""
    picks = {pick.account_id: pick for run in coming.runs for pick in run.picks}
    apps = {each: reach.app_of(each) if reach else APP for each in picks}
    readings = warehouse.usage.current([*set(apps.values()), *apps]) if picks else []
    asked = {each: [_USE_CASES[part] for part in pick.parts] for each, pick in picks.items()}
    return {
        each: Stopped(picks[each], until, reason, meters.snapshot(now, each), meters.app)
        for each, (until, reason, meters) in stops(
            asked, apps, readings, now, rotation.thresholds
        ).items()
    }
