"""What may be spent in a day, by account and by the app, and whether a plan still fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class DailyBudget:
    """Weighted cost that may be spent until `resets_at`; `limit` None means no limit."""

    name: str
    limit: float | None
    used: float
    resets_at: datetime

    @property
    def left(self) -> float:
        """What may still be spent, never below 0; infinite without a limit."""
        return float("inf") if self.limit is None else max(0.0, self.limit - self.used)

    def fits(self, weighted_cost: float) -> bool:
        """Whether that much may still be spent."""
        return self.limit is None or self.used + weighted_cost <= self.limit


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The day's allowances of one account and of its app, in weighted cost.

    BudgetState.of_day("act_1", zone, now, account_limit=500, account_used=120)
    """

    account: DailyBudget
    app: DailyBudget

    @classmethod
    def of_day(
        cls,
        account_id: str,
        zone: tzinfo,
        now: datetime,
        *,
        account_limit: float | None = None,
        account_used: float = 0.0,
        app_limit: float | None = None,
        app_used: float = 0.0,
        app_zone: tzinfo | None = None,
        app_name: str = "the app",
    ) -> BudgetState:
        """The state at `now`; both reset at midnight, the app's in `app_zone` (else `zone`)."""
        return cls(
            DailyBudget(account_id, account_limit, account_used, day_end(now, zone)),
            DailyBudget(app_name, app_limit, app_used, day_end(now, app_zone or zone)),
        )

    def refusal(self, weighted_cost: float) -> DailyBudget | None:
        """The allowance that such a plan would overrun, the one that resets last; None if none."""
        short = [each for each in (self.account, self.app) if not each.fits(weighted_cost)]
        return max(short, key=lambda each: each.resets_at, default=None)


def day_start(now: datetime, zone: tzinfo) -> datetime:
    """The midnight that began the zone's day: from here on spending counts."""
    return datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)


def day_end(now: datetime, zone: tzinfo) -> datetime:
    """The zone's next midnight: 23, 24 or 25 hours after the last."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), tzinfo=zone)
