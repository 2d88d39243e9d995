"""How much of an account is read, and how often."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings

from meta_pipeline.model.insights_column import ALL, NAMES

from .chosen import Chosen

RETIRED_WINDOWS = {"7d_view": date(2026, 1, 12), "28d_view": date(2026, 1, 12)}
"""Attribution windows Meta still lists and answers in silence, and since when."""
_WINDOW = re.compile(r"[a-z0-9_]+")
_BREAKDOWN = re.compile(r"[a-z][a-z0-9_]*")
_HOURLY = "hourly_stats_aggregated_by_"


class ReadingSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
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
        # Its form alone; `custom_reports.spans` reads it, and a report's own too.
        pattern=r"^\s*\d+\s*:\s*\d+\s*[mhd]\s*(,\s*\d+\s*:\s*\d+\s*[mhd]\s*)*$",
        description="How often a day is read again, by its age in days: <age>:<interval>, ...",
    )
    insights_levels_text: str = Field(
        "ad",
        validation_alias=AliasChoices("META_INSIGHTS_LEVELS"),
        pattern=r"^(ad|adset|campaign|account)(,(ad|adset|campaign|account))*$",
        description="Levels of daily insights; the account's own row is always read, as a proof",
    )
    insights_columns_text: str = Field(
        "",
        validation_alias=AliasChoices("META_INSIGHTS_COLUMNS"),
        description="Columns of Ads Manager to keep in daily insights: all, or such as "
        "results,purchase_roas (off when empty)",
    )
    breakdowns_text: str = Field(
        "",
        validation_alias=AliasChoices("META_BREAKDOWNS"),
        description="Breakdown tables to keep, such as age,gender;country (off when empty)",
    )
    breakdown_accounts_text: str = Field(
        "all",
        validation_alias=AliasChoices("META_BREAKDOWN_ACCOUNTS"),
        description="Accounts META_BREAKDOWNS is for: all, or a list such as act_1,act_2",
    )
    hourly_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_HOURLY"),
        description="Accounts whose insights are kept by hour too: all, or such as act_1,act_2",
    )
    creative_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_CREATIVES"),
        description="Accounts whose creatives are kept, read daily: all, or such as act_1,act_2",
    )
    activity_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_ACTIVITIES"),
        description="Accounts whose change log is kept: all, or such as act_1,act_2",
    )
    recommendation_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_RECOMMENDATIONS"),
        description="Accounts whose recommendations by Meta and opportunity score are kept, read "
        "daily: all, or such as act_1,act_2",
    )
    custom_conversion_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_CUSTOM_CONVERSIONS"),
        description="Accounts whose custom conversions are kept, by whose names results are shown, "
        "read daily: all, or such as act_1,act_2",
    )
    custom_audience_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_CUSTOM_AUDIENCES"),
        description="Accounts whose custom audiences are kept (what they are and how large, nobody "
        "in them), read daily: all, or such as act_1,act_2",
    )
    image_accounts_text: str = Field(
        "",
        validation_alias=AliasChoices("META_IMAGES"),
        description="Accounts whose images are kept (addresses, not files), read daily: all, or "
        "such as act_1,act_2",
    )
    reports_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("META_REPORTS_FILE"),
        description="YAML file of custom reports, each a table of its own (off when empty)",
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

    report_patience_seconds: int = Field(
        180,
        ge=30,
        validation_alias=AliasChoices("META_REPORT_PATIENCE_SECONDS"),
        description="A report that has not moved for so long is left to the next sync",
    )

    @field_validator(
        "breakdown_accounts_text",
        "hourly_accounts_text",
        "creative_accounts_text",
        "activity_accounts_text",
        "recommendation_accounts_text",
        "custom_conversion_accounts_text",
        "custom_audience_accounts_text",
        "image_accounts_text",
    )
    @classmethod
    def _names_accounts(cls, value: str) -> str:
        Chosen.parse(value)
        return value

    @field_validator("attribution_windows")
    @classmethod
    def _names_living_windows(cls, value: str) -> str:
        names = {name.strip() for name in value.split(",") if name.strip()}
        if not all(map(_WINDOW.fullmatch, names)):
            raise ValueError("is not a list of attribution windows such as 1d_click,7d_click")
        # Meta would take it, and give nothing: better no start than a column that stays empty.
        for name in sorted(names & RETIRED_WINDOWS.keys()):
            raise ValueError(
                f"names {name}, of which Meta gives nothing since {RETIRED_WINDOWS[name]}: "
                "take it out"
            )
        return value

    @field_validator("insights_columns_text")
    @classmethod
    def _names_columns(cls, value: str) -> str:
        for place, name in enumerate(value.split(","), 1):
            if name.strip() not in ("", ALL, *NAMES):
                # Not quoted: what stands in the wrong variable may be a secret.
                raise ValueError(f"has no column at place {place}. Columns: {', '.join(NAMES)}")
        return value

    @field_validator("breakdowns_text")
    @classmethod
    def _names_breakdowns(cls, value: str) -> str:
        breakdown_tables(value)
        return value


def breakdown_tables(text: str) -> tuple[tuple[str, ...], ...]:
    """One tuple of breakdown names for each table in `age,gender;country`; ValueError if not."""
    # In one order whatever was written: gender,age is the table that age,gender is.
    tables = [one for one in text.split(";") if one.strip()]
    return tuple(dict.fromkeys(tuple(sorted(breakdown_names(one))) for one in tables))


def breakdown_names(text: str) -> tuple[str, ...]:
    """The names in `age,gender`; ValueError says what is wrong with them."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(map(_BREAKDOWN.fullmatch, names)):
        raise ValueError(
            "is not a list of breakdowns as Meta names them: write age,gender for one table, "
            "age,gender;country for two"
        )
    if any(name.startswith(_HOURLY) for name in names):
        raise ValueError("names hours: META_HOURLY keeps insights by hour, in a table of their own")
    if len(set(names)) < len(names):
        raise ValueError("names a breakdown twice in one table")
    return names
