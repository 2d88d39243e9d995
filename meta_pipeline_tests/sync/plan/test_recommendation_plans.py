"""When Meta's own advice is read, whom it is asked of, and how many days of the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from meta_pipeline.sync import ENTITIES, Part
from meta_pipeline.sync.plan.recommendation_plan import RecommendationPlan
from meta_pipeline.sync.plan.stored import RECOMMENDATION_EDGES
from meta_pipeline.warehouse import CursorRow

from .cases import ago, case, cursor, day

LIST, BUSINESS, HISTORY = RECOMMENDATION_EDGES
BOTH = {LIST: 0.2, HISTORY: 0.2}
WEEK = 151.2
"""Hours after which what is read once a week is due: a run may come a little early."""


def read(hours: Mapping[str, float]) -> dict[str, CursorRow]:
    """Edges read so many hours ago."""
    return {edge: cursor(edge, last_fetched_at=ago(each)) for edge, each in hours.items()}


def due(
    *, listed: bool = True, business: str | None = "7", days: tuple[int, int] | None = None
) -> RecommendationPlan:
    since, until = map(day, days) if days else (None, None)
    return RecommendationPlan(listed, business, since, until)


@pytest.mark.parametrize(
    ("hours", "asked", "expected"),
    [
        # The score of the newest two days is not there yet, and one call tells 45 days.
        ({}, {}, due(days=(46, 2))),
        (BOTH, {}, None),
        # The list once a day, the history once a week.
        (BOTH | {LIST: 21.6}, {}, due()),
        (BOTH | {LIST: 21.5}, {}, None),
        (BOTH | {HISTORY: WEEK}, {}, due(listed=False, days=(8, 2))),
        (BOTH | {HISTORY: WEEK - 0.1}, {}, None),
        ({LIST: 21.6, HISTORY: WEEK}, {}, due(days=(8, 2))),
        # From the newest day that the last reading can have told, and never more than one call.
        (BOTH | {HISTORY: 43 * 24}, {}, due(listed=False, days=(45, 2))),
        (BOTH | {HISTORY: 44 * 24}, {}, due(listed=False, days=(46, 2))),
        (BOTH | {HISTORY: 45 * 24}, {}, due(listed=False, days=(46, 2))),
        # A business that told nothing of the account is left alone for a week.
        ({LIST: 21.6, HISTORY: 1, BUSINESS: WEEK}, {}, due()),
        ({LIST: 21.6, HISTORY: 1, BUSINESS: WEEK - 0.1}, {}, due(business=None)),
        # What is asked for counts where the settings would still call it fresh.
        (BOTH, {"max_age": ago(0) - ago(0.2)}, due(days=(2, 2))),
        (BOTH | {LIST: 21.6}, {"max_age": ago(0) - ago(500)}, due()),
        (BOTH, {"force": True}, due(days=(46, 2))),
    ],
)
def test_advice_is_due_by_when_it_was_read(
    hours: Mapping[str, float], asked: dict[str, Any], expected: RecommendationPlan | None
) -> None:
    plan = case(
        parts=frozenset({Part.RECOMMENDATIONS}),
        cursors=read(hours),
        asked=asked,
        business_id="7",
    ).plan
    assert plan.recommendations == expected
    assert plan.is_empty == (expected is None)


def test_advice_that_was_not_asked_for_is_not_read() -> None:
    assert case(cursors={}, business_id="7").plan.recommendations is None


@pytest.mark.parametrize(("business", "calls"), [("7", 2), (None, 3)])
def test_a_business_tells_list_and_score_in_one_call(business: str | None, calls: int) -> None:
    """The score's history is a call more, beside a listing of each kind of entity."""
    parts = frozenset({Part.RECOMMENDATIONS, Part.ACTIVITIES}) | ENTITIES
    plan = case(parts=parts, cursors={}, business_id=business).plan
    assert plan.calls == plan.edge_calls == 3 + 1 + calls
