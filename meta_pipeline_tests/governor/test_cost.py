"""Weights by shape, what was observed beside them, and the day's budget."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meta_pipeline.governor import (
    BudgetState,
    QueryShape,
    Weights,
    blend,
    day_end,
    day_start,
    weight,
)

ADS = QueryShape(insights=True, level="ad", daily=True, days=7)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (QueryShape(), 1),
        (QueryShape(insights=True), 1),
        (QueryShape(insights=True, breakdowns=("age", "gender")), 3),
        (QueryShape(insights=True, daily=True), 5),
        (QueryShape(insights=True, days=90), 2),
        (QueryShape(insights=True, action_breakdowns=("action_device",)), 4),
        (QueryShape(True, "ad", ("age",), ("action_device",), daily=True, days=90), 120),
    ],
)
def test_the_configured_weights_multiply(shape: QueryShape, expected: float) -> None:
    assert weight(shape) == expected


def test_weights_are_settings() -> None:
    assert weight(ADS, Weights(daily=2)) == 2


def test_a_shape_is_read_from_the_words_of_the_log() -> None:
    words = "level=ad increment=1 days=7 fields=23 breakdowns=gender,age"
    shape = QueryShape.of_words("insights_ad", words)
    assert shape == QueryShape(True, "ad", ("age", "gender"), (), daily=True, days=7)
    assert shape.key == "insights ad daily by age,gender"
    assert QueryShape.of_words("campaigns_list", "fields=12").key == "entity"
    assert QueryShape.of_words("insights_ad", "plain days=").key == "insights account total"


@pytest.mark.parametrize(
    ("endpoint", "words", "shape"),
    [
        ("campaigns_list", "fields=12", QueryShape()),
        ("insights_ad", "days=", QueryShape(insights=True)),
        ("insights_ad", "days=week where=age=18 daily", QueryShape(insights=True, days=1)),
    ],
)
def test_words_that_say_nothing_of_the_shape_leave_one_plain_day(
    endpoint: str, words: str, shape: QueryShape
) -> None:
    assert QueryShape.of_words(endpoint, words) == shape


@pytest.mark.parametrize(
    ("shape", "key"),
    [
        (QueryShape(), "entity"),
        (QueryShape(days=90), "entity"),
        (QueryShape(insights=True, days=89), "insights account total"),
        (QueryShape(insights=True, days=90), "insights account total long"),
        (
            QueryShape(True, "ad", ("age", "gender"), ("action_device", "action_type"), True, 91),
            "insights ad daily long by age,gender actions by action_device,action_type",
        ),
    ],
)
def test_what_costs_alike_has_one_key(shape: QueryShape, key: str) -> None:
    assert shape.key == key


def test_few_observations_change_nothing_and_many_outweigh_the_guess() -> None:
    assert blend(5, 1, 9) == 5
    assert blend(5, 1, 10) == pytest.approx(110 / 30)
    assert blend(5, 1, 20) == 3
    assert blend(5, 1, 10_000) == pytest.approx(1, abs=0.01)
    assert blend(5, None, 10_000) == 5


def test_the_day_is_the_accounts_and_may_have_23_or_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert day_start(now, berlin) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    length = day_end(now, berlin).astimezone(UTC) - day_start(now, berlin).astimezone(UTC)
    assert length == timedelta(hours=25)


def test_the_budget_names_who_is_short() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    state = BudgetState.of_day(
        "act_1", UTC, now, account_limit=100, account_used=60, app_limit=1000, app_used=990
    )
    assert state.account.left == 40
    short = state.refusal(20)
    assert short is not None
    assert short.name == "the app"
    assert state.refusal(10) is None
    free = BudgetState.of_day("act_1", UTC, now)
    assert free.refusal(1e12) is None
    assert free.account.left == math.inf
    assert (free.account.used, free.app.used) == (0, 0)


def test_a_budget_that_was_overrun_has_nothing_left_and_not_less() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    state = BudgetState.of_day("act_1", UTC, now, account_limit=100, account_used=130)
    assert state.account.left == 0
    assert not state.account.fits(0)


def test_of_two_that_are_short_the_one_that_resets_last_is_named() -> None:
    """Until then the plan has to wait; each resets at its own midnight."""
    now, tokyo = datetime(2026, 11, 22, 12, tzinfo=UTC), ZoneInfo("Asia/Tokyo")
    for account_zone, app_zone, name in ((UTC, tokyo, "act_1"), (tokyo, UTC, "the app")):
        state = BudgetState.of_day(
            "act_1", account_zone, now, account_limit=1, app_limit=1, app_zone=app_zone
        )
        short = state.refusal(2)
        assert short is not None
        assert (short.name, short.resets_at) == (name, datetime(2026, 11, 23, tzinfo=UTC))
    one_zone = BudgetState.of_day("act_1", tokyo, now)
    assert one_zone.app.resets_at == one_zone.account.resets_at
