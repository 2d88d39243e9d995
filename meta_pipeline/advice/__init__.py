"""Advice with evidence: what to pause, scale or mend in an ad account, and how sure that is.

Pure: what was known of an account goes in, advice comes out. Nothing here reads or changes
anything, at Meta or in Postgres.
"""

from __future__ import annotations

from .advice import Advice, Kind, NoAdvice, Severity
from .judge import Judgement, judge
from .known import Account, BudgetPace, Change, Day, Entity, Issue, Learning
from .review import Given, Review, Verdict, is_due, review
from .thresholds import ThresholdError, Thresholds

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
