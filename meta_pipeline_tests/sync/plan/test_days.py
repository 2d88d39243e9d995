"""Which days are due: pure, across time zones, clock changes and ages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.sync.days import (
    Restatement,
    due,
    end_of_day,
    is_final,
    is_known_zone,
    oldest,
    pause,
    runs,
    span,
    today,
)
from meta_pipeline.sync.plan.presets import Preset, days_of
from meta_pipeline.warehouse import WindowRow

RULE = Restatement.parse("0:1h,3:6h,7:1d,28:7d")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = date(2026, 11, 22)
EPSILON = timedelta(microseconds=1)


def _read(ago: timedelta) -> WindowRow:
    return WindowRow(NOW - ago, rows=5, is_final=False)


@pytest.mark.parametrize(
    ("age_days", "read_ago", "expected"),
    [
        (0, timedelta(minutes=30), False),
        (0, timedelta(minutes=58), True),
        (0, timedelta(hours=2), True),
        (2, timedelta(hours=2), False),
        (2, timedelta(hours=6), True),
        (5, timedelta(hours=12), False),
        (5, timedelta(days=1), True),
        (20, timedelta(days=3), False),
        (20, timedelta(days=7), True),
        (34, timedelta(days=20), False),
        (40, timedelta(days=20), True),
        (40, timedelta(days=5), False),
        (400, timedelta(days=371), False),
    ],
)
def test_a_day_is_read_again_by_its_age(age_days: int, read_ago: timedelta, expected: bool) -> None:
    day = DAY - timedelta(days=age_days)
    found = due(day, day, {day: _read(read_ago)}, now=NOW, timezone_name="UTC", restatement=RULE)
    assert bool(found) is expected


@given(
    age_days=st.integers(0, 1_000),
    read_ago=st.timedeltas(timedelta(0), timedelta(days=30)),
    reads=st.integers(0, 50),
    reason=st.sampled_from([None, "ad rows hold 0 of 12 impressions"]),
)
def test_a_day_that_is_not_believed_is_never_final(
    age_days: int, read_ago: timedelta, reads: int, reason: str | None
) -> None:
    """It is due again when its pause is over, at the latest, and never later than without one."""
    day = DAY - timedelta(days=age_days)

    def found(known: WindowRow) -> bool:
        return bool(due(day, day, {day: known}, now=NOW, timezone_name="UTC", restatement=RULE))

    known = WindowRow(NOW - read_ago, 0, False, reason, reads)
    if (reason or reads) and read_ago >= pause(reads):
        assert found(known)
    if found(_read(read_ago)):
        assert found(known)
    if age_days > 28 and (reason or reads) and read_ago < pause(reads) * 0.9:
        assert not found(known) or found(_read(read_ago)), "it waits for its pause"


def test_the_pause_of_a_day_that_is_not_believed_grows_to_a_week() -> None:
    pauses = [pause(reads) for reads in range(1, 60)]
    assert pauses[:3] == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(days=7)


def test_last_readings_are_gathered() -> None:
    """A week of days past their 28 is one window; one by one they would be a call a day."""
    days = [DAY - timedelta(days=age) for age in range(29, 36)]
    ledger = {day: _read(timedelta(days=10)) for day in days}
    found = due(days[-1], DAY, ledger, now=NOW, timezone_name="UTC", restatement=RULE)
    assert set(days) <= set(found)
    ledger.pop(days[-1])
    found = due(days[-2], days[0], ledger, now=NOW, timezone_name="UTC", restatement=RULE)
    assert found == []


def test_days_that_were_not_asked_for_gather_nothing() -> None:
    days = [DAY - timedelta(days=age) for age in range(29, 36)]
    ledger = {day: _read(timedelta(days=10)) for day in days}
    found = due(days[1], days[0], ledger, now=NOW, timezone_name="UTC", restatement=RULE)
    assert found == []


@pytest.mark.parametrize(("late", "expected"), [(timedelta(0), False), (-EPSILON, True)])
def test_a_day_read_before_it_ended_is_as_due_as_today(late: timedelta, expected: bool) -> None:
    """Yesterday was read just as it ended, three hours ago: only its last moment can be missing."""
    yesterday = DAY - timedelta(days=1)
    midnight = end_of_day(yesterday, "UTC")
    ledger = {yesterday: WindowRow(midnight + late, rows=5, is_final=False)}
    now = midnight + timedelta(hours=3)
    found = due(yesterday, yesterday, ledger, now=now, timezone_name="UTC", restatement=RULE)
    assert bool(found) is expected


def test_what_was_never_read_is_due_and_force_reads_all() -> None:
    since = DAY - timedelta(days=2)
    ledger = {DAY: _read(timedelta(minutes=1))}
    rest = due(since, DAY, ledger, now=NOW, timezone_name="UTC", restatement=RULE)
    assert rest == [DAY - timedelta(days=1), DAY - timedelta(days=2)]
    forced = due(since, DAY, ledger, now=NOW, timezone_name="UTC", restatement=RULE, force=True)
    assert forced == list(span(since, DAY))


@pytest.mark.parametrize("text", ["", "x", "1", "3:6h,0:1h", "0:1w", "0:1h,0:2h"])
def test_a_wrong_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0:1h|3:6h"):
        Restatement.parse(text)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(20, "0:20m,1:2h,7:1d"), (60, "0:1h,1:2h,7:1d"), (90, "0:1h,1:2h,7:1d")],
)
def test_today_is_read_at_least_as_often_as_asked_and_other_days_as_ever(
    minutes: int, expected: str
) -> None:
    rule = Restatement.parse("0:1h,1:2h,7:1d").today(timedelta(minutes=minutes))
    assert rule == Restatement.parse(expected)


@pytest.mark.parametrize("ages", ["3:2h", "0:2h,3:2h"])
def test_today_alone_is_read_more_often_than_a_step_that_other_days_share(ages: str) -> None:
    asked = Restatement.parse(ages).today(timedelta(hours=1))
    assert [asked.interval(age) for age in (0, 1, 3, 4)] == [
        timedelta(hours=1),
        timedelta(hours=2),
        timedelta(hours=2),
        None,
    ]


def test_a_rule_takes_whatever_the_check_of_a_custom_report_lets_pass() -> None:
    report = CustomReport(name="often", fields=("spend",), restatement="0:30s, 3:1.5h,7:0d")
    assert report.restatement is not None
    steps = Restatement.parse(report.restatement).steps
    assert [every / timedelta(minutes=1) for _, every in steps] == [0.5, 90, 0]


def test_today_is_the_accounts_own() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert today(late, "Australia/Sydney") == date(2026, 11, 23)
    assert today(late, "America/Los_Angeles") == date(2026, 11, 22)
    assert today(late, "Not/AZone") == date(2026, 11, 22)
    assert today(late, None) == date(2026, 11, 22)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Europe/Berlin", True),
        ("UTC", True),
        ("Not/AZone", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_zone_is_known_that_is_named_and_has_a_clock(name: object, expected: bool) -> None:
    assert is_known_zone(name) is expected


def test_a_day_with_a_clock_change_has_23_or_25_hours() -> None:
    start = end_of_day(date(2026, 3, 28), "Europe/Berlin")
    assert end_of_day(date(2026, 3, 29), "Europe/Berlin") - start == timedelta(hours=23)
    start = end_of_day(date(2026, 10, 24), "Europe/Berlin")
    assert end_of_day(date(2026, 10, 25), "Europe/Berlin") - start == timedelta(hours=25)


def test_a_day_is_final_28_days_after_its_end() -> None:
    end = end_of_day(DAY, "Asia/Tokyo") + timedelta(days=28)
    assert not is_final(DAY, end - timedelta(seconds=1), "Asia/Tokyo")
    assert is_final(DAY, end, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 22), date(2023, 10, 23)),
        (date(2026, 3, 31), date(2023, 3, 1)),
        (date(2026, 10, 31), date(2023, 10, 1)),
        (date(2024, 2, 29), date(2021, 1, 30)),
        (date(2026, 1, 1), date(2022, 12, 2)),
    ],
)
def test_meta_keeps_37_months(day: date, expected: date) -> None:
    assert oldest(day) == expected


@given(
    st.lists(st.dates(date(2026, 1, 1), date(2026, 3, 31)), unique=True),
    st.integers(min_value=1, max_value=31),
)
def test_ranges_hold_every_day_once_and_are_not_too_long(days: list[date], longest: int) -> None:
    newest_first = sorted(days, reverse=True)
    ranges = list(runs(newest_first, longest))
    assert [day for since, until in ranges for day in span(since, until)] == newest_first
    assert all((until - since).days < longest for since, until in ranges)


@pytest.mark.parametrize(
    ("preset", "since", "until"),
    [
        (Preset.TODAY, "2026-11-22", "2026-11-22"),
        (Preset.LAST_7D, "2026-11-15", "2026-11-21"),
        (Preset.THIS_WEEK_MON_TODAY, "2026-11-16", "2026-11-22"),
        (Preset.THIS_WEEK_SUN_TODAY, "2026-11-22", "2026-11-22"),
        (Preset.LAST_WEEK_SUN_SAT, "2026-11-15", "2026-11-21"),
        (Preset.LAST_WEEK_MON_SUN, "2026-11-09", "2026-11-15"),
        (Preset.LAST_MONTH, "2026-10-01", "2026-10-31"),
        (Preset.THIS_QUARTER, "2026-10-01", "2026-11-22"),
        (Preset.LAST_QUARTER, "2026-07-01", "2026-09-30"),
        (Preset.LAST_YEAR, "2025-01-01", "2025-12-31"),
        (Preset.MAXIMUM, "2023-10-23", "2026-11-22"),
    ],
)
def test_presets_are_those_of_ads_manager(preset: Preset, since: str, until: str) -> None:
    assert days_of(preset, DAY) == (date.fromisoformat(since), date.fromisoformat(until))


def test_every_preset_is_a_range() -> None:
    for preset in Preset:
        since, until = days_of(preset, DAY)
        assert since <= until <= DAY
