"""Where the Parquet files go."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class ExportSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """The place of Dagster's asset `meta/parquet_export`; no export until one is named."""

    export_to: str | None = Field(
        None,
        validation_alias=AliasChoices("META_EXPORT_TO"),
        description="Folder or address (s3://bucket/lake) that job export_parquet keeps the "
        "tables in as Parquet files, each day",
    )
