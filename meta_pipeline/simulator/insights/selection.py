"""Which entities and ads an insights query is about: node, level, filters, default statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from meta_pipeline.simulator.insights.comparisons import COMPARISONS
from meta_pipeline.simulator.insights.errors import InvalidParameterError, WrongLevelError
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN

LEVELS = {"account": -1, "campaign": CAMPAIGN, "adset": ADSET, "ad": AD}
# Read from the tree: no entity needs to be built for it.
_TIMES = {"created_time": "created", "updated_time": "updated"}


class FilterElement(NamedTuple):
    """One element of `filtering`: a field, an operator, a value."""

    field: str
    operator: str
    value: Any

    def holds(self, actual: Any) -> bool:
        """True when `actual` passes; numbers are compared as numbers when the value is one."""
        try:
            if isinstance(self.value, int | float) and isinstance(actual, str):
                actual = float(actual)
            return COMPARISONS[self.operator](actual, self.value)
        except (TypeError, ValueError, IndexError):
            return False


@dataclass(frozen=True, slots=True)
class Group:
    """One row entity and the ads that count for it; index -1 is the account."""

    index: int
    ads: Sequence[int]


def conditions(filtering: Iterable[Any]) -> list[FilterElement]:
    """`filtering` read from mappings or (field, operator, value) triples."""
    read = []
    for element in filtering:
        named = isinstance(element, Mapping)
        parts = [element.get(k) for k in ("field", "operator", "value")] if named else element
        field, operator, value = parts
        if operator not in COMPARISONS:
            raise InvalidParameterError(f"filtering does not know the operator {operator}")
        read.append(FilterElement(str(field), str(operator), value))
    return read


def entity_level(field: str) -> int | None:
    """The level a prefixed filter field is about; None for an unprefixed one."""
    head, dot, _ = field.partition(".")
    return LEVELS.get(head) if dot and head in {"campaign", "adset", "ad"} else None


def groups(
    world: World,
    node: tuple[int, int, int],
    level_name: str,
    filtering: Sequence[FilterElement],
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
    keep = _ad_filter(world, ordinal, filtering)
    if keep is not None:
        ads = [ad for ad in ads if keep(ad)]
    if level < 0:
        return [Group(-1, ads)]
    grouped = _grouped(world, ordinal, level, ads)
    asks_status = any(
        entity_level(c.field) == level and c.field.endswith(".effective_status") for c in filtering
    )
    if level == node_level or asks_status:
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


def _ad_filter(
    world: World, ordinal: int, filtering: Sequence[FilterElement]
) -> Callable[[int], bool] | None:
    """A test of ads for all conditions on entities; None without any."""

    def check(level: int, condition: FilterElement) -> Callable[[int], bool]:
        read = _reader(world, ordinal, level, condition.field.partition(".")[2])
        known: dict[int, bool] = {}  # a campaign is the same one for all of its ads

        def holds(index: int) -> bool:
            if index not in known:
                known[index] = condition.holds(read(index))
            return known[index]

        return holds

    checks = [
        (level, check(level, condition))
        for condition in filtering
        if (level := entity_level(condition.field)) is not None
    ]
    if not checks:
        return None
    levels = world.trees[ordinal].levels

    def keep(ad: int) -> bool:
        place = {AD: ad, ADSET: (adset := levels[AD].parent[ad])}
        place[CAMPAIGN] = levels[ADSET].parent[adset]
        return all(holds(place[level]) for level, holds in checks)

    return keep


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
