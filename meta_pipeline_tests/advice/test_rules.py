"""Each rule finds its planted case, says it whole, and says which gate was closed."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks import advice_rules as bench
from meta_pipeline.advice import (
    Account,
    Advice,
    BudgetPace,
    Change,
    Day,
    Entity,
    Issue,
    Judgement,
    Kind,
    Learning,
    Severity,
    ThresholdError,
    Thresholds,
    judge,
)
from meta_pipeline.advice.evidence import compare
from meta_pipeline_tests.advice import planted
from meta_pipeline_tests.advice.replay import seen_on

_PLAIN = (
    *("__future__", "array", "bisect", "collections", "dataclasses", "datetime", "enum"),
    *("functools", "itertools", "math", "typing"),
)
ROOM = Path(__file__).parents[2] / "meta_pipeline" / "advice"


def _rng() -> np.random.Generator:
    return np.random.default_rng(11)


def _kinds(found: Judgement) -> set[Kind]:
    return {one.kind for one in found.advices}


def _dear_ad(**given: Any) -> Account:
    return replace(bench.two_ads(2.2)(_rng()), **given)


def _adset(days: int = 30, **given: Any) -> Entity:
    rng = _rng()
    spend = planted.steady_spend(rng, days)
    return planted.entity(rng, "s", spend, entity_type="adset", **given)


def _whole(one: Advice) -> None:
    """What every advice has to say, whatever its kind."""
    for sentence in (one.what, one.why, one.method, one.doubt, one.expected_effect):
        assert sentence.endswith(".")
    assert one.numbers
    assert all(not isinstance(n, float) or math.isfinite(n) for n in one.numbers.values())
    assert one.review_on > one.as_of
    assert one.ads_manager_url.startswith("https://adsmanager.facebook.com/")
    assert one.confidence is None or 0 <= one.confidence <= 1


def _cases() -> Iterable[Any]:
    issue = Issue("1815869", "The pixel is missing")
    learning = Learning("FAIL", events_needed=30, days_allowed=5)
    pace = BudgetPace("adset", "s", "Set", "lifetime", 1000, 10, 100, 333)
    silent = _adset(30)
    return [
        pytest.param(_dear_ad(), Kind.PAUSE, "ad0", id="twice as dear"),
        pytest.param(bench.target(2.2)(_rng()), Kind.PAUSE, "s", id="above target"),
        pytest.param(bench.target(0.4)(_rng()), Kind.SCALE, "s", id="within target"),
        pytest.param(bench.creatives(0.05)(_rng()), Kind.FATIGUE, "ad0", id="tired"),
        pytest.param(
            planted.account([planted.entity(_rng(), "ad0", [1.0] * 3, fatigue="HIGH")], 3),
            Kind.FATIGUE, "ad0", id="tired, says Meta",
        ),
        pytest.param(bench.curves(4, 12)(_rng()), Kind.BUDGET_SHIFT, "s0", id="curves"),
        pytest.param(_broken(), Kind.ANOMALY, "act_1", id="pixel"),
        pytest.param(
            planted.account([_adset(learning=learning)], 30), Kind.LEARNING_LIMITED, "s",
            id="learning limited",
        ),
        pytest.param(planted.account([silent], 33), Kind.DELIVERY, "s", id="silent"),
        pytest.param(
            planted.account([_adset(effective_status="WITH_ISSUES", issues=(issue,))], 30),
            Kind.DELIVERY, "s", id="issues",
        ),
        pytest.param(
            planted.account([_adset()], 30, account_status=3), Kind.DELIVERY, "act_1",
            id="unsettled account",
        ),
        pytest.param(
            planted.account([_adset()], 30, budgets=(pace,)), Kind.PACING, "s", id="under pace"
        ),
        pytest.param(_duplicates(), Kind.DUPLICATES, "a", id="duplicates"),
    ]  # fmt: skip


def _broken() -> Account:
    """The morning after the second day without conversions."""
    account = bench.whole_account(breaks=True)(_rng())
    return seen_on(account, planted.FIRST + timedelta(days=72))


def _duplicates() -> Account:
    rng = _rng()
    spend = planted.steady_spend(rng, 20)
    sets = [
        planted.entity(rng, name, spend, entity_type="adset", targeting="DE 18-65")
        for name in ("s", "t")
    ]
    ads = [
        planted.entity(rng, name, spend * more, creative_id="cr", adset_id=owner)
        for name, owner, more in (("a", "s", 2), ("b", "t", 1))
    ]
    return planted.account([*sets, *ads], 20)


@pytest.mark.parametrize(("account", "kind", "entity_id"), _cases())
def test_a_planted_case_is_found_and_said_whole(
    account: Account, kind: Kind, entity_id: str
) -> None:
    found = [one for one in judge(account).advices if one.kind is kind]
    assert [one.entity_id for one in found][:1] == [entity_id]
    for one in found:
        _whole(one)


def test_a_healthy_account_is_left_in_peace() -> None:
    for make in (bench.two_ads(1), bench.target(1), bench.curves(5, 5), bench.budgets(1)):
        assert judge(make(np.random.default_rng(2))).advices == ()


TODAY = planted.FIRST + timedelta(days=bench.LOOKS)


@pytest.mark.parametrize(
    ("given", "gate"),
    [
        ({"differing": frozenset([TODAY - timedelta(days=9)])}, "reconciled"),
        ({"settled_until": planted.FIRST - timedelta(days=90)}, "settled"),
        ({"settled_until": planted.FIRST}, "volume"),
        ({"changes": (Change(TODAY - timedelta(days=2), "ad0", "budget"),)}, "observation"),
        ({"changes": (Change(TODAY - timedelta(days=10), "s", "creative"),)}, "observation"),
        ({"changes": (Change(TODAY - timedelta(days=20), "c", "bid"),)}, "observation"),
    ],
    ids=["differs", "nothing settled", "too little", "budget", "creative", "bid"],
)
def test_a_closed_gate_lets_no_advice_through_and_is_said(given: dict[str, Any], gate: str) -> None:
    found = judge(_dear_ad(**given))
    assert Kind.PAUSE not in _kinds(found)
    (closed,) = [one for one in found.closed if one.kind is Kind.PAUSE]
    assert closed.gate == gate
    assert closed.sentence.startswith("No advice on ")
    assert closed.sentence.endswith(".")


def test_what_is_learning_is_not_judged() -> None:
    adset = Entity(entity_type="adset", entity_id="s", learning=Learning("LEARNING"))
    account = _dear_ad()
    found = judge(replace(account, entities=(*account.entities, adset)))
    assert "learning" in {one.gate for one in found.closed}
    assert Kind.PAUSE not in _kinds(found)


@pytest.mark.parametrize("windows", [("7d_click", "1d_click"), ("7d_click", None)])
def test_ad_sets_of_other_attribution_windows_are_not_compared(windows: tuple[str, str]) -> None:
    account = bench.two_ads(2.5)(_rng())
    sets = tuple(
        replace(one, entity_type="adset", attribution=window)
        for one, window in zip(account.entities, windows, strict=True)
    )
    found = judge(replace(account, entities=sets))
    assert {one.gate for one in found.closed} == {"attribution"}
    same = tuple(replace(one, attribution="7d_click") for one in sets)
    assert Kind.PAUSE in _kinds(judge(replace(account, entities=same)))


def test_a_week_over_its_daily_budget_is_no_pace_until_it_is_whole() -> None:
    """A day may spend 75 % more, so fewer than seven of them say nothing."""
    for days, said in ((3, False), (7, True)):
        pace = BudgetPace("adset", "s", "Set", "daily", 100, days, 175.0 * days, 100.0 * days)
        account = planted.account([_adset()], 30, budgets=(pace,))
        assert (Kind.PACING in _kinds(judge(account))) is said


def test_a_fall_of_all_click_rates_is_no_tired_creative() -> None:
    account = bench.creatives(0.05)(_rng())
    tired = account.entities[0]
    all_fall = tuple(replace(tired, entity_id=f"ad{at}", creative_id=f"c{at}") for at in range(3))
    assert Kind.FATIGUE in _kinds(judge(account))
    assert Kind.FATIGUE not in _kinds(judge(replace(account, entities=all_fall)))


@example([(0.0, 0, 0, 0.0)] * 4 + [(53.0, 0, 0, 5e-324)], "adset")
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.integers(0, 10**6), st.integers(0, 10**4), st.floats(0, 1e4)
        ),
        min_size=0,
        max_size=12,
    ),
    st.sampled_from(["ad", "adset", "campaign", "account"]),
)
def test_whatever_the_days_hold_the_rules_end_and_speak_in_numbers(
    days: list[tuple[float, int, int, float]], entity_type: Any
) -> None:
    made = tuple(Day(planted.FIRST + timedelta(days=at * 3), *day) for at, day in enumerate(days))
    entities = [
        Entity(entity_type=entity_type, entity_id=str(at), days=made, daily_budget=1.0,
               adset_id="s", campaign_id="c", learning=Learning("FAIL"))
        for at in range(2)
    ]  # fmt: skip
    for one in judge(planted.account(entities, 40, target_cpa=5.0)).advices:
        _whole(one)


def test_thresholds_are_read_from_text_and_each_has_a_meaning_and_a_source() -> None:
    assert Thresholds.parse(" e_value = 40 , settled_days=7").e_value == 40
    assert Thresholds.parse("") == Thresholds()
    for bad in ("e_value", "evalue=3", "e_value=x", "e_value=0", "anomaly_chance=2", "e_value=nan"):
        with pytest.raises(ThresholdError, match=r"e_value|anomaly_chance"):
            Thresholds.parse(bad)
    assert len(list(Thresholds.described())) == len(fields(Thresholds))
    assert all(meaning and source for _, _, meaning, source in Thresholds.described())


def test_the_most_urgent_comes_first() -> None:
    account = _duplicates()
    set_off = replace(account.entities[0], effective_status="DISAPPROVED")
    found = judge(replace(account, entities=(set_off, *account.entities[1:])))
    assert [one.severity for one in found.advices] == sorted(
        (one.severity for one in found.advices), key=[*Severity][::-1].index
    )


def test_nothing_of_the_room_can_reach_meta() -> None:
    """No module of it imports what could send a request: there is no POST, and no GET either."""
    allowed = {"numpy", "scipy", "meta_pipeline", *_PLAIN}
    for path in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                assert name.partition(".")[0] in allowed, f"{path.name} imports {name}"
                ours = name.startswith("meta_pipeline")
                assert not ours or name.startswith("meta_pipeline.advice"), f"{path.name}: {name}"


@pytest.mark.slow
@pytest.mark.parametrize("world", bench.EQUAL, ids=lambda world: world.name)
def test_false_alarms_stay_below_five_percent(world: bench.World) -> None:
    assert bench.measure(world, 100, seed=4).share_pct <= 5


_SOONEST = {
    "one of two ads twice as dear": 14,
    "click rate falls 5 % a day": 5,
    "the pixel breaks": 2,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "world", [one for one in bench.PLANTED if one.name in _SOONEST], ids=lambda world: world.name
)
def test_what_is_planted_is_found_in_time(world: bench.World) -> None:
    median = bench.measure(world, 60, seed=4).median_days
    assert median is not None
    assert median <= _SOONEST[world.name]


@pytest.mark.slow
def test_following_the_shift_reaches_nine_tenths_of_the_best_and_never_loses_to_holding() -> None:
    for seed in range(6):
        held, followed, best = bench.shifted(np.random.default_rng(seed))
        assert followed >= 0.9 * best
        assert followed >= 0.98 * held


def test_a_day_is_seen_without_what_came_after_it() -> None:
    account = _dear_ad()
    day = date(2026, 1, 20)
    seen = seen_on(account, day)
    assert max(one.day for entity in seen.entities for one in entity.days) == date(2026, 1, 19)
    assert seen.settled_until == date(2026, 1, 19)


def _ads_with(issue: Issue, number: int) -> list[Entity]:
    rng = _rng()
    return [planted.entity(rng, f"ad{at}", [10.0] * 10, issues=(issue,)) for at in range(number)]


def test_many_of_one_cause_are_one_advice() -> None:
    issue = Issue("1815869", "The pixel is missing")
    few = judge(planted.account(_ads_with(issue, 3), 10)).advices
    many = judge(planted.account(_ads_with(issue, 9), 10)).advices
    assert [one.entity_id for one in few if one.kind is Kind.DELIVERY] == ["ad0", "ad1", "ad2"]
    (one,) = [one for one in many if one.kind is Kind.DELIVERY]
    assert one.entity_ids == tuple(f"ad{at}" for at in range(9))
    assert "ad0,ad1,ad2" in one.ads_manager_url
    _whole(one)
    paces = tuple(BudgetPace("ad", f"ad{at}", "", "daily", 100, 7, 70.0, 700.0) for at in range(9))
    found = judge(planted.account(_ads_with(issue, 9), 10, budgets=paces)).advices
    (pace,) = [one for one in found if one.kind is Kind.PACING]
    assert len(pace.entity_ids) == 9
    _whole(pace)


def test_an_ad_whose_siblings_deliver_can_wait_a_day() -> None:
    issue = Issue("1815869", "The pixel is missing")
    ads = _ads_with(issue, 1)
    (alone,) = judge(planted.account(ads, 10)).advices
    adset = planted.entity(_rng(), "s", [50.0] * 10, entity_type="adset")
    (beside,) = judge(planted.account([*ads, adset], 10)).advices
    assert (alone.severity, beside.severity) == (Severity.HIGH, Severity.MEDIUM)


def test_learning_that_has_its_events_is_nobodys_fault() -> None:
    enough = Learning("FAIL", events_needed=10, days_allowed=7)
    found = judge(planted.account([_adset(learning=enough)], 30))
    assert Kind.LEARNING_LIMITED not in _kinds(found)
    assert "as many as it needs" in found.closed[0].sentence


def test_what_is_hardly_dearer_or_carries_nearly_all_is_left_alone() -> None:
    rng = _rng()
    many = planted.steady_spend(rng, 28, 5_000.0)
    ads = [planted.entity(rng, name, many, rate=rate) for name, rate in (("a", 0.045), ("b", 0.05))]
    assert not _kinds(judge(planted.account(ads, 28))), "a difference of 11 % is no reason"
    big, small = planted.steady_spend(rng, 28, 900.0), planted.steady_spend(rng, 28, 50.0)
    uneven = [planted.entity(rng, "a", big, rate=0.03), planted.entity(rng, "b", small, rate=0.1)]
    found = judge(planted.account(uneven, 28))
    assert not _kinds(found)
    assert [one.gate for one in found.closed] == ["share"]


def test_what_nobody_would_feel_is_not_advised() -> None:
    rng = _rng()
    account = bench.two_ads(3)(rng)
    big = planted.entity(
        rng, "big", planted.steady_spend(rng, 28, 50_000.0), adset_id="other", rate=0.001
    )
    assert Kind.PAUSE in _kinds(judge(account))
    assert Kind.PAUSE not in _kinds(judge(replace(account, entities=(*account.entities, big))))


def test_conversions_in_bunches_weigh_less() -> None:
    """The same totals: spread evenly they prove a difference, in bunches they do not."""
    days = 28
    even = compare([6.0] * days, [3.0] * days, [0.5] * days)
    bunched = compare([42.0, 0, 0, 0, 0, 0, 0] * 4, [0, 0, 21.0, 0, 0, 0, 0] * 4, [0.5] * days)
    assert even.bunching == 1
    assert bunched.bunching > 3
    assert bunched.e_value < 20 < even.e_value


def test_a_click_rate_that_jumps_daily_is_not_tired() -> None:
    rng = np.random.default_rng(3)
    said = 0
    for _ in range(40):
        jumps = 0.015 * rng.uniform(0.4, 1.6, 40)
        ads = [
            planted.entity(
                rng, f"ad{at}", planted.steady_spend(rng, 40, 300.0), ctr=jumps, frequency=1.6
            )
            for at in range(1)
        ]
        said += Kind.FATIGUE in _kinds(judge(planted.account(ads, 40)))
    assert said <= 2


def test_few_conversions_a_day_that_stop_are_missed_after_three_days() -> None:
    """A day without any is nothing unusual there; three in a row are."""
    rng, days = _rng(), 70
    spend = planted.steady_spend(rng, days)
    rate = np.where(np.arange(days) < days - 3, 0.05, 0.0)
    one = planted.entity(rng, "act_1", spend, entity_type="account", rate=rate, campaign_id=None)
    account = planted.account([replace(one, result_metric="leads")], days)
    found = {
        late: [
            advice
            for advice in judge(seen_on(account, account.today - timedelta(days=late))).advices
            if advice.kind is Kind.ANOMALY
        ]
        for late in (2, 0)
    }
    assert found[2] == []
    (advice,) = found[0]
    assert advice.numbers["days"] == 3
    assert advice.numbers["results"] == 0
    assert advice.why.startswith("From ")
