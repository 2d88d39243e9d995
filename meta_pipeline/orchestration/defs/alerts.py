"""Alerts: two sensors that look at our tables and at failed runs, and tell people what changed.

A tick asks Meta nothing. Without a channel in the settings the sensors look and say so.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic

import dagster as dg

from meta_pipeline.alerts import (
    Alert,
    AlertLimits,
    AlertStore,
    Condition,
    Notifier,
    account_conditions,
    channels_of,
    connection_conditions,
    error_rate_conditions,
    limits_of,
    look_condition,
)
from meta_pipeline.moments import LONG_AGO, past
from meta_pipeline.orchestration.failures.runs import (
    RUNS,
    UNKNOWN,
    failures_since,
    newest_event,
    note,
)
from meta_pipeline.orchestration.failures.ticks import failing_ticks
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.resources import Clock, WarehouseResource, of_a_tick
from meta_pipeline.warehouse import CannotTell, Connection
from meta_pipeline.warehouse.connect import TICK

HERE = here()

TICK_SECONDS = 60
OFF = (
    "Alerts are off: set META_ALERT_WEBHOOK_URL, META_ALERT_EMAIL_TO or META_ALERT_LOG=true "
    "(docs/operations.md)."
)
logger = logging.getLogger("meta_pipeline.alerts")

_UNKNOWN_LASTS = timedelta(days=1)
# Dagster gives a tick up after a minute: looking and telling are over before it, however long the
# one took, so that the tick says who was told.
_ROUND_SECONDS = 52.0


@dg.sensor(
    name=HERE.named("failed_runs"),
    minimum_interval_seconds=TICK_SECONDS,
    default_status=HERE.sensor_status,
    description="Records runs that failed and left no sync record to explain why; sensor `alerts` "
    "tells people.",
)
@asking
def failed_runs(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.SensorResult:
    # Versions before this one kept Dagster's own cursor, as JSON.
    begin: int | None = None
    with suppress(ValueError, TypeError, KeyError):
        stored = json.loads(context.cursor or "")
        begin = int(stored["record_id"] if isinstance(stored, dict) else stored)
    if begin is None:
        # What failed before anybody looked is no news.
        newest = newest_event(context.instance)
        return dg.SensorResult(skip_reason="Failures count from now on.", cursor=str(newest))
    try:
        with warehouse.migrated("alerts", 1, of_a_tick()) as db, db.connection() as connection:
            failures = failures_since(context.instance, connection, begin, clock())
            note(connection, failures, clock())
    except CannotTell as error:
        # The cursor stays where it is: the next look finds the same failures.
        return dg.SensorResult(skip_reason=str(error), cursor=str(begin))
    return dg.SensorResult(skip_reason=failures.sentence, cursor=str(failures.last_id))


@dg.sensor(
    name=HERE.named("alerts"),
    minimum_interval_seconds=TICK_SECONDS,
    default_status=HERE.sensor_status,
    description="Tells people by webhook, e-mail or log what is wrong with accounts, runs, "
    "checks and the token: once when it starts, once when it ends, as a digest at most hourly.",
)
@asking
def alerts(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.SkipReason:
    settings = warehouse.settings()
    channels = channels_of(settings)
    if not channels:
        return dg.SkipReason(OFF)
    ends_at = monotonic() + _ROUND_SECONDS
    try:
        with warehouse.migrated("alerts", 1, of_a_tick()) as db, db.connection() as connection:
            _look(context.instance, connection, limits_of(settings), clock())
        # No end for its statements: what was told must be noted, or it is told again.
        with warehouse.read("alerts", TICK) as opened:
            notifier = Notifier(
                opened.connection,
                channels,
                digest=timedelta(minutes=settings.alert_digest_minutes),
                ui_url=settings.dagster_ui_url,
                is_simulated=settings.is_simulated,
            )
            told = notifier.tell(clock(), ends_at - monotonic())
    except CannotTell as error:
        return dg.SkipReason(str(error))
    said = (
        f"{one.channel}: not delivered, {one.error}; tried again by the next tick."
        if one.error
        else f"{one.channel}: told {one.news} new, {one.over} back to normal."
        for one in told
    )
    return dg.SkipReason(" ".join(said) or "Nothing has changed.")


def _look(
    instance: dg.DagsterInstance, connection: Connection, limits: AlertLimits, now: datetime
) -> None:
    """Every source by itself: one that breaks is a problem of its own, and ends no other."""
    store = AlertStore(connection)
    sources: dict[str, Callable[[], list[Condition]]] = {
        "accounts": lambda: account_conditions(connection, limits),
        "calls": lambda: error_rate_conditions(connection, limits),
        "connections": lambda: connection_conditions(connection, now),
        "ticks": lambda: failing_ticks(instance, now),
    }
    broken: list[Condition] = []
    for source, conditions in sources.items():
        try:
            # A savepoint: what a broken source wrote is taken back, what the others found stays.
            with connection.transaction():
                store.replace(source, conditions(), now)
        except Exception as error:  # the others are told all the same
            logger.exception("Alerts: %s could not be looked at", source)
            broken.append(look_condition(source, error, now))
    store.replace("look", broken, now)
    over = [alert.alert_key for alert in store.open(RUNS) if _is_over(instance, alert, now)]
    store.resolve(over, now)


def _is_over(instance: dg.DagsterInstance, alert: Alert, now: datetime) -> bool:
    """Whether the job that failed went through since."""
    if alert.subject == UNKNOWN:  # no success can end it
        return now - (past(alert.opened_at, now) or LONG_AGO) > _UNKNOWN_LASTS
    since = dg.RunsFilter(
        job_name=alert.alert_key.removeprefix("run:"),
        statuses=[dg.DagsterRunStatus.SUCCESS],
        updated_after=past(alert.opened_at, now) or LONG_AGO,
    )
    try:
        return bool(instance.get_runs(since, limit=1))
    except Exception:  # a run that Dagster cannot read back says nothing
        logger.exception("Alerts: the runs of %s could not be read", alert.subject)
        return False
