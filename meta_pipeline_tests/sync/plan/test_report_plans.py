"""Plans of custom reports: days, weeks, months and rolling spans, and fields that came later.

Today is a Friday, the 20th of November. Weeks that begin 4, 11, 18 and 25 days ago end in 2 days
and 5, 12 and 19 days ago; months that began 19, 50, 80 and 111 days ago end in 10 days and 20, 51
and 81 days ago.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from meta_pipeline.custom_reports import parse
from meta_pipeline.sync import LateField, Part, PlanPolicy

from .cases import TODAY, Case, ago, case, day, read, words

REPORTS = frozenset({Part.REPORTS})
OWN = "report:own"
LATE = {"late_field": LateField("own", "reach", ago(48))}


def own(written: str, backfill_days: int = 10) -> PlanPolicy:
    """The settings with one report; `backfill_days` are those of the settings."""
    text = f"reports: [{{name: own, fields: [spend, reach], {written}}}]"
    return PlanPolicy(backfill_days=backfill_days, reports=parse(text))


DAYS = own("time_increment: 1")
WEEKS = own("time_increment: 7", 26)
MONTHS = own("time_increment: monthly", 81)
SPANS = own("time_increment: all_days")
WEEK_OF_SPANS = own("time_increment: all_days, span_days: 7")
FRESH_WEEKS = read([4, 11, 18, 25], 1)
AGE_OF_OLDEST_MONTH = (TODAY - date(2023, 11, 1)).days
"""The oldest day that Meta keeps is the 21st of October 2023."""

CASES = [
    Case("days are read as insights are", "report:own 6..0 0\nlater 3", policy=DAYS),
    Case(
        "a report goes back as far as it says itself",
        "report:own 2..0 0",
        policy=own("backfill_days: 3"),
    ),
    Case(
        "a day is read again at most as often as the cadence says",
        "report:own 0..0 10 again",
        {OWN: read([0], 21.6) | read(range(1, 10), 21.5)},
        policy=DAYS,
    ),
    Case(
        "the restatement of a report is its own",
        "report:own 3..1 30 again",
        {OWN: read([0], 0.8) | read([1, 2, 3], 1.8) | read(range(4, 10), 1.7)},
        policy=own("cadence: 1h, restatement: '0:1h,3:2h,9:2h'"),
    ),
    Case(
        "max_age makes today due sooner than the cadence",
        "report:own 0..0 10 again",
        {OWN: read(range(10), 0.5)},
        policy=DAYS,
        asked={"max_age": ago(0) - ago(0.5)},
    ),
    Case(
        "a larger max_age than the cadence changes nothing",
        "report:own 0..0 10 again",
        {OWN: read([0], 1) | read(range(1, 10), 0.2)},
        policy=own("cadence: 1h"),
        asked={"max_age": ago(0) - ago(5)},
    ),
    # -- weeks and months -------------------------------------------------------------------------
    Case(
        "of weeks of unknown size the newest is read alone, as far as it goes",
        "report:own 4..0 0\nlater 2",
        policy=own("time_increment: 7", 19),
    ),
    Case(
        "a week counts of which a day was asked for",
        "report:own 4..0 0\nlater 3",
        policy=own("time_increment: 7", 20),
    ),
    Case(
        "weeks that follow on each other are read together",
        "report:own 25..12 20",
        {OWN: read([4, 11], 1)},
        policy=WEEKS,
    ),
    Case(
        "others are not: what lies between is fresh",
        "report:own 4..0 10\nreport:own 18..12 10",
        {OWN: read([11, 25], 1)},
        policy=WEEKS,
    ),
    Case(
        "one window holds as many weeks as fill four pages",
        "report:own 25..0 6000 again\nreport:own 32..26 1500 again",
        {OWN: read([4, 11, 18, 25, 32], 1, 1500)},
        policy=own("time_increment: 7", 33),
        asked={"force": True},
    ),
    Case(
        "and one where a week is more than that",
        "report:own 4..0 6001 again\nreport:own 11..5 6001 again",
        {OWN: read([4, 11], 1, 6001)},
        policy=own("time_increment: 7", 12),
        asked={"force": True},
    ),
    Case(
        "a week is as old as its last day: one that goes on is due, one of 12 days ago is not",
        "report:own 11..0 20 again",
        {OWN: read([4, 11, 18, 25], 21.6)},
        policy=WEEKS,
    ),
    Case(
        "it is read at most as often as the cadence says",
        "",
        {OWN: read([4, 11, 18, 25], 21.5)},
        policy=WEEKS,
    ),
    Case(
        "a week that ended 12 days ago is read once a week",
        "report:own 18..12 10 again",
        {OWN: FRESH_WEEKS | read([18], 151.2) | read([25], 151.1)},
        policy=WEEKS,
    ),
    Case(
        "a week is read for the last time when its last day is settled, with others if it can",
        "report:own 46..40 10 again",
        {OWN: FRESH_WEEKS | read([32], 1) | read([39, 46], 300) | read([39], 1)},
        policy=own("time_increment: 7", 47),
    ),
    Case(
        "until others join it, a week that ended 33 days ago waits for its last reading",
        "",
        {OWN: FRESH_WEEKS | read([32], 1) | read([39], 300) | read([46], 270)},
        policy=own("time_increment: 7", 47),
    ),
    Case(
        "of months of unknown size the newest is read alone, as far as it goes",
        "report:own 19..0 0\nlater 2",
        policy=MONTHS,
    ),
    Case(
        "a month counts of which a day was asked for",
        "report:own 19..0 0\nlater 3",
        policy=own("time_increment: monthly", 82),
    ),
    Case(
        "days that were asked for touch two months: both are read, the one that goes on up to now",
        "report:own 50..0 20",
        {OWN: read([111], 1)},
        policy=MONTHS,
        asked={"since": day(20), "until": day(19)},
    ),
    Case(
        "a month is as old as its last day",
        "report:own 50..0 20 again",
        {OWN: read([19], 21.6) | read([50], 151.2) | read([80], 400)},
        policy=MONTHS,
    ),
    Case(
        "a month that ended 51 days ago is read once more if it never was after its 28 days",
        "report:own 80..51 10 again",
        {OWN: read([19, 50], 1) | read([80], 600)},
        policy=MONTHS,
    ),
    Case(
        "a month of which Meta keeps the last days alone is not asked for: it would be refused",
        f"report:own {AGE_OF_OLDEST_MONTH}..{AGE_OF_OLDEST_MONTH - 29} 10",
        {OWN: read([111], 1)},
        policy=MONTHS,
        asked={"since": date(2020, 1, 1), "until": date(2023, 11, 30)},
    ),
    Case(
        "and is nothing where it is all that was asked for",
        "",
        policy=MONTHS,
        asked={"since": date(2020, 1, 1), "until": date(2023, 10, 31)},
    ),
    # -- rolling spans ----------------------------------------------------------------------------
    Case("a span of 28 days ends yesterday", "report:own 28..1 0", policy=SPANS),
    Case("or one of as many days as it says", "report:own 7..1 0", policy=WEEK_OF_SPANS),
    Case(
        "however few days a first reading has",
        "report:own 28..1 0",
        policy=own("time_increment: all_days", 1),
    ),
    Case(
        "every day has a row of its own; those of earlier days are not read again",
        "report:own 28..1 10",
        {OWN: read(range(29, 40), 300)},
        policy=SPANS,
    ),
    Case("read today it is fresh", "", {OWN: read([28], 21.5)}, policy=SPANS),
    Case(
        "it is read again within the day where its cadence says so",
        "report:own 28..1 10 again",
        {OWN: read([28], 5.4)},
        policy=own("time_increment: all_days, cadence: 6h"),
    ),
    Case(
        "and no sooner",
        "",
        {OWN: read([28], 5.3)},
        policy=own("time_increment: all_days, cadence: 6h"),
    ),
    Case(
        "a day that was asked for is the last one of its span",
        "report:own 29..2 0",
        policy=SPANS,
        asked={"since": day(9), "until": day(2)},
    ),
    Case(
        "unless it goes on",
        "report:own 28..1 0",
        policy=SPANS,
        asked={"since": day(9), "until": TODAY},
    ),
    Case("today alone has no span", "", policy=SPANS, asked={"since": TODAY}),
    # -- a field that came later ------------------------------------------------------------------
    Case(
        "a field is read for the days from before the report had it, for no missing ones",
        "report:own/reach 3..1 30 again",
        {OWN: read([1, 2, 3], 48.1) | read([4], 48) | read([0], 1)},
        policy=DAYS,
        asked=LATE,
    ),
    Case(
        "and not again where that is done",
        "report:own/reach 2..1 20 again",
        {OWN: read([1, 2, 3], 49), "report:own/reach": read([3], 1)},
        policy=DAYS,
        asked=LATE,
    ),
    Case(
        "unless it is forced",
        "report:own/reach 3..1 30 again",
        {OWN: read([1, 2, 3], 49), "report:own/reach": read([3], 1)},
        policy=DAYS,
        asked=LATE | {"force": True},
    ),
    Case(
        "of days that were asked for alone",
        "report:own/reach 4..2 30 again",
        {OWN: read(range(1, 7), 49)},
        policy=DAYS,
        asked=LATE | {"since": day(4), "until": day(2)},
    ),
    Case(
        "of weeks that follow on each other together",
        "report:own/reach 25..5 30 again",
        {OWN: read([11, 18, 25], 49) | read([4], 1)},
        policy=WEEKS,
        asked=LATE,
    ),
    Case(
        "of weeks of which a day was asked for",
        "report:own/reach 18..12 10 again",
        {OWN: read([11, 18, 25], 49) | read([4], 1)},
        policy=WEEKS,
        asked=LATE | {"since": day(18), "until": day(12)},
    ),
    Case(
        "a day more at each end is a week more",
        "report:own/reach 25..5 30 again",
        {OWN: read([11, 18, 25], 49) | read([4], 1)},
        policy=WEEKS,
        asked=LATE | {"since": day(19), "until": day(11)},
    ),
    Case(
        "of spans each by itself, also where they follow on each other: a span is one row",
        """
        report:own/reach 8..2 10 again
        report:own/reach 9..3 10 again
        report:own/reach 16..10 10 again
        """,
        {OWN: read([8, 9, 16], 49)},
        policy=WEEK_OF_SPANS,
        asked=LATE,
        first_days={OWN: day(16)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_plan_of_a_report(case: Case) -> None:
    assert words(replace(case, parts=REPORTS).plan) == case.lines


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ((), {"report:own", "report:all"}),
        (("all",), {"report:all"}),
        (("all", "own"), {"report:own", "report:all"}),
        (("theirs",), set()),
    ],
)
def test_the_reports_for_the_account_are_read_or_those_of_them_that_are_named(
    named: tuple[str, ...], expected: set[str]
) -> None:
    reports = parse("""
        reports:
        - {name: own, fields: [spend], accounts: [act_1, act_2]}
        - {name: theirs, fields: [spend], accounts: [act_2]}
        - {name: all, fields: [spend]}
    """)
    policy = PlanPolicy(reports=reports)
    plan = case(parts=REPORTS, policy=policy, asked={"reports": named}).plan
    assert {window.dataset.name for window in plan.windows} == expected


@pytest.mark.parametrize(
    ("policy", "ledger", "asked", "fresh"),
    [
        (WEEKS, FRESH_WEEKS, {}, 4),
        (WEEKS, read([4, 25], 1), {}, 2),
        (SPANS, read([28], 1), {}, 1),
        (SPANS, read([29], 1), {}, 0),
        (DAYS, read(range(1, 7), 49), LATE, 0),
    ],
    ids=("weeks", "some-weeks", "span", "older-span", "late-field"),
)
def test_periods_that_are_left_out_as_fresh_are_counted_and_days_without_a_late_field_are_not(
    policy: PlanPolicy, ledger: Any, asked: dict[str, Any], fresh: int
) -> None:
    plan = case(parts=REPORTS, ledgers={OWN: ledger}, policy=policy, asked=asked).plan
    assert plan.days_fresh == fresh


def test_a_late_field_begins_no_backfill_of_its_own() -> None:
    ledgers = {OWN: read([1], 49)}
    assert case(parts=REPORTS, policy=DAYS, ledgers=ledgers).plan.first_days == {OWN: day(9)}
    late = case(parts=REPORTS, policy=DAYS, ledgers=ledgers, asked=LATE).plan
    assert late.first_days == {}
