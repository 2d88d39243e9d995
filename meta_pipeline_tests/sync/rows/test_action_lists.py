"""Odd entries in Meta's action lists: recorded once, and everything beside them counts."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline import metrics
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import Part, Status
from meta_pipeline.sync.rows.actions import are_regular, is_countable
from meta_pipeline_tests.sync.lab import Lab

LISTS = ("actions", "action_values", "video_thruplay_watched_actions")
GOOD = {"action_type": "purchase", "value": "4", "7d_click": "3"}
ODD: dict[str, Any] = {
    "thousands": {"action_type": "purchase", "value": "1,234"},
    "not available": {"action_type": "purchase", "value": "N/A"},
    "NaN": {"action_type": "purchase", "value": "NaN"},
    "infinite": {"action_type": "purchase", "value": "Infinity"},
    "with a currency": {"action_type": "purchase", "value": "$12.50"},
    "with a space": {"action_type": "purchase", "value": " 7"},
    "with a line end": {"action_type": "purchase", "value": "7\n"},
    "empty": {"action_type": "purchase", "value": ""},
    "null": {"action_type": "purchase", "value": None},
    "without value": {"action_type": "purchase"},
    "true": {"action_type": "purchase", "value": True},
    "list": {"action_type": "purchase", "value": ["4"]},
    "object": {"action_type": "purchase", "value": {"amount": "4"}},
    "too large to be true": {"action_type": "purchase", "value": "1e999999"},
    "other digits": {"action_type": "purchase", "value": "\u0661"},
    "window": {"action_type": "purchase", "value": "4", "7d_click": "1,234"},
    "window null": {"action_type": "purchase", "value": "4", "1d_view": None},
    "without type": {"value": "4"},
    "type null": {"action_type": None, "value": "4"},
    "type a number": {"action_type": 12, "value": "4"},
    "null entry": None,
    "text entry": "purchase",
    "number entry": 4,
    "list entry": ["purchase", "4"],
}
QUICK = (
    *("thousands", "NaN", "empty", "null", "list", "too large to be true", "window"),
    *("without type", "type a number", "null entry", "text entry", "list entry"),
)
FOUND = """SELECT source, field, value, seen_count FROM meta_ads.unrecognized_values
           WHERE reason = 'wrong_type' ORDER BY field"""


def answer_day(lab: Lab, day: date, **lists: Any) -> None:
    """Meta answers every question about numbers with one ad row of `day`, or the account's."""
    ad = next(iter(lab.world.objects("ads", lab.account_id)))
    row = {
        "account_id": lab.account_id.removeprefix("act_"), "campaign_id": ad.values["campaign_id"],
        "adset_id": ad.values["adset_id"], "ad_id": ad.id, "spend": "5.00", "impressions": "100",
        "clicks": "3", "date_start": str(day), "date_stop": str(day), **lists,
    }  # fmt: skip
    body = json.dumps({"data": [row]}).encode()
    lab.sim.fail(
        "GET",
        f"{lab.account_id}/insights",
        with_=Fault.wrong_shape(body),
        until=lambda request: False,
    )


def sync_day(lab: Lab, day: date) -> None:
    record = lab.sync(parts=frozenset({Part.INSIGHTS}), since=day, until=day, force=True)
    assert record.status in (Status.SUCCESS, Status.PARTIAL)
    with lab.warehouse.connection() as connection:
        metrics.rollup(connection, lab.account_id)


@pytest.mark.each_value
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(odd, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, odd in ODD.items()
    ],
)
@pytest.mark.parametrize("name", LISTS)
def test_an_odd_entry_is_recorded_and_the_rest_counts(small: Lab, name: str, odd: Any) -> None:
    day = small.today() - timedelta(days=1)
    good = GOOD | ({"action_type": "video_view"} if name.startswith("video") else {})
    answer_day(small, day, **{name: [odd, good, odd]})
    sync_day(small, day)
    found = [row for row in small.query(FOUND) if row["source"] == "insights_ad"]
    assert [(row["field"], row["seen_count"]) for row in found] == [(name, 2)]
    metric = {"actions": "purchases", "action_values": "revenue"}.get(name, "thruplays")
    answer = metrics.query(
        small.warehouse, account=small.account_id, metrics=[metric], date_range=(day, day)
    )
    window = (
        isinstance(odd, dict)
        and odd.get("value") == "4"
        and odd.get("action_type") == (good["action_type"])
    )
    assert answer[metric][0] == 4 + (8 if window else 0)


def test_a_field_that_is_odd_in_every_row_is_recorded_once_a_day(small: Lab) -> None:
    day = small.today() - timedelta(days=1)
    entries = [{"action_type": "purchase", "value": f"{n},000"} for n in range(1, 400)]
    answer_day(small, day, actions=entries)
    sync_day(small, day)
    (found,) = [row for row in small.query(FOUND) if row["source"] == "insights_ad"]
    assert found["seen_count"] == 399
    assert json.loads(found["value"]) == entries[0]


ENTRIES = st.lists(
    st.sampled_from([GOOD, *ODD.values()])
    | st.fixed_dictionaries(
        {"action_type": st.sampled_from(["like", "purchase"])},
        optional={
            "value": st.integers(-5, 10**20).map(str) | st.floats().map(str) | st.text(max_size=3),
            "1d_click": st.integers(0, 9).map(str) | st.none(),
            "action_device": st.text(max_size=3),
        },
    ),
    max_size=5,
)


@given(ENTRIES)
def test_looking_at_many_entries_at_once_misses_none(entries: list[Any]) -> None:
    assert are_regular(entries) <= all(map(is_countable, entries))


@given(st.lists(st.just(GOOD) | st.just({"action_type": "like", "value": "0.5"}), max_size=5))
def test_what_meta_documents_is_seen_at_once(entries: list[Any]) -> None:
    assert are_regular(entries)
