"""What happens by the clock."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.

import dagster as dg

from meta_pipeline.connections import due
from meta_pipeline.fleet.in_flight import UNFINISHED
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource, of_a_tick
from meta_pipeline.warehouse import CannotTell

from .connections import JOB as CARE_JOB
from .connections import connection_care as care_job
from .jobs import data_quality_job, discover_accounts, export_parquet, operations_report_job
from .maintenance import maintenance as maintenance_job

HERE = here()

DISCOVERY_CRON = "7 * * * *"
"""Every hour, past the full hour: one call, and off the minute everybody else asks Meta in."""
# The minutes below differ, so that no two of these read whole tables at once.
DATA_QUALITY_CRON = "23 * * * *"
MAINTENANCE_CRON = "41 3 * * *"
REPORT_CRON = "2 5 * * *"
"""Shortly after a full hour: the questions read whole hours, so a day of theirs is 24 of them."""

EXPORT_CRON = "37 4 * * *"
"""After maintenance, and after the night in which most accounts were synced."""

CARE_CRON = "*/2 * * * *"
"""Often enough for the last five minutes of a token that lives for hours; it asks the tables."""

account_discovery = dg.ScheduleDefinition(
    name=HERE.named("account_discovery"),
    job=discover_accounts,
    cron_schedule=DISCOVERY_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Hourly: refresh the list of ad accounts, so that new ones appear by "
    "themselves and lost ones are marked.",
    tags={"reason": "schedule"},
)

data_quality = dg.ScheduleDefinition(
    name=HERE.named("data_quality"),
    job=data_quality_job,
    cron_schedule=DATA_QUALITY_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Hourly: ask all checks over all accounts. Sensor `alerts` reports what fails.",
    tags={"reason": "schedule"},
)

maintenance = dg.ScheduleDefinition(
    name=HERE.named("maintenance"),
    job=maintenance_job,
    cron_schedule=MAINTENANCE_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Daily: remove old log rows, and old events, runs and files of Dagster.",
    tags={"reason": "schedule"},
)

operations_report = dg.ScheduleDefinition(
    name=HERE.named("operations_report"),
    job=operations_report_job,
    cron_schedule=REPORT_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Daily: answer the operational questions; with META_REPORT_FILE also as a page.",
    tags={"reason": "schedule"},
)


@dg.schedule(
    name=HERE.named("parquet_export"),
    job=export_parquet,
    cron_schedule=EXPORT_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Daily: bring the Parquet files at META_EXPORT_TO up to date; off without it.",
)
@asking
def parquet_export(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """Start a run where somebody said where to."""
    if warehouse.settings().export_to is None:
        return dg.SkipReason("META_EXPORT_TO names no place: nothing is exported.")
    return dg.RunRequest(tags={"reason": "schedule"})


@dg.schedule(
    name=HERE.named("connection_care"),
    job=care_job,
    cron_schedule=CARE_CRON,
    execution_timezone="UTC",
    default_status=HERE.schedule_status,
    description="Every two minutes: see whether a connection to Meta needs anything. A token is "
    "renewed when 20 days are left, every connection checked once a day.",
)
@asking
def connection_care(
    context: dg.ScheduleEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.RunRequest | dg.SkipReason:
    """Start a run only when there is something to do, and none beside one that is at it."""
    try:
        with warehouse.migrated("connections", patience=of_a_tick()) as opened:
            due_now = due(opened, clock())
    except CannotTell as error:
        return dg.SkipReason(str(error))
    if not due_now.is_anything:
        return dg.SkipReason(due_now.sentence)
    unfinished = [dg.DagsterRunStatus(status) for status in UNFINISHED]
    asked = dg.RunsFilter(job_name=HERE.named(CARE_JOB), statuses=unfinished)
    if context.instance.get_runs(asked, limit=1):
        return dg.SkipReason("The last run is still at it.")
    return dg.RunRequest(tags={"reason": "schedule"})
