"""The composition root: everything Dagster is shown, put together in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from .account_assets import build_account_assets
from .accounts_asset import AD_ACCOUNTS_KEY, build_accounts_asset
from .alerts import build_alert_sensors
from .checks import build_data_quality
from .executor import in_process
from .extra_assets import build_extra_assets
from .jobs import build_jobs
from .maintenance import build_maintenance_job
from .metric_assets import INSIGHTS_KEY, build_metric_assets
from .overview import build_overview, build_overview_sensor
from .report_asset import build_report_asset
from .resources import default_resources, private
from .schedules import build_schedules
from .sensors import build_sensors


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; `resources` replaces some of the default ones by name, as tests do."""
    jobs = build_jobs()
    return dg.Definitions(
        assets=[
            build_accounts_asset(),
            *build_account_assets(AD_ACCOUNTS_KEY),
            *build_extra_assets(),
            *build_metric_assets(INSIGHTS_KEY),
            build_data_quality(),
            build_report_asset(),
            build_overview(),
        ],
        jobs=[*jobs, build_maintenance_job()],
        schedules=build_schedules(),
        sensors=[*build_sensors(jobs), *build_alert_sensors(), build_overview_sensor(jobs)],
        resources={
            name: private(resource)
            for name, resource in {**default_resources(), **(resources or {})}.items()
        },
        executor=in_process,
    )
