"""A custom report: what it asks of Meta's insights, checked before a call is made."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.moments import span

from .combinations import HOURLY, OPT_IN, WITHOUT_CONVERSIONS, refuse_unlisted
from .contract import (
    ACTION_BREAKDOWNS,
    ATTRIBUTION_WINDOWS,
    BREAKDOWNS,
    FIELDS,
    GIVEN,
    REFUSED,
    FieldKind,
    kind_of,
)
from .periods import Increment
from .spans import steps_of

LEVELS: Final = ("account", "campaign", "adset", "ad")
# Meta's own (FACTS section 5.1): it is not sent.
DEFAULT_ACTION_BREAKDOWNS: Final = ("action_type",)
# With `report_` before it and an index's ending after it, 63 bytes: Postgres cuts longer names.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ACCOUNT = re.compile(r"act_\d+")
_MOST_DAYS = 1_123
"""Meta keeps 37 months (FACTS section 5.4)."""
_DEFAULT_SPAN_DAYS = 28
# The operators of the insights reference (FACTS section 4.4); these take a list of values.
_LISTS = frozenset(("IN", "NOT_IN", "CONTAINS_ANY", "CONTAINS_ALL", "NOT_CONTAINS_ANY", "ANY",
                    "ALL", "NONE", "IN_RANGE", "NOT_IN_RANGE"))  # fmt: skip
_OPERATORS = _LISTS | frozenset(
    """
    EQUAL NOT_EQUAL GREATER_THAN GREATER_THAN_OR_EQUAL LESS_THAN LESS_THAN_OR_EQUAL CONTAIN
    NOT_CONTAIN STEM_MATCH STARTS_WITH ENDS_WITH AFTER BEFORE ON_OR_AFTER ON_OR_BEFORE TOP
    """.split()
)
# Beginnings of fields that are 0 by hour, or do not come at all (FACTS section 5.3).
_NOT_BY_HOUR = ("reach", "frequency", "cpp", "unique_", "cost_per_unique_", "video_")
_FROZEN = ConfigDict(extra="forbid", frozen=True)


# A single word where a list is meant is a list of one: people write `fields: spend`.
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
Scalar = str | int | float


class ReportFilter(DiscreetModel):
    """Which objects or rows count: a condition of Meta's `filtering` (FACTS section 4.4)."""

    model_config = _FROZEN

    field: str
    operator: str
    value: Scalar | tuple[Scalar, ...]

    @model_validator(mode="after")
    def _is_heeded(self) -> Self:
        """A field that Meta does not know is ignored by it without a word."""
        level, dot, _ = self.field.partition(".")
        is_metric = self.field in FIELDS and kind_of(self.field).is_number
        is_known = level in LEVELS[1:] if dot else is_metric
        if not is_known:
            raise ValueError(
                f"{self.field!r} is a filter that Meta ignores in silence: write a property as "
                "campaign.name, adset.name or ad.id, or a metric as impressions"
            )
        if self.operator not in _OPERATORS:
            raise ValueError(f"{_unknown('operator', self.operator, _OPERATORS)}")
        if (self.operator in _LISTS) != isinstance(self.value, tuple):
            wanted = "a list" if self.operator in _LISTS else "a single value"
            raise ValueError(f"{self.operator} of {self.field} takes {wanted}")
        return self

    def as_meta(self) -> dict[str, Any]:
        """The condition as a call has it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "operator": self.operator, "value": value}


class CustomReport(DiscreetModel):
    """One report of META_REPORTS_FILE. Days are in the ad account's zone."""

    model_config = _FROZEN

    name: str
    """Of its table `report_<name>`, and of its asset."""
    level: Literal["account", "campaign", "adset", "ad"] = "ad"
    fields: Words = Field(min_length=1)
    """Without what every row brings by itself: ids, dates, the currency."""
    breakdowns: Words = ()
    action_breakdowns: Words = DEFAULT_ACTION_BREAKDOWNS
    time_increment: Increment = 1
    """How many days a row is about. Of `all_days` it is about the `span_days` that end yesterday;
    every day has a row of its own, which stays."""
    filters: tuple[ReportFilter, ...] = ()
    attribution_windows: Words | None = None
    """None: those of the settings."""
    accounts: Words = ("all",)
    cadence: str = "1d"
    """How old a reading may be that `restatement` would have read again."""
    restatement: str | None = None
    """None: that of the settings."""
    backfill_days: int | None = Field(None, ge=1, le=_MOST_DAYS)
    """None: those of the settings."""
    span_days: int | None = Field(None, ge=1, le=_MOST_DAYS)
    unlisted_combination: bool = False
    """Breakdowns are not held against Meta's table: for what it has by now and ours has not."""
    description: str = ""
    """It stands in the comment of the table."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if _NAME.fullmatch(value) is None:
            raise ValueError(
                f"{value!r} is no name: lower-case letters, digits and _, at most 40, as its table "
                "is called report_<name>"
            )
        return value

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name in BREAKDOWNS and name not in FIELDS:
                raise ValueError(f"{name!r} is a breakdown: write it under breakdowns")
            _refuse_unknown("field", name, FIELDS.keys())
        # Ids and dates come with every row: asked for twice they would be columns twice.
        own = tuple(name for name in dict.fromkeys(value) if name not in GIVEN)
        if not own:
            raise ValueError("ids, dates and the currency come by themselves: name a metric too")
        return own

    @field_validator("breakdowns")
    @classmethod
    def _are_breakdowns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            _refuse_unknown("breakdown", name, BREAKDOWNS)
        return tuple(sorted(set(value)))

    @field_validator("action_breakdowns")
    @classmethod
    def _are_action_breakdowns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            _refuse_unknown("action breakdown", name, ACTION_BREAKDOWNS)
        return tuple(dict.fromkeys(value)) or DEFAULT_ACTION_BREAKDOWNS

    @field_validator("attribution_windows")
    @classmethod
    def _are_windows(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            _refuse_unknown("attribution window", name, ATTRIBUTION_WINDOWS)
        return tuple(dict.fromkeys(value)) if value else None

    @field_validator("accounts")
    @classmethod
    def _are_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("all",) and not (value and all(map(_ACCOUNT.fullmatch, value))):
            raise ValueError("write all, or a list of ad accounts such as [act_1, act_2]")
        return value

    @field_validator("cadence")
    @classmethod
    def _is_a_span(cls, value: str) -> str:
        span(value)
        return value

    @field_validator("restatement")
    @classmethod
    def _are_steps(cls, value: str | None) -> str | None:
        if value is not None:
            steps_of(value)
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if not self.unlisted_combination:
            refuse_unlisted(self.breakdowns, self.action_breakdowns)
        self._refuse_fields_of_finer_levels()
        no_hours = [name for name in self.fields if name.startswith(_NOT_BY_HOUR)]
        if no_hours and not HOURLY.isdisjoint(self.breakdowns):
            raise ValueError(f"by hour Meta has no {', '.join(no_hours)}: take it out of fields")
        if self.action_breakdowns != DEFAULT_ACTION_BREAKDOWNS and not self.action_fields:
            raise ValueError(
                "action_breakdowns need a field that lists actions: add actions or action_values "
                "to fields"
            )
        is_span = self.time_increment == "all_days"
        if self.span_days is not None and not is_span:
            raise ValueError("span_days goes with `time_increment: all_days` only: take it out")
        if self.backfill_days is not None and is_span:
            raise ValueError(
                "a row of all_days is about span_days: write span_days, not backfill_days"
            )
        return self

    def _refuse_fields_of_finer_levels(self) -> None:
        finer = LEVELS[LEVELS.index(self.level) + 1 :]
        for name in self.fields:
            for level in finer:
                if name == f"{level}_name":
                    raise ValueError(
                        f"{name} is not known at level {self.level}: take it out, or write "
                        f"`level: {level}`"
                    )

    @property
    def action_fields(self) -> tuple[str, ...]:
        """The fields that are lists of actions."""
        return tuple(name for name in self.fields if kind_of(name) is FieldKind.ACTIONS)

    @property
    def table_name(self) -> str:
        return f"report_{self.name}"

    @property
    def every(self) -> timedelta:
        return span(self.cadence)

    @property
    def covered_days(self) -> int | None:
        """Days of a row of `all_days`; None where periods follow the calendar."""
        is_span = self.time_increment == "all_days"
        return (self.span_days or _DEFAULT_SPAN_DAYS) if is_span else None

    def is_for(self, account_id: str) -> bool:
        """Whether the account is among those it is read for."""
        return self.accounts == ("all",) or account_id in self.accounts

    def warnings(self) -> Iterator[str]:
        """What may surprise although Meta takes it, as sentences."""
        for name in sorted(OPT_IN & {*self.breakdowns}):
            yield (
                f"{name} is empty without a word until the ad account has opted in "
                "(since 2026-08-06)."
            )
        silent = sorted(WITHOUT_CONVERSIONS & {*self.breakdowns})
        if silent and self.action_fields:
            yield f"What people do off Meta is missing in actions by {', '.join(silent)}."
        if self.breakdowns and any(name.startswith(_NOT_BY_HOUR[:4]) for name in self.fields):
            yield "Reach, frequency and unique counts by breakdown go back 13 months only."
        if self.unlisted_combination:
            yield "The combination is not checked: Meta may refuse it, or answer nothing."


def _refuse_unknown(what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    if name in REFUSED:
        raise ValueError(f"{what} {name}: {REFUSED[name]}")
    raise ValueError(_unknown(what, name, known))


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=3)
    offer = f": did you mean {' or '.join(near)}?" if near else ""
    return f"{name!r} is no {what} of Meta's insights{offer}"
