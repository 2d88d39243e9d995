"""Dagster instances that are quick to have."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from meta_pipeline_tests.postgres import scratch_folder


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


@cache
def _empty() -> Path:
    """A Dagster home where nothing has happened yet; it lasts as long as this process."""
    folder = tempfile.TemporaryDirectory(dir=scratch_folder())
    with dg.instance_for_test(temp_dir=folder.name) as instance:
        assert instance.schedule_storage is not None
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
