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


@cache
def _empty() -> Path:
    """A Dagster home where nothing has happened yet; it lasts as long as this process."""
    folder = tempfile.TemporaryDirectory(dir=scratch_folder())
    with dg.instance_for_test(temp_dir=folder.name) as instance:
        assert instance.schedule_storage is not None
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
