"""Asset meta/parquet_export: what META_EXPORT_TO names follows the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs import schedules
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline_tests.exports.lake import asked, manifest
from meta_pipeline_tests.orchestration.assets.test_metric_assets import metadata
from meta_pipeline_tests.orchestration.assets.test_metric_assets import run as sync
from meta_pipeline_tests.orchestration.conftest import Stand


def export_parquet() -> dg.JobDefinition:
    return build_defs().resolve_job_def("export_parquet")


@contextmanager
def export(stand: Stand) -> Iterator[bool]:
    with dg.execute_job(
        dg.reconstructable(export_parquet), instance=stand.instance, raise_on_error=False
    ) as result:
        yield result.success


def tick(stand: Stand) -> Any:
    with dg.build_schedule_context(instance=stand.instance) as context:
        return schedules.parquet_export(context, warehouse=WarehouseResource())


def test_what_was_synced_is_exported_and_only_what_changed_again(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_EXPORT_TO", str(tmp_path))
    with sync(stand, stand.good):
        pass
    calls = len(stand.sim.journal)
    with export(stand) as ran:
        assert ran
    assert len(stand.sim.journal) == calls, "Meta is asked nothing"
    shown = metadata(stand, "parquet_export")
    assert shown["files"] == shown["files_written"] > 5
    assert shown["simulated"]
    found = manifest(tmp_path)
    for name, table in found.tables.items():
        assert [(table.rows,)] == asked(
            stand.database_url, f"SELECT count(*) FROM meta_ads.{name}"
        ), name
    with psycopg.connect(stand.database_url) as connection:
        connection.execute("UPDATE meta_ads.meta_campaigns SET name = 'new'")
    with export(stand) as ran:
        assert ran
    again = metadata(stand, "parquet_export")
    assert (again["files_written"], again["files_removed"]) == (1, 0)
    assert again.keys() == shown.keys(), "a name that changes ends its plot"
    assert isinstance(tick(stand), dg.RunRequest)


def test_without_a_place_nothing_starts_and_who_starts_it_is_told(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("META_EXPORT_TO", raising=False)
    skipped = tick(stand)
    assert isinstance(skipped, dg.SkipReason)
    assert "META_EXPORT_TO" in str(skipped.skip_message)
    with export(stand) as ran:
        assert not ran
    failed = stand.instance.get_runs(limit=1)[0]
    events = stand.instance.all_logs(failed.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "META_EXPORT_TO names no place" in str(events[0].dagster_event)
