"""Parameters of an insights call read, checked and turned into a query (FACTS section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.api import errors, filters
from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.insights import InsightsQuery
from meta_pipeline.simulator.insights.breakdowns import MODELLED
from meta_pipeline.simulator.insights.retention import GONE, MONTHS_KEPT
from meta_pipeline.simulator.world.days import months_before

LEVELS = ("account", "campaign", "adset", "ad")
# What the edge of each node is about where the call names no level.
OWN_LEVEL = {"AdAccount": "account", "Campaign": "campaign", "AdSet": "adset", "Ad": "ad"}
# What a call that names no fields is answered with, beside its days.
DEFAULT_FIELDS = ("account_id", "impressions", "spend")
_DEFAULT_ACTION_BREAKDOWNS = ("action_type",)
_ACTION_LIST = "list<AdsActionStats>"

# Breakdowns that go together (FACTS section 5.3).
_COMBINATIONS = frozenset(
    map(
        frozenset,
        (
            ("age", "gender"),
            ("publisher_platform", "impression_device"),
            ("publisher_platform", "platform_position"),
            ("publisher_platform", "platform_position", "impression_device"),
            ("publisher_platform", "device_platform"),
            ("publisher_platform", "platform_position", "device_platform"),
        ),
    )
)


def build(
    request: GraphRequest,
    *,
    contract: Contract,
    node_type: str,
    node_id: str,
    zone: str,
    now: datetime,
) -> InsightsQuery:
    """The query behind a GET or POST on an insights edge; every slip is Meta's error."""
    params = InsightsParams(request, contract)
    breakdowns = params.breakdowns()
    names = params.fields(breakdowns)
    return InsightsQuery(
        node_id=node_id,
        level=params.level(OWN_LEVEL[node_type]),
        ranges=params.ranges(now.astimezone(ZoneInfo(zone)).date()),
        increment=params.increment(),
        fields=names,
        breakdowns=breakdowns,
        action_breakdowns=params.action_breakdowns(names),
        windows=params.enum_list("action_attribution_windows"),
        filtering=params.filtering(),
        sort=params.sort(),
    )


class InsightsParams:
    """The parameters of one insights call, read and checked against the contract one by one."""

    def __init__(self, request: GraphRequest, contract: Contract) -> None:
        self.request, self.contract = request, contract
        # Every insights edge takes the same parameters as an account's.
        edge = contract.edge("AdAccount", "GET", "insights")
        assert edge is not None
        self.edge = edge

    def level(self, own: str) -> str:
        """What a row is about; not above the object asked, whose level is `own`."""
        level = self.request.text("level") or own
        allowed = self.contract.allowed(self.edge, "level") or frozenset(LEVELS)
        if level not in allowed:
            raise errors.unknown_value("level", level, sorted(allowed))
        if LEVELS.index(level) < LEVELS.index(own):
            raise errors.invalid_parameter(
                f"level {level} is above the object asked, whose level is {own}", blame="level"
            )
        return level

    def fields(self, breakdowns: Sequence[str]) -> tuple[str, ...]:
        """Names, each once; a breakdown is no field."""
        specs = self.request.fields()
        for spec in specs:
            if spec.sub or spec.args:
                raise errors.syntax(f"{spec.name} has no fields of its own")
            if spec.name in breakdowns or not self.contract.has_field("AdsInsights", spec.name):
                raise errors.unknown_insights_field(spec.name)
        return tuple(dict.fromkeys(spec.name for spec in specs)) if specs else DEFAULT_FIELDS

    def breakdowns(self) -> tuple[str, ...]:
        """Breakdowns that go together and that this world has data for."""
        asked = self.enum_list("breakdowns")
        combination = frozenset(asked)
        if combination - MODELLED - {GONE}:
            raise errors.no_capability()
        if len(combination) > 1 and combination not in _COMBINATIONS:
            raise errors.invalid_breakdowns(asked)
        return asked

    def action_breakdowns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Other than the default they need a field that lists actions."""
        asked = self.enum_list("action_breakdowns")
        kinds = self.contract.nodes["AdsInsights"].fields
        lists_actions = any(kinds.get(name) == _ACTION_LIST for name in names)
        if asked not in {(), _DEFAULT_ACTION_BREAKDOWNS} and not lists_actions:
            raise errors.invalid_parameter(
                "Param action_breakdowns needs a field that lists actions",
                blame="action_breakdowns",
            )
        return asked

    def sort(self) -> tuple[str, ...]:
        """One element or none."""
        asked = self.request.words("sort")
        if len(asked) > 1:
            raise errors.invalid_parameter("Param sort takes one element", blame="sort")
        return asked

    def enum_list(self, name: str) -> tuple[str, ...]:
        """A list of values that the contract knows."""
        asked = self.request.words(name)
        allowed = self.contract.allowed(self.edge, name) or frozenset()
        for index, value in enumerate(asked):
            if value not in allowed:
                raise self.contract.refusal(name, f"{name}[{index}]", value, sorted(allowed))
        return asked

    def filtering(self) -> tuple[Any, ...]:
        """(field, operator, value) triples."""
        conditions = filters.conditions(self.request)
        gone = self.contract.removed_values("effective_status")
        for at, condition in enumerate(conditions):
            if condition.name != "effective_status" or not isinstance(condition.value, list):
                continue
            for index, value in enumerate(condition.value):
                if value in gone:
                    place = f"filtering[{at}][value][{index}]"
                    shown = ["ACTIVE", "PAUSED"]
                    raise self.contract.refusal("effective_status", place, value, shown)
        return tuple((one.field, one.operator, one.value) for one in conditions)

    def increment(self) -> int | str:
        """Days of a row, "monthly" or "all_days"; `time_ranges` has rows of its own."""
        value = self.request.text("time_increment")
        if value is None or self.request.params.get("time_ranges"):
            return "all_days"
        if value in {"all_days", "monthly"}:
            return value
        if value.isdigit() and 1 <= int(value) <= 90:
            return int(value)
        raise errors.invalid_parameter(
            "Param time_increment must be all_days, monthly or an integer from 1 to 90",
            blame="time_increment",
        )

    def ranges(self, today: date) -> tuple[tuple[date, date], ...]:
        """The days asked for in the account's zone: time_ranges, else time_range, else preset."""
        many = self.request.params.get("time_ranges")
        if many:
            if not isinstance(many, list):
                raise errors.invalid_parameter(
                    "Param time_ranges must be an array", blame="time_ranges"
                )
            return tuple(_range(item, f"time_ranges[{i}]") for i, item in enumerate(many))
        one = self.request.params.get("time_range")
        if one:
            return (_range(one, "time_range"),)
        name = self.request.text("date_preset") or "last_30d"
        allowed = self.contract.allowed(self.edge, "date_preset") or frozenset(_PRESETS)
        if name not in allowed or name not in _PRESETS:
            raise errors.unknown_value("date_preset", name, sorted(allowed))
        return (_PRESETS[name](today),)


