"""Lists of actions: overlapping action types, attribution windows, costs (FACTS §5.2).

The same purchase shows as `purchase`, `omni_purchase` and
`offsite_conversion.fb_pixel_purchase`: adding entries up counts it three times, here as at Meta.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from meta_pipeline.simulator.insights import numbers as n
from meta_pipeline.simulator.world.money import major, ratio

ActionEntry = dict[str, str]


class ActionType(NamedTuple):
    """An action type and what it counts: delivered counts and events, added up."""

    name: str
    delivered: tuple[int, ...] = ()
    events: tuple[int, ...] = ()


# An engagement is any of these; `page_engagement` has the likes of the page as well.
_ENGAGED = (n.LINKS, n.REACTIONS, n.COMMENTS, n.VIDEOS)


def _pixel(name: str, web: int) -> list[ActionType]:
    return [
        ActionType(name, events=(web,)),
        ActionType(f"omni_{name}", events=(web,)),
        ActionType(f"offsite_conversion.fb_pixel_{name}", events=(web,)),
    ]


# `purchase` and `omni_purchase` count what happens in shops as well, the pixel's type does not.
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


class _Source:
    """What one or more action types count, read out of a cell."""

    __slots__ = ("clicked", "delivered", "events", "names", "shown", "starts")

    def __init__(
        self, action: ActionType, windows: tuple[str, ...] = (), *, revenue: bool = False
    ) -> None:
        self.names = [action.name]
        self.delivered = action.delivered
        self.events = frozenset(action.events)
        self.starts = tuple(n.REVENUE[e] if revenue else e * 4 for e in action.events)
        self.shown = tuple((w, n.WINDOWS.index(w)) for w in windows if w in n.WINDOWS)
        self.clicked = tuple(w for w in windows if w in _CLICK_WINDOWS)

    def counts(self, cell: n.Cell) -> dict[str, int] | None:
        """`value` and the windows above zero; None when nothing happened.

        `value` counts 7d_click and 1d_view, whatever windows are asked for.
        """
        if self.delivered:
            delivered = cell.delivered
            value = sum([delivered[i] for i in self.delivered])
            return dict.fromkeys(("value", *self.clicked), value) if value else None
        start, *more = self.starts
        by_window = cell.converted[start : start + 4]
        for start in more:
            by_window = tuple(map(int.__add__, by_window, cell.converted[start : start + 4]))
        if not (by_window[2] or by_window[3]):
            return None
        counts = {"value": by_window[1] + by_window[3]}
        for window, place in self.shown:
            if by_window[place]:
                counts[window] = by_window[place]
        return counts if counts["value"] or len(counts) > 1 else None

    def shown_as(self, counts: dict[str, int], text: Callable[[int], str]) -> ActionEntry:
        """Counts as Meta's strings."""
        if self.delivered:
            return dict.fromkeys(counts, text(counts["value"]))
        return {window: text(count) for window, count in counts.items()}

    def concerns(self, happened: tuple[int, ...]) -> bool:
        """True when one of these events, or delivery itself, is counted here."""
        return bool(self.delivered) or not self.events.isdisjoint(happened)

    def value(self, cell: n.Cell) -> int:
        """The default-window count."""
        counts = self.counts(cell)
        return counts["value"] if counts else 0


def _sources(
    types: Iterable[ActionType], windows: tuple[str, ...] = (), *, revenue: bool = False
) -> list[_Source]:
    """Sources of action types; those that always count the same share one."""
    sources: dict[tuple[tuple[int, ...], ...], _Source] = {}
    for action in types:
        counted = action.delivered, action.events
        if counted in sources:
            sources[counted].names.append(action.name)
        else:
            sources[counted] = _Source(action, windows, revenue=revenue)
    return list(sources.values())


def own_entry(name: str, windows: tuple[str, ...], cell: n.Cell) -> ActionEntry | None:
    """The entry of a custom conversion or event: here it happens with every view of content."""
    source = _Source(ActionType(name, events=(n.VIEW_CONTENT,)), windows)
    counts = source.counts(cell)
    return {"action_type": name, **source.shown_as(counts, str)} if counts else None


def actions_list(
    windows: tuple[str, ...], action_breakdowns: tuple[str, ...]
) -> Callable[[n.Cell], list[ActionEntry] | None]:
    """A function from a cell to its `actions`; None when there are none (the key is absent)."""
    return _lister(_sources(ACTION_TYPES, windows), str, action_breakdowns)


def values_list(
    windows: tuple[str, ...], action_breakdowns: tuple[str, ...], currency: str
) -> Callable[[n.Cell], list[ActionEntry] | None]:
    """The same for `action_values`, in major units of the account's currency."""
    sources = _sources(_REVENUE_TYPES, windows, revenue=True)
    return _lister(sources, lambda minor: major(minor, currency), action_breakdowns)


