"""Advice with evidence: what to pause, scale or mend in an ad account, and how sure that is.

Pure: what was known of an account goes in, advice comes out. Nothing here reads or changes
anything, at Meta or in Postgres.
"""

from __future__ import annotations

from .advice import Advice, Kind, NoAdvice, Severity
from .judge import Judgement, judge
from .known import Account, BudgetPace, Change, Day, Entity, Issue, Learning
from .thresholds import ThresholdError, Thresholds

__all__ = [
    "Account",
    "Advice",
    "BudgetPace",
    "Change",
    "Day",
    "Entity",
    "Issue",
    "Judgement",
    "Kind",
    "Learning",
    "NoAdvice",
    "Severity",
    "ThresholdError",
    "Thresholds",
    "judge",
]
