"""Edits over virtual time: what an advertiser does, and what of it Meta's fields show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meta_pipeline.simulator.world import activities
from meta_pipeline.simulator.world.statuses import ACTIVE, ARCHIVED, CLEAR, DELETED, STATUSES
from meta_pipeline.simulator.world.tree import AD, CAMPAIGN

if TYPE_CHECKING:
    from meta_pipeline.simulator.world.entities import Entity
    from meta_pipeline.simulator.world.world import World


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()

Logged = tuple[int, int, int, tuple[str, dict[str, Any]]]


class EditRefusedError(Exception):
    """Meta would refuse this edit; `code` and `subcode` are what it would answer (FACTS §8)."""

    code = 100

    def __init__(self, message: str, *, subcode: int) -> None:
        super().__init__(message)
        self.subcode = subcode


@dataclass
class Overlay:
    """What edits laid over the generated world."""

    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    edited_at: dict[tuple[int, int, int], int] = field(default_factory=dict)
    log: dict[int, list[Logged]] = field(default_factory=dict)
    gone: frozenset[tuple[int, int, int]] = frozenset()
    kept: dict[tuple[int, int], dict[int, float]] = field(default_factory=dict)
    """Of an ad (account, ad), by day: the share of its delivery that Meta did not take back."""
    withheld: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    """Of an ad, the days whose rows are missing though the account's total has them."""

    def applied(self, object_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with this object's overrides on top, ABSENT keys taken out."""
        over = self.fields.get(object_id)
        if not over:
            return values
        return {k: v for k, v in {**values, **over}.items() if v is not ABSENT}

    def put(self, object_id: str, values: Mapping[str, Any]) -> None:
        # A new mapping each time: the server may be going through the old one.
        self.fields = {**self.fields, object_id: {**self.fields.get(object_id, {}), **values}}


def rename(world: World, object_id: str, name: str) -> None:
    ordinal, level, index = _locate(world, object_id)
    old = world.entity(ordinal, level, index).values.get("name")
    world.overlay.put(object_id, {"name": name})
    event = activities.RENAMED[level], {"old_value": old, "new_value": name, "type": "name"}
    _record(world, (ordinal, level, index), event, bump=True)


def set_status(world: World, object_id: str, status: str) -> None:
    place = ordinal, level, index = _locate(world, object_id)
    tree, new = world.trees[ordinal], STATUSES.index(status)
    own = tree.levels[level]
    old = own.status[index]
    if old == new:
        return
    _check_transition(object_id, old, new)
    own.status[index] = new
    if new == ACTIVE:
        own.review[index] = CLEAR
    tree.toggles.setdefault((level, index), []).append((world.now(), new == ACTIVE))
    _record(world, place, activities.run_status(level, STATUSES[old], status), bump=True)


def set_budget(
    world: World, object_id: str, daily_minor: int | None, lifetime_minor: int | None
) -> None:
    ordinal, level, index = _locate(world, object_id)
    _refuse_dead(object_id, world.trees[ordinal].levels[level].status[index])
    if level == AD:
        raise ValueError("an ad has no budget: set it on its ad set or campaign")
    changed = {
        key: str(value)
        for key, value in (("daily_budget", daily_minor), ("lifetime_budget", lifetime_minor))
        if value is not None
    }
    old = world.entity(ordinal, level, index).values
    extra = {"type": "budget", "old_value": {k: old.get(k) for k in changed}, "new_value": changed}
    world.overlay.put(object_id, changed)
    _record(world, (ordinal, level, index), (activities.BUDGETED[level], extra), bump=False)


def add(world: World, level: int, parent_id: str, fields: Mapping[str, Any]) -> Entity:
    ordinal, parent_level, parent = _locate(world, parent_id, least=-1)
    if parent_level != level - 1:
        raise ValueError(f"{parent_id} cannot hold that: it goes one level below its parent")
    status = STATUSES.index(fields.get("status", "ACTIVE"))
    index = world.trees[ordinal].add(level, max(parent, 0), status, world.now())
    _record(world, (ordinal, level, index), activities.created(level), bump=False)
    world.overlay.edited_at[ordinal, level, index] = world.now()
    made = world.entity(ordinal, level, index)
    if fields:
        world.overlay.put(made.id, fields)
        made = world.entity(ordinal, level, index)
    return made


def patch(world: World, object_id: str, fields: Mapping[str, Any]) -> None:
    if world.locate(object_id) is None:
        raise KeyError(f"no object {object_id} in this world")
    world.overlay.put(object_id, fields)
    world.version += 1


def vanish(world: World, object_id: str) -> None:
    world.overlay.gone = world.overlay.gone | {_locate(world, object_id, least=-1)}
    world.version += 1


def take_back(world: World, ad_id: str, days: Iterable[int], keep: float) -> None:
    if not 0 <= keep <= 1:
        raise ValueError(f"keep is a share from 0 to 1, not {keep}")
    place = _ad(world, ad_id)
    known = world.overlay.kept.get(place, {})
    world.overlay.kept = {**world.overlay.kept, place: {**known, **dict.fromkeys(days, keep)}}
    world.version += 1


def withhold(world: World, ad_id: str, days: Iterable[int]) -> None:
    place = _ad(world, ad_id)
    known = world.overlay.withheld.get(place, frozenset())
    world.overlay.withheld = {**world.overlay.withheld, place: known | frozenset(days)}
    world.version += 1


def give_back(world: World, ad_id: str) -> None:
    place = _ad(world, ad_id)
    overlay = world.overlay
    overlay.kept = {key: days for key, days in overlay.kept.items() if key != place}
    overlay.withheld = {key: days for key, days in overlay.withheld.items() if key != place}
    world.version += 1


def _ad(world: World, ad_id: str) -> tuple[int, int]:
    ordinal, level, index = _locate(world, ad_id)
    if level != AD:
        raise ValueError(f"{ad_id} is no ad: delivery is an ad's")
    return ordinal, index


def _locate(world: World, object_id: str, least: int = CAMPAIGN) -> tuple[int, int, int]:
    place = world.locate(object_id)
    if place is None or not least <= place[1] <= AD:
        raise KeyError(f"no such object to edit in this world: {object_id}")
    return place


def _check_transition(object_id: str, old: int, new: int) -> None:
    if old == ARCHIVED and new == DELETED:
        return
    _refuse_dead(object_id, old)


def _refuse_dead(object_id: str, status: int) -> None:
    if status == ARCHIVED:
        raise EditRefusedError(f"{object_id} is archived: rename or delete it", subcode=1487566)
    if status == DELETED:
        raise EditRefusedError(f"{object_id} is deleted: only its name may change", subcode=1487056)


def _record(
    world: World,
    place: tuple[int, int, int],
    event: tuple[str, dict[str, Any]],
    *,
    bump: bool,
) -> None:
    ordinal, level, index = place
    now = world.now()
    if bump:
        own = world.trees[ordinal].levels[level]
        own.updated[index] = max(now, own.updated[index])
        world.overlay.edited_at[place] = now
    world.overlay.log.setdefault(ordinal, []).append((now, level, index, event))
    world.version += 1
