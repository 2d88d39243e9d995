"""Meta's meters as FACTS §2 has them, for simulated days: truth, while the governor sees headers.

Nothing of the product is used here, so that a mistake there is not made here a second time.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

HOUR = 3600.0
Headers = dict[str, str]


class RollingQuota:
    """An allowance of calls per rolling hour; refused calls count too, and so prolong a block."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.used = 0.0
        self.blocks = 0
        self._entries: deque[tuple[float, float]] = deque()
        self._forced_until = 0.0
        self._was_full = False

    def charge(self, now: float, calls: float = 1.0) -> bool:
        """Count calls; returns whether they are refused."""
        refused = self.full(now)
        if now < self._forced_until:
            self._forced_until += 60.0
        self._entries.append((now, calls))
        self.used += calls
        self.full(now)
        return refused

    def full(self, now: float) -> bool:
        while self._entries and self._entries[0][0] + HOUR <= now:
            self.used -= self._entries.popleft()[1]
        is_full = self.used >= self.limit - 1e-9 or now < self._forced_until
        self.blocks += is_full and not self._was_full
        self._was_full = is_full
        return is_full

    def force(self, until: float) -> None:
        """Block until then, for reasons of Meta's own; each call made meanwhile adds a minute."""
        self._forced_until = until

    def pct(self, now: float) -> float:
        full = self.full(now)
        pct = 100 * self.used / self.limit
        return max(pct, 100.0) if full else pct

    def room(self, now: float, cap: float) -> bool:
        """Whether one more call stays within the share `cap` of the limit."""
        return not self.full(now) and self.used + 1 <= self.limit * cap + 1e-9

    def changes_at(self, now: float) -> float:
        """When the meter next falls by itself."""
        if now < self._forced_until:
            return self._forced_until
        return self._entries[0][0] + HOUR if self._entries else now

    def seconds_to_regain(self, now: float) -> float:
        if not self.full(now):
            return 0.0
        left, at = self.used, now
        for entry_at, calls in self._entries:
            if left < self.limit - 1e-9:
                break
            left -= calls
            at = entry_at + HOUR
        return max(at, self._forced_until) - now


class ScoreQuota:
    """The ad-account score: a read is 1, drains over 300 s, a full one blocks for a while."""

    def __init__(self, limit: float, block_seconds: float, drain_seconds: float = 300.0) -> None:
        self.limit = limit
        self.blocks = 0
        self._score = 0.0
        self._at = 0.0
        self._block_seconds = block_seconds
        self._rate = limit / drain_seconds
        self._blocked_until = 0.0

    def _drain(self, now: float) -> None:
        self._score = max(0.0, self._score - (now - self._at) * self._rate)
        self._at = now

    def charge(self, now: float, calls: float = 1.0) -> bool:
        self._drain(now)
        self._score += calls
        blocked = now < self._blocked_until
        if blocked or self._score > self.limit:
            self.blocks += not blocked
            self._blocked_until = now + self._block_seconds
            return True
        return False

    def full(self, now: float) -> bool:
        return now < self._blocked_until

    def pct(self, now: float) -> float:
        self._drain(now)
        pct = 100 * self._score / self.limit
        return max(100.0, pct) if self.full(now) else pct

    def room(self, now: float, cap: float) -> bool:
        self._drain(now)
        return not self.full(now) and self._score + 1 <= self.limit * cap

    def changes_at(self, now: float) -> float:
        return max(now + 1.0 / self._rate, self._blocked_until)

    def seconds_to_regain(self, now: float) -> float:
        return max(0.0, self._blocked_until - now)

    def reset_seconds(self, now: float) -> float:
        self._drain(now)
        return max(self._score / self._rate, self._blocked_until - now)


@dataclass(frozen=True)
class Answer:
    """What came back: Meta's code and subcode for a refusal, headers always."""

    headers: Headers
    code: int | None = None
    subcode: int | None = None

    @property
    def refused(self) -> bool:
        return self.code is not None


