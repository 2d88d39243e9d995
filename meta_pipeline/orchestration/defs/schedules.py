"""What happens by the clock."""

from __future__ import annotations

import dagster as dg

from .jobs import data_quality_job, discover_accounts, operations_report_job
from .maintenance import maintenance as maintenance_job

DISCOVERY_CRON = "7 * * * *"
"""Every hour, past the full hour: one call, and off the minute everybody else asks Meta in."""
DATA_QUALITY_CRON = "23 * * * *"
MAINTENANCE_CRON = "41 3 * * *"
REPORT_CRON = "2 5 * * *"
"""Shortly after a full hour: the questions read whole hours, so a day of theirs is 24 of them."""

account_discovery = dg.ScheduleDefinition(
    name="account_discovery",
    job=discover_accounts,
    cron_schedule=DISCOVERY_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Hourly: refresh the list of ad accounts, so that new ones appear by "
    "themselves and lost ones are marked.",
    tags={"reason": "schedule"},
)

data_quality = dg.ScheduleDefinition(
    name="data_quality",
    job=data_quality_job,
    cron_schedule=DATA_QUALITY_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Hourly: ask all checks over all accounts. What fails is told by `alerts`.",
    tags={"reason": "schedule"},
)

maintenance = dg.ScheduleDefinition(
    name="maintenance",
    job=maintenance_job,
    cron_schedule=MAINTENANCE_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Daily: remove old log rows, and old events, runs and files of Dagster.",
    tags={"reason": "schedule"},
)

operations_report = dg.ScheduleDefinition(
    name="operations_report",
    job=operations_report_job,
    cron_schedule=REPORT_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Daily: answer the operational questions; with META_REPORT_FILE also as a page.",
    tags={"reason": "schedule"},
)
