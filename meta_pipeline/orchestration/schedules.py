"""What happens by the clock."""

from __future__ import annotations

import dagster as dg

DISCOVERY_CRON = "7 * * * *"
"""Every hour, past the full hour: one call, and off the minute everybody else asks Meta in."""


def build_schedules() -> list[dg.ScheduleDefinition]:
    return [
        dg.ScheduleDefinition(
            name="account_discovery",
            job_name="discover_accounts",
            cron_schedule=DISCOVERY_CRON,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Hourly: refresh the list of ad accounts, so that new ones appear by "
            "themselves and lost ones are marked.",
            tags={"reason": "schedule"},
        )
    ]
