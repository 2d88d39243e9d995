"""What Meta lets an ad account do in an hour, by the formulas it documents (FACTS §2)."""

from __future__ import annotations

from dataclasses import dataclass

from .usage import FULL_ACCESS

SCORE_DRAIN_SECONDS = 300.0
"""In so many seconds a full score is empty again."""


@dataclass(frozen=True, slots=True)
class HourlyAllowance:
    """Calls in a rolling hour by use case, grown by active ads; and the score, of which a read
    takes 1.
    """

    management: float
    insights: float
    score: float

    @classmethod
    def of(cls, access_tier: str | None, active_ads: int) -> HourlyAllowance:
        """That of an account with so many active ads; an unknown tier counts as Limited."""
        is_full = access_tier == FULL_ACCESS
        management, insights, score = (100_000, 190_000, 9_000) if is_full else (300, 600, 60)
        return cls(management + 40 * active_ads, insights + 400 * active_ads, score)
