"""What a person may choose in the launchpad: validated, described, with defaults that suit."""

# Dagster reads these annotations at run time.
from datetime import date

import dagster as dg
from pydantic import Field, field_validator, model_validator


class EntitiesConfig(dg.Config):
    """How the structure of the accounts is read."""

    force: bool = Field(
        default=False,
        description="Read again what was read within the freshness window (META_FRESH_SECONDS)",
    )


class InsightsConfig(dg.Config):
    """Which days of insights are read, and whether fresh ones are read again."""

    since: str = Field(
        default="",
        description="First day, YYYY-MM-DD in the account's time zone. Empty: the plan decides "
        "(the first sync goes META_BACKFILL_DAYS back, later ones read what may have changed)",
        examples=["2026-01-31"],
    )
    until: str = Field(
        default="",
        description="Last day, inclusive, YYYY-MM-DD in the account's time zone. Empty: today",
        examples=["2026-02-28"],
    )
    force: bool = Field(
        default=False,
        description="Read again what was read within the freshness window (META_FRESH_SECONDS)",
    )

    @field_validator("since", "until")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if not value.strip():
            return ""
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise ValueError(f"{value!r} is not a day; write it as 2026-01-31") from None

    @model_validator(mode="after")
    def _in_order(self) -> "InsightsConfig":
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}: swap them")
        return self

    @property
    def first_day(self) -> date | None:
        return date.fromisoformat(self.since) if self.since else None

    @property
    def last_day(self) -> date | None:
        return date.fromisoformat(self.until) if self.until else None
