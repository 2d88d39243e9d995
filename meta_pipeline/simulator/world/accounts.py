"""Ad accounts of a world: what a test or the demo asks for, and how they read over the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACCOUNT_PREFIX = "99"  # no account number of Meta's starts so and has fifteen digits


@dataclass(frozen=True)
class AccountSpec:
    """One ad account to build: its size, how much of it is active, its money and its zone."""

    name: str
    campaigns: int = 0
    adsets: int = 0
    ads: int = 0
    active: tuple[int, int, int] = (0, 0, 0)
    """Campaigns, ad sets and ads whose effective_status is ACTIVE or WITH_ISSUES."""
    currency: str = "AUD"
    zone: str = "Australia/Sydney"
    account_status: int = 1
    """1 active, 2 disabled, 3 unsettled, 101 closed (FACTS §12)."""
    disable_reason: int = 0
    permitted: bool = True
    """False: the token may list the account but not read what it holds."""
    opted_in: frozenset[str] = frozenset()
    """Breakdowns that need an opt-in and have it (FACTS §5.4)."""
    age_days: int = 900
    """How long before the anchor its first campaign was created, at most."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the account says of itself instead of what is drawn."""

    def __post_init__(self) -> None:
        for level, count, active in zip(
            ("campaigns", "adsets", "ads"),
            (self.campaigns, self.adsets, self.ads),
            self.active,
            strict=True,
        ):
            if not 0 <= active <= count:
                raise ValueError(f"{self.name}: {active} active of {count} {level} is impossible")
        # effective_status cascades: below something off nothing is ACTIVE.
        if (self.active[1] and not self.active[0]) or (self.active[2] and not self.active[1]):
            raise ValueError(f"{self.name}: an active child needs an active parent")


def account_number(ordinal: int) -> str:
    """The numeric id of the n-th account of a world (without `act_`)."""
    return f"{ACCOUNT_PREFIX}{ordinal + 1:013d}"


# Small and varied: currencies without minor units, zones, nothing at all, closed, forbidden.
DEFAULT_ACCOUNTS = (
    AccountSpec("Kookaburra Coffee", 6, 14, 40, (3, 6, 18)),
    AccountSpec("珈琲 Tokyo", 3, 6, 12, (1, 2, 5), currency="JPY", zone="Asia/Tokyo"),
    AccountSpec("Óbuda Kávéház", 2, 3, 6, (1, 1, 2), currency="HUF", zone="Europe/Budapest"),
    AccountSpec("Nothing Here Yet", zone="America/Los_Angeles", currency="USD"),
    AccountSpec("Closed Shop", 2, 2, 4, account_status=2, disable_reason=1),
    AccountSpec("Somebody Else's", 1, 1, 1, (1, 1, 1), permitted=False),
)
