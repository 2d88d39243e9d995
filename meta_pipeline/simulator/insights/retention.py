"""What Meta no longer keeps: refused, left out, or silently empty (FACTS §5.4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from meta_pipeline.simulator.insights.breakdowns import HOURLY, OPT_IN
from meta_pipeline.simulator.insights.errors import (
    BeyondRetentionError,
    InvalidBreakdownsError,
    StartTooOldError,
)
from meta_pipeline.simulator.insights.metrics import is_unique
from meta_pipeline.simulator.world.days import months_before

# Insights go back 37 months, what is counted by person less far (FACTS §5.4).
MONTHS_KEPT = 37
# Reach, unique counts and hours by a breakdown; totals go back 37 months (FACTS section 5.4).
_BREAKDOWN_MONTHS = 13
# Of the breakdown `frequency_value` alone (FACTS section 5.4).
_FREQUENCY_MONTHS = 6
GONE = "dma"  # since 2026-06-22, although the SDK still lists it
_NEVER_ALONE = ("impression_device",)


def refuse(breakdowns: Sequence[str], since: date, today: date) -> None:
    """Raise for what Meta refuses: 3018 beyond 37 months, `dma`, `impression_device` alone."""
    if since < months_before(today, MONTHS_KEPT):
        raise StartTooOldError(
            "(#3018) The start date of the time range cannot be beyond 37 months from the "
            "current date"
        )
    if GONE in breakdowns or tuple(breakdowns) == _NEVER_ALONE:
        raise InvalidBreakdownsError(f"breakdowns not supported: {', '.join(breakdowns)}")


def silently_empty(breakdowns: Collection[str], opted_in: Collection[str]) -> bool:
    """True when a breakdown needs an opt-in that the account has not given."""
    return bool((OPT_IN & set(breakdowns)) - set(opted_in))


def loses_reach(breakdowns: Sequence[str], since: date, today: date) -> bool:
    """True when reach, frequency and cpp are left out of the rows."""
    return bool(breakdowns) and since < months_before(today, _BREAKDOWN_MONTHS)


def beyond(
    breakdowns: Sequence[str], fields: Sequence[str], since: date, today: date, *, hard: bool
) -> bool:
    """True when the answer is empty because it is too long ago; raises instead when `hard`."""
    if not breakdowns:
        return False
    late = since < months_before(today, _BREAKDOWN_MONTHS) and (
        any(map(is_unique, fields)) or not HOURLY.isdisjoint(breakdowns)
    )
    # The distribution of frequencies is the first to go.
    late |= "frequency_value" in breakdowns and since < months_before(today, _FREQUENCY_MONTHS)
    if late and hard:
        raise BeyondRetentionError(
            "(#100) breakdowns for unique-count fields are only available for the last 13 months"
        )
    return late
