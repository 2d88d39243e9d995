"""The policies: how old an account's data may become before its turn comes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from meta_pipeline.model.account_state import AccountState

from .rules import RotationRules


class Policy(StrEnum):
    """Who comes next.

    `rotation` goes round by account id; `priority` by spend; `fallback` takes only who was
    forgotten; `hybrid` is priority with places kept for who is late.
    """

    ROTATION = "rotation"
    PRIORITY = "priority"
    FALLBACK = "fallback"
    HYBRID = "hybrid"

    @property
    def uses_tiers(self) -> bool:
        return self in (Policy.PRIORITY, Policy.HYBRID)


class Tier(StrEnum):
    """What an account's spend of the last 7 days makes of it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Cadence:
    """How old each part may become; `tier` where the spend decided it."""

    insights: timedelta
    entities: timedelta
    tier: Tier | None = None


def tier_of(state: AccountState, rules: RotationRules) -> Tier:
    """The account's tier. One that spent nothing is empty only when nothing in it could spend.

    Spend in a currency without a rate is of the medium tier, whatever its number: 500 of something
    is neither much nor little.
    """
    if state.spend_7d > 0 and not state.is_comparable:
        return Tier.MEDIUM
    if state.spend_7d > rules.high_spend:
        return Tier.HIGH
    if state.spend_7d > rules.medium_spend:
        return Tier.MEDIUM
    if state.spend_7d > 0 or state.can_deliver:
        return Tier.LOW
    return Tier.EMPTY


class Cadences:
    """The cadence of any account under one policy; made once for a whole fleet."""

    def __init__(self, policy: Policy, rules: RotationRules) -> None:
        self._rules = rules
        self._uses_tiers = policy.uses_tiers
        every = {
            Tier.HIGH: rules.high_every,
            Tier.MEDIUM: rules.medium_every,
            Tier.LOW: rules.low_every,
            Tier.EMPTY: rules.empty_every,
        }
        self._by_tier = {tier: self._cadence(each, tier) for tier, each in every.items()}
        forgotten = policy is Policy.FALLBACK
        self._same = self._cadence(rules.fallback_after if forgotten else rules.insights_every)

    def of(self, state: AccountState) -> Cadence:
        if not self._uses_tiers:
            return self._same
        return self._by_tier[tier_of(state, self._rules)]

    def _cadence(self, insights: timedelta, tier: Tier | None = None) -> Cadence:
        insights = max(insights, self._rules.fresh)
        return Cadence(insights, max(insights, self._rules.entities_every), tier)
