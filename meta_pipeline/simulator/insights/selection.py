"""Which entities and ads an insights query is about: node, level, filters, default statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from meta_pipeline.simulator.insights.comparisons import COMPARISONS
from meta_pipeline.simulator.insights.errors import InvalidParameterError, WrongLevelError
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN

if TYPE_CHECKING:
    from meta_pipeline.simulator.world.world import World

LEVELS = {"account": -1, "campaign": CAMPAIGN, "adset": ADSET, "ad": AD}
_TIMES = {"created_time": "created", "updated_time": "updated"}


class Condition(NamedTuple):
    """One element of `filtering`: a field, an operator, a value."""

    field: str
    operator: str
    value: Any

    def holds(self, found: Any) -> bool:
        """True when `found` passes; numbers are compared as numbers when the value is one."""
        try:
            if isinstance(self.value, int | float) and isinstance(found, str):
                found = float(found)
            return COMPARISONS[self.operator](found, self.value)
        except (TypeError, ValueError, IndexError):
            return False


@dataclass(frozen=True, slots=True)
class Group:
    """One row entity and the ads that count for it; index -1 is the account."""

    index: int
    ads: Sequence[int]


def conditions(filtering: Iterable[Any]) -> list[Condition]:
    """`filtering` read from mappings or (field, operator, value) triples."""
    found = []
    for element in filtering:
        named = isinstance(element, Mapping)
        parts = [element.get(k) for k in ("field", "operator", "value")] if named else element
        field, operator, value = parts
        if operator not in COMPARISONS:
            raise InvalidParameterError(f"filtering does not know the operator {operator}")
        found.append(Condition(str(field), str(operator), value))
    return found


def entity_level(field: str) -> int | None:
    """The level a prefixed filter field is about; None for an unprefixed one."""
    head, dot, _ = field.partition(".")
    return LEVELS.get(head) if dot and head in {"campaign", "adset", "ad"} else None


def groups(
    world: World, node: tuple[int, int, int], level_name: str, found: Sequence[Condition]
) -> list[Group]:
    """The rows' entities, newest first, each with the ads that add up to it.

    Rows of deleted entities are left out unless their effective_status is filtered for or the
    node itself is asked; totals keep their deleted children (FACTS §4.5).
    """
    ordinal, node_level, node_index = node
    level = LEVELS[level_name]
    if level < node_level:
        raise WrongLevelError(f"level={level_name} lies above the object that was asked")
    ads = world.below(ordinal, node_level, node_index, AD)
    keep = _ad_filter(world, ordinal, found)
    if keep is not None:
        ads = [ad for ad in ads if keep(ad)]
    if level < 0:
        return [Group(-1, ads)]
    grouped = _grouped(world, ordinal, level, ads)
    if level == node_level or _asks_status(found, level):
        return grouped
    effective = world.effective_status
    return [g for g in grouped if effective(ordinal, level, g.index) != "DELETED"]


def _grouped(world: World, ordinal: int, level: int, ads: Sequence[int]) -> list[Group]:
    if level == AD:
        return [Group(ad, (ad,)) for ad in reversed(ads)]
    levels = world.trees[ordinal].levels
    members: dict[int, list[int]] = {}
    for ad in ads:
        index = levels[AD].parent[ad]
        if level == CAMPAIGN:
            index = levels[ADSET].parent[index]
        members.setdefault(index, []).append(ad)
    return [Group(index, members[index]) for index in sorted(members, reverse=True)]


def _asks_status(found: Sequence[Condition], level: int) -> bool:
    return any(
        entity_level(c.field) == level and c.field.endswith(".effective_status") for c in found
    )


def _ad_filter(
    world: World, ordinal: int, found: Sequence[Condition]
) -> Callable[[int], bool] | None:
    checks = [
        (level, _checker(world, ordinal, level, condition))
        for condition in found
        if (level := entity_level(condition.field)) is not None
    ]
    if not checks:
        return None
    levels = world.trees[ordinal].levels

    def keep(ad: int) -> bool:
        place = {AD: ad, ADSET: (adset := levels[AD].parent[ad])}
        place[CAMPAIGN] = levels[ADSET].parent[adset]
        return all(check(place[level]) for level, check in checks)

    return keep


def _checker(world: World, ordinal: int, level: int, condition: Condition) -> Callable[[int], bool]:
    read = _reader(world, ordinal, level, condition.field.partition(".")[2])
    known: dict[int, bool] = {}

    def check(index: int) -> bool:
        if index not in known:
            known[index] = condition.holds(read(index))
        return known[index]

    return check


def _reader(world: World, ordinal: int, level: int, field: str) -> Callable[[int], Any]:
    if field == "effective_status":
        return lambda index: world.effective_status(ordinal, level, index)
    if field in _TIMES:
        times = getattr(world.trees[ordinal].levels[level], _TIMES[field])
        return lambda index: times[index]
    if field in {"id", "name", "status", "configured_status", "objective", "optimization_goal",
                 "buying_type", "campaign_id", "adset_id"}:  # fmt: skip
        return lambda index: world.entity(ordinal, level, index).values.get(field)
    raise InvalidParameterError(f"filtering does not know the field {field} on this object")
