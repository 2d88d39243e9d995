"""Where the governor slows, skips and stops, and how fast what it knows grows old."""

from __future__ import annotations

from dataclasses import dataclass

from meta_pipeline.model.usage import Meter, MeterScope


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of the governor; docs/governor.md gives the reason of each.

    Percentages are of Meta's allowance, times in seconds.
    """

    # No call at or above these three, by the kind of meter.
    app_stop_pct: float = 80.0
    account_stop_pct: float = 70.0
    # From here only critical work.
    insights_skip_pct: float = 60.0
    insights_stop_pct: float = 90.0
    # From here calls are spread out.
    slow_from_pct: float = 50.0
    # How far under its stop a meter must be forecast before a call looks again.
    resume_below_pct: float = 5.0
    # The remaining allowance is spent over about this long.
    spread_seconds: float = 180.0
    # Added to Meta's own estimate, which comes in whole minutes.
    regain_margin_seconds: float = 60.0
    # No estimate is believed beyond it.
    max_block_seconds: float = 86_400.0
    # The same for a score that only drains.
    max_drain_seconds: float = 3600.0
    # A longer pause ends the sync instead of holding its worker.
    max_pause_seconds: float = 30.0
    # After so long without a word from Meta about an account one call goes alone.
    scout_after_seconds: float = 60.0
    # What one call moves a meter by until it has been seen.
    prior_cost_pct: float = 0.5

    def stop_pct(self, meter: Meter) -> float:
        """The percentage at which calls that move the meter stop."""
        if meter.scope == MeterScope.APP:
            return self.app_stop_pct
        if meter.scope == MeterScope.ACCOUNT:
            return self.account_stop_pct
        return self.insights_stop_pct

    def slow_pct(self, meter: Meter) -> float:
        """The percentage from which calls that move the meter are spread out."""
        return min(self.slow_from_pct, self.stop_pct(meter))

    def resume_pct(self, meter: Meter) -> float:
        """The percentage a stopped meter must be forecast at before one call looks again."""
        stop = self.stop_pct(meter)
        return max(stop - self.resume_below_pct, stop / 2)
