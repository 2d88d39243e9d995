"""The rotation the settings ask for: which policy, with which numbers. Knows no Dagster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from meta_pipeline.governor import Thresholds
from meta_pipeline.rotation import Policy, RotationSettings
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.sync.context import thresholds_from
from meta_pipeline.sync.money import CURRENCIES

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who is next, in numbers: the policy, its settings, and what the tables are asked with.

    `slots` is how many runs may be under way at once, `dataset` the ledger's name of the numbers
    that count, `currency` the one spend is compared in.
    """

    policy: Policy
    settings: RotationSettings
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
            numbers = _numbers(settings)
        except ValueError as error:
            raise SettingsError(f"The settings of rotation contradict: {error}.") from None
        return cls(
            policy=Policy(settings.rotation_policy),
            settings=numbers,
            thresholds=thresholds_from(settings),
            slots=settings.max_syncs,
            dataset=f"insights_{settings.insights_levels[0]}",
            currency=settings.rotation_currency,
        )


def _numbers(settings: Settings) -> RotationSettings:
    every = [_time(one.partition(":")[2]) for one in settings.rotation_tiers.split(",")]
    high, medium, low, empty = every  # the settings have checked their names and order
    return RotationSettings(
        high_spend=settings.rotation_high_spend,
        medium_spend=settings.rotation_medium_spend,
        high_every=high,
        medium_every=medium,
        low_every=low,
        empty_every=empty,
        insights_every=_time(settings.insights_every),
        entities_every=_time(settings.entities_every),
        fresh=_time(settings.rotation_fresh),
        accounts_per_run=settings.accounts_per_run,
        backfill_days=settings.backfill_days,
        include=settings.included,
        exclude=settings.excluded,
    )


def _time(text: str) -> timedelta:
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", text)
    assert match, text  # the settings have checked it
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
