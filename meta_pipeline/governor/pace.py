"""How fast calls may go on a filling meter, so that it is approached and never met."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .effective_reading import EffectiveReading
from .thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Pace:
    """How many calls at once, and how far apart they start. The default is no limit."""

    parallel: int
    interval_seconds: float = 0.0


def pace_of(known: EffectiveReading, thresholds: Thresholds, max_parallel: int) -> Pace:
    """The pace one meter allows.

    Below `slow_from_pct` only the calls in flight are bounded, so that they cannot fill what is
    left all by themselves. From there on the allowance up to the stop is spent over
    `spread_seconds`: usage closes in on the stop ever more slowly, and what Meta frees meanwhile
    can be used at once. The price of a call is what our calls were seen to move the meter by.
    """
    if known.is_guess:
        return Pace(1)
    meter = known.reading.meter
    stop, slow = thresholds.stop_pct(meter), thresholds.slow_pct(meter)
    headroom = stop - known.effective_pct
    if headroom <= 0:
        return Pace(1, thresholds.max_pause_seconds)
    bounded = min(max_parallel, math.floor(headroom / (2 * known.cost_pct)))
    if known.effective_pct < slow:
        return Pace(max(1, bounded))
    share = headroom / (stop - slow)
    slope = headroom / thresholds.spread_seconds + known.freeing_pct_per_second
    interval = (1 - share) * known.cost_pct / slope
    return Pace(max(1, min(bounded, math.ceil(max_parallel * share))), interval)


def slowest(paces: Iterable[Pace], max_parallel: int) -> Pace:
    """The pace that keeps all of them."""
    listed = list(paces)
    return Pace(
        min((pace.parallel for pace in listed), default=max_parallel),
        max((pace.interval_seconds for pace in listed), default=0.0),
    )
