"""The advisor: reads what is known of an account, asks the rules, keeps what they advise."""

from __future__ import annotations

from .book import AdviceRow, AdviceSettled, advice_beginning, dismiss, given_advice, open_advice
from .judging import Judged, judge_account
from .reading import known_account

__all__ = [
    "AdviceRow",
    "AdviceSettled",
    "Judged",
    "advice_beginning",
    "dismiss",
    "given_advice",
    "judge_account",
    "known_account",
    "open_advice",
]
