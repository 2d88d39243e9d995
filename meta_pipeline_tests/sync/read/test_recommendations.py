"""What Meta recommends: kept beside our own advice, through the business or without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.settings import Chosen
from meta_pipeline.simulator import AccountSpec, Fault
from meta_pipeline.simulator.world.recommendations import recommendations, score_on
from meta_pipeline.sync import Extras, Part, Status, SyncRequest
from meta_pipeline_tests.sync.lab import SMALL, Lab, lab

PARTS = frozenset({Part.RECOMMENDATIONS})
OTHER = AccountSpec("Ostwind Shop", 4, 8, 20, (2, 4, 9), zone="Asia/Tokyo", currency="JPY")
BUSINESS = "/990150647367951/recommendations"


@pytest.fixture
def two(database_url: str) -> Iterator[Lab]:
    """Two accounts of one business, on for both."""
    with lab(database_url, SMALL, OTHER) as found:
        on = Extras({Part.RECOMMENDATIONS: Chosen(is_all=True)})
        found.engine = found.engine.changed(extras=on)
        found.engine.discover()
        found.sim.journal.clear()
        yield found


def other(found: Lab) -> str:
    return found.world.accounts()[1].id


def paths(found: Lab) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in found.sim.journal]


def living(found: Lab, account_id: str) -> set[tuple[Any, ...]]:
    rows = found.query(
        "SELECT recommendation_type, recommendation_stage, object_ids, body, lift_estimate,"
        " opportunity_score_lift, url FROM meta_ads.meta_recommendations"
        " WHERE account_id = %s AND gone_at IS NULL",
        account_id,
    )
    return {
        (
            *(row["recommendation_type"], row["recommendation_stage"], tuple(row["object_ids"])),
            *(row["body"], row["lift_estimate"], int(row["opportunity_score_lift"]), row["url"]),
        )
        for row in rows
    }


def recommended(found: Lab, account_id: str) -> set[tuple[Any, ...]]:
    return {
        (
            *(one["type"], one["recommendation_stage"], tuple(sorted(one["object_ids"]))),
            one["recommendation_content"]["body"],
            one["recommendation_content"].get("lift_estimate"),
            int(one["recommendation_content"]["opportunity_score_lift"]),
            one["url"],
        )
        for one in recommendations(found.world, account_id)
    }


def test_one_call_to_the_business_brings_both_accounts(two: Lab) -> None:
    planned = two.engine.plan(SyncRequest(two.account_id, PARTS))
    record = two.sync(parts=PARTS)

    assert record.status is Status.SUCCESS, record.error_summary
    assert sorted(paths(two)) == ["opportunity_score_history", "recommendations"]
    assert planned.edge_calls == 2
    for account_id in (two.account_id, other(two)):
        assert living(two, account_id) == recommended(two, account_id) != set()
        today = two.today(account_id)
        live = two.query(
            "SELECT day, live_score FROM meta_ads.opportunity_scores"
            " WHERE account_id = %s AND live_score IS NOT NULL",
            account_id,
        )
        assert [(row["day"], int(row["live_score"])) for row in live] == [
            (today, score_on(two.world, account_id, today))
        ]

    two.sim.journal.clear()
    assert two.sync(other(two), parts=PARTS).status is Status.SUCCESS
    assert paths(two) == ["opportunity_score_history"], "the list of the other one has come already"


def test_the_history_ends_two_days_ago_and_begins_45_days_before(two: Lab) -> None:
    two.sync(parts=PARTS)
    days = two.query(
        "SELECT day, score, changelog FROM meta_ads.opportunity_scores"
        " WHERE account_id = %s AND score IS NOT NULL ORDER BY day",
        two.account_id,
    )
    last = two.today() - timedelta(days=2)
    assert [row["day"] for row in days] == [last - timedelta(days=44 - at) for at in range(45)]
    scores = {row["day"]: score_on(two.world, two.account_id, row["day"]) for row in days}
    assert {row["day"]: int(row["score"]) for row in days} == scores
    assert any(row["changelog"] for row in days)

    two.sim.journal.clear()
    two.advance(days=7)
    two.sync(parts=PARTS)
    (asked,) = (one for one in two.sim.journal if one.path.endswith("history"))
    assert asked.params["from_date"] == last.isoformat(), "only what is new is asked for"


def test_what_is_recommended_no_more_is_marked_and_may_come_back(two: Lab) -> None:
    two.sync(parts=PARTS)
    first = two.clock.now()
    for _ in range(45):
        two.advance(days=1)
        assert two.sync(parts=PARTS).status is Status.SUCCESS
        assert living(two, two.account_id) == recommended(two, two.account_id)
    gone = two.query("SELECT * FROM meta_ads.meta_recommendations WHERE gone_at IS NOT NULL")
    assert gone
    assert all(row["first_seen_at"] <= row["last_seen_at"] < row["gone_at"] for row in gone)
    old = two.scalar("SELECT min(first_seen_at) FROM meta_ads.meta_recommendations")
    assert old <= first


def test_once_a_day_is_enough(two: Lab) -> None:
    two.sync(parts=PARTS)
    two.advance(hours=6)
    assert two.engine.plan(SyncRequest(two.account_id, PARTS)).is_empty
    assert not two.engine.plan(SyncRequest(two.account_id, PARTS, force=True)).is_empty


@pytest.mark.parametrize("code", [10, 200, 3, 100])
def test_a_business_that_refuses_is_not_asked_again_for_a_week(two: Lab, code: int) -> None:
    two.sim.fail("GET", BUSINESS, times=None, with_=Fault.graph_error(code, status=400))
    record = two.sync(parts=PARTS)
    assert record.status is Status.SUCCESS, record.error_summary
    assert living(two, two.account_id) == recommended(two, two.account_id)
    assert two.scalar("SELECT count(live_score) FROM meta_ads.opportunity_scores") == 1

    two.sim.journal.clear()
    two.advance(days=1)
    assert two.engine.plan(SyncRequest(two.account_id, PARTS)).edge_calls == 2
    two.sync(parts=PARTS)
    assert [one.path for one in two.sim.journal if one.path.endswith(BUSINESS)] == []


def test_a_refused_edge_stops_nothing_else(two: Lab) -> None:
    """Whether it is the first thing that is asked of an account, or the last."""
    for edge in ("recommendations", "opportunity_score_history"):
        two.sim.fail("GET", edge, times=None, with_=Fault.graph_error(10, status=403))
    for _ in range(3):
        two.sim.journal.clear()
        record = two.sync(parts=PARTS | {Part.CAMPAIGNS, Part.ADSETS, Part.ADS})
        two.assert_entities()
        assert record.status is Status.PARTIAL
        assert {str(one.part) for one in record.missing} == {"recommendations"}
        two.advance(hours=1)


def test_a_kind_that_nobody_knows_is_kept_as_text(two: Lab) -> None:
    strange = {
        "type": "SOMETHING_NEW_V9",
        "object_ids": ["1"],
        "recommendation_time": "not a time",
        "surprise": {"a": 1},
    }
    two.sync(parts=PARTS)
    two.advance(days=40)  # by then some of them are recommended no more
    # One of them twice, and one that is none.
    told = json.dumps({"recommendations": [strange, strange, "noise"]})
    two.sim.fail(
        "GET",
        f"{two.account_id}/recommendations",
        times=None,
        with_=Fault.strange_rows(f"{told},{told}"),
    )
    two.sim.fail("GET", BUSINESS, times=None, with_=Fault.graph_error(10, status=403))
    assert two.sync(parts=PARTS).status is Status.SUCCESS
    (row,) = two.query(
        "SELECT * FROM meta_ads.meta_recommendations WHERE recommendation_type LIKE 'SOME%%'"
    )
    assert row["recommendation_type"] == "SOMETHING_NEW_V9"
    assert row["extra"] == {"surprise": {"a": 1}}
    assert row["recommended_at"] is None
    gone = two.scalar(
        "SELECT count(gone_at) FROM meta_ads.meta_recommendations WHERE account_id = %s",
        two.account_id,
    )
    assert gone == 0, "what could not be read may be one of those that are not there"
    two.advance(hours=1)
    due = two.engine.plan(SyncRequest(two.account_id, PARTS)).recommendations
    assert due is None or not due.is_list_due, "nor does it read better at once"
    two.advance(days=1)
    due = two.engine.plan(SyncRequest(two.account_id, PARTS)).recommendations
    assert due is not None
    assert due.is_list_due
