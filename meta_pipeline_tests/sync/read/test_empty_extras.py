"""Opt-in tables that come back empty without a word: their day is incomplete, and says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline.sync import DEFAULT_PARTS, Part, Status
from meta_pipeline_tests.sync.lab import Lab

CELLS = (("age", "gender"),)
EXTRAS = {
    "insights_hourly": (Part.HOURLY, "hourly_stats"),
    "breakdown:age,gender": (Part.BREAKDOWNS, "age"),
}
LEDGER = """SELECT date_start, incomplete, is_final FROM meta_ads.sync_windows
            WHERE dataset = %s AND date_start < %s ORDER BY date_start"""


@pytest.mark.parametrize("dataset", EXTRAS)
def test_an_empty_answer_is_named_as_the_reason_of_the_day(small: Lab, dataset: str) -> None:
    part, word = EXTRAS[dataset]
    assert small.sync().status is Status.SUCCESS
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        until=lambda request: word not in str(request.params.get("breakdowns")),
        with_=Fault.wrong_shape(b'{"data":[]}'),
    )
    today = small.today()
    since = today - timedelta(days=2)
    parts = DEFAULT_PARTS | {part}

    record = small.sync(parts=parts, breakdowns=CELLS, since=since, force=True)

    assert record.status is Status.PARTIAL
    told = [one for one in record.missing if (one.edge or "").startswith(dataset)]
    assert told, record.missing
    days = small.query(LEDGER, dataset, today)
    assert days
    assert not any(day["is_final"] for day in days)
    assert all(day["incomplete"] for day in days), days
    assert all("0 rows with" in day["incomplete"] for day in days), days

    small.sim.faults.clear()
    small.advance(days=1)
    assert (
        small.sync(parts=parts, breakdowns=CELLS, since=since, force=True).status is Status.SUCCESS
    )
    assert not any(day["incomplete"] for day in small.query(LEDGER, dataset, today))
