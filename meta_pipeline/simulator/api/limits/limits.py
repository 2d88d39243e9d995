"""Meta's limits as meters: score, use case, insights throttle, app (FACTS sections 1 and 2).

Every meter runs on the simulator's clock. Percentages go out as Meta sends them: whole numbers
except on the score and the insights throttle; `estimated_time_to_regain_access` in minutes,
`reset_time_duration` in seconds; the key of the use-case header is the account's bare number.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from meta_pipeline.simulator.world import World
from meta_pipeline.simulator.world.clock import Clock

from . import throttles
from .meters import HOUR_SECONDS, RollingHour, Score

Tier = Literal["development_access", "standard_access"]
INSIGHTS, MANAGEMENT, AUDIENCE = "ads_insights", "ads_management", "custom_audience"
# Meta publishes no number: ours lets an ordinary client run out of calls first.
_CPU_MS_PER_CALL = 60.0
_ACTIVE_AUDIENCES = 5
"""That every account of the world has."""


@dataclass
class _Account:
    hours: dict[str, RollingHour] = field(default_factory=dict)
    score: Score = field(default_factory=Score)
    insights: RollingHour = field(default_factory=RollingHour)
    user_errors: RollingHour = field(default_factory=RollingHour)


@dataclass
class _App:
    hour: RollingHour = field(default_factory=RollingHour)
    insights: RollingHour = field(default_factory=RollingHour)


def active_ads_of(world: World) -> Callable[[str], int]:
    """How many ads of an account are active: what Meta's hourly allowance grows with."""
    known: dict[str, tuple[int, int]] = {}

    def count(account_id: str) -> int:
        version = world.version
        at, ads = known.get(account_id, (-1, 0))
        if at != version:
            ads = len(world.objects("ads", account_id, statuses=("ACTIVE", "WITH_ISSUES")))
            known[account_id] = (version, ads)
        return ads

    return count


