"""How much of one of Meta's allowances is used: one reading, from the answer's header to the table.

Source: FACTS §1 (headers) and §2 (allowances).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

APP = "app"
"""Key of the meters that all accounts of one app share: of the installation's own app."""

ADS_MANAGEMENT = "ads_management"
ADS_INSIGHTS = "ads_insights"
CUSTOM_AUDIENCE = "custom_audience"

UNNAMED = "unknown"
"""The use case of a header's entry that names none: heeded by every call of its account."""

SCORE_HEADER = "x-ad-account-usage"

FULL_ACCESS = "standard_access"
"""What the headers call Full access of the Marketing API; Limited is `development_access`."""


def app_key(app_id: str | None, own_app_id: str | None) -> str:
    """The key of an app's meters: each app has its own (FACTS §2).

    `app` is the app of META_ACCESS_TOKEN or the settings, and one nobody named; `app_<id>` another.
    """
    return APP if app_id is None or app_id == own_app_id else f"{APP}_{app_id}"


def named(app: str) -> str:
    """The app of a key as a person would call it: `the app`, or `app <id>` of another one."""
    return "the app" if app == APP else f"app {app.removeprefix(f'{APP}_')}"


class MeterScope(StrEnum):
    """Whom a meter counts for, and by which of Meta's limits."""

    APP = "app"
    ACCOUNT = "account"
    INSIGHTS_APP = "insights_app"
    INSIGHTS_ACCOUNT = "insights_account"
    INSIGHTS_REACH = "insights_reach"


class Meter(NamedTuple):
    """Names one meter: scope, `act_<n>` or an app's key, and Meta's use case or ""."""

    scope: str
    key: str
    use_case: str

    def counts(self, account_id: str | None, use_case: str, app: str = APP) -> bool:
        """Whether a call of the app to the account for the use case moves this meter.

        Each use case has a quota of its own (FACTS §1.3): what another one used, known to us or
        invented tomorrow, says nothing of ours. Of an entry without a name nobody can tell.
        """
        if self.is_of_app:
            return self.key == app and (self.scope == MeterScope.APP or use_case == ADS_INSIGHTS)
        if self.key != account_id or self.scope == MeterScope.INSIGHTS_REACH:
            return False
        if self.scope == MeterScope.INSIGHTS_ACCOUNT:
            return use_case == ADS_INSIGHTS
        return self.use_case in ("", UNNAMED, use_case)

    @property
    def is_of_app(self) -> bool:
        """Whether it counts for all accounts of an app."""
        return self.scope in (MeterScope.APP, MeterScope.INSIGHTS_APP)

    @property
    def is_insights(self) -> bool:
        return self.use_case == ADS_INSIGHTS or self.scope in (
            MeterScope.INSIGHTS_APP,
            MeterScope.INSIGHTS_ACCOUNT,
        )

    @property
    def words(self) -> str:
        """The meter as a person would call it."""
        if self.is_of_app:
            app = named(self.key)
            return app if self.scope == MeterScope.APP else f"{app}'s insights throttle"
        if self.scope == MeterScope.INSIGHTS_ACCOUNT:
            return "the account's insights throttle"
        return self.use_case or "the account"


@dataclass(frozen=True, slots=True)
class UsageReading:
    """One meter as Meta reported it: what a header says, and a row of `usage_readings`.

    Times are aware.
    """

    scope: str
    # The ad account's id, an app's key, or "" where the answer does not tell whose usage it is.
    key: str
    # Empty where the meter is of no use case.
    use_case: str
    # Of the allowance, never a count; may exceed 100.
    usage_pct: float
    read_at: datetime
    # When Meta says access returns; of `x-ad-account-usage` when the score is 0 again.
    regain_at: datetime | None = None
    # As Meta names it, such as standard_access.
    access_tier: str | None = None
    # The header, or the error, that told.
    source: str = ""

    @property
    def meter(self) -> Meter:
        return Meter(self.scope, self.key, self.use_case)

    @property
    def regain_seconds(self) -> float | None:
        """How long access is gone, or the score drains, from the reading on."""
        return None if self.regain_at is None else (self.regain_at - self.read_at).total_seconds()

    @property
    def blocks(self) -> bool:
        """Whether Meta refuses calls until `regain_at`.

        The score header always carries a reset time, so there only a full score is a block.
        """
        if self.regain_at is None:
            return False
        return self.source != SCORE_HEADER or self.usage_pct >= 100


def of_app(readings: Iterable[UsageReading], app: str) -> tuple[UsageReading, ...]:
    """The readings of an answer, those of the app's meters under the key of the app that asked."""
    return tuple(replace(r, key=app) if r.meter.is_of_app else r for r in readings)


def use_case_of(endpoint_key: str) -> str:
    """Meta's use case for a call: insights and their reports draw on ads_insights, the listing of
    audiences on custom_audience (FACTS §2).
    """
    if endpoint_key.startswith(("insights", "report")):
        return ADS_INSIGHTS
    return CUSTOM_AUDIENCE if endpoint_key.startswith("custom_audience") else ADS_MANAGEMENT


def worst_of_each(readings: Iterable[UsageReading]) -> list[UsageReading]:
    """One reading for each meter and moment: with the highest percentage, of the longest block.

    What is no percentage is left out; one below 0 counts as 0.
    """
    worst: dict[tuple[Meter, datetime], UsageReading] = {}
    for reading in readings:
        if not math.isfinite(reading.usage_pct):
            continue
        slot = (reading.meter, reading.read_at)
        one, other = worst.get(slot, reading), reading
        chosen = max(one, other, key=lambda r: (r.blocks, r.regain_at or r.read_at, r.usage_pct))
        worst[slot] = replace(chosen, usage_pct=max(0.0, one.usage_pct, other.usage_pct))
    return list(worst.values())
