"""Rows picked by a metric or put in its order: `filtering` on metrics and `sort`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from meta_pipeline.simulator.insights.errors import InvalidParameterError
from meta_pipeline.simulator.insights.selection import FilterElement

_DIRECTIONS = {"_ascending": False, "_descending": True}

Row = dict[str, Any]


def metric_names(sort: Sequence[str], filtering: Sequence[FilterElement]) -> tuple[str, ...]:
    """Insights fields that must be known to sort and filter."""
    names = [_sort_field(sort)[0].partition(":")[0]] if sort else []
    return tuple(dict.fromkeys([*names, *(c.field for c in filtering)]))


def ranked(
    rows: Callable[[], Iterator[Row]], sort: Sequence[str], filtering: Sequence[FilterElement]
) -> array[int]:
    """Positions, in answer order, of the rows that pass the metric conditions."""
    keep = array("Q")
    keys: list[float | str] = []
    field, down = _sort_field(sort) if sort else ("", False)
    for position, row in enumerate(rows()):
        if passes(row, filtering):
            keep.append(position)
            if sort:
                keys.append(_sort_key(row, field))
    if not sort:
        return keep
    order = sorted(range(len(keep)), key=keys.__getitem__, reverse=down)
    return array("Q", (keep[i] for i in order))


def passes(row: Row, filtering: Sequence[FilterElement]) -> bool:
    """True when a row's metrics meet all conditions; an absent metric counts as zero."""
    return all(c.holds(_number(row.get(c.field, 0))) for c in filtering)


def _sort_field(sort: Sequence[str]) -> tuple[str, bool]:
    for ending, down in _DIRECTIONS.items():
        if sort[0].endswith(ending):
            return sort[0].removesuffix(ending), down
    raise InvalidParameterError(f"sort must end in _ascending or _descending: {sort[0]}")


def _sort_key(row: Row, field: str) -> float | str:
    name, _, action_type = field.partition(":")
    value = row.get(name, 0)
    if name in {"date_start", "date_stop"}:
        return str(value)
    if action_type:
        entries = value if isinstance(value, list) else []
        value = next((e["value"] for e in entries if e["action_type"] == action_type), 0)
    return _number(value)


def _number(value: Any) -> float:
    # A list or a text ranks as zero, like a metric that is not there.
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
