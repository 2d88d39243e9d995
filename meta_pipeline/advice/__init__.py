"""Advice with evidence: what to pause, scale or mend in an ad account, and how sure that is.

Pure: what was known of an account goes in, advice comes out. Nothing here reads or changes
anything, at Meta or in Postgres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .advice import Advice, Kind, NoAdvice, Severity
from .known import Account, BudgetPace, Change, Day, Days, Entity, Issue, Learning
from .thresholds import ThresholdError, Thresholds

if TYPE_CHECKING:
    from .judgement import Judgement, judge
    from .reviews import AdviceVerdict, Given, Review, is_due, review

__all__ = [
    "Account",
    "Advice",
    "AdviceVerdict",
    "BudgetPace",
    "Change",
    "Day",
    "Days",
    "Entity",
    "Given",
    "Issue",
    "Judgement",
    "Kind",
    "Learning",
    "NoAdvice",
    "Review",
    "Severity",
    "ThresholdError",
    "Thresholds",
    "is_due",
    "judge",
    "review",
]


def __getattr__(name: str) -> Any:
    """What weighs numbers, when it is first wanted.

    It brings scipy, most of a start, and who only shows advice needs none of it.
    """
    if name in {"Judgement", "judge"}:
        from . import judgement  # noqa: PLC0415

        return getattr(judgement, name)
    if name in __all__:
        from . import reviews  # noqa: PLC0415

        return getattr(reviews, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
