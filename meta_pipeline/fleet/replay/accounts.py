"""A fleet for the replay: accounts whose spend is as unequal as in life, from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

# As the rotation counts it: the spend of seven days tells an account's tier.
SPEND_DAYS = 7
# A made-up fleet, so that policies can be compared: no numbers of anybody's.
_EMPTY_SHARE = 0.15
_NEW_SHARE = 0.02
_MEDIAN_SPEND_7D = 20.0
# Sigma of the log-normal: the best tenth of the spending accounts spends four fifths of it all.
_SPREAD = 2.3
_DAY_TO_DAY = 0.4
_PAUSED_A_DAY = 0.03
_RESUMED_A_DAY = 0.25
_LARGEST_TENANT_SHARE = 0.5
_TENANTS = 8


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """One account and how it will fare.

    `spend_by_day` starts a week before the replay does. `first_seen_at` is when discovery finds
    it; `active_ads` is what Meta's hourly allowances grow with.
    """

    account_id: str
    tenant: str
    spend_by_day: tuple[float, ...]
    active_ads: int
    first_seen_at: datetime
    can_deliver: bool

    def spend_7d(self, day: int) -> float:
        """Spend of the day with this number (0 is the first of the replay) and the 7 before it."""
        return sum(self.spend_by_day[day : day + SPEND_DAYS + 1])


def make_fleet(accounts: int, days: int, start: datetime, seed: int = 1) -> list[FleetAccount]:
    """The same fleet for the same seed, whatever the policy."""
    random = Random(f"fleet:{seed}")  # noqa: S311 (a simulation, not a secret)
    fleet: list[FleetAccount] = []
    for number in range(1, accounts + 1):
        is_empty = random.random() < _EMPTY_SHARE
        weekly = 0.0 if is_empty else _MEDIAN_SPEND_7D * math.exp(random.gauss(0, _SPREAD))
        spend = tuple(_spend_by_day(weekly / SPEND_DAYS, days + SPEND_DAYS + 1, random))
        is_new = random.random() < _NEW_SHARE
        arrives = start + timedelta(seconds=random.uniform(0, days * 86_400)) if is_new else start
        is_of_largest = random.random() < _LARGEST_TENANT_SHARE
        fleet.append(
            FleetAccount(
                account_id=f"act_{number:06d}",
                tenant=f"tenant {0 if is_of_largest else random.randint(1, _TENANTS)}",
                spend_by_day=spend,
                active_ads=0 if is_empty else min(500, 1 + round(2 * math.sqrt(weekly))),
                first_seen_at=arrives,
                can_deliver=not is_empty,
            )
        )
    return fleet


def _spend_by_day(mean: float, days: int, random: Random) -> list[float]:
    """Days vary, and now and then an account pauses for some."""
    spend, is_paused = [], False
    for _ in range(days):
        turned = random.random() < (_RESUMED_A_DAY if is_paused else _PAUSED_A_DAY)
        is_paused = is_paused != turned
        spend.append(0.0 if is_paused else mean * math.exp(random.gauss(0, _DAY_TO_DAY)))
    return spend
