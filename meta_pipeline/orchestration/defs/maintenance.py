"""The `maintenance` job: our logs and Dagster's history are kept as long as the settings say."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from datetime import timedelta
from pathlib import Path

import dagster as dg

from meta_pipeline.alerts import AlertStore
from meta_pipeline.orchestration.executor import own_job
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource
from meta_pipeline.orchestration.retention.dagster_history import DagsterHistory
from meta_pipeline.orchestration.retention.run_files import remove_run_files
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse.connect import WRITER
from meta_pipeline.warehouse.retention import Retention, maintain
from meta_pipeline.warehouse.vacuum import table_states

HERE = here()

JOB = "maintenance"
_ALERTS_KEPT = timedelta(days=30)
_TABLES_SHOWN = 15
_MIB = 1024 * 1024


@dg.op(
    name=HERE.named("our_logs"),
    config_schema={},
    description="Add up what the exporter's counters need, then remove rows of our logs that are "
    "older than the settings say.",
)
@asking
def our_logs(
    context: dg.OpExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> None:
    settings, now = warehouse.settings(), clock()
    with warehouse.migrated("maintenance", 2, WRITER) as opened:
        removed = maintain(opened, retention_of(settings), now=now)
        with opened.connection() as connection:
            removed["alerts"] = AlertStore(connection).forget(now - _ALERTS_KEPT)
    context.add_output_metadata({f"{table}_removed": count for table, count in removed.items()})


@dg.op(
    name=HERE.named("dagster_history"),
    config_schema={},
    description="Remove old events, runs and ticks of Dagster; the newest of each stay.",
)
@asking
def dagster_history(
    context: dg.OpExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> None:
    settings, now = warehouse.settings(), clock()
    history = DagsterHistory.of(context.instance)
    if history is None:
        context.log.info("Dagster keeps its history outside Postgres: nothing to do here.")
        return
    removed = history.prune(
        now - timedelta(days=settings.dagster_event_days),
        now - timedelta(days=settings.dagster_history_days),
    )
    context.add_output_metadata({f"{what}_removed": count for what, count in removed.items()})


@dg.op(
    name=HERE.named("run_files"),
    config_schema={},
    description="Remove the files of old runs (what they printed), before a disk is full.",
    # First, while the others may take hours: a disk without inodes stops everything.
    tags={"dagster/priority": "1"},
)
@asking
def run_files(
    context: dg.OpExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> None:
    before = clock() - timedelta(days=warehouse.settings().run_files_days)
    storage = Path(context.instance.storage_directory())
    context.add_output_metadata({"folders_removed": remove_run_files(storage, before)})


@dg.op(
    name=HERE.named("vacuum_advice"),
    config_schema={},
    description="Say which tables are big and which Postgres does not clean up by itself.",
)
@asking
def vacuum_advice(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    with warehouse.read("maintenance") as opened, opened.connection() as connection:
        tables = table_states(connection)
    advice = [table.advice for table in tables if table.advice]
    for statement in advice:
        context.log.warning(statement)
    lines = ["| table | MiB | rows | dead % |", "|---|---|---|---|"]
    lines += [
        f"| {table.name} | {table.size_bytes / _MIB:,.1f} | {table.live_rows:,} "
        f"| {table.dead_pct} |"
        for table in tables[:_TABLES_SHOWN]
    ]
    context.add_output_metadata(
        {
            "database_mib": round(sum(table.size_bytes for table in tables) / _MIB, 1),
            "tables_to_vacuum": len(advice),
            "advice": dg.MetadataValue.md("\n".join(advice) or "Nothing to do."),
            "biggest_tables": dg.MetadataValue.md("\n".join(lines)),
        }
    )


@own_job(
    JOB,
    "Daily: retention of our logs, of Dagster's history and files; what to vacuum.",
    max_runtime_seconds=7200,
)
def maintenance() -> None:
    our_logs()
    if HERE.is_own:  # else it is somebody else's to keep
        run_files()
        dagster_history()
    vacuum_advice()


def retention_of(settings: Settings) -> Retention:
    """How long our own logs are kept, as the settings have it."""
    return Retention(
        log_days=settings.log_retention_days,
        total_days=settings.totals_retention_days,
        run_days=settings.run_retention_days,
        change_days=settings.change_retention_days,
    )
