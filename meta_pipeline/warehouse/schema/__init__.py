"""The one declaration of every table: DDL, comments, Dagster column schemas and docs follow it."""

from __future__ import annotations

from .columns import SCHEMA, metadata
from .entities import (
    entity_changes,
    meta_activities,
    meta_ad_accounts,
    meta_ads,
    meta_adsets,
    meta_campaigns,
    meta_creatives,
    unrecognized_values,
)
from .insights import (
    insights_changes,
    meta_insights,
    meta_insights_breakdown,
    meta_insights_hourly,
)
from .operations import meta_api_logs, sync_cursor, sync_runs, sync_windows, usage_readings

__all__ = [
    "SCHEMA",
    "entity_changes",
    "insights_changes",
    "meta_activities",
    "meta_ad_accounts",
    "meta_ads",
    "meta_adsets",
    "meta_api_logs",
    "meta_campaigns",
    "meta_creatives",
    "meta_insights",
    "meta_insights_breakdown",
    "meta_insights_hourly",
    "metadata",
    "sync_cursor",
    "sync_runs",
    "sync_windows",
    "unrecognized_values",
    "usage_readings",
]
