"""What a person may choose in the launchpad: asked once a run, described, with defaults that suit.

Each thing is a resource, which all steps of the run share, not a field of every step. It is checked
before there is a run: types while one types, the rest when it is launched.

Plain values only. Dagster gives each text, number and switch of a `Config` a second spelling,
`{env: NAME}`, which reads any variable of the process: whoever may launch a run could have a secret
told in an error. And no error here says what was typed, as it may be a token that was pasted.
"""

# Dagster reads these annotations at run time.
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.settings import breakdown_names
from meta_pipeline.sync.plan.presets import Preset

from .place import here

_ACCOUNT = re.compile(r"act_\d+")
_PRESETS = dg.Noneable(
    dg.Enum("Preset", [dg.EnumValue(str(preset), str(preset)) for preset in Preset])
)
_PLAIN: Mapping[object, Any] = {
    str: dg.String,
    int: dg.Int,
    float: dg.Float,
    bool: dg.Bool,
    list[str]: dg.Array(dg.String),
    Preset | None: _PRESETS,
}
"""Dagster's own types, which know no `{env: NAME}`."""


class LaunchpadConfig(DiscreetModel):
    """One thing of the launchpad; what is wrong with it is said without the value."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def resource(cls) -> dg.ResourceDefinition:
        """The resource that is this choice as the run's config has it."""
        fields = {
            name: dg.Field(
                _PLAIN[field.annotation],
                default_value=field.default,
                is_required=False,
                description=field.description,
            )
            for name, field in cls.model_fields.items()
        }
        chosen = dg.ResourceDefinition(
            lambda context: cls.model_validate(context.resource_config), config_schema=fields
        )

        def checked(config: Mapping[str, Any]) -> Mapping[str, Any]:
            try:
                cls.model_validate(config)
            except ValidationError as error:
                problems = error.errors(
                    include_input=False, include_url=False, include_context=False
                )
                said = (
                    [".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")]
                    for one in problems
                )
                text = "; ".join(": ".join(filter(None, each)) for each in said)
                raise WrongChoice(text) from None
            return config

        return chosen.configured(checked, config_schema=fields, description=cls.__doc__)


class WrongChoice(Exception):
    """What was chosen in the launchpad cannot be; the message names each field."""


class Accounts(LaunchpadConfig):
    """Which ad accounts, where they are not the run's partitions."""

    ids: list[str] = Field(
        default=[],
        description="Ad accounts to sync in place of the run's partitions, such as "
        "[act_1, act_2]: any set, each synced, recorded and materialized on its own. The sensor "
        "fills it when many are due",
    )
    begin_within_seconds: int = Field(
        default=0,
        ge=0,
        description="Begin no further account after so long: those left over keep their turn, and "
        "one large account does not hold the others up; 0: begin all. The sensor sets it",
    )

    @field_validator("ids")
    @classmethod
    def _are_accounts(cls, value: list[str]) -> list[str]:
        for name in value:
            if not _ACCOUNT.fullmatch(name):
                raise ValueError("one is not an ad account id, which looks like act_1234567890")
        # Named twice, an account would be synced twice.
        return list(dict.fromkeys(value))

    @property
    def begin_within(self) -> timedelta | None:
        return timedelta(seconds=self.begin_within_seconds) if self.begin_within_seconds else None


class Freshness(LaunchpadConfig):
    """Whether what is fresh is read again."""

    force: bool = Field(
        default=False,
        description="Read again what was read within the freshness window (META_FRESH_SECONDS)",
    )
    max_age_seconds: int = Field(
        default=0,
        ge=0,
        description="Read again what is older than this, also within the freshness window; "
        "0: as the settings say. The sensor sets it to the cadence of the account",
    )

    @property
    def max_age(self) -> timedelta | None:
        return timedelta(seconds=self.max_age_seconds) if self.max_age_seconds else None


AS_THE_SETTINGS_SAY = Freshness()


class InsightsDays(LaunchpadConfig):
    """Which days of insights, hours and breakdowns; nothing chosen: the plan reads what is due."""

    preset: Preset | None = Field(
        default=None, description="Range as Ads Manager names it, instead of since and until"
    )

    since: str = Field(
        default="",
        description="First day, YYYY-MM-DD in the account's time zone. Empty: the plan decides "
        "(the first sync goes META_BACKFILL_DAYS back, later ones read what may have changed)",
    )
    until: str = Field(
        default="",
        description="Last day, inclusive, YYYY-MM-DD in the account's time zone. Empty: today",
    )
    newest_days: int = Field(
        default=0,
        ge=0,
        description="Read only so many of the newest days, today included, instead of since and "
        "until; 0: all that are due. The sensor sets it while a fleet is read for the first time",
    )

    @field_validator("since", "until")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if not value.strip():
            return ""
        try:
            # Python reads 20260131 and 2026-W05-6 too; what is compared below has one form.
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise ValueError("is not a day; write it as 2026-01-31") from None

    @model_validator(mode="after")
    def _in_order(self) -> "InsightsDays":
        if self.preset and (self.since or self.until):
            raise ValueError("give a preset, or since and until, not both")
        if self.newest_days and (self.preset or self.since or self.until):
            raise ValueError("give newest_days, or a preset, or since and until: one of them")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}: swap them")
        return self

    @property
    def first_day(self) -> date | None:
        return date.fromisoformat(self.since) if self.since else None

    @property
    def last_day(self) -> date | None:
        return date.fromisoformat(self.until) if self.until else None


ALL_THAT_ARE_DUE = InsightsDays()


class Breakdowns(LaunchpadConfig):
    """Which breakdowns, where they are not those of the settings."""

    tables: list[str] = Field(
        default=[],
        description="Breakdown tables to read in place of META_BREAKDOWNS, each as age,gender; "
        "asset meta/insights_breakdown only",
    )

    @field_validator("tables")
    @classmethod
    def _are_breakdowns(cls, value: list[str]) -> list[str]:
        for text in value:
            breakdown_names(text)
        return value

    @property
    def dimensions(self) -> tuple[tuple[str, ...], ...]:
        """Each table by the dimensions it is broken down by."""
        return tuple(breakdown_names(text) for text in self.tables)


class Period(LaunchpadConfig):
    """How long a period the operational questions are asked about."""

    days: float = Field(
        default=7, gt=0, le=3650, description="Length of the period in days, until now"
    )


def choices() -> dict[str, dg.ResourceDefinition]:
    """The resources of the launchpad by name, which is also the name steps ask for them by."""
    return {
        "accounts": Accounts.resource(),
        "freshness": Freshness.resource(),
        "days": InsightsDays.resource(),
        "breakdowns": Breakdowns.resource(),
        "period": Period.resource(),
    }


def run_config(**chosen: Mapping[str, object]) -> dict[str, Any]:
    """A run's config: each choice by the name of its resource, what is not given by default."""
    return {
        "resources": {
            here().named(name): {"config": dict(config)} for name, config in chosen.items()
        }
    }
