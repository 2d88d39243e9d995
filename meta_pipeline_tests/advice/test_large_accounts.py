"""Of twice as many entities the rules look at twice as much: no rule reads all for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import advice_rules as bench
from meta_pipeline.advice import (
    Account,
    BudgetPace,
    Change,
    Day,
    Entity,
    Issue,
    Kind,
    Learning,
    Thresholds,
    judge,
)
from meta_pipeline.advice.advice import advice, named
from meta_pipeline.advice.backtest import Restated, afterwards, backtest
from meta_pipeline.advice.evidence import Comparison, compare
from meta_pipeline.advice.gates import Closed, not_learning
from meta_pipeline.advice.known import Days, EntityType
from meta_pipeline.advice.reviews import Given, review
from meta_pipeline.advice.rules import RULES
from meta_pipeline.advice.rules.comparison import _each_against_rest
from meta_pipeline.advice.rules.delivery import delivery
from meta_pipeline.advice.rules.fatigue import _Season
from meta_pipeline.advisor.backtest import _Past
from meta_pipeline_tests.advice import planted

DAYS = 40
LAST = planted.FIRST + timedelta(days=DAYS - 1)
TODAY = LAST + timedelta(days=1)
# Every ad has its share, as few as it gets of many.
WEIGHTY = Thresholds.parse("least_spend_share=0.0000001")


class Looked:
    """How many things were looked at."""

    def __init__(self) -> None:
        self.at = 0

    def counted(self, many: Iterable[Any]) -> tuple[Any, ...]:
        """The same as a tuple, whose elements are counted when they are gone through."""
        seen = self

        class Counted(tuple[Any, ...]):
            __slots__ = ()

            def __iter__(self) -> Iterator[Any]:
                for one in super().__iter__():
                    seen.at += 1
                    yield one

        return Counted(many)


def _days(clicks: int = 200, spend: float = 100.0, results: float = 4.0) -> Iterator[Day]:
    for at in range(DAYS):
        weeks_ago = (DAYS - 1 - at) // 7
        yield Day(
            planted.FIRST + timedelta(days=at),
            spend,
            10_000,
            clicks if weeks_ago else clicks // 2,
            results,
            1_000,
        )


def large(looked: Looked, number: int, **given: Any) -> Account:
    """One campaign of so many ad sets, each with two ads that people tire of, and a budget."""
    entities = [Entity(entity_type="campaign", entity_id="c", campaign_id="c")]
    budgets = []
    for at in range(number):
        owner: dict[str, Any] = {"campaign_id": "c", "adset_id": f"s{at}"}
        days = looked.counted(_days())
        entities.append(
            Entity(entity_type="adset", entity_id=f"s{at}", days=days, daily_budget=100, **owner)
        )
        entities += [
            Entity(
                entity_type="ad",
                entity_id=f"s{at}-{which}",
                creative_id=f"v{at}-{which}",
                days=looked.counted(_days()),
                **owner,
            )
            for which in range(2)
        ]
        budgets.append(BudgetPace("adset", f"s{at}", "", "daily", 100, 7, 0, 700))
    values: dict[str, Any] = {
        "account_id": "act_1",
        "currency": "EUR",
        "today": TODAY,
        "settled_until": LAST,
        "entities": looked.counted(entities),
        "budgets": looked.counted(budgets),
    }
    return Account(**(values | given))


def _judged(account: Account) -> None:
    assert judge(account, WEIGHTY).advices


def _reviewed(account: Account) -> None:
    for one in account.of_type("adset"):
        for kind in (Kind.PAUSE, Kind.SCALE, Kind.FATIGUE, Kind.PACING, Kind.LEARNING_LIMITED):
            given = Given(
                kind=kind,
                entity_type="adset",
                entity_id=one.entity_id,
                entity_ids=(one.entity_id,),
                as_of=TODAY - timedelta(days=20),
                review_on=TODAY - timedelta(days=10),
                numbers={},
            )
            assert review(account, given).sentence


def _replayed(account: Account) -> None:
    """What the days after said of advice on each ad set, and a whole day of the back-test."""
    for one in account.of_type("adset"):
        told = advice(
            replace(account, today=TODAY - timedelta(days=20), entities=()),
            Kind.PAUSE,
            one,
            subject="target",
            what=".",
            why=".",
            numbers={"target_cpa": 20.0},
            method=".",
            doubt=".",
            expected_effect=".",
        )
        assert afterwards(account, told)
    aimed = replace(account, target_cpa=1.0, target_metric="results")
    assert backtest(lambda day: replace(aimed, today=day), aimed, [TODAY], WEIGHTY)


def _refused(account: Account) -> None:
    """Each for a reason of its own."""
    ill = [
        replace(one, issues=(Issue(one.entity_id, "It is broken"),))
        if one.entity_type == "ad"
        else one
        for one in account.entities
    ]
    entities = type(account.entities)(ill)
    assert list(delivery(replace(account, entities=entities), WEIGHTY))


@pytest.mark.parametrize("asked", [_judged, _reviewed, _replayed, _refused])
def test_twice_as_many_entities_are_twice_as_much_to_look_at(
    asked: Callable[[Account], None],
) -> None:
    looks = []
    for number in (20, 40):
        looked = Looked()
        account = large(looked, number)
        looked.at = 0
        asked(account)
        looks.append(looked.at)
    assert looks[1] <= 2.1 * looks[0], looks


def test_who_edits_a_campaign_hourly_is_looked_at_by_day() -> None:
    """All of its ad sets ask for them."""
    hourly = [Change(LAST - timedelta(days=at % 90), "c", "budget") for at in range(5_000)]
    account = large(Looked(), 2, changes=tuple(hourly))
    assert len(account.changes_of(["s1", "c"])) == 90


def test_restatements_are_gone_through_once_a_morning() -> None:
    looked = [0]

    class Counted(Restated):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            looked[0] += name == "day"
            return super().__getattribute__(name)

    restated = [Counted(planted.FIRST + timedelta(days=at), TODAY) for at in range(DAYS)]
    for number in (1, 30):
        past = _Past(large(Looked(), number), restated, {})
        looked[0] = 0
        assert past.on(TODAY).entities
        assert looked[0] <= 3 * DAYS


def _learning_as_it_was(account: Account, entities: list[Entity]) -> Closed:
    """The formula that reads all ad sets for each question."""
    wanted = {name for one in entities for name in (one.entity_id, one.adset_id) if name}
    for one in account.of_type("adset"):
        if one.entity_id in wanted and one.learning and one.learning.stage == "LEARNING":
            return "learning", f"the {named(one)} is still learning"
    return None


def _season_as_it_was(entity: Entity, ads: list[Entity], before: date, since: date) -> float:
    """The formula that reads all ads for each ad."""
    then: list[Day] = []
    now: list[Day] = []
    for one in ads:
        same = one is entity or (one.creative_id and one.creative_id == entity.creative_id)
        if not same:
            then += one.between(before, since - timedelta(days=1))
            now += one.between(since, LAST)
    shown_then, shown = (sum(one.impressions for one in days) for days in (then, now))
    clicked_then, clicked = (sum(one.clicks for one in days) for days in (then, now))
    if not shown_then or not shown:
        return 1.0
    moved = (clicked / shown) / max(clicked_then / shown_then, 1e-9)
    return float(max(moved, 1e-3) ** (clicked / (clicked + 200.0)))


def _compared_as_it_was(entity: Entity, siblings: list[Entity], since: date) -> Comparison:
    """The formula that reads all siblings for each of them."""
    own, rest = np.zeros((DAYS, 2)), np.zeros((DAYS, 2))
    for one in siblings:
        side = own if one is entity else rest
        for day in one.between(since, LAST):
            side[(day.day - since).days] += (day.spend, day.results)
    both = own[:, 0] + rest[:, 0]
    share = np.divide(own[:, 0], both, out=np.zeros(DAYS), where=both > 0)
    return compare(own[:, 1], rest[:, 1], share)


@st.composite
def entities(draw: st.DrawFn) -> list[Entity]:
    made: list[Entity] = []
    for at in range(draw(st.integers(1, 7))):
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        spend = rng.uniform(0, 30, DAYS) * (rng.random(DAYS) < draw(st.sampled_from([0.1, 1.0])))
        kinds: list[EntityType] = ["ad", "adset"]
        entity_type = draw(st.sampled_from(kinds))
        own: dict[str, Any] = {}
        if entity_type == "ad":
            own["adset_id"] = draw(st.sampled_from(["s0", "e1", None]))
        made.append(
            planted.entity(
                rng,
                f"e{at}",
                spend,
                entity_type=entity_type,
                creative_id=draw(st.sampled_from([None, "", "v", "w"])),
                learning=draw(st.sampled_from([None, Learning("LEARNING"), Learning("FAIL")])),
                **own,
            )
        )
    return made


@given(made=entities())
def test_what_is_counted_once_says_the_same(made: list[Entity]) -> None:
    account = planted.account(made, DAYS)
    for one in made:
        asked = [one, *made[:2]]
        assert not_learning(account, asked) == _learning_as_it_was(account, asked)
        assert not_learning(account, [one]) == _learning_as_it_was(account, [one])
    since = TODAY - timedelta(days=7)
    before = since - timedelta(days=21)
    season = _Season(made, before, since, LAST)
    for one in made:
        assert season.beside(one) == _season_as_it_was(one, made, before, since)
    for one, found in zip(made, _each_against_rest(made, planted.FIRST, LAST), strict=True):
        was = _compared_as_it_was(one, made, planted.FIRST)
        # The same numbers, added up in another order.
        assert found.e_value == pytest.approx(was.e_value, rel=1e-9)
        assert found.ratio == pytest.approx(was.ratio, rel=1e-9)
        assert found.bunching == pytest.approx(was.bunching, rel=1e-9)


@given(made=entities(), back=st.integers(-2, DAYS), length=st.integers(-2, DAYS))
def test_days_in_columns_are_the_same_days(made: list[Entity], back: int, length: int) -> None:
    since = LAST - timedelta(days=back)
    until = since + timedelta(days=length)
    for one in made:
        days = Days()
        for day in one.days:
            days.append(day)
        assert list(days) == list(one.days)
        assert [days[at] for at in range(-len(days), len(days))] == [*one.days, *one.days]
        assert replace(one, days=days).between(since, until) == one.between(since, until)
        with pytest.raises(IndexError):
            days[len(days)]


def test_days_in_columns_know_what_is_not_known() -> None:
    days = Days()
    days.append(Day(LAST, 1.5, 1 << 40, 2, 1e-9, None))
    days.append(Day(TODAY, 0.0, 0, 0, 0.5, 0))
    assert list(days) == [Day(LAST, 1.5, 1 << 40, 2, 0.0), Day(TODAY, 0.0, 0, 0, 0.5, 0)]


@pytest.mark.parametrize("world", bench.PLANTED, ids=lambda world: world.name)
def test_the_rules_say_the_same_of_days_in_columns(world: bench.World) -> None:
    account = world.make(np.random.default_rng(3))
    kept = []
    for one in account.entities:
        days = Days()
        for day in one.days:
            days.append(day)
        kept.append(replace(one, days=days))
    assert judge(replace(account, entities=tuple(kept)), WEIGHTY, RULES) == judge(account, WEIGHTY)
