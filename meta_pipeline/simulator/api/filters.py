"""Which objects an edge shows: `effective_status`, `filtering` and what Meta hides by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.insights.comparisons import COMPARISONS
from meta_pipeline.simulator.world.statuses import EFFECTIVE_BY_KIND, HIDDEN_BY_DEFAULT

PREFIXES = {
    "campaigns": "campaign", "adsets": "adset", "ads": "ad", "adcreatives": "adcreative",
    "customconversions": "custom_conversion", "customaudiences": "custom_audience",
    "adimages": "ad_image",
}  # fmt: skip
_PARENT_KEY = {"campaign": "campaign_id", "adset": "adset_id"}
# Whoever filters by one of them sees archived and deleted objects as well.
_STATUS_FIELDS = frozenset({"effective_status", "status", "configured_status"})

Lookup = Callable[[str], Any]
Keep = Callable[[Any], bool]


@dataclass(frozen=True)
class EdgeCondition:
    """One element of `filtering`."""

    field: str
    operator: str
    value: Any

    @property
    def prefix(self) -> str | None:
        head, dot, _ = self.field.partition(".")
        return head if dot else None

    @property
    def name(self) -> str:
        return self.field.partition(".")[2] or self.field


def conditions(request: GraphRequest) -> list[EdgeCondition]:
    """The `filtering` parameter read; anything but a list of field/operator/value is error 100."""
    raw = request.params.get("filtering")
    if raw in (None, "", []):
        return []
    if not isinstance(raw, list):
        raise errors.invalid_parameter("Param filtering must be an array", blame="filtering")
    read = []
    for index, item in enumerate(raw):
        if not isinstance(item, dict) or not {"field", "operator"} <= item.keys():
            raise errors.invalid_parameter(
                f"Param filtering[{index}] must have field, operator and value", blame="filtering"
            )
        name = str(item["operator"]).upper()
        if name not in COMPARISONS:
            raise errors.unknown_value(f"filtering[{index}][operator]", name, sorted(COMPARISONS))
        read.append(EdgeCondition(str(item["field"]), name, item.get("value")))
    return read


@dataclass(frozen=True)
class Selection:
    """What a request wants of an edge: pushed down to the world where it can, else a test."""

    statuses: frozenset[str] | None
    """effective_status values; None is any."""
    updated_after: int | None
    """Epoch second that updated_time must be later than."""
    keep: Keep | None
    """What the objects that are left must pass."""
    ignored: str | None
    """The journal's flag for a condition that Meta ignores."""


def select(
    request: GraphRequest, kind: str, known: Callable[[str], bool], get: Lookup
) -> Selection:
    """Read `effective_status` and `filtering`.

    Without any status condition ARCHIVED and DELETED are hidden. A condition without its entity
    prefix is ignored, as Meta ignores it: all rows come back (FACTS section 4.4).
    """
    statuses = frozenset(request.words("effective_status")) or None
    updated_after: int | None = None
    ignored: str | None = None
    tests: list[Keep] = []
    shows_hidden = False
    for condition in conditions(request):
        if condition.prefix is None:
            # Meta ignores a filter without a prefix and gives all rows (FACTS §4.4).
            ignored = f"ignored_filter {condition.field}"
        elif statuses is None and _is(condition, kind, "effective_status", "IN"):
            statuses = frozenset(map(str, condition.value or ()))
        elif updated_after is None and _is(condition, kind, "updated_time", "GREATER_THAN"):
            updated_after = int(_seconds(condition.value))
        else:
            own = condition.prefix == PREFIXES[kind]
            shows_hidden |= own and condition.name in _STATUS_FIELDS
            tests.append(_test(condition, kind, known, get))
    if statuses is None and not shows_hidden:
        known_statuses = EFFECTIVE_BY_KIND.get(kind)
        if known_statuses is not None:
            statuses = frozenset(known_statuses) - HIDDEN_BY_DEFAULT
        else:
            # Creatives and images have a `status` only, which the world does not select by.
            tests.append(
                lambda entity: (
                    (entity.values.get("effective_status") or entity.values.get("status"))
                    not in HIDDEN_BY_DEFAULT
                )
            )
    keep = tests[0] if len(tests) == 1 else None
    if len(tests) > 1:
        keep = lambda entity: all(test(entity) for test in tests)  # noqa: E731
    return Selection(statuses, updated_after, keep, ignored)


def _is(condition: EdgeCondition, kind: str, name: str, operation: str) -> bool:
    return (condition.prefix, condition.name, condition.operator) == (
        PREFIXES[kind],
        name,
        operation,
    )


def _test(condition: EdgeCondition, kind: str, known: Callable[[str], bool], get: Lookup) -> Keep:
    compare, wanted = COMPARISONS[condition.operator], condition.value
    convert = _seconds if condition.name.endswith("_time") else _comparable
    wanted = [convert(item) for item in wanted] if isinstance(wanted, list) else convert(wanted)
    own = condition.prefix == PREFIXES[kind]
    parent_key = _PARENT_KEY.get(condition.prefix or "")
    if not (known(condition.name) if own else parent_key):
        raise errors.invalid_parameter(
            f"Filtering field '{condition.field}' with operation "
            f"'{condition.operator.lower()}' is not supported",
            blame="filtering",
        )

    def test(entity: Any) -> bool:
        holder = entity if own else get(str(entity.values.get(parent_key)))
        value = None if holder is None else holder.values.get(condition.name)
        # An absent value is unequal to anything, and nothing else.
        if value is None:
            return condition.operator in {"NOT_EQUAL", "NOT_IN", "NONE", "NOT_CONTAIN"}
        try:
            return compare(_comparable(value), wanted)
        except TypeError:
            return compare(str(value), str(wanted))

    return test


def _seconds(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    text = str(value)
    try:
        return float(text) if text.lstrip("-").isdigit() else epoch(text)
    except ValueError:
        raise errors.invalid_parameter(
            f"Param filtering: {text!r} is not a time", blame="filtering"
        ) from None


def _comparable(value: Any) -> Any:
    """Times as epoch seconds, numeric strings as numbers, everything else as it is."""
    if not isinstance(value, str):
        return value
    # An id is digits too, but none that is meant as a number.
    if value.isdigit() and len(value) < 13:
        return float(value)
    if len(value) == 24 and value[10] == "T":
        return epoch(value)
    return value


def epoch(text: str) -> float:
    """Seconds of Meta's `2023-03-21T22:41:46-0700`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def moment(text: str) -> float:
    """Seconds of a date, or of an ISO time; without a zone it is UTC."""
    local = datetime.fromisoformat(text)
    return (local if local.tzinfo else local.replace(tzinfo=UTC)).timestamp()
