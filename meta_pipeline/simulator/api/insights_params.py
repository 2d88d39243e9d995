"""Parameters of an insights call read, checked and turned into a query (FACTS section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.api import errors, filters
from meta_pipeline.simulator.api.contract import Contract, Edge
from meta_pipeline.simulator.api.requests import FieldSpec, GraphRequest
from meta_pipeline.simulator.insights import InsightsQuery
from meta_pipeline.simulator.insights.breakdowns import MODELLED
from meta_pipeline.simulator.insights.retention import GONE, MONTHS_KEPT
from meta_pipeline.simulator.world.days import months_before

LEVELS = ("account", "campaign", "adset", "ad")
OWN_LEVEL = {"AdAccount": "account", "Campaign": "campaign", "AdSet": "adset", "Ad": "ad"}
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
    edge = contract.edge("AdAccount", "GET", "insights")
    assert edge is not None
    breakdowns = _breakdowns(request, contract, edge)
    names = _fields(request, contract, breakdowns)
    today = now.astimezone(ZoneInfo(zone)).date()
    return InsightsQuery(
        node_id=node_id,
        level=_level(request, contract, edge, OWN_LEVEL[node_type]),
        ranges=ranges(request, contract, edge, today),
        increment=_increment(request),
        fields=names,
        breakdowns=breakdowns,
        action_breakdowns=_action_breakdowns(request, contract, edge, names),
        windows=_enum_list(request, contract, edge, "action_attribution_windows"),
        filtering=_filtering(request, contract),
        sort=_sort(request),
    )


def _level(request: GraphRequest, contract: Contract, edge: Edge, own: str) -> str:
    level = request.text("level") or own
    allowed = contract.allowed(edge, "level") or frozenset(LEVELS)
    if level not in allowed:
        raise errors.unknown_value("level", level, sorted(allowed))
    if LEVELS.index(level) < LEVELS.index(own):
        raise errors.invalid_parameter(
            f"level {level} is above the object asked, whose level is {own}", blame="level"
        )
    return level


def _fields(
    request: GraphRequest, contract: Contract, breakdowns: Sequence[str]
) -> tuple[str, ...]:
    specs = request.fields()
    if not specs:
        return DEFAULT_FIELDS
    for spec in specs:
        _check_field(spec, contract, breakdowns)
    return tuple(dict.fromkeys(spec.name for spec in specs))


def _check_field(spec: FieldSpec, contract: Contract, breakdowns: Sequence[str]) -> None:
    if spec.sub or spec.args:
        raise errors.syntax(f"{spec.name} has no fields of its own")
    if spec.name in breakdowns or not contract.has_field("AdsInsights", spec.name):
        raise errors.unknown_insights_field(spec.name)


def _breakdowns(request: GraphRequest, contract: Contract, edge: Edge) -> tuple[str, ...]:
    asked = _enum_list(request, contract, edge, "breakdowns")
    if not asked:
        return ()
    combination = frozenset(asked)
    if combination - MODELLED - {GONE}:
        raise errors.no_capability()
    if len(combination) > 1 and combination not in _COMBINATIONS:
        raise errors.invalid_breakdowns(asked)
    return asked


def _action_breakdowns(
    request: GraphRequest, contract: Contract, edge: Edge, names: Sequence[str]
) -> tuple[str, ...]:
    asked = _enum_list(request, contract, edge, "action_breakdowns")
    if asked in {(), _DEFAULT_ACTION_BREAKDOWNS}:
        return asked
    kinds = contract.nodes["AdsInsights"].fields
    if not any(kinds.get(name) == _ACTION_LIST for name in names):
        raise errors.invalid_parameter(
            "Param action_breakdowns needs a field that lists actions", blame="action_breakdowns"
        )
    return asked


def _sort(request: GraphRequest) -> tuple[str, ...]:
    asked = request.words("sort")
    if len(asked) > 1:
        raise errors.invalid_parameter("Param sort takes one element", blame="sort")
    return asked


def _enum_list(request: GraphRequest, contract: Contract, edge: Edge, name: str) -> tuple[str, ...]:
    asked = request.words(name)
    allowed = contract.allowed(edge, name) or frozenset()
    for index, value in enumerate(asked):
        if value not in allowed:
            raise contract.refusal(name, f"{name}[{index}]", value, sorted(allowed))
    return asked


def _filtering(request: GraphRequest, contract: Contract) -> tuple[Any, ...]:
    gone = contract.removed_values("effective_status")
    for at, condition in enumerate(filters.conditions(request) if gone else ()):
        values = condition.value if isinstance(condition.value, list) else []
        for index, value in enumerate(values if condition.name == "effective_status" else ()):
            if value in gone:
                place = f"filtering[{at}][value][{index}]"
                raise contract.refusal("effective_status", place, value, ["ACTIVE", "PAUSED"])
    return tuple(
        (condition.field, condition.operator, condition.value)
        for condition in filters.conditions(request)
    )


def _increment(request: GraphRequest) -> int | str:
    value = request.text("time_increment")
    if value is None or request.params.get("time_ranges"):
        return "all_days"
    if value in {"all_days", "monthly"}:
        return value
    if value.isdigit() and 1 <= int(value) <= 90:
        return int(value)
    raise errors.invalid_parameter(
        "Param time_increment must be all_days, monthly or an integer from 1 to 90",
        blame="time_increment",
    )


# -- time -------------------------------------------------------------------------------------


def ranges(
    request: GraphRequest, contract: Contract, edge: Edge, today: date
) -> tuple[tuple[date, date], ...]:
    """The days asked for, in the account's zone: time_ranges, else time_range, else the preset."""
    many = request.params.get("time_ranges")
    one = request.params.get("time_range")
    if many:
        if not isinstance(many, list):
            raise errors.invalid_parameter(
                "Param time_ranges must be an array", blame="time_ranges"
            )
        found = tuple(_range(item, f"time_ranges[{i}]") for i, item in enumerate(many))
    elif one:
        found = (_range(one, "time_range"),)
    else:
        found = (_preset(request, contract, edge, today),)
    return found


def _range(value: Any, name: str) -> tuple[date, date]:
    if not isinstance(value, Mapping) or not {"since", "until"} <= value.keys():
        raise errors.invalid_parameter(f"Param {name} must have since and until", blame=name)
    since, until = (_day(value[end], f"{name}[{end}]") for end in ("since", "until"))
    if since > until:
        raise errors.invalid_parameter(
            f"Param {name}: since must be before or on until", blame=name
        )
    return since, until


def _day(value: Any, name: str) -> date:
    try:
        if len(str(value)) != 10:
            raise ValueError(value)
        return date.fromisoformat(str(value))
    except ValueError:
        raise errors.invalid_parameter(
            f"Must be a date representation in the format YYYY-MM-DD: {name}", blame=name
        ) from None


def _preset(
    request: GraphRequest, contract: Contract, edge: Edge, today: date
) -> tuple[date, date]:
    name = request.text("date_preset") or "last_30d"
    allowed = contract.allowed(edge, "date_preset") or frozenset(_PRESETS)
    if name not in allowed or name not in _PRESETS:
        raise errors.unknown_value("date_preset", name, sorted(allowed))
    return _PRESETS[name](today)


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
