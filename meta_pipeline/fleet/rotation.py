"""The rotation the settings ask for: which policy, with which numbers."""

from __future__ import annotations

from dataclasses import dataclass

from meta_pipeline.governor import Thresholds
from meta_pipeline.model.money import CURRENCIES
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.sync.context import thresholds_from

from .policy import Policy
from .rules import RotationRules


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who is next, in numbers: the policy, its rules, and what the tables are asked with.

    `slots` is how many runs may be under way at once, `dataset` the ledger's name of the numbers
    that count, `currency` the one spend is compared in.
    """

    policy: Policy
    rules: RotationRules
    thresholds: Thresholds
    slots: int
    dataset: str
    currency: str

    @classmethod
    def of(cls, settings: Settings) -> Rotation:
        """Made from the settings of this process; SettingsError where they contradict."""
        if settings.rotation_currency not in CURRENCIES:
            raise SettingsError(
                f"META_ROTATION_CURRENCY is {settings.rotation_currency}, which is no currency an "
                "ad account can have: give one such as USD or EUR."
            )
        try:
            rules = _rules(settings)
        except ValueError as error:
            raise SettingsError(f"The settings of rotation contradict: {error}.") from None
        return cls(
            policy=Policy(settings.rotation_policy),
            rules=rules,
            thresholds=thresholds_from(settings),
            slots=settings.max_syncs,
            dataset=f"insights_{settings.insights_levels[0]}",
            currency=settings.rotation_currency,
        )


def _rules(settings: Settings) -> RotationRules:
    every = settings.tier_every
    return RotationRules(
        high_spend=settings.rotation_high_spend,
        medium_spend=settings.rotation_medium_spend,
        high_every=every["high"],
        medium_every=every["medium"],
        low_every=every["low"],
        empty_every=every["empty"],
        insights_every=settings.insights_cadence,
        entities_every=settings.entities_cadence,
        fresh=settings.rotation_freshness,
        accounts_per_run=settings.accounts_per_run,
        backfill_days=settings.backfill_days,
        include=settings.included,
        exclude=settings.excluded,
    )
