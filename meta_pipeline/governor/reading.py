"""What a meter of Meta's said at one moment, and what that is worth now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

APP = "app"
"""Key of the meters that all accounts of one app share."""

ADS_MANAGEMENT = "ads_management"
ADS_INSIGHTS = "ads_insights"
SCORE_HEADER = "x-ad-account-usage"

UNNAMED = "unknown"
"""The use case of a header's entry that names none: heeded by every call of its account."""


class Scope(StrEnum):
    """Whom a meter counts for, and by which of Meta's limits."""

    APP = "app"
    ACCOUNT = "account"
    INSIGHTS_APP = "insights_app"
    INSIGHTS_ACCOUNT = "insights_account"
    INSIGHTS_REACH = "insights_reach"


class Meter(NamedTuple):
    """Names one meter: scope, `act_<n>` or "app", and Meta's use case or ""."""

    scope: str
    key: str
    use_case: str

    def counts(self, account_id: str | None, use_case: str) -> bool:
        """Whether a call to the account for the use case moves this meter.

        Each use case has a quota of its own (FACTS §1.3): what another one used, known to us or
        invented tomorrow, says nothing of ours. Of an entry without a name nobody can tell.
        """
        if self.scope == Scope.APP:
            return True
        if self.scope == Scope.INSIGHTS_APP:
            return use_case == ADS_INSIGHTS
        if self.key != account_id or self.scope == Scope.INSIGHTS_REACH:
            return False
        if self.scope == Scope.INSIGHTS_ACCOUNT:
            return use_case == ADS_INSIGHTS
        return self.use_case in ("", UNNAMED, use_case)

    @property
    def is_insights(self) -> bool:
        return self.use_case == ADS_INSIGHTS or self.scope in (
            Scope.INSIGHTS_APP,
            Scope.INSIGHTS_ACCOUNT,
        )

    @property
    def words(self) -> str:
        """The meter as a person would call it."""
        if self.scope == Scope.APP:
            return "the app"
        if self.scope == Scope.INSIGHTS_APP:
            return "the app's insights throttle"
        if self.scope == Scope.INSIGHTS_ACCOUNT:
            return "the account's insights throttle"
        return self.use_case or "the account"


@dataclass(frozen=True, slots=True)
class Reading:
    """One meter as Meta reported it.

    `usage_pct` is a percentage of the allowance, never a count, and may exceed 100. `regain_at`
    is when Meta says access returns; of `x-ad-account-usage` it is when the score is 0 again.
    Times are aware. Source: FACTS §1.
    """

    scope: str
    key: str
    use_case: str
    usage_pct: float
    read_at: datetime
    regain_at: datetime | None = None
    access_tier: str | None = None
    source: str = ""

    @property
    def meter(self) -> Meter:
        return Meter(self.scope, self.key, self.use_case)

    @property
    def blocks(self) -> bool:
        """Whether Meta refuses calls until `regain_at`.

        The score header always carries a reset time, so there only a full score is a block.
        """
        if self.regain_at is None:
            return False
        return self.source != SCORE_HEADER or self.usage_pct >= 100


@dataclass(frozen=True, slots=True)
class EffectiveReading:
    """A reading and what it is worth now.

    `effective_pct` is the newest percentage, less what Meta has freed since, plus our own calls
    that no reading has shown yet. From `stops_mattering_at` on it says nothing any more.
    `resumes_at` is set while no call may be made: a block until Meta's own time, or usage at or
    above its stop until it is forecast to have fallen enough. `is_guess`: it was stopped when
    last seen, so one call has to look before many follow. `eases_at` is set on an insights meter
    over its skip threshold: when it is forecast below. `freeing_pct_per_second` is what Meta
    surely frees; `cost_pct` is what one of our calls was seen to move it by.
    """

    reading: Reading
    effective_pct: float
    stops_mattering_at: datetime
    resumes_at: datetime | None = None
    is_guess: bool = False
    eases_at: datetime | None = None
    freeing_pct_per_second: float = 0.0
    cost_pct: float = 0.0
