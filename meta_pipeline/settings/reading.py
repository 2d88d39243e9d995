"""How much of an account is read, and how often."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class ReadingSettings(BaseSettings):
    """Days, levels, windows, breakdowns and how fast they are fetched."""

    backfill_days: int = Field(
        90,
        ge=1,
        validation_alias=AliasChoices("META_BACKFILL_DAYS"),
        description="Days of insights the first sync of an account reads; Meta keeps 37 months",
    )
    attribution_windows: str = Field(
        "1d_click,7d_click,1d_view",
        validation_alias=AliasChoices("META_ATTRIBUTION_WINDOWS"),
        description="Attribution windows kept beside the default value of every action",
    )
    restatement: str = Field(
        "0:1h,3:6h,7:1d,28:7d",
        validation_alias=AliasChoices("META_RESTATEMENT"),
        pattern=r"^\s*\d+\s*:\s*\d+\s*[mhd]\s*(,\s*\d+\s*:\s*\d+\s*[mhd]\s*)*$",
        description="How often a day is read again, by its age in days: <age>:<interval>, ...",
    )
    insights_levels_text: str = Field(
        "ad",
        validation_alias=AliasChoices("META_INSIGHTS_LEVELS"),
        pattern=r"^(ad|adset|campaign|account)(,(ad|adset|campaign|account))*$",
        description="Levels of daily insights; the account's own row is always read, as a proof",
    )
    breakdowns_text: str = Field(
        "",
        validation_alias=AliasChoices("META_BREAKDOWNS"),
        description="Breakdown tables to keep, such as age,gender;country (off when empty)",
    )
    max_parallel_calls: int = Field(
        4,
        ge=1,
        le=32,
        validation_alias=AliasChoices("META_MAX_PARALLEL_CALLS"),
        description="Calls one sync may have in flight; the governor may allow fewer",
    )
    fresh_seconds: int = Field(
        3600,
        ge=0,
        validation_alias=AliasChoices("META_FRESH_SECONDS"),
        description="Days and entities read within this time are not read again unless forced",
    )
