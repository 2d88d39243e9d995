"""Advice with evidence: what to pause, scale or mend in an ad account, and how sure that is.

Pure: what was known of an account goes in, advice comes out. Nothing here reads or changes
anything, at Meta or in Postgres.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .advice import Advice, Kind, NoAdvice, Severity
from .known import Account, BudgetPace, Change, Day, Entity, Issue, Learning
from .thresholds import ThresholdError, Thresholds

if TYPE_CHECKING:
    from .judgement import Judgement, judge
    from .outcome import Given, Review, Verdict, is_due, review

_WITH_SCIPY = {
    "Judgement": "judgement",
    "judge": "judgement",
    "Given": "outcome",
    "Review": "outcome",
    "Verdict": "outcome",
    "is_due": "outcome",
    "review": "outcome",
}
"""What weighs numbers: scipy is most of a start, and who only shows advice needs none of it."""

__all__ = [
    "Account",
    "Advice",
    "BudgetPace",
    "Change",
    "Day",
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
    "Verdict",
    "is_due",
    "judge",
    "review",
]


def __getattr__(name: str) -> Any:
    home = _WITH_SCIPY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
