"""Dagster's own tables, read by who must not import Dagster: a second, where that takes three.

Their layout is Dagster's affair; `test_dagster_runs.py` compares with what Dagster itself says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from meta_pipeline.warehouse.connect import Connection

_RUNS = "SELECT run_body FROM dagster.runs WHERE status = ANY (%s)"
_PARTITIONS = """
    SELECT partition FROM dagster.dynamic_partitions
    WHERE partitions_def_name = %s ORDER BY id
"""
# All of them, as the name stands inside the body: a handful.
_SENSORS = "SELECT instigator_body FROM dagster.instigators WHERE instigator_type = 'SENSOR'"

RunFacts = tuple[Mapping[str, str], Mapping[str, Any]]


def dagster_ran(connection: Connection) -> bool:
    """Whether Dagster has made its tables there."""
    row = connection.execute("SELECT to_regclass('dagster.runs')").fetchone()
    return row is not None and row[0] is not None


def unfinished_runs(connection: Connection, statuses: Collection[str]) -> list[RunFacts]:
    """Tags and config of the runs in one of these states; one that cannot be read is left out."""
    rows = connection.execute(_RUNS, (list(statuses),)).fetchall()
    facts = (_read(body) for (body,) in rows)
    return [(run.get("tags") or {}, run.get("run_config") or {}) for run in facts if run]


def partition_keys(connection: Connection, name: str) -> list[str]:
    """The keys of a dynamic partition, in the order they were added."""
    return [str(key) for (key,) in connection.execute(_PARTITIONS, (name,)).fetchall()]


def sensor_cursor(connection: Connection, name: str) -> str | None:
    """The cursor that the sensor goes on from; None where it has none yet."""
    for (body,) in connection.execute(_SENSORS).fetchall():
        sensor = _read(body)
        origin, data = sensor.get("origin") or {}, sensor.get("job_specific_data") or {}
        # The name is one of the values, under a key that is Dagster's affair.
        if name in origin.values():
            cursor = data.get("cursor")
            return cursor if isinstance(cursor, str) else None
    return None


def _read(body: object) -> dict[str, Any]:
    try:
        read = orjson.loads(str(body))
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}
