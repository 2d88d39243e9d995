"""Which account is synced next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from meta_pipeline.moments import span

# What `moments.span` takes, in whole numbers: a pattern names the wrong setting at once.
_TIME = r"\s*[1-9]\d*\s*[smhd]\s*"


class RotationSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """Policy, tiers, cadences and how many at once."""

    rotation_policy: Literal["hybrid", "priority", "rotation", "fallback"] = Field(
        "hybrid",
        validation_alias=AliasChoices("META_ROTATION_POLICY"),
        description="Who is synced next: hybrid, priority (by spend), rotation or fallback",
    )
    rotation_tiers: str = Field(
        "high:30m,medium:2h,low:12h,empty:1d",
        validation_alias=AliasChoices("META_ROTATION_TIERS"),
        pattern=rf"^high:{_TIME},medium:{_TIME},low:{_TIME},empty:{_TIME}$",
        description="How old numbers may become under priority and hybrid, by spend of 7 days",
    )
    rotation_high_spend: float = Field(
        100,
        ge=0,
        validation_alias=AliasChoices("META_ROTATION_HIGH_SPEND"),
        description="Spend of 7 days above which an account is of the high tier",
    )
    rotation_medium_spend: float = Field(
        10,
        ge=0,
        validation_alias=AliasChoices("META_ROTATION_MEDIUM_SPEND"),
        description="Spend of 7 days above which an account is of the medium tier",
    )
    rotation_currency: str = Field(
        "USD",
        pattern=r"^[A-Z]{3}$",
        validation_alias=AliasChoices("META_ROTATION_CURRENCY"),
        description="Currency these two amounts are in; spend in others is converted to compare it",
    )
    insights_every: str = Field(
        "1h",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_INSIGHTS_EVERY"),
        description="How old numbers may become under rotation",
    )
    entities_every: str = Field(
        "4h",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_ENTITIES_EVERY"),
        description="How old the structure may become, under any policy",
    )
    rotation_fresh: str = Field(
        "30m",
        pattern=rf"^{_TIME}$",
        validation_alias=AliasChoices("META_ROTATION_FRESH"),
        description="An account synced within this time is not picked again",
    )
    include_accounts: str = Field(
        "",
        pattern=r"^\s*(act_\d+\s*(,\s*act_\d+\s*)*)?$",
        validation_alias=AliasChoices("META_INCLUDE_ACCOUNTS"),
        description="Ad accounts to sync, such as act_1,act_2; all the token sees when empty",
    )
    exclude_accounts: str = Field(
        "",
        pattern=r"^\s*(act_\d+\s*(,\s*act_\d+\s*)*)?$",
        validation_alias=AliasChoices("META_EXCLUDE_ACCOUNTS"),
        description="Ad accounts to leave out; a person may still sync them by hand",
    )
    accounts_per_run: int = Field(
        25,
        ge=1,
        le=100,
        validation_alias=AliasChoices("META_ACCOUNTS_PER_RUN"),
        description="Accounts a Dagster run takes at most when many are due; one due is one run. "
        "Of new ones four times as many, at most 100, while nobody else waits",
    )
    max_syncs: int = Field(
        3,
        ge=1,
        validation_alias=AliasChoices("META_MAX_SYNCS"),
        description="Runs of syncs at once; pool meta_api follows, max_concurrent_runs is one more",
    )

    @property
    def tier_every(self) -> Mapping[str, timedelta]:
        """How old numbers may become, by tier."""
        pairs = (one.split(":") for one in self.rotation_tiers.split(","))
        return {tier: span(text) for tier, text in pairs}

    @property
    def insights_cadence(self) -> timedelta:
        return span(self.insights_every)

    @property
    def entities_cadence(self) -> timedelta:
        return span(self.entities_every)

    @property
    def rotation_freshness(self) -> timedelta:
        return span(self.rotation_fresh)
