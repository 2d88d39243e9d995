"""What the operators of `filtering` mean (FACTS sections 4.4 and 5.1).

`TOP` is missing: it ranks rows instead of comparing a value, and nobody documents how.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def _within(value: Any, bounds: Any) -> bool:
    return bool(bounds[0] <= value <= bounds[1])


def _among(value: Any, options: Any) -> bool:
    return value in options


def _contains(value: Any, part: Any) -> bool:
    return str(part).lower() in str(value).lower()


def _contains_any(value: Any, parts: Iterable[Any]) -> bool:
    return any(_contains(value, part) for part in parts)


def _not(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: not test(value, wanted)


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
    "AFTER": operator.gt,
    "BEFORE": operator.lt,
    "ON_OR_AFTER": operator.ge,
    "ON_OR_BEFORE": operator.le,
    "IN_RANGE": _within,
    "NOT_IN_RANGE": _not(_within),
    "IN": _among,
    "NOT_IN": _not(_among),
    "ANY": _among,
    "NONE": _not(_among),
    "ALL": lambda value, options: (
        set(options) <= set(value if isinstance(value, list) else [value])
    ),
    "CONTAIN": _contains,
    "NOT_CONTAIN": _not(_contains),
    "CONTAINS_ANY": _contains_any,
    "CONTAINS_ALL": lambda value, parts: all(_contains(value, part) for part in parts),
    "NOT_CONTAINS_ANY": _not(_contains_any),
    "STEM_MATCH": lambda value, stem: any(
        word.startswith(str(stem).lower()) for word in str(value).lower().split()
    ),
    "STARTS_WITH": lambda value, part: str(value).startswith(str(part)),
    "ENDS_WITH": lambda value, part: str(value).endswith(str(part)),
}