@dataclass(frozen=True)
class Refused:
    """A call of ours that was refused, the block it met, and how long Meta said it lasts."""

    at: float
    account_id: str
    block: str
    told_seconds: float


@dataclass
class World:
    """Accounts with one meter each, and the app's meter over all of them.

    `distort` may change the headers of an answer: (second, headers) -> headers.
    """

    accounts: dict[str, RollingQuota | ScoreQuota]
    app: RollingQuota | None = None
    use_case: str = "ads_insights"
    distort: Callable[[float, Headers], Headers] = lambda _now, headers: headers
    refused: list[Refused] = field(default_factory=list)

    def call(self, account_id: str, now: float) -> Answer:
        """One call of ours."""
        app_refuses = self.app is not None and self.app.charge(now)
        refuses = self.accounts[account_id].charge(now)
        headers = self.distort(now, self._headers(account_id, now))
        if not (app_refuses or refuses):
            return Answer(headers)
        meter = self.app if app_refuses and self.app else self.accounts[account_id]
        told = math.inf if app_refuses else meter.seconds_to_regain(now)
        self.refused.append(Refused(now, account_id, f"{id(meter)}/{meter.blocks}", told))
        if app_refuses:
            return Answer(headers, 4, None)
        if isinstance(self.accounts[account_id], ScoreQuota):
            return Answer(headers, 17, 2446079)
        return Answer(headers, 80000, 2446079)

    def room(self, account_id: str, now: float, account_cap: float, app_cap: float) -> bool:
        """What only a perfect scheduler knows: whether a call stays under the caps."""
        app_room = self.app is None or self.app.room(now, app_cap)
        return app_room and self.accounts[account_id].room(now, account_cap)

    def changes_at(self, account_id: str, now: float) -> float:
        meters = [self.accounts[account_id], *([self.app] if self.app else [])]
        return min((at for meter in meters if (at := meter.changes_at(now)) > now), default=now + 1)

    @property
    def blocks(self) -> int:
        meters = [*self.accounts.values(), *([self.app] if self.app else [])]
        return sum(meter.blocks for meter in meters)

    @property
    def refusals(self) -> int:
        return len(self.refused)

    def refused_though_known(self, latency_seconds: float) -> list[Refused]:
        """Refused calls that were sent after a refusal was answered, before its time was over.

        Meta's time may be too short, when others take what becomes free: the call that finds
        that out is no fault of the caller's.
        """
        return [
            each
            for each in self.refused
            if any(
                other.block == each.block
                and other.at + latency_seconds < each.at < other.at + other.told_seconds
                for other in self.refused
            )
        ]

    def _headers(self, account_id: str, now: float) -> Headers:
        headers = {}
        meter = self.accounts[account_id]
        if isinstance(meter, ScoreQuota):
            headers["x-ad-account-usage"] = json.dumps(
                {
                    "acc_id_util_pct": round(meter.pct(now), 2),
                    "reset_time_duration": math.ceil(meter.reset_seconds(now)),
                    "ads_api_access_tier": "development_access",
                }
            )
        elif meter.pct(now) >= 1:
            headers["x-business-use-case-usage"] = json.dumps(
                {account_id.removeprefix("act_"): [self._entry(meter, now)]}
            )
        if self.app is not None and self.app.pct(now) >= 1:
            pct = math.floor(self.app.pct(now))
            headers["x-app-usage"] = json.dumps(
                {"call_count": pct, "total_time": pct // 2, "total_cputime": pct // 3}
            )
        return headers

    def _entry(self, meter: RollingQuota, now: float) -> dict[str, object]:
        return {
            "type": self.use_case,
            "call_count": math.floor(meter.pct(now)),
            "total_cputime": 1,
            "total_time": 1,
            "estimated_time_to_regain_access": math.ceil(meter.seconds_to_regain(now) / 60),
            "ads_api_access_tier": "development_access",
        }
