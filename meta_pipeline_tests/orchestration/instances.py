"""Dagster instances that are quick to have: their tables are copied and not made anew."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from meta_pipeline.orchestration.dagster_internals import engines_of
from meta_pipeline.warehouse import create_dagster_schema, dagster_url
from meta_pipeline_tests.postgres import TestPostgres, scratch_folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """For modules whose tests look at ticks: those in memory have none."""
    with stored_instance() as opened:
        yield opened


@contextmanager
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """What `dg.instance_for_test` gives, in SQLite files that are copied and not made anew."""
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
        shutil.copytree(_empty(), folder, dirs_exist_ok=True)
        with dg.instance_for_test(temp_dir=folder) as instance:
            yield instance


@pytest.fixture(scope="session")
def dagster_template(postgres: TestPostgres) -> Iterator[str]:
    """For `fresh_database`: our tables, and beside them Dagster's, where nothing happened yet."""

    def fill(url: str) -> None:
        create_dagster_schema(url)
        with dg.instance_for_test(overrides=in_postgres(url)) as instance:
            assert instance.schedule_storage is not None
            assert instance.get_runs() == []

    with postgres.template(fill) as name:
        yield name


def in_postgres(url: str) -> dict[str, Any]:
    """What `dg.instance_for_test` overrides to keep its tables there, in their own schema."""
    return {"storage": {"postgres": {"postgres_url": dagster_url(url)}}}


@contextmanager
def statements(instance: dg.DagsterInstance) -> Iterator[list[tuple[str, Any]]]:
    """What Dagster asks Postgres meanwhile: SQL of each statement and the values it is given."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    engines: list[Engine] = [engine for _, engine in engines_of(instance)]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


@cache
def _empty() -> Path:
    """A Dagster home where nothing has happened yet; it lasts as long as this process."""
    folder = tempfile.TemporaryDirectory(dir=scratch_folder())
    with dg.instance_for_test(temp_dir=folder.name) as instance:
        assert instance.schedule_storage is not None
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
