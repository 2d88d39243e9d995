"""One fact as it is sent: names, a day, a number as text, when it was seen."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from meta_pipeline.discreet import DiscreetModel
from meta_pipeline.warehouse.stores.facts import WHOLE_DAY, FactRow

OURS = "meta"
"""The provider whose numbers we read ourselves."""
AHEAD = timedelta(days=1)
"""How far a sender's clock may be ahead: an observation of the future would last for ever."""
Day = date
# Of what others send; a `numeric` of Postgres takes 131,072, and sums would take for ever.
_MOST_DIGITS = 30
# Finer than any currency, coarser than what floats leave behind.
_MOST_PLACES = 12
_NAME = r"^[a-z][a-z0-9_]*$"
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,2})?")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)

Id = Annotated[str, Field(min_length=1, max_length=200)]


class Fact(DiscreetModel):
    """A number that somebody else knows of an account, a campaign, an ad set or an ad."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Annotated[
        str,
        Field(
            pattern=_NAME,
            max_length=40,
            description="Where it comes from; `meta` is taken",
            examples=["crm"],
        ),
    ]
    account_id: Annotated[Id, Field(description="An ad account as act_123, or any other")]
    level: Literal["account", "campaign", "adset", "ad"] = "account"
    entity_id: Annotated[
        Id | None, Field(description="Id at that level; may be left out at level account")
    ] = None
    metric: Annotated[str, Field(pattern=_NAME, max_length=60, examples=["qualified_leads"])]
    date: Annotated[Day, Field(description="Day, in the account's time zone")]
    hour: Annotated[
        int | None, Field(ge=0, le=23, strict=True, description="Hour of that day; none: all of it")
    ] = None
    breakdown: Annotated[str, Field(max_length=200, examples=["age=25-34"])] = ""
    value: Annotated[Decimal, Field(description="Decimal number as text", examples=["12.50"])]
    observed_at: Annotated[
        datetime, Field(description="When it was seen, with its offset from UTC")
    ]

    @field_validator("provider")
    @classmethod
    def _is_another(cls, value: str) -> str:
        if value == OURS:
            raise ValueError("meta's own numbers are read from Meta; name another provider")
        return value

    @field_validator("account_id", "entity_id", "breakdown")
    @classmethod
    def _is_plain(cls, value: str | None) -> str | None:
        if value is not None and ("\x00" in value or value != value.strip()):
            raise ValueError("has a NUL, or space at its ends")
        return value

    @field_validator("value", mode="before")
    @classmethod
    def _is_decimal(cls, value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise ValueError("write the number as text, such as 12.50")
        # Before Decimal reads it: 1e999999 is short, and takes for ever to be written out.
        text = str(value)
        if len(text) > 60 or not _NUMBER.fullmatch(text):
            raise ValueError("is not a decimal number such as 12.50")
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError("is not a decimal number such as 12.50") from None
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        if len(digits) + exponent > _MOST_DIGITS or -exponent > _MOST_PLACES:
            raise ValueError(
                f"has more than {_MOST_DIGITS} digits, or more than {_MOST_PLACES} decimal places"
            )
        return number

    @field_validator("date")
    @classmethod
    def _is_near(cls, value: Day) -> Day:
        if not _FIRST_DAY <= value < _LAST_DAY:
            raise ValueError(f"is not between {_FIRST_DAY} and {_LAST_DAY}")
        return value

    @field_validator("observed_at")
    @classmethod
    def _has_offset(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("has no offset from UTC: write 2026-01-31T12:00:00Z")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise ValueError("is no moment that could be") from None

    @model_validator(mode="after")
    def _names_its_entity(self) -> Fact:
        if self.level != "account" and self.entity_id is None:
            raise ValueError(f"level {self.level} needs entity_id")
        return self

    def row(self) -> FactRow:
        """The fact as it is kept."""
        return FactRow(
            provider=self.provider,
            account_id=self.account_id,
            level=self.level,
            entity_id=self.entity_id or self.account_id,
            metric=self.metric,
            date_start=self.date,
            hour=WHOLE_DAY if self.hour is None else self.hour,
            breakdown=self.breakdown,
            value=self.value,
            observed_at=self.observed_at,
        )
