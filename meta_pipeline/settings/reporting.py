"""Where the report goes."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class ReportSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """The page of Dagster's asset `meta/operations_report`; no file until one is named."""

    report_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("META_REPORT_FILE"),
        description="File that job operations_report writes the report's HTML page to, each day",
    )
