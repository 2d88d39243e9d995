"""The planner as a table: what is stored of an account, what is asked, what is to be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.custom_reports import parse
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT, CUSTOM_AUDIENCE
from meta_pipeline.sync import ENTITIES, EXTRAS, Part, PlanPolicy, SyncRequest
from meta_pipeline.sync.days import Restatement, oldest, span
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.planner import make_plan
from meta_pipeline.sync.plan.policy import PageSizes
from meta_pipeline.sync.plan.ranges import proof_ranges
from meta_pipeline.sync.plan.stored import StoredAccount
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.warehouse import WindowRow

from .cases import (
    ACCOUNT,
    INSIGHTS,
    NOW,
    TEN_DAYS,
    TODAY,
    ZONE,
    Case,
    Read,
    ago,
    all_listed,
    case,
    cursor,
    day,
    listed,
    read,
    words,
)

HOURS = "insights_hourly"
FRESH = {
    "insights_ad": read(range(10), 0.2),
    "insights_account": read(range(10), 0.2),
}
"""Ten days read a moment ago."""


def settled(ages: Iterable[int]) -> Read:
    """Days read for the last time: their 28 days were over then."""
    return read(ages, 1)


CASES = [
    Case(
        "an account that nothing is known of",
        """
        campaigns full 1
        adsets full 1
        ads full 1
        insights_ad 6..0 0
        insights_account 9..0 10
        later 3
        """,
        cursors={},
        parts=ENTITIES | INSIGHTS,
    ),
    Case("everything is fresh", "", FRESH, parts=ENTITIES | INSIGHTS),
    Case(
        "the newest days of unknown size are one window, the others come later",
        """
        insights_ad 3..0 0
        insights_account 9..0 10
        later 6
        """,
        policy=PlanPolicy(backfill_days=10, window_days=4),
    ),
    Case(
        "days of unknown size that are one window leave nothing for later",
        """
        insights_ad 3..0 0
        insights_account 3..0 4
        """,
        policy=PlanPolicy(backfill_days=4, window_days=4),
    ),
    Case(
        "an hour later today is read again; its proof of this hour would prove little",
        "insights_ad 0..0 10 again",
        FRESH | {"insights_ad": read([0], 1) | read(range(1, 10), 0.2)},
    ),
    Case(
        "a turn that comes a little early is not skipped",
        "insights_ad 0..0 10 again",
        FRESH | {"insights_ad": read([0], 0.9) | read(range(1, 10), 0.2)},
    ),
    Case(
        "much too early is skipped",
        "",
        FRESH | {"insights_ad": read([0], 0.89) | read(range(1, 10), 0.2)},
    ),
    Case(
        "today has just begun: its own row waits until there is something to prove",
        "insights_ad 0..0 10",
        {"insights_ad": read(range(1, 10), 1), "insights_account": read(range(1, 10), 1)},
    ),
    Case(
        "today has just begun, and yesterday was never proven",
        """
        insights_ad 0..0 10
        insights_account 1..0 2
        """,
        {"insights_ad": read(range(1, 10), 1), "insights_account": read(range(2, 10), 1)},
    ),
    Case(
        "forced, a day that has just begun is proven too",
        """
        insights_ad 0..0 10
        insights_account 0..0 1
        """,
        {"insights_ad": read(range(1, 10), 1), "insights_account": read(range(1, 10), 1)},
        asked={"force": True, "since": TODAY},
    ),
    Case(
        "the very first day of an account is proven",
        """
        insights_ad 0..0 0
        insights_account 0..0 1
        """,
        policy=PlanPolicy(backfill_days=1),
    ),
    Case(
        "a range of unknown account rows is asked for at once",
        "insights_account 9..0 10",
        {"insights_ad": read(range(10), 0.2)},
    ),
    Case(
        "one window holds at most 93 days, however few rows a day has",
        """
        insights_ad 92..0 93 again
        insights_account 92..0 93 again
        insights_ad 99..93 7 again
        insights_account 99..93 7 again
        """,
        {"insights_ad": read(range(100), 1, 1), "insights_account": read(range(100), 1, 1)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=100),
    ),
    Case(
        "and as many where a page holds few rows, as long as four pages hold its days",
        """
        insights_ad 92..0 93 again
        insights_account 92..0 93 again
        insights_ad 99..93 7 again
        insights_account 99..93 7 again
        """,
        {"insights_ad": read(range(100), 1, 1), "insights_account": read(range(100), 1, 1)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=100, page_sizes=PageSizes(insights=25)),
    ),
    Case(
        "one window holds four pages of insights",
        """
        insights_ad 59..0 6000 again
        insights_account 69..0 70
        insights_ad 69..60 1000 again
        """,
        {"insights_ad": read(range(70), 1, 100)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=70),
    ),
    Case(
        "a day with more rows than pages answer is a report",
        """
        insights_ad 0..0 20001 report again
        insights_account 1..0 2 again
        insights_ad 1..1 20001 report again
        """,
        {"insights_ad": read(range(2), 1, 20_001), "insights_account": read(range(2), 1)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=2),
    ),
    Case(
        "and one with as many is not",
        """
        insights_ad 0..0 20000 again
        insights_account 1..0 2 again
        insights_ad 1..1 20000 again
        """,
        {"insights_ad": read(range(2), 1, 20_000), "insights_account": read(range(2), 1)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=2),
    ),
    Case(
        "the size of a day is what the newest fourteen had",
        """
        insights_ad 19..0 400 again
        insights_account 19..0 20
        """,
        {"insights_ad": read(range(14), 1, 20) | read(range(14, 20), 1, 90_000)},
        asked={"force": True},
        policy=PlanPolicy(backfill_days=20),
    ),
    Case(
        "a gap is read along where that saves a call",
        "insights_ad 7..0 1496 again",
        FRESH | {"insights_ad": read(range(10), 0.2, 187) | read([0, 7], 25, 187)},
    ),
    Case(
        "a gap is left where it costs as much",
        """
        insights_ad 0..0 188 again
        insights_ad 7..7 188 again
        """,
        FRESH | {"insights_ad": read(range(10), 0.2, 188) | read([0, 7], 25, 188)},
    ),
    Case(
        "the account's own row is read with the days it proves, once a day",
        """
        insights_ad 7..0 80 again
        insights_account 7..0 8 again
        """,
        {"insights_ad": read(range(10), 24), "insights_account": read(range(10), 24)},
    ),
    Case(
        "days between two that need their proof are read along: they cost no call more",
        """
        insights_ad 7..0 80 again
        insights_account 7..0 8 again
        """,
        {
            "insights_ad": read(range(10), 24),
            "insights_account": read([0, 7], 24) | read([*range(1, 7), 8, 9], 3),
        },
    ),
    Case(
        "days beyond those that need their proof are left: they would prove little",
        """
        insights_ad 7..0 80 again
        insights_account 5..2 4 again
        """,
        {
            "insights_ad": read(range(8), 24) | read([8, 9], 0.2),
            "insights_account": read(range(10), 3) | read([2, 5], 24),
        },
    ),
    Case(
        "the level that waits least for a day's proof says when it is read",
        """
        insights_ad 4..4 10 again
        insights_account 4..4 1 again
        """,
        {
            "insights_ad": read(range(10), 0.2) | read([4], 2, unproven=1),
            "insights_campaign": read(range(10), 0.2) | read([4], 2, unproven=5),
            "insights_account": read(range(10), 2),
        },
        policy=PlanPolicy(backfill_days=10, levels=("ad", "campaign")),
    ),
    Case(
        "a proof from before its day was final is read with the last reading of the day",
        """
        insights_ad 36..29 80 again
        insights_account 29..29 1 again
        """,
        {
            "insights_ad": read(range(29), 0.2) | read(range(29, 37), 192) | settled(range(37, 40)),
            "insights_account": read(range(29), 0.2) | read([29], 15) | settled(range(30, 40)),
        },
        policy=PlanPolicy(backfill_days=40),
    ),
    Case(
        "an account's row alone is not due where nothing else is",
        "",
        {"insights_ad": read(range(10), 0.2), "insights_account": read(range(10), 60)},
    ),
    Case(
        "a day without proof is read with its proof when its pause is over",
        """
        insights_ad 4..4 10 again
        insights_account 4..4 1 again
        """,
        FRESH
        | {
            "insights_ad": read([0, 1, 2, 3, 5, 6, 7, 8, 9], 0.2) | read([4], 2, unproven=2),
            "insights_account": read(range(10), 2),
        },
    ),
    Case(
        "and not before",
        "",
        FRESH | {"insights_ad": read(range(10), 0.2) | read([4], 1.7, unproven=2)},
    ),
    Case(
        "a day that lacks something is read again though its age asks for nothing",
        """
        insights_ad 5..5 10 again
        insights_account 5..5 1 again
        """,
        {
            "insights_ad": read(range(10), 0.2) | read([5], 1, incomplete="half of it"),
            "insights_account": read(range(10), 1),
        },
    ),
    Case(
        "a proof that did not come again is settled by what it proves",
        """
        insights_ad 5..5 10 again
        insights_account 5..5 1 again
        """,
        {
            "insights_ad": read(range(10), 0.2),
            "insights_account": read(range(10), 0.2) | read([5], 30, unproven=1),
        },
    ),
    Case(
        "of several levels one that lacks something is read again alone, with the day's proof",
        """
        insights_ad 5..5 10 again
        insights_account 5..5 1 again
        """,
        {
            "insights_ad": read(range(10), 0.2) | read([5], 1, incomplete="half of it"),
            "insights_campaign": read(range(10), 0.2),
            "insights_account": read(range(10), 1),
        },
        policy=PlanPolicy(backfill_days=10, levels=("ad", "campaign")),
    ),
    Case(
        "an extra that lacks something is read again, and nothing else",
        "insights_hourly 5..5 10 again",
        FRESH | {HOURS: read(range(10), 0.2) | read([5], 1, incomplete="half of it")},
        parts=frozenset({Part.INSIGHTS, Part.HOURLY}),
    ),
    Case(
        "the proof of what an extra needs again is not read for it",
        "insights_hourly 9..0 100 again",
        {
            "insights_ad": read(range(10), 0.2),
            "insights_account": read(range(10), 60),
            HOURS: read(range(10), 24 * 7),
        },
        parts=frozenset({Part.INSIGHTS, Part.HOURLY}),
    ),
    Case(
        "old days are read for the last time together, a week's worth, and then never again",
        """
        insights_ad 36..30 70 again
        insights_account 36..30 7 again
        """,
        {
            "insights_ad": read(range(29), 0.2)
            | read(range(29, 37), 24 * 8)
            | read([29], 0.2)
            | settled(range(37, 40)),
            "insights_account": read(range(29), 0.2)
            | read(range(29, 37), 24 * 8)
            | read([29], 0.2)
            | settled(range(37, 40)),
        },
        policy=PlanPolicy(backfill_days=40),
    ),
    Case(
        "a smaller backfill does not shorten what was begun",
        """
        insights_ad 9..0 100 again
        insights_account 9..0 10
        """,
        {"insights_ad": read([*range(4), *range(5, 9)], 25)},
        first_days={"insights_ad": day(9), "insights_account": day(9)},
        policy=PlanPolicy(backfill_days=3),
    ),
    Case(
        "days that were asked for are the only ones",
        """
        insights_ad 5..3 0
        insights_account 5..3 3
        """,
        first_days={"insights_ad": day(9)},
        asked={"since": day(5), "until": day(3)},
    ),
    Case(
        "max_age makes today due sooner, and only today",
        "insights_ad 0..0 10 again",
        FRESH
        | {
            "insights_ad": read(range(10), 0.5),
            "insights_account": read(range(10), 0.5),
        },
        asked={"max_age": timedelta(minutes=20)},
    ),
    Case(
        "a larger max_age than what the settings say changes nothing",
        "insights_ad 0..0 10 again",
        FRESH | {"insights_ad": read([0], 1) | read(range(1, 10), 0.2)},
        asked={"max_age": timedelta(hours=5)},
    ),
    Case(
        "extras come last, however new their days",
        """
        insights_ad 3..0 0
        insights_account 9..0 10
        insights_hourly 3..0 0
        breakdown:age,gender 3..0 0
        breakdown:country 3..0 0
        later 24
        """,
        parts=frozenset({Part.INSIGHTS, Part.HOURLY, Part.BREAKDOWNS}),
        asked={"breakdowns": (("gender", "age"), ("country",))},
        policy=PlanPolicy(backfill_days=10, window_days=4),
    ),
    Case(
        "extras come last also where old days are left of the rest",
        """
        insights_ad 0..0 9000 again
        insights_account 1..0 2 again
        insights_ad 1..1 9000 again
        breakdown:country 1..0 0
        """,
        {"insights_ad": read(range(2), 1, 9000), "insights_account": read(range(2), 1)},
        parts=frozenset({Part.INSIGHTS, Part.BREAKDOWNS}),
        asked={"force": True},
        policy=PlanPolicy(backfill_days=2, breakdowns=(("country",),)),
    ),
    Case(
        "every level of the settings, and always the account's own rows",
        """
        insights_campaign 1..0 0
        insights_adset 1..0 0
        insights_account 1..0 2
        """,
        policy=PlanPolicy(backfill_days=2, levels=("campaign", "adset")),
    ),
    Case(
        "the account alone is its own rows, due once a day",
        "insights_account 7..0 8 again",
        {"insights_account": read(range(10), 24)},
        policy=PlanPolicy(backfill_days=10, levels=("account",)),
    ),
    Case(
        "what insights mention is listed before they do",
        """
        campaigns full 1
        adsets full 1
        ads full 1
        insights_ad 1..0 0
        insights_account 1..0 2
        """,
        cursors={},
        policy=PlanPolicy(backfill_days=2),
    ),
    Case(
        "no finer than the level that is read",
        """
        campaigns full 1
        insights_campaign 1..0 0
        insights_account 1..0 2
        """,
        cursors={},
        policy=PlanPolicy(backfill_days=2, levels=("campaign",)),
    ),
    Case("nothing is listed where no day is due", "", FRESH, cursors={}),
    Case(
        "changed entities are asked for once an hour",
        "campaigns delta 1\nadsets delta 1\nads delta 1",
        cursors={
            ENTITY_SPECS[part].edge: listed(part, full=2, seen=1) for part in sorted(ENTITIES)
        },
        stored=dict.fromkeys(ENTITIES, 2_000),
        parts=ENTITIES,
    ),
    Case(
        "also by a run that comes a little early",
        "campaigns delta 1",
        cursors={"campaigns": listed(Part.CAMPAIGNS, full=2, seen=0.9)},
        parts=frozenset({Part.CAMPAIGNS}),
    ),
    Case(
        "and not by one that comes much too early",
        "",
        cursors={"campaigns": listed(Part.CAMPAIGNS, full=2, seen=0.89)},
        parts=frozenset({Part.CAMPAIGNS}),
    ),
    Case(
        "a small edge is listed whole every six hours",
        "campaigns full 2\nadsets delta 1\nadsets scan 3\nads full 1",
        cursors={
            ENTITY_SPECS[part].edge: listed(part, full=6, seen=1) for part in sorted(ENTITIES)
        },
        stored={Part.CAMPAIGNS: 1000, Part.ADSETS: 1001},
        parts=ENTITIES,
    ),
    Case(
        "a listing that never came to its end is begun again",
        "campaigns full 1",
        cursors={"campaigns": listed(Part.CAMPAIGNS, full=1, seen=0.1, last_full_at=None)},
        parts=frozenset({Part.CAMPAIGNS}),
    ),
    Case(
        "a cursor made with other statuses is not valid",
        "campaigns full 1",
        cursors={"campaigns": listed(Part.CAMPAIGNS, full=1, seen=1, statuses_hash="other")},
        parts=frozenset({Part.CAMPAIGNS}),
    ),
    Case(
        "nor is one that names no change",
        "campaigns full 1",
        cursors={"campaigns": listed(Part.CAMPAIGNS, full=1, seen=1, updated_since=None)},
        parts=frozenset({Part.CAMPAIGNS}),
    ),
    Case(
        "forced, entities are listed",
        "campaigns full 1",
        parts=frozenset({Part.CAMPAIGNS}),
        asked={"force": True},
    ),
    Case(
        "max_age asks for changes sooner",
        "campaigns delta 1",
        parts=frozenset({Part.CAMPAIGNS}),
        asked={"max_age": timedelta(minutes=10)},
    ),
    Case(
        "creatives have no delta: they are listed once a day",
        "adcreatives full 3",
        cursors={"adcreatives": listed(Part.CREATIVES, full=24, seen=24)},
        stored={Part.CREATIVES: 300},
        parts=frozenset({Part.CREATIVES}),
    ),
    Case(
        "and not before",
        "",
        cursors={"adcreatives": listed(Part.CREATIVES, full=20, seen=20)},
        stored={Part.CREATIVES: 300},
        parts=frozenset({Part.CREATIVES}),
    ),
    Case(
        "creatives whose last listing broke are listed",
        "adcreatives full 1",
        cursors={"adcreatives": listed(Part.CREATIVES, full=1, seen=1, last_full_at=None)},
        parts=frozenset({Part.CREATIVES}),
    ),
    Case(
        "the change log of an account begins with its backfill",
        "activities 240",
        cursors={},
        parts=frozenset({Part.ACTIVITIES}),
    ),
    Case(
        "and goes on an hour before the newest entry: Meta writes some of them late",
        "activities 6",
        cursors={"activities": cursor("activities", updated_since=ago(5), last_fetched_at=ago(1))},
        parts=frozenset({Part.ACTIVITIES}),
    ),
    Case(
        "fresh, it is not asked for",
        "",
        cursors={
            "activities": cursor("activities", updated_since=ago(5), last_fetched_at=ago(0.5))
        },
        parts=frozenset({Part.ACTIVITIES}),
    ),
    Case(
        "forced, it is read from where the backfill begins",
        "activities 240",
        cursors={
            "activities": cursor("activities", updated_since=ago(5), last_fetched_at=ago(0.5))
        },
        parts=frozenset({Part.ACTIVITIES}),
        asked={"force": True},
    ),
    Case(
        "and an account that slept for longer than that loses nothing",
        "activities 301",
        cursors={
            "activities": cursor("activities", updated_since=ago(300), last_fetched_at=ago(0.5))
        },
        parts=frozenset({Part.ACTIVITIES}),
        asked={"force": True},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_plan(case: Case) -> None:
    assert words(case.plan) == case.lines


def test_windows_are_those_of_the_datasets_that_were_asked_for() -> None:
    plan = case(parts=frozenset({Part.BREAKDOWNS}), asked={"breakdowns": (("age",),)}).plan
    assert {window.dataset.name for window in plan.windows} == {"breakdown:age"}
    assert (plan.account_id, plan.timezone_name) == (ACCOUNT, ZONE)


def test_pages_have_the_size_of_their_kind() -> None:
    plan = case(parts=INSIGHTS | ENTITIES | {Part.CREATIVES}, cursors={}).plan
    assert {edge.spec.part: edge.page_size for edge in plan.edges} == {
        **dict.fromkeys(ENTITIES, 500),
        Part.CREATIVES: 100,
    }
    assert {window.page_size for window in plan.windows} == {1500}


def test_a_delta_knows_where_it_begins_and_a_listing_how_much_it_will_show() -> None:
    stale = {"adsets": listed(Part.ADSETS, full=6, seen=1)}
    plan = case(cursors=stale, stored={Part.ADSETS: 4_000}, parts=frozenset({Part.ADSETS})).plan
    delta, scan = plan.edges_of(Part.ADSETS)
    assert (delta.changed_since, delta.expected_rows, delta.is_complete) == (ago(1), None, False)
    assert (scan.expected_rows, scan.is_complete) == (4_000, True)
    assert plan.edges_of(Part.ADS) == []
    fresh = case(cursors={}, parts=frozenset({Part.ADS})).plan
    assert [edge.changed_since for edge in fresh.edges] == [None]


@pytest.mark.parametrize(
    ("asked", "days", "notes"),
    [
        ({}, (9, 0), []),
        ({"since": day(3)}, (3, 0), []),
        (
            {"since": day(3), "until": day(-2)},
            (3, 0),
            ["until moved from 2026-11-22 to 2026-11-20, the account's today"],
        ),
        (
            {"since": date(2020, 1, 1), "until": date(2023, 11, 1)},
            ((TODAY - oldest(TODAY)).days, (TODAY - date(2023, 11, 1)).days),
            [f"since moved from 2020-01-01 to {oldest(TODAY)}: Meta keeps 37 months"],
        ),
        (
            {"since": date(2020, 1, 1), "until": date(2020, 2, 1)},
            None,
            [
                f"since moved from 2020-01-01 to {oldest(TODAY)}: Meta keeps 37 months",
                f"no days: 2020-02-01 is before {oldest(TODAY)}, the oldest that Meta keeps",
            ],
        ),
        (
            {"since": day(-3)},
            (0, 0),
            ["since moved from 2026-11-23 to 2026-11-20, the last day asked for"],
        ),
        ({"since": day(3), "until": TODAY}, (3, 0), []),
        ({"until": oldest(TODAY)}, ((TODAY - oldest(TODAY)).days,) * 2, []),
    ],
)
def test_days_outside_of_what_meta_keeps_are_moved_with_a_note(
    asked: dict[str, Any], days: tuple[int, int] | None, notes: list[str]
) -> None:
    plan = case(asked=asked).plan
    assert list(plan.notes) == notes
    if days is None:
        assert (plan.since, plan.until, plan.windows) == (None, None, ())
        assert plan.days_fresh == 0
    else:
        assert (plan.since, plan.until) == (day(days[0]), day(days[1]))


def test_a_backfill_longer_than_meta_keeps_is_no_mistake_of_the_caller() -> None:
    plan = case(policy=PlanPolicy(backfill_days=5_000)).plan
    assert (plan.since, plan.notes) == (oldest(TODAY), ())


def test_a_plan_without_insights_has_no_days() -> None:
    plan = case(parts=ENTITIES).plan
    assert (plan.since, plan.until, plan.days_fresh, plan.first_days) == (None, None, 0, {})
    assert plan.is_empty


@pytest.mark.parametrize("part", [Part.ADS, Part.INSIGHTS, Part.ACTIVITIES])
def test_a_plan_that_reads_anything_is_not_empty(part: Part) -> None:
    asked = {"force": True, "since": TODAY}
    assert not case(parts=frozenset({part}), asked=asked).plan.is_empty


def test_it_is_the_day_of_the_account() -> None:
    """At noon UTC it is tomorrow in Kiritimati."""
    state = StoredAccount(ACCOUNT, "Pacific/Kiritimati", all_listed())
    plan = make_plan(SyncRequest(ACCOUNT, INSIGHTS), state, PlanPolicy(backfill_days=2), NOW)
    assert (plan.since, plan.until) == (day(0), day(-1))


def test_the_first_day_of_each_dataset_is_kept_unless_days_were_asked_for() -> None:
    begun = {"insights_ad": day(30)}
    plan = case(first_days=begun).plan
    assert plan.first_days == {"insights_ad": day(30), "insights_account": day(9)}
    assert plan.since == day(30)
    assert case(first_days=begun, asked={"since": day(2)}).plan.first_days == {}


def test_days_that_are_left_out_as_fresh_are_counted_for_each_dataset() -> None:
    assert case(ledgers=FRESH).plan.days_fresh == 20
    stale = FRESH | {"insights_ad": read([0], 1) | read(range(1, 10), 0.2)}
    assert case(ledgers=stale).plan.days_fresh == 19
    assert case().plan.days_fresh == 0


def test_what_is_listed_because_insights_mention_it_is_said() -> None:
    mentioned = all_listed(ads=cursor("ads"))
    plan = case(cursors=mentioned).plan
    assert plan.notes == ("ads are listed too: insights mention them and no table has them yet",)
    assert case(cursors=mentioned, parts=INSIGHTS | {Part.ADS}).plan.notes == ()
    both = all_listed(ads=cursor("ads"), adsets=cursor("adsets"))
    assert case(cursors=both).plan.notes[0].startswith("adsets, ads are listed too")


@pytest.mark.parametrize(
    ("levels", "account"), [(("ad",), ()), (("ad", "account"), ("purchase_roas",))]
)
def test_the_accounts_own_rows_have_more_columns_only_where_that_level_is_read(
    levels: tuple[str, ...], account: tuple[str, ...]
) -> None:
    """As a proof they are asked for what they prove and no more."""
    policy = replace(TEN_DAYS, levels=levels, columns=("purchase_roas",))
    assert {one.dataset.level: one.dataset.columns for one in case(policy=policy).plan.windows} == {
        "ad": ("purchase_roas",),
        "account": account,
    }


# -- what a plan costs and needs ------------------------------------------------------------------


def test_calls_rows_and_days_are_sums() -> None:
    plan = case(
        ledgers={"insights_ad": read(range(2), 1, 20_001), "insights_account": read(range(2), 1)},
        policy=PlanPolicy(backfill_days=2),
        parts=INSIGHTS | ENTITIES | {Part.ACTIVITIES},
        asked={"force": True},
        stored={Part.ADS: 1_001},
    ).plan
    assert plan.edge_calls == 1 + 1 + 3 + 1
    # A report is also created, and asked twice how far it is.
    assert plan.insights_calls == 2 * (14 + 3) + 1
    assert plan.calls == plan.edge_calls + plan.insights_calls
    assert replace(plan, reads_account=True).calls == plan.calls + 1
    assert (plan.rows, plan.days, plan.is_empty) == (40_004, 4, False)


@pytest.mark.parametrize(("ads", "calls"), [(5, 5), (6, 1), (100, 1), (101, 2)])
def test_objects_that_are_named_are_all_that_a_plan_reads(ads: int, calls: int) -> None:
    ids = {Part.ADS: tuple(map(str, range(ads))), Part.CAMPAIGNS: ("1",)}
    plan = case(cursors={}, parts=ENTITIES | INSIGHTS, asked={"objects": ids}).plan
    assert plan == Plan(ACCOUNT, ZONE, None, None, objects=ids)
    assert (plan.days_fresh, plan.days_later, plan.is_empty) == (0, 0, False)
    assert plan.calls == plan.edge_calls == calls + 1


@pytest.mark.parametrize(
    ("parts", "use_cases", "optional", "critical"),
    [
        (ENTITIES, {ADS_MANAGEMENT}, (), True),
        (INSIGHTS, {ADS_INSIGHTS}, (), True),
        (ENTITIES | INSIGHTS, {ADS_MANAGEMENT, ADS_INSIGHTS}, (), True),
        ({Part.CREATIVES}, {ADS_MANAGEMENT, ADS_INSIGHTS}, ("creatives",), False),
        (
            {Part.CUSTOM_AUDIENCES},
            {CUSTOM_AUDIENCE, ADS_INSIGHTS},
            ("custom_audiences",),
            False,
        ),
        ({Part.ACTIVITIES}, {ADS_INSIGHTS}, ("activities",), False),
        ({Part.HOURLY}, {ADS_INSIGHTS}, ("insights_hourly",), False),
        ({Part.REPORTS}, {ADS_INSIGHTS}, ("custom_reports",), False),
        (set(EXTRAS), {ADS_MANAGEMENT, ADS_INSIGHTS}, tuple(map(str, EXTRAS)), False),
        (
            ENTITIES | INSIGHTS | set(EXTRAS),
            {ADS_MANAGEMENT, ADS_INSIGHTS},
            tuple(map(str, EXTRAS)),
            True,
        ),
    ],
    ids=(
        "entities",
        "insights",
        "both",
        "creatives",
        "audiences",
        "activities",
        "hourly",
        "reports",
        "extras",
        "everything",
    ),
)
def test_what_a_plan_needs_of_the_governor(
    parts: set[Part], use_cases: set[str], optional: tuple[str, ...], critical: bool
) -> None:
    extras = {spec.edge for part, spec in ENTITY_SPECS.items() if part not in ENTITIES}
    listed = {} if parts & ENTITIES else all_listed()
    cursors = {edge: cursor for edge, cursor in listed.items() if edge not in extras}
    plan = case(
        parts=frozenset(parts),
        cursors=cursors,
        policy=replace(TEN_DAYS, reports=parse("reports: [{preset: country}]")),
        asked={"breakdowns": (("country",),)},
    ).plan
    needs = plan.needs(weighted_cost=7.5)
    assert (set(needs.use_cases), needs.optional) == (use_cases, optional)
    assert needs.critical == critical
    assert (needs.calls, needs.weighted_cost) == (plan.calls, 7.5)


def test_an_empty_plan_still_asks_the_account() -> None:
    needs = case(ledgers=FRESH).plan.needs(0)
    assert set(needs.use_cases) == {ADS_MANAGEMENT}
    assert (needs.optional, needs.critical) == ((), True)


# -- what holds for any ledger --------------------------------------------------------------------

_ROWS = st.builds(
    WindowRow,
    fetched_at=st.integers(0, 24 * 60).map(lambda hours: ago(hours / 2)),
    rows=st.integers(0, 3_000),
    is_final=st.just(value=False),
    incomplete=st.none() | st.just("half of it"),
    unproven_reads=st.integers(0, 4),
)
_LEDGERS = st.dictionaries(st.integers(0, 60).map(day), _ROWS, max_size=61)


@given(ads=_LEDGERS, account=_LEDGERS, backfill_days=st.integers(1, 70))
def test_no_day_is_read_twice_and_no_missing_day_is_forgotten(
    ads: Read, account: Read, backfill_days: int
) -> None:
    ledgers = {"insights_ad": ads, "insights_account": account}
    plan = case(ledgers=ledgers, policy=PlanPolicy(backfill_days=backfill_days)).plan
    for name, ledger in ledgers.items():
        windows = [window for window in plan.windows if window.dataset.name == name]
        days = [each for window in windows for each in span(window.since, window.until)]
        assert len(days) == len(set(days))
        missing = {day(age) for age in range(backfill_days)} - ledger.keys()
        if ads and not (name == "insights_account" and missing == {TODAY}):
            assert missing <= set(days)
        assert all(window.days <= 93 for window in windows)


@given(st.sets(st.integers(0, 400), min_size=1))
def test_proofs_that_are_lacking_are_few_ranges_that_hold_all_of_them(ages: set[int]) -> None:
    days = sorted(map(day, ages), reverse=True)
    ranges = list(proof_ranges(days))
    covered = [each for since, until in ranges for each in span(since, until)]
    assert set(days) <= set(covered)
    assert len(covered) == len(set(covered))
    assert all((until - since).days < 93 for since, until in ranges)
    assert all({since, until} <= set(days) for since, until in ranges)
    needed = 1
    first = days[0]
    for each in days:
        if (first - each).days >= 93:
            needed, first = needed + 1, each
    assert len(ranges) == needed


@given(st.integers(0, 24 * 40), st.integers(0, 60))
def test_what_was_read_a_moment_ago_is_never_due(hours: int, backfill_days: int) -> None:
    restatement = Restatement.parse("0:1h,3:6h,7:1d,28:7d")
    ledgers = {name: read(range(61), 0.2) for name in ("insights_ad", "insights_account")}
    policy = PlanPolicy(backfill_days=max(1, backfill_days), restatement=restatement)
    assert case(ledgers=ledgers, policy=policy).plan.is_empty
    older = {name: read(range(61), hours) for name in ledgers}
    due = case(ledgers=older, policy=policy).plan
    assert due.is_empty or hours >= 0.9
