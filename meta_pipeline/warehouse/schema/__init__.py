"""The one declaration of every table: DDL, comments, Dagster column schemas and docs follow it."""

from __future__ import annotations

from meta_pipeline.warehouse.names import SCHEMA

from .advice import advice, advice_judgements, advice_outcomes, advice_reviews
from .alerts import alert_channels, alerts
from .callbacks import meta_callbacks
from .columns import metadata
from .connections import (
    connection_accounts,
    connection_events,
    connection_tokens,
    connections,
)
from .custom_reports import custom_reports
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
from .facts import api_keys, facts
from .insights import (
    insights_changes,
    meta_insights,
    meta_insights_breakdown,
    meta_insights_hourly,
)
from .library import meta_custom_audiences, meta_custom_conversions, meta_images
from .logins import login_states, pending_accounts, pending_connections
from .metrics import (
    account_kpis,
    ad_rollups,
    adset_goal_days,
    adset_rollups,
    campaign_rollups,
    exchange_rates,
    metric_definitions,
    metric_families,
    metric_goals,
    metric_overrides,
    metric_rollups,
    reconciliations,
)
from .operations import (
    insights_gaps,
    meta_api_logs,
    pending_reports,
    schema_views,
    sync_cursor,
    sync_runs,
    sync_windows,
    token_health,
    usage_readings,
)
from .recommendations import meta_recommendations, opportunity_scores
from .requests import sync_requests
from .tenants import invitations, members, tenant_accounts, tenant_roles, tenants
from .totals import (
    call_weights,
    counted_until,
    meta_api_days,
    meta_api_hours,
    meta_api_latency_hours,
    retired_totals,
)
from .web import web_events, web_links, web_sign_outs
from .webhooks import webhook_changes, webhook_deliveries

__all__ = [
    "SCHEMA",
    "account_kpis",
    "ad_rollups",
    "adset_goal_days",
    "adset_rollups",
    "advice",
    "advice_judgements",
    "advice_outcomes",
    "advice_reviews",
    "alert_channels",
    "alerts",
    "api_keys",
    "call_weights",
    "campaign_rollups",
    "connection_accounts",
    "connection_events",
    "connection_tokens",
    "connections",
    "counted_until",
    "custom_reports",
    "entity_changes",
    "exchange_rates",
    "facts",
    "insights_changes",
    "insights_gaps",
    "invitations",
    "login_states",
    "members",
    "meta_activities",
    "meta_ad_accounts",
    "meta_ads",
    "meta_adsets",
    "meta_api_days",
    "meta_api_hours",
    "meta_api_latency_hours",
    "meta_api_logs",
    "meta_callbacks",
    "meta_campaigns",
    "meta_creatives",
    "meta_custom_audiences",
    "meta_custom_conversions",
    "meta_images",
    "meta_insights",
    "meta_insights_breakdown",
    "meta_insights_hourly",
    "meta_recommendations",
    "metadata",
    "metric_definitions",
    "metric_families",
    "metric_goals",
    "metric_overrides",
    "metric_rollups",
    "opportunity_scores",
    "pending_accounts",
    "pending_connections",
    "pending_reports",
    "reconciliations",
    "retired_totals",
    "schema_views",
    "sync_cursor",
    "sync_requests",
    "sync_runs",
    "sync_windows",
    "tenant_accounts",
    "tenant_roles",
    "tenants",
    "token_health",
    "unrecognized_values",
    "usage_readings",
    "web_events",
    "web_links",
    "web_sign_outs",
    "webhook_changes",
    "webhook_deliveries",
]
