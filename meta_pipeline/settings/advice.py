"""How advice is made, and when people are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from meta_pipeline.advice import Thresholds


class AdviceSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """The numbers the rules go by, how often they are asked, and the digest."""

    advice_thresholds_text: str = Field(
        "",
        validation_alias=AliasChoices("META_ADVICE_THRESHOLDS"),
        description="Thresholds of the rules of advice in place of the shipped ones, as "
        "e_value=40,quiet_days=14; docs/advice.md lists them",
    )
    advice_every_hours: float = Field(
        6,
        gt=0,
        validation_alias=AliasChoices("META_ADVICE_EVERY_HOURS"),
        description="Least hours between two looks of the rules at an account after its syncs; "
        "they go by whole days",
    )
    advice_digest: str = Field(
        "mon",
        validation_alias=AliasChoices("META_ADVICE_DIGEST"),
        pattern=r"^(off|daily|mon|tue|wed|thu|fri|sat|sun)$",
        description="When the open advice is told through the alert channels: a day of the week, "
        "daily, or off",
    )

    @field_validator("advice_thresholds_text")
    @classmethod
    def _sets_thresholds(cls, value: str) -> str:
        # Late, here and below: it brings numpy and scipy, which most commands do without.
        if value.strip():
            from meta_pipeline.advice import ThresholdError, Thresholds  # noqa: PLC0415

            try:
                Thresholds.parse(value)
            except ThresholdError:
                raise ValueError(
                    "is no list of thresholds such as e_value=40,quiet_days=14: docs/advice.md has "
                    "their names; each is a number above 0, a probability is below 1"
                ) from None
        return value

    @property
    def advice_thresholds(self) -> Thresholds:
        """The shipped thresholds with those of META_ADVICE_THRESHOLDS in their place."""
        from meta_pipeline.advice import Thresholds  # noqa: PLC0415

        return Thresholds.parse(self.advice_thresholds_text)
