"""A tick that waits for Postgres ends by itself, before Dagster gives it up."""

from __future__ import annotations

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.defs.alerts import alerts, failed_runs
from meta_pipeline.orchestration.defs.next_stale_account import next_stale_account
from meta_pipeline.orchestration.defs.overview import overview_sensor
from meta_pipeline.orchestration.defs.schedules import connection_care
from meta_pipeline.orchestration.defs.sync_requests import sync_requests
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline_tests.orchestration.instances import instance

__all__ = ["instance"]

_TABLES = """
    SELECT format('LOCK %I.%I IN ACCESS EXCLUSIVE MODE', schemaname, tablename)
    FROM pg_tables WHERE schemaname = 'meta_ads'
"""


@pytest.mark.parametrize(
    "sensor",
    [next_stale_account, overview_sensor, sync_requests, failed_runs, alerts, connection_care],
    ids=lambda one: one.name,
)
def test_a_tick_is_over_soon_however_long_each_statement_may_take(
    sensor: dg.SensorDefinition | dg.ScheduleDefinition,
    database_url: str,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAATICK")
    monkeypatch.setenv("META_ALERT_LOG", "true")
    patient = Patience(statement_seconds=3_600, lock_seconds=3_600)
    monkeypatch.setattr("meta_pipeline.orchestration.resources.TICK", patient)
    monkeypatch.setattr("meta_pipeline.orchestration.resources._TICK_SECONDS", 1)
    resources = {"warehouse": WarehouseResource(database_url=database_url), "clock": utc_now}
    with psycopg.connect(database_url) as other:
        for (statement,) in other.execute(_TABLES).fetchall():
            other.execute(statement)
        said = told(sensor, instance, resources)
    assert said.startswith("Cannot tell"), said


def told(
    asked: dg.SensorDefinition | dg.ScheduleDefinition,
    instance: dg.DagsterInstance,
    resources: dict[str, object],
) -> str:
    """Why this tick starts nothing."""
    if isinstance(asked, dg.ScheduleDefinition):
        with dg.build_schedule_context(instance=instance, resources=resources) as context:
            found: object = asked(context)
    else:
        with dg.build_sensor_context(
            instance=instance, cursor="1", resources=resources
        ) as sensor_context:
            found = asked(sensor_context)
    reason = found.skip_reason if isinstance(found, dg.SensorResult) else found
    assert isinstance(reason, dg.SkipReason)
    return reason.skip_message or ""
