"""A Dagster whose tables are beside ours, as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg


@contextmanager
def dagster_in(database_url: str, folder: Path) -> Iterator[dg.DagsterInstance]:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA dagster")
    url = database_url.replace("postgresql://", "postgresql+psycopg2://")
    storage = {"postgres": {"postgres_url": f"{url}?options=-csearch_path%3Ddagster"}}
    with dg.instance_for_test(overrides={"storage": storage}, temp_dir=str(folder)) as instance:
        yield instance
