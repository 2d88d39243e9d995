"""Hourly rows that do not say which hour they are: not stored, recorded, and the day says so."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.simulator import Fault
from meta_pipeline.sync import ENTITIES, Part, Status
from meta_pipeline.sync.rows.datasets import HOUR
from meta_pipeline.sync.rows.keys import hour_of
from meta_pipeline_tests.sync.lab import Lab

HOURS = frozenset({Part.HOURLY})
NONE: list[Any] = [None, "noon", "24:00:00 - 24:59:59", 5]
OTHERS: list[Any] = [
    *("", "5:00:00 - 5:59:59", "05:00:00", [], {}),
    *("05:00:00 - 06:59:59", "05:00:00 - 05:59:59\n", "99:00:00 - 99:59:59"),
]
STORED = "SELECT ad_id, hour, impressions FROM meta_ads.meta_insights_hourly ORDER BY 1, 2"
LEDGER = """SELECT incomplete, is_final FROM meta_ads.sync_windows
            WHERE dataset = 'insights_hourly' AND date_start = %s"""


def answer(small: Lab, day: date, **first: Any) -> list[str]:
    """Meta answers with two hours of two ads; the first of them holds `first` in its place."""
    small.sync(parts=ENTITIES)
    ads = [one.id for one in small.world.objects("ads", small.account_id)][:2]
    shared = {
        "account_id": small.account_id.removeprefix("act_"), "spend": "5.00", "impressions": "10",
        "clicks": "1", "date_start": str(day), "date_stop": str(day),
    }  # fmt: skip
    rows = [
        {**shared, "ad_id": ads[0], **first},
        {**shared, "ad_id": ads[1], HOUR: "05:00:00 - 05:59:59"},
    ]
    small.sim.fail(
        "GET",
        f"{small.account_id}/insights",
        until=lambda request: "breakdowns" not in request.params,
        with_=Fault.wrong_shape(json.dumps({"data": rows}).encode()),
    )
    return ads


@pytest.mark.parametrize(
    "given_",
    [
        {},
        *({HOUR: value} for value in NONE),
        *(pytest.param({HOUR: value}, marks=pytest.mark.slow) for value in OTHERS),
    ],
    ids=str,
)
def test_an_hour_that_is_none_is_recorded_and_the_day_is_incomplete(
    small: Lab, given_: dict[str, Any]
) -> None:
    day = small.today() - timedelta(days=1)
    ads = answer(small, day, **given_)

    record = small.sync(parts=HOURS, since=day, until=day)

    assert record.status is Status.PARTIAL
    assert [*map(str, record.missing)] == [
        f"insights_hourly {day}: hours came without saying which they are"
    ]
    assert small.query(STORED) == [{"ad_id": ads[1], "hour": 5, "impressions": 10}]
    found = small.query("SELECT field, reason FROM meta_ads.unrecognized_values")
    assert found == [{"field": HOUR, "reason": "missing_key"}]
    (known,) = small.query(LEDGER, day)
    assert not known["is_final"]
    assert known["incomplete"]

    small.sim.faults.clear()
    small.advance(days=1)
    assert small.sync(parts=HOURS, since=day, until=day).status is Status.SUCCESS
    assert small.scalar("SELECT count(DISTINCT hour) FROM meta_ads.meta_insights_hourly") > 1
    (known,) = small.query(LEDGER, day)
    assert known["incomplete"] is None


def test_a_row_of_nothing_may_lack_its_hour(small: Lab) -> None:
    """Rows without impressions can lack it: nothing is lost with them."""
    day = small.today() - timedelta(days=1)
    answer(small, day, impressions="0", spend="0.00", clicks="0")
    record = small.sync(parts=HOURS, since=day, until=day)
    assert "hours came without" not in " ".join(map(str, record.missing))


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_day_has_hours_0_to_23(hour: int, end: int) -> None:
    text = f"{hour:02}:00:00 - {end:02}:59:59"
    assert hour_of(text) == (hour if hour == end and hour < 24 else None)