def _lister(
    sources: list[_Source], text: Callable[[int], str], action_breakdowns: tuple[str, ...]
) -> Callable[[n.Cell], list[ActionEntry] | None]:
    if action_breakdowns not in {(), ("action_type",)}:
        return _split_lister(sources, text, action_breakdowns)
    # Most ads have few kinds of events: look only at the sources that can have happened.
    by_events: dict[tuple[int, ...], list[_Source]] = {}

    def build(cell: n.Cell) -> list[ActionEntry] | None:
        converted = cell.converted
        happened: tuple[int, ...] = ()
        if converted is not n.NO_CONVERSIONS:
            happened = tuple(
                [e for e in _EVENT_RANGE if converted[e * 4 + 2] or converted[e * 4 + 3]]
            )
        used = by_events.get(happened)
        if used is None:
            used = by_events[happened] = [s for s in sources if s.concerns(happened)]
        entries: list[ActionEntry] = []
        for source in used:
            counts = source.counts(cell)
            if counts:
                shown = source.shown_as(counts, text)
                for name in source.names:
                    entries.append({"action_type": name, **shown})  # noqa: PERF401 - hot
        return entries or None

    return build


def _split_lister(
    sources: list[_Source], text: Callable[[int], str], action_breakdowns: tuple[str, ...]
) -> Callable[[n.Cell], list[ActionEntry] | None]:
    """Entries told apart by all breakdowns; the pieces of an entry add up to it exactly."""

    def build(cell: n.Cell) -> list[ActionEntry] | None:
        totals: dict[tuple[str, ...], Counter[str]] = {}
        for source in sources:
            counts = source.counts(cell)
            for name in source.names if counts else ():
                for labels, piece in _pieces(name, counts or {}, action_breakdowns):
                    totals.setdefault(labels, Counter()).update(piece)
        return [
            dict(zip(action_breakdowns, labels, strict=True))
            | {window: text(count) for window, count in sums.items() if count or window == "value"}
            for labels, sums in totals.items()
            if any(sums.values())
        ] or None

    return build


_EVENT_RANGE = range(len(n.EVENTS))

# Shares of an action by where or on what it happened, in hundredths.
_SPLITS: dict[str, tuple[tuple[str, int], ...]] = {
    "action_device": (("iphone", 52), ("android_smartphone", 33), ("desktop", 15)),
    "action_destination": (("990150647367951", 70), ("website", 30)),
    "action_reaction": (("like", 80), ("love", 15), ("haha", 5)),
    "action_target_id": (("990150647367951", 100),),
    "action_video_sound": (("sound_on", 35), ("sound_off", 65)),
    "action_video_type": (("total", 100),),
}


def _pieces(
    name: str, counts: dict[str, int], action_breakdowns: tuple[str, ...]
) -> list[tuple[tuple[str, ...], dict[str, int]]]:
    """One action type's counts by the labels of every breakdown in turn."""
    pieces: list[tuple[tuple[str, ...], dict[str, int]]] = [((), counts)]
    for breakdown in action_breakdowns:
        if breakdown == "action_type":
            pieces = [((*labels, name), piece) for labels, piece in pieces]
            continue
        cut = []
        for labels, piece in pieces:
            done = 0
            for label, share in _SPLITS.get(breakdown, (("unknown", 100),)):
                # Differences of floors: whole numbers that add up to what is shared out.
                part = {
                    window: count * (done + share) // 100 - count * done // 100
                    for window, count in piece.items()
                }
                cut.append(((*labels, label), part))
                done += share
        pieces = cut
    return pieces


def count_of(name: str) -> Callable[[n.Cell], int]:
    """A function from a cell to the default-window count of one action type."""
    return _Source(_BY_NAME[name]).value


def revenue_of(name: str) -> Callable[[n.Cell], int]:
    """A function from a cell to the default-window revenue of one action type, minor units."""
    return _Source(_BY_NAME[name], revenue=True).value


def _counted(cell: n.Cell, sources: list[_Source]) -> Iterator[tuple[str, int]]:
    for source in sources:
        value = source.value(cell)
        for name in source.names if value else ():
            yield name, value


def costs_list(
    unit: int, audience: int | None = None
) -> Callable[[n.Cell], list[ActionEntry] | None]:
    """`cost_per_action_type`: spend by count, for every type that happened.

    With `audience` it is `cost_per_unique_action_type`; `unit` is minor units in a major one.
    """
    sources = _sources(ACTION_TYPES)

    def build(cell: n.Cell) -> list[ActionEntry] | None:
        spend = cell.delivered[n.SPEND] / unit
        return [
            {
                "action_type": name,
                "value": ratio(spend, n.reach(count, audience) if audience else count),
            }
            for name, count in _counted(cell, sources)
        ] or None

    return build


def unique_list(audience: int) -> Callable[[n.Cell], list[ActionEntry] | None]:
    """`unique_actions`: people who acted, fewer than actions and not additive."""
    sources = _sources(ACTION_TYPES)

    def build(cell: n.Cell) -> list[ActionEntry] | None:
        return [
            {"action_type": name, "value": str(n.reach(count, audience))}
            for name, count in _counted(cell, sources)
        ] or None

    return build


def result(name: str, cell: n.Cell, reached: int) -> dict[str, Any]:
    """`results`: the count the objective is about, with its indicator."""
    # Awareness is measured in people; every other objective counts an action.
    if name == "reach":
        indicator, value = name, reached
    else:
        indicator, value = f"actions:{name}", count_of(name)(cell)
    if not value:
        return {"indicator": indicator}
    counted = {"value": str(value), "attribution_windows": ["default"]}
    return {"indicator": indicator, "values": [counted]}
