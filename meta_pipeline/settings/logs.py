"""How log lines are written."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class LogSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """The form of the log of commands, runs, sensors and services."""

    log_format: Literal["text", "json"] = Field(
        "text",
        validation_alias=AliasChoices("META_LOG_FORMAT"),
        description="How log lines are written: text, or json with facts as fields",
    )
