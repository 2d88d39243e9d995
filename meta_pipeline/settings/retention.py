"""How long records are kept."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class RetentionSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """Days of our logs and of Dagster's."""

    log_retention_days: int = Field(
        90,
        ge=0,
        validation_alias=AliasChoices("META_LOG_RETENTION_DAYS"),
        description="Days single API calls are kept (meta_api_logs); 0 keeps them for ever",
    )
    # A year and a month, so that a month can be held against the same one a year ago.
    totals_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_TOTALS_RETENTION_DAYS"),
        description="Days the hourly totals of API calls are kept; reports read these; 0: for ever",
    )
    run_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_RUN_RETENTION_DAYS"),
        description="Days sync_runs (the newest of each kind stays), sync_requests, webhooks and "
        "unrecognized_values are kept; 0: for ever",
    )
    change_retention_days: int = Field(
        400,
        ge=0,
        validation_alias=AliasChoices("META_CHANGE_RETENTION_DAYS"),
        description="Days the movements of insights are kept (insights_changes); 0: for ever",
    )
    dagster_event_days: int = Field(
        14,
        ge=1,
        validation_alias=AliasChoices("META_DAGSTER_EVENT_DAYS"),
        description="Days Dagster keeps the events of a run, other than what happened to assets",
    )
    dagster_history_days: int = Field(
        30,
        ge=1,
        validation_alias=AliasChoices("META_DAGSTER_HISTORY_DAYS"),
        description="Days Dagster keeps runs and materializations; the newest of each stays",
    )
    run_files_days: int = Field(
        2,
        ge=1,
        validation_alias=AliasChoices("META_RUN_FILES_DAYS"),
        description="Days the files of a run are kept: what it printed, in DAGSTER_HOME/storage",
    )
