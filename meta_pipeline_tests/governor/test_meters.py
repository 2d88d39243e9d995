"""What is known of the meters as readings, calls and refusals come in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meta_pipeline.governor import EffectiveReading, Meters, Thresholds
from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import SCORE_HEADER, UsageReading

from .refusals import limit_of

TIER = "standard_access"
NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


INSIGHTS_USED_UP = Limit(use_case="ads_insights")
SCORE_USED_UP = Limit(wait_seconds=None)


def usage(pct: float, minutes: float = 0, regain: float | None = None) -> UsageReading:
    regain_at = None if regain is None else after(regain)
    return UsageReading("account", "act_1", "ads_insights", pct, after(minutes), regain_at)


def known(meters: Meters, minutes: float) -> EffectiveReading:
    (effective,) = meters.current("act_1", after(minutes))
    return effective


def test_a_lone_reading_fades_over_the_rolling_hour_and_is_then_forgotten() -> None:
    meters = Meters()
    meters.observe([usage(60)])
    assert known(meters, 0).effective_pct == 60
    assert known(meters, 30).effective_pct == pytest.approx(30)
    assert known(meters, 0).stops_mattering_at == pytest.approx(after(60), abs=timedelta(seconds=2))
    assert meters.current("act_1", after(61)) == []


def test_what_was_used_at_a_stroke_frees_at_a_stroke() -> None:
    meters = Meters()
    meters.observe([usage(0), usage(66, 1)])
    assert known(meters, 59).effective_pct == pytest.approx(66)
    assert known(meters, 60.5).effective_pct == pytest.approx(33)
    assert meters.current("act_1", after(61.1)) == []


def test_a_stop_waits_for_the_stroke_to_leave_the_hour() -> None:
    meters = Meters()
    meters.observe([usage(0), usage(80, 1)])
    resumes_at = known(meters, 2).resumes_at
    assert resumes_at is not None
    assert after(60) < resumes_at < after(61)


def test_readings_may_come_in_any_order() -> None:
    readings = [usage(90), usage(20, 3), usage(40, 2)]
    for shuffled in permutations(readings):
        meters = Meters()
        for each in shuffled:
            meters.observe([each])
        assert known(meters, 3).effective_pct == pytest.approx(20)


def test_of_one_meter_at_one_moment_the_worst_entry_counts() -> None:
    for pair in permutations([usage(30), usage(75)]):
        meters = Meters()
        meters.observe(pair)
        assert known(meters, 0).effective_pct == 75


def test_an_answer_that_was_on_its_way_does_not_lift_a_block() -> None:
    meters = Meters()
    meters.observe([usage(100, 0, regain=30)])
    (merged,) = meters.observe([usage(99, 0.01)])
    assert merged.regain_at == after(30), "what is shared with others keeps the block as well"
    assert known(meters, 29).resumes_at == after(31)


@pytest.mark.parametrize("source", ["x-business-use-case-usage", SCORE_HEADER])
@given(
    seconds=st.floats(1, 30 * 86_400),
    strays=st.lists(st.floats(0.01, 0.99), max_size=4),
    gaps=st.lists(st.floats(0.1, 600), min_size=1, max_size=6),
)
def test_a_block_that_was_waited_out_is_over_with_the_next_good_answer(
    source: str, seconds: float, strays: list[float], gaps: list[float]
) -> None:
    meters, thresholds = Meters(), Thresholds()
    regain_at = NOW + timedelta(seconds=seconds)
    full = UsageReading("account", "act_1", "", 100, NOW, regain_at, source=source)
    meters.observe([full])
    resumes_at = known(meters, 0).resumes_at
    assert resumes_at is not None
    is_score = source == SCORE_HEADER
    longest = thresholds.max_drain_seconds if is_score else thresholds.max_block_seconds
    ends = NOW + timedelta(seconds=min(seconds, longest))
    assert resumes_at == ends + timedelta(seconds=thresholds.regain_margin_seconds)
    good = replace(full, usage_pct=1, regain_at=None)
    for share in sorted(strays):  # on their way when the door was closed
        stray_at = NOW + share * (ends - NOW)
        meters.observe([replace(good, read_at=stray_at)])
        (shut,) = meters.current("act_1", stray_at)
        assert shut.resumes_at == resumes_at
    at = resumes_at
    for gap in gaps:
        empty_at = at + timedelta(seconds=60) if is_score else None
        told = replace(good, read_at=at, regain_at=empty_at)
        meters.answered("act_1", "ads_management", at, [told])
        assert all(one.resumes_at is None for one in meters.current("act_1", at)), at
        at += timedelta(minutes=gap)


@given(
    pct=st.floats(1e-12, 60),
    told_seconds=st.floats(1, 30 * 86_400),
    calls=st.lists(st.floats(0, 120), min_size=1, max_size=300),
)
@example(pct=0.02, told_seconds=300, calls=[1.0] * 140)
@example(pct=0.01, told_seconds=300, calls=[0.0] * 300)
@example(pct=0.1, told_seconds=3600, calls=[10.0] * 200)
def test_a_score_that_no_answer_tells_any_more_stops_calls_no_longer_than_it_may_drain(
    pct: float, told_seconds: float, calls: list[float]
) -> None:
    meters, longest = Meters(), timedelta(seconds=Thresholds().max_drain_seconds)
    empty_at = NOW + timedelta(seconds=told_seconds)
    score = UsageReading("account", "act_1", "", pct, NOW, empty_at, source=SCORE_HEADER)
    meters.answered("act_1", "ads_management", NOW, [score])
    at = NOW
    for gap_seconds in calls:
        at += timedelta(seconds=gap_seconds)
        meters.answered("act_1", "ads_management", at)
        for one in meters.current("act_1", at):
            assert one.stops_mattering_at <= at + longest
            if one.resumes_at is not None:
                assert one.resumes_at <= at + longest
                (later,) = meters.current("act_1", one.resumes_at)
                assert later.resumes_at is None


def test_a_newer_block_replaces_an_older_one() -> None:
    meters = Meters()
    meters.observe([usage(100, 0, regain=30)])
    meters.observe([usage(100, 5, regain=10)])
    assert known(meters, 6).resumes_at == after(11)


def test_calls_on_their_way_count_as_used() -> None:
    meters = Meters()
    meters.observe([usage(60)])
    before = known(meters, 0).effective_pct
    meters.sent("act_1", "ads_insights")
    meters.sent("act_1", "ads_management")
    assert known(meters, 0).effective_pct == pytest.approx(before + 0.5)
    assert meters.in_flight("act_1") == 2
    meters.unsent("act_1", "ads_insights")
    assert known(meters, 0).effective_pct == before


def test_calls_count_when_their_answers_tell_nothing() -> None:
    meters = Meters()
    meters.observe([usage(50)])
    for _ in range(20):
        meters.sent("act_1", "ads_insights")
        meters.answered("act_1", "ads_insights", NOW)
    assert known(meters, 0).effective_pct == pytest.approx(60)
    assert meters.current("act_1", after(61)) == [], "and are forgotten with their hour"


def test_the_price_of_a_call_is_learned_from_what_it_moved() -> None:
    meters = Meters()
    for call in range(101):
        at = after(call / 20)
        meters.sent("act_1", "ads_insights")
        meters.answered("act_1", "ads_insights", at, [usage(float(call * 0.2 // 1), call / 20)])
    assert known(meters, 5).cost_pct == pytest.approx(0.2, rel=0.2)


def test_other_callers_raise_the_price_of_ours() -> None:
    meters = Meters()
    for call in range(101):
        meters.sent("act_1", "ads_insights")
        told = usage(call * 0.4, call / 20)
        meters.answered("act_1", "ads_insights", told.read_at, [told])
    assert known(meters, 5).cost_pct == pytest.approx(0.4, rel=0.2)


def test_a_snapshot_is_json_with_the_worst_of_each_kind() -> None:
    meters = Meters()
    meters.observe(
        [
            usage(40),
            UsageReading("account", "act_1", "ads_management", 10, NOW, None, TIER, "h"),
            UsageReading("app", "app", "", 20, NOW),
            UsageReading("insights_account", "act_1", "", 5.5, NOW),
            UsageReading("account", "act_2", "ads_insights", 90, NOW),
        ]
    )
    snapshot = json.loads(json.dumps(meters.snapshot(NOW, "act_1")))
    assert (snapshot["account_pct"], snapshot["app_pct"], snapshot["insights_pct"]) == (40, 20, 5.5)
    assert [meter["usage_pct"] for meter in snapshot["meters"]] == [40, 20, 10, 5.5]
    assert meters.snapshot(NOW)["account_pct"] == 90
    assert Meters().snapshot(NOW, "act_1")["account_pct"] is None


@given(st.lists(st.tuples(st.floats(0.01, 30), st.floats(0, 300)), min_size=1, max_size=60))
def test_the_newest_reading_is_always_what_is_known_at_its_moment(
    steps: list[tuple[float, float]],
) -> None:
    meters, minutes = Meters(), 0.0
    for step, pct in steps:
        minutes += step
        meters.observe([usage(pct, minutes)])
        found = meters.current("act_1", after(minutes))
        assert sum(each.effective_pct for each in found) == pytest.approx(pct, abs=0.02)
        assert all(each.stops_mattering_at <= after(minutes + 60.1) for each in found)


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "subcode", "tier", "seconds", "meter"),
    [
        (17, 2446079, "development_access", 300, ("account", "act_1", "")),
        (17, 2446079, "standard_access", 60, ("account", "act_1", "")),
        (17, 2446079, None, 300, ("account", "act_1", "")),
        (613, 1487742, "standard_access", 60, ("account", "act_1", "")),
        (613, None, None, 300, ("account", "act_1", "")),
        (4, None, None, 300, ("app", "app", "")),
        (4, 1504022, None, 300, ("insights_app", "app", "")),
        (17, None, None, 300, ("app", "app", "")),
        (80000, 2446079, None, 300, ("account", "act_1", "ads_insights")),
        (80004, 2446079, None, 300, ("account", "act_1", "ads_management")),
        (99999, None, None, 300, ("account", "act_1", "")),
        (None, None, None, 300, ("account", "act_1", "")),
    ],
)
def test_a_refusal_without_headers_waits_as_documented(
    code: int | None, subcode: int | None, tier: str | None, seconds: int, meter: tuple[str, ...]
) -> None:
    limit, meters = limit_of(code, subcode), Meters()
    assert limit is not None
    told = [UsageReading("account", "act_1", "ads_insights", 5, NOW, None, tier)]
    (found,) = meters.block_of(limit, "act_1", NOW, told)
    assert found.meter == meter
    assert found.regain_at == NOW + timedelta(seconds=seconds)


def test_refused_again_it_waits_longer_up_to_an_hour() -> None:
    meters, waits, now = Meters(), [], NOW
    for _ in range(7):
        (found,) = meters.block_of(INSIGHTS_USED_UP, "act_1", now)
        assert found.regain_seconds is not None
        waits.append(found.regain_seconds)
        now += timedelta(hours=2)
    assert waits == [300, 600, 1200, 2400, 3600, 3600, 3600]


def test_the_time_meta_tells_is_believed() -> None:
    told = [usage(100, regain=47)]
    (found,) = Meters().block_of(INSIGHTS_USED_UP, "act_1", NOW, told)
    assert found.regain_at == after(47)


@pytest.mark.parametrize(("code", "subcode"), [(17, 1885172), (613, 1487632), (613, 1487225)])
def test_limits_on_edits_block_no_reading(code: int, subcode: int) -> None:
    limit = limit_of(code, subcode)
    assert limit is None or Meters().block_of(limit, "act_1", NOW) == []


@pytest.mark.parametrize("code", [17, 32, 613, 80000, 80004])
@pytest.mark.parametrize("subcode", [7, 999, 2999999])
def test_a_subcode_that_nobody_knows_stops_its_account_alone(code: int, subcode: int) -> None:
    limit = limit_of(code, subcode)
    assert limit is not None
    meter = limit.meter("act_1")
    assert meter is not None
    assert (meter.scope, meter.key) == ("account", "act_1")


def test_calls_refused_together_are_one_refusal() -> None:
    meters = Meters()
    for _ in range(4):
        told = meters.block_of(INSIGHTS_USED_UP, "act_1", NOW)
        meters.answered("act_1", "ads_insights", NOW, told, ok=False)
        assert told[0].regain_at == after(5)
    again = meters.block_of(INSIGHTS_USED_UP, "act_1", after(7))
    assert again[0].regain_at == after(7 + 10), "the next one after the block is a second"


def test_a_success_in_between_starts_the_count_anew() -> None:
    meters = Meters()
    meters.answered(
        "act_1", "ads_insights", NOW, meters.block_of(INSIGHTS_USED_UP, "act_1", NOW), ok=False
    )
    meters.answered("act_1", "ads_insights", after(7))
    again = meters.block_of(INSIGHTS_USED_UP, "act_1", after(8))
    assert again[0].regain_at == after(8 + 5)


def test_the_tier_of_any_reading_shortens_the_wait() -> None:
    meters = Meters()
    meters.observe([UsageReading("account", "act_1", "ads_insights", 5, NOW, None, TIER)])
    (found,) = meters.block_of(SCORE_USED_UP, "act_1", NOW)
    assert found.regain_at == after(1)
