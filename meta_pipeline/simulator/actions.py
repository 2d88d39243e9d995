"""Lists of actions: overlapping action types, attribution windows, costs (FACTS §5.2).

The same purchase shows as `purchase`, `omni_purchase` and
`offsite_conversion.fb_pixel_purchase`: adding entries up counts it three times, here as at Meta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from meta_pipeline.simulator import numbers as n
from meta_pipeline.simulator.money import major, ratio

Entry = dict[str, str]


class ActionType(NamedTuple):
    """An action type and what it counts: delivered counts and events, added up."""

    name: str
    delivered: tuple[int, ...] = ()
    events: tuple[int, ...] = ()


_ENGAGED = (n.LINKS, n.REACTIONS, n.COMMENTS, n.VIDEOS)


def _pixel(name: str, web: int) -> list[ActionType]:
    return [
        ActionType(name, events=(web,)),
        ActionType(f"omni_{name}", events=(web,)),
        ActionType(f"offsite_conversion.fb_pixel_{name}", events=(web,)),
    ]


_PURCHASES = (n.PURCHASE_WEB, n.PURCHASE_OFFLINE)
_REGISTRATIONS = (n.REGISTRATION_WEB, n.REGISTRATION_APP)

ACTION_TYPES = (
    ActionType("page_engagement", (*_ENGAGED, n.LIKES)),
    ActionType("post_engagement", _ENGAGED),
    ActionType("link_click", (n.LINKS,)),
    ActionType("landing_page_view", (n.LANDINGS,)),
    ActionType("omni_landing_page_view", (n.LANDINGS,)),
    ActionType("post_reaction", (n.REACTIONS,)),
    ActionType("comment", (n.COMMENTS,)),
    ActionType("like", (n.LIKES,)),
    ActionType("video_view", (n.VIDEOS,)),
    *_pixel("view_content", n.VIEW_CONTENT),
    *_pixel("add_to_cart", n.ADD_TO_CART),
    *_pixel("initiate_checkout", n.CHECKOUT),
    ActionType("purchase", events=_PURCHASES),
    ActionType("omni_purchase", events=_PURCHASES),
    ActionType("offsite_conversion.fb_pixel_purchase", events=(n.PURCHASE_WEB,)),
    ActionType("offline_conversion.purchase", events=(n.PURCHASE_OFFLINE,)),
    ActionType("complete_registration", events=_REGISTRATIONS),
    ActionType("omni_complete_registration", events=_REGISTRATIONS),
    ActionType("offsite_conversion.fb_pixel_complete_registration", events=(n.REGISTRATION_WEB,)),
    ActionType("app_custom_event.fb_mobile_complete_registration", events=(n.REGISTRATION_APP,)),
    ActionType("lead", events=(n.LEAD_WEB, n.LEAD_FORM)),
    ActionType("offsite_conversion.fb_pixel_lead", events=(n.LEAD_WEB,)),
    ActionType("onsite_conversion.lead_grouped", events=(n.LEAD_FORM,)),
)
_BY_NAME = {action.name: action for action in ACTION_TYPES}
_REVENUE_TYPES = tuple(a for a in ACTION_TYPES if a.events and set(a.events) <= set(n.REVENUE))

# The action type that a campaign with this objective calls its result.
RESULT_OF = {
    "OUTCOME_SALES": "offsite_conversion.fb_pixel_purchase",
    "CONVERSIONS": "offsite_conversion.fb_pixel_purchase",
    "OUTCOME_LEADS": "lead",
    "OUTCOME_TRAFFIC": "link_click",
    "OUTCOME_ENGAGEMENT": "post_engagement",
    "OUTCOME_AWARENESS": "reach",
}

_CLICK_WINDOWS = n.WINDOWS[:3]
_DEFAULT = (1, 3)  # 7d_click and 1d_view: what `value` counts


class _Reader:
    """Reads one action type's window counts out of a cell."""

    def __init__(self, action: ActionType, windows: tuple[str, ...], *, revenue: bool) -> None:
        starts = [n.REVENUE[e] if revenue else e * 4 for e in action.events]
        self.name, self.delivered = action.name, action.delivered
        self.value = tuple(s + w for s in starts for w in _DEFAULT)
        self.shown = tuple(
            (name, tuple(s + n.WINDOWS.index(name) for s in starts))
            for name in windows
            if name in n.WINDOWS
        )
        self.clicked = tuple(w for w in windows if w in _CLICK_WINDOWS)

    def counts(self, cell: n.Cell) -> tuple[int, list[tuple[str, int]]]:
        """(value, [(window, count above zero)])."""
        if self.delivered:
            value = sum([cell.delivered[i] for i in self.delivered])
            return value, [(w, value) for w in self.clicked] if value else []
        converted = cell.converted
        value = sum([converted[i] for i in self.value])
        shown = [(w, sum([converted[i] for i in at])) for w, at in self.shown]
        return value, [pair for pair in shown if pair[1]]


def actions_list(
    windows: tuple[str, ...], action_breakdowns: tuple[str, ...]
) -> Callable[[n.Cell], list[Entry] | None]:
    """A function from a cell to its `actions`; None when there are none (the key is absent)."""
    readers = [_Reader(action, windows, revenue=False) for action in ACTION_TYPES]
    return _lister(readers, str, action_breakdowns)


def values_list(
    windows: tuple[str, ...], action_breakdowns: tuple[str, ...], currency: str
) -> Callable[[n.Cell], list[Entry] | None]:
    """The same for `action_values`, in major units of the account's currency."""
    readers = [_Reader(action, windows, revenue=True) for action in _REVENUE_TYPES]
    return _lister(readers, lambda minor: major(minor, currency), action_breakdowns)


