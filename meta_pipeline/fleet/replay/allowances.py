"""Meta's meters for the replay: its allowances counted exactly, and the governor's stops."""

from __future__ import annotations

from enum import StrEnum

from meta_pipeline.governor.rolling_hour import RollingHour
from meta_pipeline.governor.score import DrainingScore
from meta_pipeline.governor.thresholds import Thresholds
from meta_pipeline.model.allowance import SCORE_DRAIN_SECONDS, HourlyAllowance
from meta_pipeline.model.usage import FULL_ACCESS

_STOPS = Thresholds()


class AccessTier(StrEnum):
    """What Meta grants the app."""

    LIMITED = "limited"
    FULL = "full"


class _AccountMeters:
    def __init__(self, allowance: HourlyAllowance) -> None:
        self._allowance = allowance
        self.management = RollingHour()
        self.insights = RollingHour()
        self.score = DrainingScore(100 / SCORE_DRAIN_SECONDS)

    def charge(self, at: float, management: float, insights: float) -> None:
        self.management.used(at, 100 * management / self._allowance.management)
        self.insights.used(at, 100 * insights / self._allowance.insights)
        self.score.assume(at, 100 * (management + insights) / self._allowance.score)


class SimulatedAllowances:
    """The meters of all accounts and of the app, with the governor's stops; times are seconds.

    A sync that finds a meter at its stop makes no call and comes back when it has fallen far
    enough. `app_calls_per_hour` is the app's own allowance, where there is one.
    """

    def __init__(
        self,
        access_tier: AccessTier = AccessTier.FULL,
        *,
        app_calls_per_hour: float | None = None,
    ) -> None:
        self._tier = FULL_ACCESS if access_tier is AccessTier.FULL else None
        self._accounts: dict[str, _AccountMeters] = {}
        self._app = RollingHour()
        self._app_calls_per_hour = app_calls_per_hour

    def blocked_until(self, account_id: str, active_ads: int, at: float) -> float | None:
        """When to come back; None when the sync may go."""
        own = self._of(account_id, active_ads)
        stop = _STOPS.account_stop_pct
        meters: list[tuple[RollingHour | DrainingScore, float]] = [
            (own.management, stop),
            (own.insights, stop),
            (own.score, stop),
        ]
        if self._app_calls_per_hour is not None:
            meters.append((self._app, _STOPS.app_stop_pct))
        resumptions = [
            meter.falls_to(stop_pct - _STOPS.resume_below_pct, at)
            for meter, stop_pct in meters
            if meter.pct_at(at) >= stop_pct
        ]
        return max(resumptions, default=None)

    def charge(
        self, account_id: str, active_ads: int, at: float, *, management: float, insights: float
    ) -> None:
        """Count the calls of a sync."""
        self._of(account_id, active_ads).charge(at, management, insights)
        if self._app_calls_per_hour is not None:
            self._app.used(at, 100 * (management + insights) / self._app_calls_per_hour)

    def _of(self, account_id: str, active_ads: int) -> _AccountMeters:
        known = self._accounts.get(account_id)
        if known is None:
            known = _AccountMeters(HourlyAllowance.of(self._tier, active_ads))
            self._accounts[account_id] = known
        return known
