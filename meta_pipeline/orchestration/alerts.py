"""Alerts: two sensors that look at our tables and at failed runs, and tell people what changed.

A tick asks Meta nothing. Without a channel in the settings the sensors look and say so.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from meta_pipeline.alerts import (
    AlertBook,
    AlertDesk,
    Channel,
    Told,
    account_conditions,
    channels_of,
    error_rate_conditions,
    limits_of,
    run_condition,
)
from meta_pipeline.graph.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

from .resources import WarehouseResource

TICK_SECONDS = 60
OFF = (
    "Alerts are off: set META_ALERT_WEBHOOK_URL, META_ALERT_EMAIL_TO or META_ALERT_LOG=true "
    "(docs/operations.md)."
)
_RUNS = "runs"
_EXPLAINED = """
    SELECT EXISTS (
        SELECT FROM meta_ads.sync_runs
        WHERE dagster_run_id = %s AND started_at >= %s AND status NOT IN ('running', 'success')
    )
"""

Clock = Callable[[], datetime]


def build_alert_sensors(
    clock: Clock = lambda: datetime.now(UTC),
) -> list[dg.SensorDefinition]:
    """`failed_runs` takes failures down, `alerts` tells what is open, worse or over."""

    @dg.run_failure_sensor(
        name="failed_runs",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes down runs that failed without the record of a sync to explain it; "
        "sensor `alerts` tells people.",
    )
    def failed_runs(
        context: dg.RunFailureSensorContext, warehouse: WarehouseResource
    ) -> dg.SkipReason | None:
        return _note_failure(context, warehouse.settings(), clock())

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people by webhook, e-mail or log what is wrong with accounts, runs, "
        "checks and the token: once when it starts, once when it ends, as a digest at most hourly.",
    )
    def alerts(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SkipReason:
        settings = warehouse.settings()
        channels = channels_of(settings)
        if not channels:
            return dg.SkipReason(OFF)
        told = _round(context.instance, settings, channels, clock())
        return dg.SkipReason(" ".join(map(_sentence, told)) or "Nothing has changed.")

    return [failed_runs, alerts]


def _note_failure(
    context: dg.RunFailureSensorContext, settings: Settings, now: datetime
) -> dg.SkipReason | None:
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return dg.SkipReason("Dagster starts it again by itself.")
    with _opened(settings) as warehouse, warehouse.connection() as connection:
        warehouse.migrate()
        row = connection.execute(_EXPLAINED, (run.run_id, now - timedelta(days=2))).fetchone()
        if row and row[0]:
            return dg.SkipReason("A sync's own record says why: told account by account.")
        condition = run_condition(run.job_name, run.run_id, _error(context), now)
        AlertBook(connection).note(_RUNS, condition, now)
    return None


def _error(context: dg.RunFailureSensorContext) -> str:
    """What broke first and underneath, rather than that something did."""
    events = [*context.get_step_failure_events(), context.failure_event]
    found = (getattr(event.event_specific_data, "error", None) for event in events)
    error = next((one for one in found if one is not None), None)
    while error is not None and error.cause is not None:
        error = error.cause
    said = error.message if error is not None else context.failure_event.message
    return redact(said or "The run failed without saying why.")


def _round(
    instance: dg.DagsterInstance, settings: Settings, channels: Sequence[Channel], now: datetime
) -> list[Told]:
    limits = limits_of(settings)
    with _opened(settings) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            book = AlertBook(connection)
            book.replace("accounts", account_conditions(connection, limits), now)
            book.replace("calls", error_rate_conditions(connection, limits), now)
            book.resolve(_recovered(instance, book), now)
        desk = AlertDesk(
            warehouse.connection,
            channels,
            digest=timedelta(minutes=settings.alert_digest_minutes),
            ui_url=settings.dagster_ui_url,
            is_simulated=settings.is_simulated,
        )
        return desk.tell(now)


def _recovered(instance: dg.DagsterInstance, book: AlertBook) -> list[str]:
    """Jobs that failed, and went through since."""
    return [
        alert.alert_key
        for alert in book.open(_RUNS)
        if instance.get_run_records(
            dg.RunsFilter(
                job_name=alert.alert_key.removeprefix("run:"),
                statuses=[dg.DagsterRunStatus.SUCCESS],
                updated_after=alert.opened_at,
            ),
            limit=1,
        )
    ]


def _opened(settings: Settings) -> Warehouse:
    url = settings.require_database_url()
    return Warehouse(url, application_name="meta_pipeline alerts", max_connections=1)


def _sentence(told: Told) -> str:
    if told.error:
        return f"{told.channel}: not delivered, {told.error}; tried again by the next tick."
    return f"{told.channel}: told {told.news} new, {told.over} back to normal."