def _lister(
    readers: list[_Reader], text: Callable[[int], str], action_breakdowns: tuple[str, ...]
) -> Callable[[n.Cell], list[Entry] | None]:
    early = [r for r in readers if r.delivered]
    late = [r for r in readers if not r.delivered]
    plain = action_breakdowns in {(), ("action_type",)}

    def build(cell: n.Cell) -> list[Entry] | None:
        used = readers if any(cell.converted) else early
        entries = []
        for reader in used:
            value, windows = reader.counts(cell)
            if value or windows:
                entry = {"action_type": reader.name, "value": text(value)}
                for window, count in windows:
                    entry[window] = text(count)
                entries.append(entry)
        return entries or None

    def build_split(cell: n.Cell) -> list[Entry] | None:
        found: list[Entry] = []
        for reader in (*early, *late):
            found += _split(reader, cell, text, action_breakdowns)
        return _merged(found, action_breakdowns, text) or None

    return build if plain else build_split


# Shares of an action by where or on what it happened, in hundredths.
_SPLITS: dict[str, tuple[tuple[str, int], ...]] = {
    "action_device": (("iphone", 52), ("android_smartphone", 33), ("desktop", 15)),
    "action_destination": (("990150647367951", 70), ("website", 30)),
    "action_reaction": (("like", 80), ("love", 15), ("haha", 5)),
    "action_target_id": (("990150647367951", 100),),
    "action_video_sound": (("sound_on", 35), ("sound_off", 65)),
    "action_video_type": (("total", 100),),
}


def _split(
    reader: _Reader,
    cell: n.Cell,
    text: Callable[[int], str],
    action_breakdowns: tuple[str, ...],
) -> list[Entry]:
    value, windows = reader.counts(cell)
    if not value and not windows:
        return []
    parts: list[tuple[dict[str, str], list[tuple[str, int]]]] = [
        ({"action_type": reader.name}, [("value", value), *windows])
    ]
    for name in action_breakdowns:
        if name != "action_type":
            parts = [piece for labels, counts in parts for piece in _pieces(name, labels, counts)]
    return [
        {**labels, **{w: str(count) for w, count in counts if count or w == "value"}}
        for labels, counts in parts
        if any(count for _, count in counts)
    ]


def _pieces(
    name: str, labels: dict[str, str], counts: list[tuple[str, int]]
) -> list[tuple[dict[str, str], list[tuple[str, int]]]]:
    found, done = [], 0
    for label, share in _SPLITS.get(name, (("unknown", 100),)):
        cut = [(w, c * (done + share) // 100 - c * done // 100) for w, c in counts]
        found.append(({**labels, name: label}, cut))
        done += share
    return found


def _merged(
    entries: list[Entry], action_breakdowns: tuple[str, ...], text: Callable[[int], str]
) -> list[Entry]:
    """Entries added up over whatever is not asked to be told apart, counts as text."""
    totals: dict[tuple[str, ...], dict[str, int]] = {}
    for entry in entries:
        group = tuple(entry.get(name, "") for name in action_breakdowns)
        sums = totals.setdefault(group, {})
        for window, count in entry.items():
            if not window.startswith("action_"):
                sums[window] = sums.get(window, 0) + int(count)
    return [
        dict(zip(action_breakdowns, group, strict=True))
        | {window: text(count) for window, count in sums.items()}
        for group, sums in totals.items()
    ]


def count_of(name: str) -> Callable[[n.Cell], int]:
    """A function from a cell to the default-window count of one action type."""
    reader = _Reader(_BY_NAME[name], (), revenue=False)
    return lambda cell: reader.counts(cell)[0]


def revenue_of(name: str) -> Callable[[n.Cell], int]:
    """A function from a cell to the default-window revenue of one action type, minor units."""
    reader = _Reader(_BY_NAME[name], (), revenue=True)
    return lambda cell: reader.counts(cell)[0]


def costs_list(offset: int) -> Callable[[n.Cell], list[Entry] | None]:
    """`cost_per_action_type`: spend by count, for every type that happened."""
    readers = [_Reader(action, (), revenue=False) for action in ACTION_TYPES]

    def build(cell: n.Cell) -> list[Entry] | None:
        spend = cell.delivered[n.SPEND] / offset
        counts = [(r.name, r.counts(cell)[0]) for r in readers]
        return [
            {"action_type": name, "value": ratio(spend, count)} for name, count in counts if count
        ] or None

    return build


def unique_list(audience: int) -> Callable[[n.Cell], list[Entry] | None]:
    """`unique_actions`: people who acted, fewer than actions and not additive."""
    readers = [_Reader(action, (), revenue=False) for action in ACTION_TYPES]

    def build(cell: n.Cell) -> list[Entry] | None:
        counts = [(r.name, r.counts(cell)[0]) for r in readers]
        return [
            {"action_type": name, "value": str(n.reach(count, audience))}
            for name, count in counts
            if count
        ] or None

    return build


def result(name: str, cell: n.Cell, reached: int) -> list[dict[str, Any]]:
    """`results`: the count the objective is about, with its indicator."""
    value = reached if name == "reach" else count_of(name)(cell)
    indicator = name if name == "reach" else f"actions:{name}"
    if not value:
        return [{"indicator": indicator}]
    windows = ["default"]
    return [
        {
            "indicator": indicator,
            "values": [{"value": str(value), "attribution_windows": windows}],
        }
    ]
