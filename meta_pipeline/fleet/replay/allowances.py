"""Meta's meters for the replay, by the formulas it documents (FACTS section 2)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

HOUR_SECONDS = 3600.0
_SCORE_SECONDS = 300.0


class AccessTier(StrEnum):
    """What Meta grants the app."""

    LIMITED = "limited"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class _Allowances:
    """Calls an hour; `score` is a level that drains."""

    management: float
    insights: float
    score: float


_ALLOWANCES = {
    AccessTier.LIMITED: _Allowances(300, 600, 60),
    AccessTier.FULL: _Allowances(100_000, 190_000, 9_000),
}
_PER_AD = {"management": 40, "insights": 400}


class _RollingHour:
    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._used = 0.0
        self._calls: deque[tuple[float, float]] = deque()

    def add(self, at: float, calls: float) -> None:
        self._calls.append((at, calls))
        self._used += calls

    def share(self, at: float) -> float:
        while self._calls and self._calls[0][0] + HOUR_SECONDS <= at:
            self._used -= self._calls.popleft()[1]
        return self._used / self._limit

    def below_at(self, share: float, at: float) -> float:
        """When no more than `share` is used, if nothing is added."""
        left = self.share(at)
        for used_at, calls in self._calls:
            if left <= share:
                break
            left -= calls / self._limit
            at = used_at + HOUR_SECONDS
        return at


class _Score:
    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._level = 0.0
        self._at = 0.0

    def add(self, at: float, calls: float) -> None:
        self._level, self._at = self.share(at) * self._limit + calls, at

    def share(self, at: float) -> float:
        drained = self._limit / _SCORE_SECONDS * (at - self._at)
        return max(0.0, self._level - drained) / self._limit

    def below_at(self, share: float, at: float) -> float:
        return at + max(0.0, self.share(at) - share) * _SCORE_SECONDS


_Meter = _RollingHour | _Score


class Quota:
    """The meters of all accounts and of the app, with the governor's stops; times are seconds.

    A sync that finds a meter at its stop makes no call and comes back when it has fallen by
    `resume_share`. `app_calls_per_hour` is the app's own allowance, where there is one.
    """

    def __init__(
        self,
        access_tier: AccessTier = AccessTier.FULL,
        *,
        app_calls_per_hour: float | None = None,
        account_stop_share: float = 0.7,
        app_stop_share: float = 0.8,
        resume_share: float = 0.05,
    ) -> None:
        self._allowances = _ALLOWANCES[access_tier]
        self._account_stop = account_stop_share
        self._app_stop = app_stop_share
        self._resume = resume_share
        self._meters: dict[str, dict[str, _Meter]] = {}
        self._app = _RollingHour(app_calls_per_hour) if app_calls_per_hour else None

    def blocked_until(self, account_id: str, active_ads: int, at: float) -> float | None:
        """When to come back; None when the sync may go."""
        own = self._of(account_id, active_ads).values()
        meters = [(meter, self._account_stop) for meter in own]
        if self._app is not None:
            meters.append((self._app, self._app_stop))
        stopping = [
            meter.below_at(stop - self._resume, at)
            for meter, stop in meters
            if meter.share(at) >= stop
        ]
        return max(stopping, default=None)

    def charge(
        self, account_id: str, active_ads: int, at: float, *, management: float, insights: float
    ) -> None:
        """Count the calls of a sync."""
        meters = self._of(account_id, active_ads)
        meters["management"].add(at, management)
        meters["insights"].add(at, insights)
        meters["score"].add(at, management + insights)
        if self._app is not None:
            self._app.add(at, management + insights)

    def _of(self, account_id: str, active_ads: int) -> dict[str, _Meter]:
        known = self._meters.get(account_id)
        if known is None:
            known = self._meters[account_id] = {
                "management": _RollingHour(
                    self._allowances.management + _PER_AD["management"] * active_ads
                ),
                "insights": _RollingHour(
                    self._allowances.insights + _PER_AD["insights"] * active_ads
                ),
                "score": _Score(self._allowances.score),
            }
        return known
