from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.metrics import ImpossibleQuestion
from meta_pipeline.metrics.answers.period import PRESETS, Period, preset, today_in

WEDNESDAY = date(2026, 3, 18)


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("today", "2026-03-18", "2026-03-18"),
        ("yesterday", "2026-03-17", "2026-03-17"),
        ("last_3d", "2026-03-15", "2026-03-17"),
        ("last_7d", "2026-03-11", "2026-03-17"),
        ("last_14d", "2026-03-04", "2026-03-17"),
        ("last_28d", "2026-02-18", "2026-03-17"),
        ("last_30d", "2026-02-16", "2026-03-17"),
        ("last_90d", "2025-12-18", "2026-03-17"),
        ("this_week_mon_today", "2026-03-16", "2026-03-18"),
        ("this_week_sun_today", "2026-03-15", "2026-03-18"),
        ("last_week_mon_sun", "2026-03-09", "2026-03-15"),
        ("last_week_sun_sat", "2026-03-08", "2026-03-14"),
        ("this_month", "2026-03-01", "2026-03-18"),
        ("last_month", "2026-02-01", "2026-02-28"),
        ("this_quarter", "2026-01-01", "2026-03-18"),
        ("last_quarter", "2025-10-01", "2025-12-31"),
        ("this_year", "2026-01-01", "2026-03-18"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("maximum", "2025-06-01", "2026-03-18"),
        ("data_maximum", "2025-06-01", "2026-03-18"),
    ],
)
def test_presets_are_those_of_ads_manager(name: str, since: str, until: str) -> None:
    period = preset(name, WEDNESDAY, date(2025, 6, 1))

    assert (str(period.since), str(period.until)) == (since, until)


def test_every_preset_of_meta_is_known() -> None:
    assert len(PRESETS) == 20


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2999, 12, 31)), st.sampled_from(PRESETS))
def test_presets_hold_on_any_day(today: date, name: str) -> None:
    period = preset(name, today)

    assert period.since <= period.until <= today
    if name.startswith("last_week"):
        assert len(period) == 7
        assert today - period.until <= timedelta(days=7)
    if name.startswith("last_") and name.endswith("d"):
        assert len(period) == int(name[5:-1])


def test_range_backwards_is_refused() -> None:
    with pytest.raises(ImpossibleQuestion, match="ends before it begins"):
        Period(date(2026, 3, 2), date(2026, 3, 1))


def test_today_is_the_accounts_and_an_unknown_zone_is_utc() -> None:
    late = datetime(2026, 3, 18, 23, 30, tzinfo=UTC)

    assert today_in("Asia/Tokyo", late) == date(2026, 3, 19)
    assert today_in("America/New_York", late) == date(2026, 3, 18)
    assert today_in("Mars/Olympus", late) == date(2026, 3, 18)
    assert today_in(None, late) == date(2026, 3, 18)
