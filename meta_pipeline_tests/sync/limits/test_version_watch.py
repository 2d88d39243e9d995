"""What Meta says of the API version is kept and logged once a day, whoever hears it."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from meta_pipeline.reports.status import version_warnings
from meta_pipeline.sync import SyncEngine
from meta_pipeline_tests.sync.lab import Lab, lab

UPGRADED = "The call has been auto-upgraded to v27.0 as v26.0 has been deprecated."


def _said(caplog: pytest.LogCaptureFixture) -> int:
    return sum(UPGRADED in record.getMessage() for record in caplog.records)


def _other_process(laboratory: Lab) -> SyncEngine:
    return laboratory.engine.changed()


def test_an_upgraded_version_is_logged_once_a_day_by_all_processes(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with lab(database_url) as laboratory:
        laboratory.sync()
        assert _said(caplog) == 0
        assert version_warnings(laboratory.warehouse, now=laboratory.clock.now()) == []
        laboratory.sim.contract.upgrade_version("v26.0", "v27.0")
        laboratory.engine.discover()
        _other_process(laboratory).discover()
        laboratory.sync(force=True)
        assert _said(caplog) == 1
        laboratory.advance(days=1)
        _other_process(laboratory).discover()
        laboratory.engine.discover()
        assert _said(caplog) == 2
        now = laboratory.clock.now()
        (warning,) = version_warnings(laboratory.warehouse, now=now)
        assert UPGRADED in warning
        assert version_warnings(laboratory.warehouse, now=now + timedelta(days=3)) == []
        row = laboratory.query(
            "SELECT * FROM meta_ads.unrecognized_values WHERE source = 'api_version'"
        )
    assert [(one["account_id"], one["value"]) for one in row] == [("app", UPGRADED)]


def test_what_meta_says_of_a_version_that_still_answers_is_kept(database_url: str) -> None:
    with lab(database_url) as laboratory:
        laboratory.sim.contract.warn_of_version("v26.0", "v26.0 ends on 2027-10-01")
        assert laboratory.sync().status == "success"
        (warning,) = version_warnings(laboratory.warehouse, now=laboratory.clock.now())
    assert "v26.0 ends on 2027-10-01" in warning


def test_a_version_that_is_retired_costs_one_call_and_nothing_stored(database_url: str) -> None:
    with lab(database_url) as laboratory:
        laboratory.sync()
        laboratory.sim.contract.retire_version("v26.0")
        laboratory.advance(hours=2)
        before = laboratory.calls()
        record = laboratory.sync()
        assert record.status != "success"
        assert "2635" in str(record.error_summary)
        assert laboratory.calls() - before <= 5
        laboratory.assert_entities()


@pytest.mark.parametrize("version", ["v25.0", "v26.0", "v27.0"])
def test_every_living_version_is_synced(database_url: str, version: str) -> None:
    with lab(database_url, version=version) as laboratory:
        record = laboratory.sync()
        assert record.status == "success"
        laboratory.assert_entities()
    assert {entry.path.split("/")[1] for entry in laboratory.sim.journal if not entry.in_batch} == {
        version
    }
