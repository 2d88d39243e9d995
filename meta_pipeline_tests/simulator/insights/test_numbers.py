"""Numbers are pure functions whose parts add up: properties, whatever the seed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.simulator.insights import breakdowns
from meta_pipeline.simulator.insights import numbers as n
from meta_pipeline.simulator.world.days import QUARTERS, as_of, hour_bounds, months_before, quarter
from meta_pipeline.simulator.world.draws import seed_key
from meta_pipeline.simulator.world.entity_fields import OBJECTIVES
from meta_pipeline.simulator.world.money import from_cents, major, offset

SYDNEY = ZoneInfo("Australia/Sydney")


@st.composite
def ad_days(draw: st.DrawFn) -> n.AdDay:
    key = seed_key(draw(st.integers(0, 2**32)))
    ad, account = draw(st.integers(0, 2**31)), draw(st.integers(0, 9_000))
    currency = draw(st.sampled_from(["AUD", "JPY", "HUF", "TWD"]))
    found = n.traits(key, account, ad, draw(st.sampled_from(OBJECTIVES)), currency)
    return n.ad_day(key, account, ad, draw(st.integers(730_000, 745_000)), found)


ages = st.integers(-QUARTERS, 40 * QUARTERS)
cuts = st.lists(st.integers(0, QUARTERS), max_size=12)


@given(ad_days(), cuts)
@settings(max_examples=200)
def test_parts_of_a_day_add_up_and_stay_plausible(day: n.AdDay, at: list[int]) -> None:
    edges = [0, *sorted(day.until(q) for q in at), day.totals[n.IMPRESSIONS]]
    parts = [n.between(day.totals, a, b) for a, b in pairwise(edges)]
    assert tuple(map(sum, zip(*parts, strict=True))) == day.totals
    for part in parts:
        assert min(part) >= 0
        assert part[n.OUTBOUND] <= part[n.LINKS] <= part[n.CLICKS] <= part[n.PEOPLE]
        assert part[n.PEOPLE] <= part[n.IMPRESSIONS]
        assert part[n.ALL_WATCHED] <= part[n.MOST_WATCHED] <= part[n.HALF_WATCHED]
        assert part[n.HALF_WATCHED] <= part[n.QUARTER_WATCHED] <= part[n.VIDEOS]


@given(ad_days())
@settings(max_examples=100)
def test_a_day_only_grows_until_it_ends(day: n.AdDay) -> None:
    grown = [day.until(q) for q in range(QUARTERS + 1)]
    assert grown == sorted(grown)
    assert (grown[0], grown[-1]) == (0, day.totals[n.IMPRESSIONS])


@given(ad_days(), ages, ages)
@settings(max_examples=200)
def test_conversions_only_grow_and_stop_after_28_days(day: n.AdDay, one: int, other: int) -> None:
    whole = day.totals[n.IMPRESSIONS]
    earlier, later = (n.conversions(day, whole, age) for age in sorted((one, other)))
    assert all(a <= b for a, b in zip(earlier, later, strict=True))
    final = n.conversions(day, whole, n.RESTATED_DAYS * QUARTERS)
    assert all(b <= c for b, c in zip(later, final, strict=True))
    assert n.conversions(day, whole, 400 * QUARTERS) == final
    for event in range(len(n.EVENTS)):
        one_day, seven, all_clicks, _ = final[event * 4 : event * 4 + 4]
        assert one_day <= seven <= all_clicks


@given(ad_days(), ages, st.integers(0, QUARTERS), st.integers(0, QUARTERS))
@settings(max_examples=100)
def test_conversions_grow_with_the_day(day: n.AdDay, age: int, one: int, other: int) -> None:
    early, late = sorted((one, other))
    less, more = (n.conversions(day, day.until(q), age) for q in (early, late))
    assert all(a <= b for a, b in zip(less, more, strict=True))


def test_most_conversions_arrive_late_somewhere() -> None:
    key = seed_key(3)
    found = [n.traits(key, 0, ad, "OUTCOME_SALES", "AUD") for ad in range(60)]
    days = [n.ad_day(key, 0, ad, 740_000, traits) for ad, traits in enumerate(found)]
    sums = [
        sum(n.conversions(day, day.totals[0], age * QUARTERS)[n.VIEW_CONTENT * 4 + 2]
            for day in days)
        for age in (0, 1, 7, 27, 28)
    ]  # fmt: skip
    assert sums == sorted(sums)
    assert sums[0] < sums[1] < sums[2] < sums[4]


@given(
    ad_days(),
    ages,
    st.sampled_from(
        [("age",), ("gender", "age"), ("country",), ("publisher_platform", "platform_position"),
         ("product_id",), ("image_asset",), ("device_platform", "publisher_platform")]
    ),
)  # fmt: skip
@settings(max_examples=150)
def test_cells_add_up_to_the_day_exactly(day: n.AdDay, age: int, asked: tuple[str, ...]) -> None:
    split = breakdowns.split(asked, "Australia")
    ends = breakdowns.bounds(b"k", 1, 2, split.weights)
    converted = n.conversions(day, day.totals[0], age)
    cells = [cell for _, cell in breakdowns.cut(day.totals, converted, ends, day.draws[31])]
    assert tuple(map(sum, zip(*(c.delivered for c in cells), strict=True))) == day.totals
    assert tuple(map(sum, zip(*(c.converted for c in cells), strict=True))) == converted
    for cell in cells:
        assert cell.delivered[n.IMPRESSIONS] > 0
        assert cell.delivered[n.CLICKS] <= cell.delivered[n.PEOPLE]


@given(ad_days(), ages, ages)
@settings(max_examples=100)
def test_conversions_never_leave_the_cell_they_arrived_in(
    day: n.AdDay, one: int, other: int
) -> None:
    split = breakdowns.split(("age", "gender"), "Australia")
    ends = breakdowns.bounds(b"k", 1, 2, split.weights)
    early, late = (
        dict(breakdowns.cut(day.totals, n.conversions(day, day.totals[0], age), ends, 77))
        for age in sorted((one, other))
    )
    assert early.keys() == late.keys()
    for place, cell in early.items():
        grown = late[place].converted
        assert all(a <= b for a, b in zip(cell.converted, grown, strict=True))


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=20), st.integers(1, 900_000))
@settings(max_examples=300)
def test_reach_lies_between_its_largest_part_and_their_sum(parts: list[int], pool: int) -> None:
    reached = [n.reach(part, pool) for part in parts]
    whole = n.reach(sum(parts), pool)
    assert max(reached) <= whole <= sum(reached)
    assert whole <= sum(parts)
    assert (whole == 0) == (sum(parts) == 0)


@given(ad_days(), st.integers(730_000, 745_000), st.integers(-3, 120))
@settings(max_examples=200)
def test_rest_days_are_counted_without_looking(day: n.AdDay, first: int, length: int) -> None:
    last = first + length
    counted = sum(n.rests(day.ad_traits, d) for d in range(first, last + 1))
    assert n.resting_days(day.ad_traits, first, last) == counted


@given(ad_days())
@settings(max_examples=50)
def test_the_same_question_has_the_same_answer(day: n.AdDay) -> None:
    n.traits.cache_clear()
    key = seed_key(8)
    found = n.traits(key, 1, 2, "OUTCOME_LEADS", "AUD")
    again = n.traits(key, 1, 2, "OUTCOME_LEADS", "AUD")
    assert n.ad_day(key, 1, 2, 740_000, found) == n.ad_day(key, 1, 2, 740_000, again)
    assert n.ad_day(key, 1, 2, 740_001, found) != n.ad_day(key, 1, 2, 740_000, found)
    assert day.totals[0] >= 1


ZONES = ["Australia/Sydney", "America/Los_Angeles", "Asia/Tokyo", "Australia/Adelaide",
         "Europe/Budapest", "Asia/Kathmandu"]  # fmt: skip


@given(
    st.integers(1_735_689_600, 1_830_297_600),  # 2025 to 2027
    st.integers(0, 50_000),
    st.sampled_from(ZONES),
)
@settings(max_examples=200)
def test_local_time_never_runs_backwards(epoch: int, seconds: int, name: str) -> None:
    zone = ZoneInfo(name)
    assert quarter(epoch, zone) <= quarter(epoch + seconds, zone)


@pytest.mark.parametrize(
    ("day", "skipped"),
    [(date(2026, 10, 4), 2), (date(2026, 4, 5), None), (date(2026, 7, 1), None)],
)
def test_the_hours_of_a_day_cover_it(day: date, skipped: int | None) -> None:
    hours = hour_bounds(day.toordinal(), SYDNEY)
    assert hours[0][0] == 0
    assert hours[-1][1] == QUARTERS
    assert all(a[1] == b[0] for a, b in pairwise(hours))
    assert [h for h, (a, b) in enumerate(hours) if a == b] == ([] if skipped is None else [skipped])


def test_the_hour_that_comes_twice_delivers_once() -> None:
    first = int(datetime(2026, 4, 4, 15, 30, tzinfo=UTC).timestamp())  # 02:30 daylight time
    second = first + 3_600  # 02:30 standard time
    assert quarter(second, SYDNEY) == quarter(first, SYDNEY) + 2
    assert quarter(second + 1_800, SYDNEY) == quarter(second, SYDNEY)


def test_numbers_refresh_every_quarter_hour() -> None:
    at = datetime(2026, 11, 22, 3, 14, 59, tzinfo=UTC)
    assert as_of(at) == int(datetime(2026, 11, 22, 3, tzinfo=UTC).timestamp())
    assert as_of(at + timedelta(seconds=1)) == as_of(at) + 900


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2026, 11, 22), 37, date(2023, 10, 22)),
        (date(2026, 1, 31), 1, date(2025, 12, 31)),
        (date(2024, 3, 30), 1, date(2024, 2, 29)),
    ],
)
def test_months_end_where_they_end(day: date, months: int, then: date) -> None:
    assert months_before(day, months) == then


def test_money_follows_metas_offsets() -> None:
    assert [offset(c) for c in ("AUD", "JPY", "HUF", "TWD", "USD")] == [100, 1, 1, 1, 100]
    assert major(1_234, "AUD") == "12.34"
    assert major(5, "USD") == "0.05"
    assert major(1_234, "JPY") == "1234"
    assert from_cents(100, "JPY") == 100
