"""What became of advice: measured once its days have settled, and never more than they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.advice import (
    Account,
    AdviceVerdict,
    BudgetPace,
    Day,
    Entity,
    Given,
    Issue,
    Kind,
    Learning,
    Thresholds,
    is_due,
    review,
)

AS_OF = date(2026, 3, 2)
SPAN = 14
AFTER = AS_OF + timedelta(days=SPAN)


def _advice(kind: Kind, entity_id: str = "dear", **more: Any) -> Given:
    values: dict[str, Any] = {
        "kind": kind,
        "entity_type": "ad",
        "entity_id": entity_id,
        "entity_ids": (entity_id,),
        "as_of": AS_OF,
        "review_on": AFTER,
        "numbers": {},
    }
    return Given(**(values | more))


def _days(before: float, after: float, spend: float = 100.0) -> tuple[Day, ...]:
    """Results a day up to the advice, and from the day after it."""
    return tuple(
        Day(
            AS_OF + timedelta(days=at),
            spend,
            10_000,
            round(20 * (after if at > 0 else before)),
            after if at > 0 else before,
        )
        for at in range(-30, 40)
    )


def _account(*entities: Entity, today: date = AFTER + timedelta(days=5), **more: Any) -> Account:
    return Account(account_id="act_1", today=today, currency="EUR", entities=entities, **more)


def _ad(entity_id: str, days: tuple[Day, ...] = (), **more: Any) -> Entity:
    return Entity(
        entity_type="ad", entity_id=entity_id, campaign_id="c", adset_id="s", days=days, **more
    )


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (5, 9, AdviceVerdict.BETTER),
        (9, 5, AdviceVerdict.WORSE),
        (7, 7, AdviceVerdict.SAME),
        (1, 1, AdviceVerdict.UNKNOWN),
    ],
)
def test_a_paused_ad_is_judged_by_what_its_siblings_cost_together(
    before: float, after: float, verdict: AdviceVerdict
) -> None:
    found = review(_account(_ad("dear"), _ad("b", _days(before, after))), _advice(Kind.PAUSE))
    assert found.verdict is verdict
    assert found.sentence.endswith(".")


def test_a_new_creative_is_judged_by_the_click_rate_of_its_ad_set() -> None:
    account = _account(_ad("dear", _days(5, 8)))
    assert review(account, _advice(Kind.FATIGUE)).verdict is AdviceVerdict.BETTER


def test_a_raised_budget_that_only_got_dearer_is_no_gain() -> None:
    dearer = tuple(replace(day, spend=300.0) if day.day > AS_OF else day for day in _days(5, 9))
    found = review(_account(_ad("dear", dearer)), _advice(Kind.SCALE))
    assert found.verdict is AdviceVerdict.SAME


def test_states_are_judged_by_what_they_are_now() -> None:
    broken = _ad("dear", issues=(Issue("1", "broken"),))
    mended = _advice(Kind.DELIVERY)
    assert review(_account(broken), mended).verdict is AdviceVerdict.SAME
    assert review(_account(_ad("dear")), mended).verdict is AdviceVerdict.BETTER
    assert review(_account(), mended).verdict is AdviceVerdict.UNKNOWN
    off = _advice(Kind.DELIVERY, entity_type="account", numbers={"account_status": 3})
    assert review(_account(account_status=1), off).verdict is AdviceVerdict.BETTER
    limited = _advice(Kind.LEARNING_LIMITED)
    assert review(_account(_ad("dear", learning=Learning("SUCCESS"))), limited).verdict == "better"
    assert review(_account(_ad("dear", learning=Learning("FAIL"))), limited).verdict == "same"
    pace = BudgetPace("ad", "dear", "", "daily", 100.0, 7, 690.0, 700.0)
    slow = _advice(Kind.PACING, numbers={"pace_pct": 40.0})
    assert review(_account(budgets=(pace,)), slow).verdict is AdviceVerdict.BETTER
    assert review(_account(), slow).verdict is AdviceVerdict.UNKNOWN


def test_an_anomaly_is_over_when_the_days_are_usual_again() -> None:
    told = _advice(Kind.ANOMALY, numbers={"typical": 10.0, "results": 0.0, "spend": 100.0})
    assert review(_account(_ad("dear", _days(0, 9))), told).verdict is AdviceVerdict.BETTER
    assert review(_account(_ad("dear", _days(0, 1))), told).verdict is AdviceVerdict.SAME


def test_nothing_is_measured_before_its_days_have_settled() -> None:
    told, numbers = _advice(Kind.PAUSE), Thresholds()
    assert not is_due(_account(today=AFTER), told, numbers)
    assert is_due(_account(today=AFTER + timedelta(days=5)), told, numbers)
    later = _advice(Kind.PAUSE, acted_on=AS_OF + timedelta(days=10))
    assert not is_due(_account(today=AFTER + timedelta(days=5)), later, numbers)


@given(
    kind=st.sampled_from(list(Kind)),
    counts=st.lists(st.floats(0, 1e6), min_size=2, max_size=2),
    spend=st.floats(0, 1e9),
    numbers=st.dictionaries(st.sampled_from(["typical", "spend", "results"]), st.floats(0, 1e6)),
)
def test_whatever_happened_is_said_in_a_sentence(
    kind: Kind, counts: list[float], spend: float, numbers: dict[str, float]
) -> None:
    if "results" in numbers:
        numbers.setdefault("spend", 1.0)
    account = _account(_ad("dear", _days(counts[0], counts[1], spend)))
    found = review(account, _advice(kind, numbers=numbers))
    assert found.verdict in set(AdviceVerdict)
    assert found.sentence