def _range(value: Any, name: str) -> tuple[date, date]:
    if not isinstance(value, Mapping) or not {"since", "until"} <= value.keys():
        raise errors.invalid_parameter(f"Param {name} must have since and until", blame=name)
    days = []
    for end in ("since", "until"):
        text, place = str(value[end]), f"{name}[{end}]"
        try:
            # fromisoformat takes 20261105 and weeks as well, which Meta does not.
            if len(text) != 10:
                raise ValueError(text)
            days.append(date.fromisoformat(text))
        except ValueError:
            raise errors.invalid_parameter(
                f"Must be a date representation in the format YYYY-MM-DD: {place}", blame=place
            ) from None
    since, until = days
    if since > until:
        raise errors.invalid_parameter(
            f"Param {name}: since must be before or on until", blame=name
        )
    return since, until


# -- presets ----------------------------------------------------------------------------------


def _quarter(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def _last_days(count: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - timedelta(count), today - timedelta(1))


def _week(first_weekday: int, *, last: bool) -> Callable[[date], tuple[date, date]]:
    def span(today: date) -> tuple[date, date]:
        start = today - timedelta((today.weekday() - first_weekday) % 7)
        return (start - timedelta(7), start - timedelta(1)) if last else (start, today)

    return span


def _maximum(today: date) -> tuple[date, date]:
    return months_before(today, MONTHS_KEPT), today


def _previous(start: Callable[[date], date]) -> Callable[[date], tuple[date, date]]:
    def span(today: date) -> tuple[date, date]:
        last = start(today) - timedelta(1)
        return start(last), last

    return span


_PRESETS: Mapping[str, Callable[[date], tuple[date, date]]] = {
    "today": lambda today: (today, today),
    "yesterday": _last_days(1),
    **{f"last_{count}d": _last_days(count) for count in (3, 7, 14, 28, 30, 90)},
    "this_month": lambda today: (today.replace(day=1), today),
    "last_month": _previous(lambda day: day.replace(day=1)),
    "this_quarter": lambda today: (_quarter(today), today),
    "last_quarter": _previous(_quarter),
    "this_year": lambda today: (date(today.year, 1, 1), today),
    "last_year": _previous(lambda day: date(day.year, 1, 1)),
    "this_week_mon_today": _week(0, last=False),
    "this_week_sun_today": _week(6, last=False),
    "last_week_mon_sun": _week(0, last=True),
    "last_week_sun_sat": _week(6, last=True),
    "maximum": _maximum,
    "data_maximum": _maximum,
}
