"""Insights metrics: from counted cells to Meta's strings; a metric of zero is mostly absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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

# Counted from what happens off Meta, which costs more to work out than delivery.
_CONVERSION_FIELDS = frozenset(
    {
        "actions", "action_values", "cost_per_action_type", "unique_actions",
        "cost_per_unique_action_type", "purchase_roas", "website_purchase_roas",
        "results", "objective_results", "cost_per_result", "cost_per_objective_result",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """What the reading of metrics depends on besides the cell."""

    currency: str
    audience: int
    """How many people the account can reach at all."""
    windows: tuple[str, ...]
    action_breakdowns: tuple[str, ...]
    hourly: bool = False
    without_reach: bool = False

    @property
    def unit(self) -> int:
        """Minor units in one major unit of the currency."""
        return offset(self.currency)

    @property
    def clickers(self) -> int:
        """How many people ever click."""
        return max(1, self.audience // _CLICK_AUDIENCE_SHARE)


Maker = Callable[[Setting], Metric]


def is_unique(field: str) -> bool:
    """True for fields that count people who did something (FACTS §5.4)."""
    return field.startswith(("unique_", "cost_per_unique_"))


def needs_conversions(fields: Iterable[str]) -> bool:
    """True when any of `fields` counts what happens off Meta."""
    return not _CONVERSION_FIELDS.isdisjoint(fields)


def compiled(fields: Iterable[str], setting: Setting) -> list[tuple[str, Metric]]:
    """The metrics among `fields`, as functions; dimensions and unmodelled fields are left out."""
    return [
        (name, _METRICS[name](setting))
        for name in fields
        if name in _METRICS
        and not (setting.without_reach and name in REACH_FIELDS)
        and not (setting.hourly and (is_unique(name) or name.startswith("video_")))
    ]


# -- makers: each makes a metric for a setting --------------------------------------------------


def _count(index: int, *, keep_zero: bool = False) -> Maker:
    def read(cell: n.Cell, _: int) -> str | None:
        return str(cell.delivered[index]) if keep_zero or cell.delivered[index] else None

    return lambda _: read


def _percent(index: int, *, keep_zero: bool = False) -> Maker:
    """Per hundred impressions."""

    def read(cell: n.Cell, _: int) -> str | None:
        count = cell.delivered[index]
        if not cell.delivered[0]:
            return None
        return ratio(count * 100, cell.delivered[0]) if count or keep_zero else None

    return lambda _: read


def _cost(index: int, thousand: int = 1) -> Maker:
    """Spend by count."""

    def make(setting: Setting) -> Metric:
        unit = setting.unit

        def read(cell: n.Cell, _: int) -> str | None:
            count = cell.delivered[index]
            return ratio(cell.delivered[n.SPEND] * thousand / unit, count) if count else None

        return read

    return make


def _people(index: int, show: Callable[[int, n.Cell, int, int], str | None]) -> Maker:
    """What `show` makes of the people behind a count, the cell, people reached and the unit."""

    def make(setting: Setting) -> Metric:
        unit, clickers = setting.unit, setting.clickers

        def read(cell: n.Cell, reached: int) -> str | None:
            counted = n.reach(cell.delivered[index], clickers)
            return show(counted, cell, reached, unit) if counted else None

        return read

    return make


def _unique(index: int) -> Maker:
    return _people(index, lambda counted, *_: str(counted))


def _unique_rate(index: int) -> Maker:
    return _people(
        index, lambda counted, _, reached, __: ratio(counted * 100, reached) if reached else None
    )


def _unique_cost(index: int) -> Maker:
    return _people(
        index, lambda counted, cell, _, unit: ratio(cell.delivered[n.SPEND] / unit, counted)
    )


def _listed(action_type: str, value_of: Maker) -> Maker:
    """One value as a list of one action type, which is how Meta shows some of them."""

    def make(setting: Setting) -> Metric:
        read = value_of(setting)

        def listed(cell: n.Cell, reached: int) -> list[dict[str, str]] | None:
            value = read(cell, reached)
            return [{"action_type": action_type, "value": value}] if value is not None else None

        return listed

    return make


def _return(action_type: str) -> Maker:
    """Revenue by spend; both are minor units."""
    revenue = actions.revenue_of(action_type)

    def read(cell: n.Cell, _: int) -> str | None:
        spend, earned = cell.delivered[n.SPEND], revenue(cell)
        return ratio(earned, spend) if spend and earned else None

    return _listed(action_type, lambda _: read)


def _of_cell(build: Callable[[n.Cell], Any]) -> Metric:
    return lambda cell, _: build(cell)


def _reach(setting: Setting) -> Metric:
    # Hours have no people of their own: Meta answers 0 (FACTS §5.3).
    return (lambda *_: "0") if setting.hourly else (lambda _, reached: str(reached))


def _frequency(setting: Setting) -> Metric:
    if setting.hourly:
        return lambda *_: "0"
    return lambda cell, reached: ratio(cell.delivered[0], reached) if reached else "0"


def _cost_per_thousand_people(setting: Setting) -> Metric:
    if setting.hourly:
        return lambda *_: None
    unit = setting.unit
    return lambda cell, reached: (
        ratio(cell.delivered[n.SPEND] * 1000 / unit, reached) if reached else None
    )


def _engagement_cost(setting: Setting) -> Metric:
    unit = setting.unit
    return lambda cell, _: (
        ratio(cell.delivered[n.SPEND] / unit, count) if (count := _engaged(cell)) else None
    )


def _action_values(setting: Setting) -> Metric:
    build = actions.values_list(setting.windows, setting.action_breakdowns, setting.currency)
    return lambda cell, _: None if cell.converted is n.NO_CONVERSIONS else build(cell)


_engaged = actions.count_of("post_engagement")
_METRICS: Mapping[str, Maker] = {
    "impressions": _count(n.IMPRESSIONS, keep_zero=True),
    "clicks": _count(n.CLICKS, keep_zero=True),
    "inline_link_clicks": _count(n.LINKS),
    "inline_post_engagement": lambda _: (
        lambda cell, _: str(count) if (count := _engaged(cell)) else None
    ),
    "ctr": _percent(n.CLICKS, keep_zero=True),
    "inline_link_click_ctr": _percent(n.LINKS),
    "reach": _reach,
    "frequency": _frequency,
    "cpp": _cost_per_thousand_people,
    "spend": lambda setting: lambda cell, _: major(cell.delivered[n.SPEND], setting.currency),
    "cpm": _cost(n.IMPRESSIONS, 1000),
    "cpc": _cost(n.CLICKS),
    "cost_per_inline_link_click": _cost(n.LINKS),
    "cost_per_inline_post_engagement": _engagement_cost,
    "cost_per_outbound_click": _listed("outbound_click", _cost(n.OUTBOUND)),
    "unique_clicks": _unique(n.CLICKS),
    "unique_ctr": _unique_rate(n.CLICKS),
    "cost_per_unique_click": _unique_cost(n.CLICKS),
    "unique_inline_link_clicks": _unique(n.LINKS),
    "unique_inline_link_click_ctr": _unique_rate(n.LINKS),
    "unique_link_clicks_ctr": _unique_rate(n.LINKS),
    "cost_per_unique_inline_link_click": _unique_cost(n.LINKS),
    "unique_outbound_clicks": _listed("outbound_click", _unique(n.OUTBOUND)),
    "unique_outbound_clicks_ctr": _listed("outbound_click", _unique_rate(n.OUTBOUND)),
    "cost_per_unique_outbound_click": _listed("outbound_click", _unique_cost(n.OUTBOUND)),
    "actions": lambda s: _of_cell(actions.actions_list(s.windows, s.action_breakdowns)),
    "action_values": _action_values,
    "cost_per_action_type": lambda s: _of_cell(actions.costs_list(s.unit)),
    "unique_actions": lambda s: _of_cell(actions.unique_list(s.clickers)),
    "cost_per_unique_action_type": lambda s: _of_cell(actions.costs_list(s.unit, s.clickers)),
    "outbound_clicks": _listed("outbound_click", _count(n.OUTBOUND)),
    "outbound_clicks_ctr": _listed("outbound_click", _percent(n.OUTBOUND)),
    "website_ctr": _listed("link_click", _percent(n.LINKS)),
    "purchase_roas": _return("omni_purchase"),
    "website_purchase_roas": _return("offsite_conversion.fb_pixel_purchase"),
    **{
        name: _listed("video_view", _count(index))
        for name, index in {
            "video_play_actions": n.VIDEOS,
            "video_p25_watched_actions": n.QUARTER_WATCHED,
            "video_p50_watched_actions": n.HALF_WATCHED,
            "video_p75_watched_actions": n.MOST_WATCHED,
            # Nor parts finer than these: whoever sees 95 % sees the end.
            "video_p95_watched_actions": n.ALL_WATCHED,
            "video_p100_watched_actions": n.ALL_WATCHED,
            # This world has no seconds: half and three quarters stand in for them.
            "video_thruplay_watched_actions": n.HALF_WATCHED,
            "video_30_sec_watched_actions": n.MOST_WATCHED,
        }.items()
    },
}
