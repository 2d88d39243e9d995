"""Insights metrics: from counted cells to Meta's strings; a metric of zero is mostly absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from meta_pipeline.simulator.insights import actions
from meta_pipeline.simulator.insights import numbers as n
from meta_pipeline.simulator.world.money import major, offset, ratio

# (cell, people reached) -> value, or None for a key that is left out.
Metric = Callable[[n.Cell, int], Any]

_CLICK_AUDIENCE_SHARE = 4  # people who click overlap sooner than people who look

# Left out of breakdowns of long ago (FACTS §5.4).
REACH_FIELDS = frozenset({"reach", "frequency", "cpp"})


@dataclass(frozen=True)
class Setting:
    """What the reading of metrics depends on besides the cell."""

    currency: str
    audience: int
    windows: tuple[str, ...]
    action_breakdowns: tuple[str, ...]
    hourly: bool = False
    without_reach: bool = False


def is_unique(field: str) -> bool:
    """True for fields that count people who did something (FACTS §5.4)."""
    return field.startswith(("unique_", "cost_per_unique_"))


def compiled(fields: Iterable[str], setting: Setting) -> list[tuple[str, Metric]]:
    """The metrics among `fields`, as functions; dimensions and unmodelled fields are left out."""
    table = _table(setting)
    return [
        (name, table[name])
        for name in fields
        if name in table
        and not (setting.without_reach and name in REACH_FIELDS)
        and not (setting.hourly and (is_unique(name) or name.startswith("video_")))
    ]


def needs_conversions(fields: Iterable[str]) -> bool:
    """True when any of `fields` counts what happens off Meta."""
    return not _CONVERSION_FIELDS.isdisjoint(fields)


_CONVERSION_FIELDS = frozenset(
    {
        "actions", "action_values", "cost_per_action_type", "unique_actions",
        "cost_per_unique_action_type", "purchase_roas", "website_purchase_roas",
        "results", "objective_results", "cost_per_result", "cost_per_objective_result",
    }
)  # fmt: skip


def _table(setting: Setting) -> dict[str, Metric]:
    return {
        **_counts(),
        **_reached(setting),
        **_costs(setting),
        **_unique(setting),
        **_lists(setting),
        **_videos(),
    }


def _always(index: int) -> Metric:
    return lambda cell, _: str(cell.delivered[index])


def _count(index: int) -> Metric:
    return lambda cell, _: str(cell.delivered[index]) if cell.delivered[index] else None


def _counts() -> dict[str, Metric]:
    engaged = actions.count_of("post_engagement")
    return {
        "impressions": _always(n.IMPRESSIONS),
        "clicks": _always(n.CLICKS),
        "inline_link_clicks": _count(n.LINKS),
        "inline_post_engagement": lambda cell, _: str(engaged(cell)) if engaged(cell) else None,
        "ctr": _percent(n.CLICKS, keep_zero=True),
        "inline_link_click_ctr": _percent(n.LINKS),
    }


def _percent(index: int, *, keep_zero: bool = False) -> Metric:
    def read(cell: n.Cell, _: int) -> str | None:
        count = cell.delivered[index]
        if not cell.delivered[0]:
            return None
        return ratio(count * 100, cell.delivered[0]) if count or keep_zero else None

    return read


def _reached(setting: Setting) -> dict[str, Metric]:
    if setting.hourly:
        return {"reach": lambda *_: "0", "frequency": lambda *_: "0"}
    unit = offset(setting.currency)
    return {
        "reach": lambda _, reached: str(reached),
        "frequency": lambda cell, reached: ratio(cell.delivered[0], reached) if reached else "0",
        "cpp": lambda cell, reached: (
            ratio(cell.delivered[n.SPEND] * 1000 / unit, reached) if reached else None
        ),
    }


def _costs(setting: Setting) -> dict[str, Metric]:
    currency = setting.currency
    unit = offset(currency)
    engaged = actions.count_of("post_engagement")

    def per(index: int, thousand: int = 1) -> Metric:
        def read(cell: n.Cell, _: int) -> str | None:
            count = cell.delivered[index]
            return ratio(cell.delivered[n.SPEND] * thousand / unit, count) if count else None

        return read

    def per_engagement(cell: n.Cell, _: int) -> str | None:
        count = engaged(cell)
        return ratio(cell.delivered[n.SPEND] / unit, count) if count else None

    return {
        "spend": lambda cell, _: major(cell.delivered[n.SPEND], currency),
        "cpm": per(n.IMPRESSIONS, 1000),
        "cpc": per(n.CLICKS),
        "cost_per_inline_link_click": per(n.LINKS),
        "cost_per_inline_post_engagement": per_engagement,
        "cost_per_outbound_click": _one("outbound_click", per(n.OUTBOUND)),
    }


def _one(action_type: str, read: Metric) -> Metric:
    def listed(cell: n.Cell, reached: int) -> list[dict[str, str]] | None:
        value = read(cell, reached)
        return [{"action_type": action_type, "value": value}] if value is not None else None

    return listed


def people(count: int, audience: int) -> int:
    """How many different people `count` clicks came from; never more than people reached."""
    return n.reach(count, max(1, audience // _CLICK_AUDIENCE_SHARE))


def _unique(setting: Setting) -> dict[str, Metric]:
    unit, audience = offset(setting.currency), setting.audience

    def unique(index: int) -> Metric:
        def read(cell: n.Cell, _: int) -> str | None:
            found = people(cell.delivered[index], audience)
            return str(found) if found else None

        return read

    def rate(index: int) -> Metric:
        def read(cell: n.Cell, reached: int) -> str | None:
            found = people(cell.delivered[index], audience)
            return ratio(found * 100, reached) if found and reached else None

        return read

    def cost(index: int) -> Metric:
        def read(cell: n.Cell, _: int) -> str | None:
            found = people(cell.delivered[index], audience)
            return ratio(cell.delivered[n.SPEND] / unit, found) if found else None

        return read

    return {
        "unique_clicks": unique(n.CLICKS),
        "unique_ctr": rate(n.CLICKS),
        "cost_per_unique_click": cost(n.CLICKS),
        "unique_inline_link_clicks": unique(n.LINKS),
        "unique_inline_link_click_ctr": rate(n.LINKS),
        "unique_link_clicks_ctr": rate(n.LINKS),
        "cost_per_unique_inline_link_click": cost(n.LINKS),
        "unique_outbound_clicks": _one("outbound_click", unique(n.OUTBOUND)),
        "unique_outbound_clicks_ctr": _one("outbound_click", rate(n.OUTBOUND)),
        "cost_per_unique_outbound_click": _one("outbound_click", cost(n.OUTBOUND)),
    }


def _lists(setting: Setting) -> dict[str, Metric]:
    unit = offset(setting.currency)
    shown = actions.actions_list(setting.windows, setting.action_breakdowns)
    valued = actions.values_list(setting.windows, setting.action_breakdowns, setting.currency)
    costs = actions.costs_list(unit)
    clickers = max(1, setting.audience // _CLICK_AUDIENCE_SHARE)
    unique = actions.unique_list(clickers)
    unique_costs = actions.costs_list(unit, clickers)
    return {
        "actions": lambda cell, _: shown(cell),
        "action_values": lambda cell, _: (
            None if cell.converted is n.NO_CONVERSIONS else valued(cell)
        ),
        "cost_per_action_type": lambda cell, _: costs(cell),
        "unique_actions": lambda cell, _: unique(cell),
        "cost_per_unique_action_type": lambda cell, _: unique_costs(cell),
        "outbound_clicks": _one("outbound_click", _count(n.OUTBOUND)),
        "outbound_clicks_ctr": _one("outbound_click", _percent(n.OUTBOUND)),
        "website_ctr": _one("link_click", _percent(n.LINKS)),
        "purchase_roas": _one("omni_purchase", _return("omni_purchase")),
        "website_purchase_roas": _one(
            "offsite_conversion.fb_pixel_purchase", _return("offsite_conversion.fb_pixel_purchase")
        ),
    }


def _return(action_type: str) -> Metric:
    revenue = actions.revenue_of(action_type)

    def read(cell: n.Cell, _: int) -> str | None:
        spend, earned = cell.delivered[n.SPEND], revenue(cell)
        return ratio(earned, spend) if spend and earned else None

    return read


_WATCHED = {
    "video_play_actions": n.VIDEOS,
    "video_p25_watched_actions": n.QUARTER_WATCHED,
    "video_p50_watched_actions": n.HALF_WATCHED,
    "video_p75_watched_actions": n.MOST_WATCHED,
    "video_p100_watched_actions": n.ALL_WATCHED,
    "video_thruplay_watched_actions": n.HALF_WATCHED,
    "video_30_sec_watched_actions": n.MOST_WATCHED,
}


def _videos() -> dict[str, Metric]:
    return {name: _one("video_view", _count(index)) for name, index in _WATCHED.items()}
