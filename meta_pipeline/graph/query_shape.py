"""The shape of a query: what makes two calls cost alike, whatever the account and the dates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import orjson

Params = Mapping[str, Any]

_LISTED = ("breakdowns", "action_breakdowns", "action_attribution_windows")


def encode_params(params: Params) -> dict[str, str]:
    """`params` as Meta wants them: `fields` comma-joined, other lists, dicts and bools as JSON.

    A parameter that is None is left out (FACTS §0).
    """
    return {name: _encode(name, value) for name, value in params.items() if value is not None}


def _encode(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name == "fields":
        return ",".join(str(field) for field in value)
    if isinstance(value, bool | list | tuple | dict | set | frozenset):
        return orjson.dumps(value, default=_jsonable, option=orjson.OPT_SORT_KEYS).decode()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be a Graph API parameter")


def query_shape(params: Params) -> str:
    """`params` in a few words, e.g. `level=ad increment=1 days=7 fields=23 breakdowns=age,gender`.

    Names without values that matter (limit, cursor, ids) are left to `params_hash`.
    """
    words = [
        _word("level", params.get("level")),
        _word("increment", params.get("time_increment")),
        _word("days", _days(params)),
        _word("preset", params.get("date_preset")),
        _word("fields", len(_fields(params)) or None),
        *(_word(name, _joined(params.get(name))) for name in _LISTED),
        _word("filtering", ",".join(_filters(params)) or None),
    ]
    return " ".join(word for word in words if word) or "plain"


def params_hash(endpoint_key: str, params: Params) -> str:
    """16 hex digits that are equal for calls of the same shape.

    Counts in: endpoint, parameter names, fields, level, increment, breakdowns, windows, filter
    fields, number of days. Not: account, dates, cursor, limit, filter values, token.
    """
    shape = {
        "endpoint": endpoint_key,
        "names": sorted(name for name, value in params.items() if value is not None),
        "fields": sorted(_fields(params)),
        "level": params.get("level"),
        "increment": str(params.get("time_increment")),
        "days": _days(params),
        "preset": params.get("date_preset"),
        "filters": _filters(params),
        **{name: _joined(params.get(name)) for name in _LISTED},
    }
    text = orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]


def query_hash(params: Params) -> str:
    """32 hex digits that are equal for questions that ask the very same, dates and ids included."""
    text = orjson.dumps(encode_params(params), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:32]


def _word(name: str, value: object) -> str:
    return "" if value is None else f"{name}={value}"


def _joined(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ",".join(sorted(map(str, value))) if isinstance(value, Iterable) else str(value)


def _fields(params: Params) -> list[str]:
    fields = params.get("fields") or ()
    return fields.split(",") if isinstance(fields, str) else [str(field) for field in fields]


def _filters(params: Params) -> list[str]:
    filtering = _loaded(params.get("filtering")) or ()
    if not isinstance(filtering, list | tuple):
        return []
    return sorted(
        f"{entry.get('field')}:{entry.get('operator')}"
        for entry in filtering
        if isinstance(entry, Mapping)
    )


def _days(params: Params) -> int | None:
    ranges = _loaded(params.get("time_ranges")) or [_loaded(params.get("time_range"))]
    days = 0
    for entry in ranges:
        if not isinstance(entry, Mapping):
            continue
        try:
            since, until = (date.fromisoformat(str(entry[key])[:10]) for key in ("since", "until"))
        except (KeyError, ValueError):
            return None
        if until < since:  # as little a range as what is no date
            return None
        days += (until - since).days + 1
    return days or None


def _loaded(value: Any) -> Any:
    """JSON text that the caller encoded already, parsed; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
