"""Alerts: two sensors that look at our tables and at failed runs, and tell people what changed.

A tick asks Meta nothing. Without a channel in the settings the sensors look and say so.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg

from meta_pipeline.alerts import (
    Alert,
    AlertBook,
    AlertDesk,
    AlertLimits,
    Channel,
    Condition,
    Told,
    account_conditions,
    channels_of,
    error_rate_conditions,
    limits_of,
    look_condition,
)
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import CannotTell, Connection, Warehouse
from meta_pipeline.warehouse.connect import READER

from .failed_runs import RUNS, UNKNOWN, failures_since, newest_event, note
from .failed_ticks import failing_ticks
from .resources import WarehouseResource

TICK_SECONDS = 60
OFF = (
    "Alerts are off: set META_ALERT_WEBHOOK_URL, META_ALERT_EMAIL_TO or META_ALERT_LOG=true "
    "(docs/operations.md)."
)
logger = logging.getLogger("meta_pipeline.alerts")

_UNKNOWN_LASTS = timedelta(days=1)

Clock = Callable[[], datetime]


def build_alert_sensors(
    clock: Clock = lambda: datetime.now(UTC),
) -> list[dg.SensorDefinition]:
    """`failed_runs` takes failures down, `alerts` tells what is open, worse or over."""

    @dg.sensor(
        name="failed_runs",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes down runs that failed without the record of a sync to explain it; "
        "sensor `alerts` tells people.",
    )
    def failed_runs(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult:
        begin = _cursor(context.cursor)
        if begin is None:
            newest = newest_event(context.instance)
            return dg.SensorResult(skip_reason="Failures count from now on.", cursor=str(newest))
        try:
            with _opened(warehouse.settings()) as opened:
                opened.migrate()
                with opened.connection() as connection:
                    found = failures_since(context.instance, connection, begin, clock())
                    note(connection, found, clock())
        except CannotTell as error:
            return dg.SensorResult(skip_reason=str(error), cursor=str(begin))
        return dg.SensorResult(skip_reason=found.sentence, cursor=str(found.last_id))

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
        try:
            told = _round(context.instance, settings, channels, clock())
        except CannotTell as error:
            return dg.SkipReason(str(error))
        return dg.SkipReason(" ".join(map(_sentence, told)) or "Nothing has changed.")

    return [failed_runs, alerts]


def _cursor(text: str | None) -> int | None:
    """The event to go on after; versions before this one kept Dagster's own cursor, as JSON."""
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(text or "")
        return int(found["record_id"] if isinstance(found, dict) else found)
    return None


def _round(
    instance: dg.DagsterInstance, settings: Settings, channels: Sequence[Channel], now: datetime
) -> list[Told]:
    with _opened(settings) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            _look(instance, connection, limits_of(settings), now)
        desk = AlertDesk(
            warehouse.connection,
            channels,
            digest=timedelta(minutes=settings.alert_digest_minutes),
            ui_url=settings.dagster_ui_url,
            is_simulated=settings.is_simulated,
        )
        return desk.tell(now)


def _look(
    instance: dg.DagsterInstance, connection: Connection, limits: AlertLimits, now: datetime
) -> None:
    """Every source by itself: one that breaks is a problem of its own, and ends no other."""
    book = AlertBook(connection)
    sources: dict[str, Callable[[], list[Condition]]] = {
        "accounts": lambda: account_conditions(connection, limits),
        "calls": lambda: error_rate_conditions(connection, limits),
        "ticks": lambda: failing_ticks(instance, now),
    }
    broken: list[Condition] = []
    for source, conditions in sources.items():
        try:
            with connection.transaction():
                book.replace(source, conditions(), now)
        except Exception as error:  # the others are told all the same
            logger.exception("Alerts: %s could not be looked at", source)
            broken.append(look_condition(source, error, now))
    book.replace("look", broken, now)
    book.resolve(_recovered(instance, book, now), now)


def _recovered(instance: dg.DagsterInstance, book: AlertBook, now: datetime) -> list[str]:
    """Jobs that failed, and went through since."""
    return [alert.alert_key for alert in book.open(RUNS) if _is_over(instance, alert, now)]


def _is_over(instance: dg.DagsterInstance, alert: Alert, now: datetime) -> bool:
    if alert.subject == UNKNOWN:  # no success can end it
        return now - alert.opened_at > _UNKNOWN_LASTS
    since = dg.RunsFilter(
        job_name=alert.alert_key.removeprefix("run:"),
        statuses=[dg.DagsterRunStatus.SUCCESS],
        updated_after=alert.opened_at,
    )
    try:
        return bool(instance.get_runs(since, limit=1))
    except Exception:  # a run that Dagster cannot read back says nothing
        logger.exception("Alerts: the runs of %s could not be read", alert.subject)
        return False


def _opened(settings: Settings) -> Warehouse:
    url = settings.require_database_url()
    return Warehouse(
        url, application_name="meta_pipeline alerts", max_connections=1, patience=READER
    )


def _sentence(told: Told) -> str:
    if told.error:
        return f"{told.channel}: not delivered, {told.error}; tried again by the next tick."
    return f"{told.channel}: told {told.news} new, {told.over} back to normal."
