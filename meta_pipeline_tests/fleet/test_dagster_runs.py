"""Dagster's tables say the same to us as to Dagster: its layout is its own and may change."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from meta_pipeline.fleet.in_flight import UNFINISHED, InFlight
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.defs.next_stale_account import NEXT_STALE_ACCOUNT
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores import dagster_runs

from .dagsters import dagster_in

KEYS = ["act_3", "act_1", "act_2", "act_5"]
RANGE = {
    "dagster/asset_partition_range_start": "act_3",
    "dagster/asset_partition_range_end": "act_2",
}
TAGS: list[dict[str, str]] = [{}, {"dagster/partition": "act_5"}, RANGE]
CONFIGS: list[dict[str, Any]] = [
    {},
    run_config(accounts={"ids": ["act_7", "act_8"]}),
    run_config(accounts={"ids": {"env": "HOME"}}),
    {"resources": None},
]
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
"""QUEUED wants an origin, and differs in nothing else."""


def ours(warehouse: Warehouse) -> InFlight:
    with warehouse.connection() as connection:
        runs = dagster_runs.unfinished_runs(connection, UNFINISHED)
        name = str(AD_ACCOUNTS.name)
        return InFlight.of(runs, lambda: dagster_runs.partition_keys(connection, name))


def test_runs_in_flight_are_those_that_dagster_knows(
    warehouse: Warehouse, database_url: str, tmp_path: Path
) -> None:
    with dagster_in(database_url, tmp_path) as instance:
        instance.add_dynamic_partitions(str(AD_ACCOUNTS.name), KEYS)
        assert ours(warehouse) == in_flight(instance) == InFlight()
        states = [status for status in (*UNFINISHED, *ENDED) if status != "QUEUED"]
        kinds = [(tags, config, "STARTED") for tags, config in product(TAGS, CONFIGS)]
        for tags, config, status in kinds + [(RANGE, CONFIGS[1], status) for status in states]:
            instance.add_run(
                dg.DagsterRun(
                    "sync_account",
                    tags=tags,
                    run_config=config,
                    status=dg.DagsterRunStatus(status),
                )
            )
            assert ours(warehouse) == in_flight(instance)
        found = ours(warehouse)
        assert found == in_flight(instance)
        assert found.accounts == {"act_1", "act_2", "act_3", "act_5", "act_7", "act_8"}
        with warehouse.connection() as connection, connection.transaction():
            connection.execute("UPDATE dagster.runs SET run_body = '{' WHERE id % 2 = 0")
        assert ours(warehouse) == in_flight(instance)


def test_the_cursor_is_the_sensors_own(
    warehouse: Warehouse, database_url: str, tmp_path: Path
) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("meta_pipeline"), "__repository__")
    with dagster_in(database_url, tmp_path) as instance:
        for name, cursor in ((NEXT_STALE_ACCOUNT, "act_5"), ("overview_changes", "act_1")):
            origin = RemoteInstigatorOrigin(repository_origin=place, instigator_name=name)
            instance.add_instigator_state(
                InstigatorState(
                    origin,
                    InstigatorType.SENSOR,
                    InstigatorStatus.RUNNING,
                    SensorInstigatorData(cursor=cursor),
                )
            )
        with warehouse.connection() as connection:
            assert dagster_runs.dagster_ran(connection)
            assert dagster_runs.sensor_cursor(connection, NEXT_STALE_ACCOUNT) == "act_5"
            assert dagster_runs.sensor_cursor(connection, "a_sensor_that_never_ran") is None


def test_a_database_without_dagster(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        assert not dagster_runs.dagster_ran(connection)