class Limits:
    """All meters: those of accounts, and those that each app has for itself.

    `calls` and friends replace Meta's formulas by small numbers. No `app_id` is the first app.
    """

    def __init__(
        self,
        *,
        tier: Tier = "standard_access",
        calls: int | Mapping[str, int] | None = None,
        app_calls: int = 200_000,
        insights_points: int = 100_000,
        scoring: bool = False,
        score_limit: int | None = None,
        score_block_seconds: float | None = None,
        score_decay_seconds: float = 300.0,
        emit_from_pct: float = 1.0,
        calls_per_user_error: float = 0.001,
    ) -> None:
        self.tier: Tier = tier
        self.emit_from_pct = emit_from_pct
        self.calls_per_user_error = calls_per_user_error
        self.scoring = scoring or score_limit is not None
        # Score and block by tier (FACTS section 2).
        full = tier == "standard_access"
        self.score_limit = score_limit or (9000 if full else 60)
        self.score_block_seconds = score_block_seconds or (60.0 if full else 300.0)
        self.score_decay_seconds = score_decay_seconds
        self.app_calls = app_calls
        self.insights_points = insights_points
        self._calls = calls
        self._tiers: dict[str, Tier] = {}
        self._accounts: dict[str, _Account] = {}
        self._apps: dict[str, _App] = {}
        self._lock = threading.Lock()
        self._clock: Clock | None = None
        self._first_app = ""
        self._active_ads: Callable[[str], int] = lambda _account_id: 0

    def bind(self, clock: Clock, active_ads: Callable[[str], int], first_app: str = "") -> None:
        """Give the meters their clock and the number of active ads of an account."""
        self._clock, self._active_ads, self._first_app = clock, active_ads, first_app

    # -- configuration and force, for tests and the control plane -------------------------------

    def set_tier(self, account_id: str, tier: Tier) -> None:
        self._tiers[account_id] = tier

    def set_calls(self, calls: int | Mapping[str, int] | None) -> None:
        """An hour's calls per account, for every use case or by use case; None: Meta's formula."""
        self._calls = calls

    def exhaust(
        self, account_id: str, *, use_case: str | None = None, regain_minutes: float = 60
    ) -> None:
        """Use an account's hour up so that it frees in `regain_minutes` (at most 60)."""
        now = self._now()
        with self._lock:
            for case in (use_case,) if use_case else (INSIGHTS, MANAGEMENT):
                limit = float(self.allowance(account_id, case))
                self._hour(account_id, case).add(
                    now - HOUR_SECONDS + regain_minutes * 60, limit, 0.0
                )

    def use(self, account_id: str, use_case: str, pct: float) -> None:
        """Fill a use case's hour to `pct` percent of its calls."""
        with self._lock:
            share = self.allowance(account_id, use_case) * pct / 100
            self._hour(account_id, use_case).add(self._now(), share, 0.0)

    def use_insights(self, account_id: str, pct: float, app_id: str = "") -> None:
        """Fill the insights throttle of an account, and with it a tenth of the app's."""
        points = self.insights_points * pct / 100
        with self._lock:
            self._account(account_id).insights.add(self._now(), points, 0.0)
            self._app(app_id).insights.add(self._now(), points, 0.0)

    def use_app(self, pct: float, app_id: str = "") -> None:
        """Fill an app's own hour to `pct` percent."""
        with self._lock:
            self._app(app_id).hour.add(self._now(), self.app_calls * pct / 100, 0.0)

    def relieve(self, account_id: str | None = None) -> None:
        """Forget all usage of an account, or of everything."""
        with self._lock:
            if account_id:
                self._accounts.pop(account_id, None)
                return
            self._accounts.clear()
            self._apps.clear()

    # -- charging -------------------------------------------------------------------------------

    def charge(
        self,
        account_id: str | None,
        use_case: str,
        *,
        write: bool = False,
        insights: bool = False,
        app_id: str = "",
    ) -> None:
        """Count one call, refused or not, and raise if it is one too many."""
        now = self._now()
        with self._lock:
            app = self._app(app_id).hour
            app.forget(now)
            refusals = [throttles.app_limit()] if app.calls >= self.app_calls else []
            # Refused calls count too: whoever goes on asking stays out.
            app.add(now, 1.0, 0.0)
            if account_id:
                if self._charge_score(account_id, now, 3.0 if write else 1.0):
                    refusals.append(throttles.user_limit())
                hour = self._hour(account_id, use_case)
                hour.forget(now)
                limit = self.allowance(account_id, use_case)
                if hour.calls >= limit or hour.cpu_ms >= limit * _CPU_MS_PER_CALL:
                    refusals.append(throttles.too_many_calls(use_case))
                hour.add(now, 1.0, 0.0)
                if insights and self._is_throttled(account_id, app_id, now):
                    refusals.append(throttles.insights_limit())
        # Every meter has counted the call; the first that is full says why it is refused.
        if refusals:
            raise refusals[0]

    def user_error(self, account_id: str) -> None:
        """Book a call that was the caller's own mistake: insights get a smaller hour for it."""
        with self._lock:
            self._account(account_id).user_errors.add(self._now(), 1.0, 0.0)

    def spend(
        self,
        account_id: str | None,
        use_case: str,
        *,
        rows: int,
        weight: float,
        app_id: str = "",
    ) -> None:
        """Book the work of an answered call: CPU time, and points on the insights throttle."""
        now = self._now()
        cpu_ms = 2.0 + 0.2 * rows * weight
        with self._lock:
            self._app(app_id).hour.add(now, 0.0, cpu_ms)
            if account_id:
                self._hour(account_id, use_case).add(now, 0.0, cpu_ms)
                if use_case == INSIGHTS:
                    points = 1.0 + rows * weight / 100
                    self._account(account_id).insights.add(now, points, 0.0)
                    self._app(app_id).insights.add(now, points, 0.0)

    def _charge_score(self, account_id: str, now: float, points: float) -> bool:
        """Count points of the ad-account score; True when the account is blocked."""
        if not self.scoring:
            return False
        score = self._account(account_id).score
        score.decay(now, self.score_limit, self.score_decay_seconds)
        score.value += points
        if now >= score.blocked_until and score.value <= self.score_limit:
            return False
        # A call during the block starts it anew: going on only makes it longer.
        score.blocked_until = now + self.score_block_seconds
        return True

    def _is_throttled(self, account_id: str, app_id: str, now: float) -> bool:
        own = self._account(account_id).insights
        app = self._app(app_id).insights
        for meter in (own, app):
            meter.forget(now)
        # The app as a whole has ten times what one account has.
        app_points = self.insights_points * 10
        return own.calls >= self.insights_points or app.calls >= app_points

    # -- reading --------------------------------------------------------------------------------

    def allowance(self, account_id: str, use_case: str) -> float:
        """Calls an hour (FACTS section 2), or the small number given for tests.

        That of insights is smaller by 0.001 for each user error of the last hour.
        """
        full = self._tiers.get(account_id, self.tier) == "standard_access"
        if isinstance(self._calls, int):
            calls: float = self._calls
        elif self._calls is not None and use_case in self._calls:
            calls = self._calls[use_case]
        elif use_case == INSIGHTS:
            calls = (190_000 if full else 600) + 400 * self._active_ads(account_id)
        elif use_case == AUDIENCE:
            calls = (190_000 if full else 5_000) + 40 * _ACTIVE_AUDIENCES
        else:
            calls = (100_000 if full else 300) + 40 * self._active_ads(account_id)
        if use_case != INSIGHTS:
            return calls
        mistakes = self._account(account_id).user_errors
        mistakes.forget(self._now())
        return max(0.0, calls - self.calls_per_user_error * mistakes.calls)

    def headers(
        self, account_id: str | None, *, insights: bool = False, app_id: str = ""
    ) -> dict[str, str]:
        """The usage headers of one answer, successful or not; none while there is no usage."""
        now = self._now()
        with self._lock:
            usage: dict[str, Any] = {"x-app-usage": self._app_usage(app_id, now)}
            if account_id:
                known = sorted(self._account(account_id).hours)
                entries = [self._use_case(account_id, case, now) for case in known]
                worst = max((max(e["call_count"], e["total_cputime"]) for e in entries), default=-1)
                # Once one use case shows, all that were used do: the worst need not come first.
                if worst >= self.emit_from_pct:
                    number = account_id.removeprefix("act_")
                    usage["x-business-use-case-usage"] = {number: entries}
                usage["x-ad-account-usage"] = self._score_usage(account_id, now)
                if insights:
                    usage["x-fb-ads-insights-throttle"] = self._throttle(account_id, app_id, now)
        return {name: orjson.dumps(value).decode() for name, value in usage.items() if value}

    def meters(self, account_id: str, app_id: str = "") -> dict[str, Any]:
        """All of an account's meters in one document, for the status page."""
        now = self._now()
        with self._lock:
            score_pct = 100 * self._account(account_id).score.value / self.score_limit
            return {
                "use_cases": [
                    self._use_case(account_id, case, now) for case in (INSIGHTS, MANAGEMENT)
                ],
                "insights_throttle": self._throttle(account_id, app_id, now),
                "score_pct": round(score_pct, 2) if self.scoring else None,
            }

    def _app_usage(self, app_id: str, now: float) -> dict[str, Any] | None:
        app = self._app(app_id).hour
        app.forget(now)
        calls = _pct(app.calls, self.app_calls)
        cpu = _pct(app.cpu_ms, self.app_calls * _CPU_MS_PER_CALL)
        if max(calls, cpu) < self.emit_from_pct:
            return None
        return {"call_count": calls, "total_time": cpu, "total_cputime": cpu}

    def _use_case(self, account_id: str, use_case: str, now: float) -> dict[str, Any]:
        hour = self._hour(account_id, use_case)
        hour.forget(now)
        limit = float(self.allowance(account_id, use_case))
        wait = hour.seconds_until_below(limit, limit * _CPU_MS_PER_CALL, now)
        cpu = _pct(hour.cpu_ms, limit * _CPU_MS_PER_CALL)
        return {
            "type": use_case,
            "call_count": _pct(hour.calls, limit),
            "total_cputime": cpu,
            "total_time": cpu,
            "estimated_time_to_regain_access": math.ceil(wait / 60),
            "ads_api_access_tier": self._tiers.get(account_id, self.tier),
        }

    def _score_usage(self, account_id: str, now: float) -> dict[str, Any] | None:
        if not self.scoring:
            return None
        score = self._account(account_id).score
        score.decay(now, self.score_limit, self.score_decay_seconds)
        pct = 100 * score.value / self.score_limit
        if now < score.blocked_until:
            pct = max(pct, 100.0)
        if pct < self.emit_from_pct:
            return None
        seconds = score.value * self.score_decay_seconds / self.score_limit
        return {
            "acc_id_util_pct": round(pct, 2),
            "reset_time_duration": math.ceil(max(seconds, score.blocked_until - now)),
            "ads_api_access_tier": self._tiers.get(account_id, self.tier),
        }

    def _throttle(self, account_id: str, app_id: str, now: float) -> dict[str, Any]:
        own = self._account(account_id).insights
        own.forget(now)
        app = self._app(app_id).insights
        app.forget(now)
        return {
            "app_id_util_pct": round(10 * app.calls / self.insights_points, 2),
            "acc_id_util_pct": round(100 * own.calls / self.insights_points, 2),
            "ads_api_access_tier": self._tiers.get(account_id, self.tier),
        }

    def _app(self, app_id: str) -> _App:
        return self._apps.setdefault(app_id or self._first_app, _App())

    def _account(self, account_id: str) -> _Account:
        return self._accounts.setdefault(account_id, _Account())

    def _hour(self, account_id: str, use_case: str) -> RollingHour:
        return self._account(account_id).hours.setdefault(use_case, RollingHour())

    def _now(self) -> float:
        if self._clock is None:
            raise RuntimeError("these limits are not in use yet: give them to a Simulator")
        moment: datetime = self._clock.now()
        return moment.timestamp()


def _pct(used: float, limit: float) -> int:
    # The margin keeps a whole percentage whole when the division is off by one bit.
    return math.floor(100 * used / limit + 1e-9) if limit > 0 else 0
