"""Meta's usage headers, read the same way on success and on error (FACTS §1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

APP_USAGE = "x-app-usage"
ACCOUNT_USAGE = "x-ad-account-usage"
BUSINESS_USAGE = "x-business-use-case-usage"
INSIGHTS_THROTTLE = "x-fb-ads-insights-throttle"
REACH_THROTTLE = "x-fb-ads-insights-reach-throttle"

_PERCENT_NAMES = ("call_count", "total_time", "total_cputime")


@dataclass(frozen=True, slots=True)
class UsageReading:
    """How much of one allowance is used, as one header said it.

    `scope` is "app", "account" (one per use case; `use_case` None is the ad account's score),
    "insights_app", "insights_account" or "insights_reach". `usage_pct` is a percentage and may
    exceed 100. `regain_seconds` is Meta's own time until the allowance is back: of the block for
    a use case (None when not blocked), of the whole score for `x-ad-account-usage`. `key` is the
    id that the header was keyed by: an ad account's number, or a business's; do not rely on it.
    """

    scope: str
    usage_pct: float
    header: str
    use_case: str | None = None
    key: str | None = None
    regain_seconds: float | None = None
    tier: str | None = None


def usage_headers_of(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The usage headers among `headers`, names lower-cased, values as Meta wrote them."""
    named = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in named if name in _READERS}


def parse_usage(usage_headers: Mapping[str, str]) -> tuple[UsageReading, ...]:
    """Every reading in `usage_headers` (lower-cased name -> raw text).

    Total: text that is not JSON, or not of the documented shape, gives no reading and no error.
    """
    return tuple(
        reading
        for name, text in usage_headers.items()
        if name in _READERS
        for document in _documents(text)
        for reading in _READERS[name](document)
    )


def worst_pct(readings: Iterable[UsageReading], *scopes: str) -> float | None:
    """The highest percentage among `readings` (of `scopes`, if any are named); None if none."""
    chosen = [r.usage_pct for r in readings if not scopes or r.scope in scopes]
    return max(chosen, default=None)


def merge_usage_headers(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """One set of raw headers for the operations of a batch: the fullest reading of each wins."""
    merged: dict[str, str] = {}
    for headers in several:
        for name, text in headers.items():
            if name == BUSINESS_USAGE and name in merged:
                merged[name] = _merge_business(merged[name], text)
            elif name not in merged or _worst(name, text) > _worst(name, merged[name]):
                merged[name] = text
    return merged


def _worst(name: str, text: str) -> float:
    pct = worst_pct(parse_usage({name: text}))
    return -1.0 if pct is None else pct


def _merge_business(first: str, second: str) -> str:
    """Join two headers by key and use case: a batch may touch several ad accounts."""
    entries: dict[tuple[str, str], Any] = {}
    for key, entry in (*_business_entries(first), *_business_entries(second)):
        slot = (key, str(entry.get("type")))
        if slot not in entries or _percent(entry) >= _percent(entries[slot]):
            entries[slot] = entry
    keyed: dict[str, list[Any]] = {}
    for (key, _), entry in entries.items():
        keyed.setdefault(key, []).append(entry)
    return orjson.dumps(keyed).decode() if keyed else first


def _business_entries(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in _documents(text):
        yield from _keyed_entries(document)


def _percent(entry: Mapping[str, Any]) -> float:
    return max((_number(entry.get(name)) or 0.0 for name in _PERCENT_NAMES), default=0.0)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a header; a header sent twice arrives joined by a comma."""
    try:
        parsed = orjson.loads(f"[{text}]")
    except orjson.JSONDecodeError:
        return
    yield from (document for document in parsed if isinstance(document, dict))


def _app_readings(document: dict[str, Any]) -> Iterator[UsageReading]:
    pct = _highest(document, _PERCENT_NAMES)
    if pct is not None:
        yield UsageReading("app", pct, APP_USAGE, tier=_tier(document))


def _account_readings(document: dict[str, Any]) -> Iterator[UsageReading]:
    pct = _number(document.get("acc_id_util_pct"))
    if pct is not None:
        yield UsageReading(
            "account",
            pct,
            ACCOUNT_USAGE,
            regain_seconds=_number(document.get("reset_time_duration")) or None,
            tier=_tier(document),
        )


def _keyed_entries(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, entries in document.items():
        listed = entries if isinstance(entries, list) else [entries]
        yield from ((key, entry) for entry in listed if isinstance(entry, dict))


def _business_readings(document: dict[str, Any]) -> Iterator[UsageReading]:
    for key, entry in _keyed_entries(document):
        minutes = _number(entry.get("estimated_time_to_regain_access"))
        pct = _highest(entry, _PERCENT_NAMES)
        if pct is None:
            if not minutes:
                continue
            pct = 100.0  # blocked, but by how much is not said
        use_case = entry.get("type")
        yield UsageReading(
            "account",
            pct,
            BUSINESS_USAGE,
            use_case=str(use_case) if use_case else None,
            key=key,
            regain_seconds=minutes * 60 if minutes else None,
            tier=_tier(entry),
        )


def _insights_readings(document: dict[str, Any]) -> Iterator[UsageReading]:
    for name, scope in (
        ("app_id_util_pct", "insights_app"),
        ("acc_id_util_pct", "insights_account"),
    ):
        pct = _number(document.get(name))
        if pct is not None:
            yield UsageReading(scope, pct, INSIGHTS_THROTTLE, tier=_tier(document))


def _reach_readings(document: dict[str, Any]) -> Iterator[UsageReading]:
    """Meta documents the header's existence, not its keys: any percentage counts."""
    pct = _highest(document, tuple(name for name in document if name.endswith("_pct")))
    if pct is not None:
        yield UsageReading("insights_reach", pct, REACH_THROTTLE, tier=_tier(document))


_READERS: Mapping[str, Callable[[dict[str, Any]], Iterator[UsageReading]]] = {
    APP_USAGE: _app_readings,
    ACCOUNT_USAGE: _account_readings,
    BUSINESS_USAGE: _business_readings,
    INSIGHTS_THROTTLE: _insights_readings,
    REACH_THROTTLE: _reach_readings,
}


def _highest(entry: Mapping[str, Any], names: Iterable[str]) -> float | None:
    numbers = [number for name in names if (number := _number(entry.get(name))) is not None]
    return max(numbers, default=None)


def _number(value: object) -> float | None:
    """A finite number >= 0 from a number or numeric text (`"97"`, `"9.5%"`), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.strip().removesuffix("%") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return max(number, 0.0) if math.isfinite(number) else None


def _tier(entry: Mapping[str, Any]) -> str | None:
    tier = entry.get("ads_api_access_tier")
    return tier if isinstance(tier, str) and tier else None
