"""The fields of an insights row that describe its entity: ids, names, settings."""

from __future__ import annotations

from typing import Any

from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN

# Field -> (level it is read from, field of the entity there).
_READ = {
    "campaign_id": (CAMPAIGN, "id"),
    "campaign_name": (CAMPAIGN, "name"),
    "objective": (CAMPAIGN, "objective"),
    "buying_type": (CAMPAIGN, "buying_type"),
    "adset_id": (ADSET, "id"),
    "adset_name": (ADSET, "name"),
    "optimization_goal": (ADSET, "optimization_goal"),
    "adset_start": (ADSET, "start_time"),
    "adset_end": (ADSET, "end_time"),
    "ad_id": (AD, "id"),
    "ad_name": (AD, "name"),
}
# Only ads are ranked, against others that compete for the same people.
_RANKINGS = ("quality_ranking", "engagement_rate_ranking", "conversion_rate_ranking")
_RANKS = ("UNKNOWN", "AVERAGE", "ABOVE_AVERAGE", "BELOW_AVERAGE_35")
_OWN_TIMES = ("created_time", "updated_time")


class Dimensions:
    """Reads the entity fields that a query asks for, each entity once."""

    def __init__(self, world: World, ordinal: int, level: int, fields: tuple[str, ...]) -> None:
        self._world, self._ordinal, self._level = world, ordinal, level
        account = {
            "account_id": account_number(ordinal),
            "account_name": world.specs[ordinal].name,
            "account_currency": world.specs[ordinal].currency,
        }
        self._fixed = {name: account[name] for name in fields if name in account}
        self._read = [
            (name, *_READ[name]) for name in fields if name in _READ and _READ[name][0] <= level
        ]
        self._times = [name for name in fields if name in _OWN_TIMES and level >= 0]
        self._rankings = [name for name in fields if name in _RANKINGS and level == AD]
        self._attribution = "attribution_setting" in fields and level >= ADSET

    def of(self, index: int) -> dict[str, Any]:
        """The asked fields of one row's entity; absent values are absent keys."""
        shown = dict(self._fixed)
        if self._read or self._times:
            shown |= self._entity_fields(index)
        if self._attribution:
            # That of every ad set here; campaigns would mix several.
            shown["attribution_setting"] = "7d_click_1d_view"
        if self._rankings:
            draws = draw(self._world.key, b"rank", self._ordinal, index)
            for place, name in enumerate(self._rankings):
                shown[name] = _RANKS[draws[place] % len(_RANKS)]
        return shown

    def _entity_fields(self, index: int) -> dict[str, Any]:
        tree = self._world.trees[self._ordinal]
        places = {self._level: index, **dict(tree.ancestors(self._level, index))}
        needed = {level for _, level, _ in self._read} | ({self._level} if self._times else set())
        values = {
            level: self._world.entity(self._ordinal, level, places[level]).values
            for level in needed
        }
        shown = {
            name: values[level][key] for name, level, key in self._read if key in values[level]
        }
        for name in self._times:
            # Insights give these as dates in the account's zone.
            shown[name] = str(values[self._level][name])[:10]
        return shown
