"""Meta's usage headers, read the same way on success and on error (FACTS §1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from meta_pipeline.model.usage import APP, SCORE_HEADER, UNNAMED, MeterScope, UsageReading

APP_USAGE = "x-app-usage"
BUSINESS_USAGE = "x-business-use-case-usage"
INSIGHTS_THROTTLE = "x-fb-ads-insights-throttle"
REACH_THROTTLE = "x-fb-ads-insights-reach-throttle"

Document = dict[str, Any]

# Three ways to fill one meter: it is as full as the fullest (FACTS §1.3).
_PERCENT_NAMES = ("call_count", "total_time", "total_cputime")
# Of a use case, a tier, an account: each becomes part of a key, and is text of others.
_LONGEST_NAME = 100
_LARGEST_NUMBER = 1e9  # a percent beyond it says no more, and many digits are only in the way
_LONGEST_SECONDS = 30 * 86_400.0  # beyond it a time is nonsense, and beyond year 9999 an error


def usage_headers_of(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The usage headers among `headers`, names lower-cased, values as Meta wrote them."""
    named = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in named if name in _READERS}


def parse_usage(
    usage_headers: Mapping[str, str], account_id: str | None, at: datetime
) -> tuple[UsageReading, ...]:
    """Every reading in the headers (lower-cased name -> raw text) of an answer for `account_id`.

    Total: text that is not JSON, or not of the documented shape, gives no reading and no error.
    """
    return parse_usage_of_each([usage_headers], account_id, at)[0]


def parse_usage_of_each(
    several: Sequence[Mapping[str, str]], account_id: str | None, at: datetime
) -> list[tuple[UsageReading, ...]]:
    """The same for the operations of one batch.

    The key of the use-case header is a business's as often as an account's (FACTS §1.3): what a
    call to an account was told counts for that account, unless the headers name the account itself
    among others; then the others' entries are theirs.
    """
    whose = account_id or ""
    told = [
        tuple(
            reading
            for name, text in usage_headers.items()
            if name in _READERS
            for document in _objects(text)
            for reading in _READERS[name](document, whose, at)
        )
        for usage_headers in several
    ]
    keys = {each.key for readings in told for each in readings if each.source == BUSINESS_USAGE}
    if account_id in keys:
        return told
    return [
        tuple(replace(r, key=whose) if r.source == BUSINESS_USAGE else r for r in readings)
        for readings in told
    ]


def _objects(text: str) -> list[Document]:
    """The JSON objects in a header; a header sent twice arrives joined by a comma."""
    try:
        # As a list: two objects with a comma between them are no JSON by themselves.
        return [one for one in orjson.loads(f"[{text}]") if isinstance(one, dict)]
    except orjson.JSONDecodeError:
        return []


def _app_readings(document: Document, _: str, at: datetime) -> Iterator[UsageReading]:
    pct = _highest(document, _PERCENT_NAMES)
    if pct is not None:
        yield UsageReading(MeterScope.APP, APP, "", pct, at, None, _tier(document), APP_USAGE)


def _score_readings(document: Document, account: str, at: datetime) -> Iterator[UsageReading]:
    pct = _number(document.get("acc_id_util_pct"))
    if pct is not None:
        empty_at = _after(at, _number(document.get("reset_time_duration")))
        tier = _tier(document)
        yield UsageReading(MeterScope.ACCOUNT, account, "", pct, at, empty_at, tier, SCORE_HEADER)


def _business_readings(document: Document, _: str, at: datetime) -> Iterator[UsageReading]:
    """Keyed as the header is; `parse_usage` knows whether the keys are those of accounts."""
    for key, listed in document.items():
        for entry in listed if isinstance(listed, list) else [listed]:
            if not isinstance(entry, dict):
                continue
            minutes = _number(entry.get("estimated_time_to_regain_access"))
            regain_at = _after(at, minutes and minutes * 60)
            pct = _highest(entry, _PERCENT_NAMES)
            if pct is None:
                if regain_at is None:
                    continue
                pct = 100.0  # blocked, but by how much is not said
            use_case, tier = _name(entry.get("type")) or UNNAMED, _tier(entry)
            meter = MeterScope.ACCOUNT, f"act_{_name(key)}", use_case
            yield UsageReading(*meter, pct, at, regain_at, tier, BUSINESS_USAGE)


def _insights_readings(document: Document, account: str, at: datetime) -> Iterator[UsageReading]:
    for name, scope, key in (
        ("app_id_util_pct", MeterScope.INSIGHTS_APP, APP),
        ("acc_id_util_pct", MeterScope.INSIGHTS_ACCOUNT, account),
    ):
        pct = _number(document.get(name))
        if pct is not None:
            yield UsageReading(scope, key, "", pct, at, None, _tier(document), INSIGHTS_THROTTLE)


def _reach_readings(document: Document, account: str, at: datetime) -> Iterator[UsageReading]:
    """Meta documents the header's existence, not its keys: any percentage counts."""
    pct = _highest(document, tuple(name for name in document if name.endswith("_pct")))
    if pct is not None:
        tier = _tier(document)
        yield UsageReading(
            MeterScope.INSIGHTS_REACH, account, "", pct, at, None, tier, REACH_THROTTLE
        )


_READERS: Mapping[str, Callable[[Document, str, datetime], Iterator[UsageReading]]] = {
    APP_USAGE: _app_readings,
    SCORE_HEADER: _score_readings,
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
    return min(max(number, 0.0), _LARGEST_NUMBER) if math.isfinite(number) else None


def _after(at: datetime, seconds: float | None) -> datetime | None:
    """None also for less than a moment has digits for: such a wait is none."""
    end = at + timedelta(seconds=min(seconds or 0, _LONGEST_SECONDS))
    return end if end > at else None


def _tier(entry: Mapping[str, Any]) -> str | None:
    tier = entry.get("ads_api_access_tier")
    return _name(tier) if isinstance(tier, str) and tier else None


def _name(value: object) -> str:
    """A name as it may be a key in Postgres: without what that cannot hold, and short."""
    return str(value or "").replace("\x00", "")[:_LONGEST_NAME]
