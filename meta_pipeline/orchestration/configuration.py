"""What a person may choose in the launchpad: validated, described, with defaults that suit.

Plain values only. Dagster gives each text, number and switch of a `Config` a second spelling,
`{env: NAME}`, which reads any variable of the process: whoever may launch a run could have a secret
told in an error. And no error here says what was typed, as it may be a token that was pasted.
"""

# Dagster reads these annotations at run time.
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

import dagster as dg
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from meta_pipeline.settings import breakdown_names
from meta_pipeline.sync.plan.presets import Preset

_PRESETS = ", ".join(Preset)
_ACCOUNT = re.compile(r"act_\d+")


_PLAIN: Mapping[object, Any] = {
    str: dg.String,
    int: dg.Int,
    float: dg.Float,
    bool: dg.Bool,
    list[str]: dg.Array(dg.String),
}
"""Dagster's own types, which know no `{env: NAME}`."""


class Launchpad(dg.Config):
    """Fields of the launchpad; what is wrong with one is said without the value."""

    model_config = ConfigDict(hide_input_in_errors=True)


Chosen = TypeVar("Chosen", bound=Launchpad)


def fields_of(model: type[Launchpad]) -> dict[str, dg.Field]:
    """The `config_schema` of a step that is configured by the model."""
    return {
        name: dg.Field(
            _PLAIN[field.annotation],
            default_value=field.default,
            is_required=False,
            description=field.description,
        )
        for name, field in model.model_fields.items()
    }


def chosen(model: type[Chosen], context: dg.AssetExecutionContext) -> Chosen:
    """What the launchpad says of this step; a Failure names each field that is wrong."""
    try:
        return model(**context.op_execution_context.op_config)
    except ValidationError as error:
        raise dg.Failure(_explained(error), allow_retries=False) from None


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    said = (
        ": ".join([".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")])
        for one in problems
    )
    return "; ".join(text.removeprefix(": ") for text in said)


class EntitiesConfig(Launchpad):
    """Which accounts, and whether what is fresh is read again."""

    accounts: list[str] = Field(
        default=[],
        description="Ad accounts to sync in place of the run's partitions, such as "
        "[act_1, act_2]: any set, each synced, recorded and materialized on its own. The sensor "
        "fills it when many are due",
    )
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

    begin_within_seconds: int = Field(
        default=0,
        ge=0,
        description="Begin no further account after so long: those left over keep their turn, and "
        "one large account does not hold the others up; 0: begin all. The sensor sets it",
    )

    @field_validator("accounts")
    @classmethod
    def _are_accounts(cls, value: list[str]) -> list[str]:
        for name in value:
            if not _ACCOUNT.fullmatch(name):
                raise ValueError("one is not an ad account id, which looks like act_1234567890")
        return list(dict.fromkeys(value))

    @property
    def max_age(self) -> timedelta | None:
        return timedelta(seconds=self.max_age_seconds) if self.max_age_seconds else None

    @property
    def begin_within(self) -> timedelta | None:
        return timedelta(seconds=self.begin_within_seconds) if self.begin_within_seconds else None


class InsightsConfig(EntitiesConfig):
    """The same, and which days of insights are read."""

    preset: str = Field(
        default="",
        description=f"Range as Ads Manager names it, instead of since and until: {_PRESETS}",
        examples=["last_28d"],
    )

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
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise ValueError("is not a day; write it as 2026-01-31") from None

    @field_validator("preset")
    @classmethod
    def _is_a_preset(cls, value: str) -> str:
        if value and value not in set(Preset):
            raise ValueError(f"is not a range; choose one of {_PRESETS}")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "InsightsConfig":
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


class InsightExtrasConfig(InsightsConfig):
    """The same, and which breakdowns."""

    breakdowns: list[str] = Field(
        default=[],
        description="Breakdown tables to read in place of META_BREAKDOWNS, each as age,gender; "
        "asset meta/insights_breakdown only",
        examples=[["age,gender", "country"]],
    )

    @field_validator("breakdowns")
    @classmethod
    def _are_breakdowns(cls, value: list[str]) -> list[str]:
        for text in value:
            breakdown_names(text)
        return value

    @property
    def breakdown_tables(self) -> tuple[tuple[str, ...], ...]:
        return tuple(breakdown_names(text) for text in self.breakdowns)
