"""What an ad set's own conversions add to a row, and what Meta leaves out of one (FACTS §5.2).

A custom conversion or custom event counts under an action type of its own. And sometimes actions
are there in the account's row and gone in those of its ads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meta_pipeline.simulator.insights import actions
from meta_pipeline.simulator.insights.numbers import Cell
from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.accounts import account_number
from meta_pipeline.simulator.world.tree import AD, ADSET

Cells = Callable[[Iterable[int]], Cell | None]
"""Ads (their indexes) to what they delivered in the row at hand."""


class Conversions:
    """The conversions of one account that edits of the world made special."""

    def __init__(self, world: World, ordinal: int, level: str) -> None:
        self._account_id = f"act_{account_number(ordinal)}"
        self._lost = () if level == "account" else tuple(world.lost_conversions)
        self._parents = world.trees[ordinal].levels[AD].parent
        # Only a patched ad set promotes something of its own.
        self._own: dict[int, str] = {}
        for object_id, fields in world.overlay.fields.items():
            position = world.locate(object_id) if "promoted_object" in fields else None
            if position is not None and position[:2] == (ordinal, ADSET):
                promoted = fields["promoted_object"]
                if not isinstance(promoted, Mapping):
                    name: str | None = None
                elif promoted.get("custom_conversion_id"):
                    name = f"offsite_conversion.custom.{promoted['custom_conversion_id']}"
                elif promoted.get("custom_event_str"):
                    name = f"offsite_conversion.fb_pixel_custom.{promoted['custom_event_str']}"
                else:
                    name = None
                if name is not None:
                    self._own[position[2]] = name

    def add(self, row: dict[str, Any], ads: Iterable[int], windows: tuple[str, ...],
            cells: Cells) -> None:  # fmt: skip
        """Put the entries of custom conversions and events of these ads into `actions`."""
        if not self._own:
            return
        by_name: dict[str, list[int]] = {}
        for ad in ads:
            name = self._own.get(self._parents[ad])
            if name is not None:
                by_name.setdefault(name, []).append(ad)
        for name, some in by_name.items():
            cell = cells(some)
            entry = actions.own_entry(name, windows, cell) if cell else None
            if entry is not None:
                row["actions"] = [*row.get("actions", ()), entry]

    def lose(self, row: dict[str, Any]) -> None:
        """Take out what Meta leaves out of this row."""
        for lost in self._lost:
            if not lost.concerns(self._account_id, row):
                continue
            for name in ("actions", "action_values"):
                kept = [one for one in row.pop(name, ()) if lost.words not in one["action_type"]]
                if kept:
                    row[name] = kept
