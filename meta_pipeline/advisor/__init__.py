"""The advisor: reads what is known of an account, asks the rules, keeps what they advise."""

from __future__ import annotations

from .backtest import Backtested, backtest_account
from .book import (
    AdviceRow,
    AdviceSettled,
    TrackRecord,
    advice_beginning,
    advice_page,
    dismiss,
    given_advice,
    open_advice,
    track_record,
    unmeasured,
)
from .judging import Judged, judge_account, judged_at
from .reading import known_account

__all__ = [
    "AdviceRow",
    "AdviceSettled",
    "Backtested",
    "Judged",
    "TrackRecord",
    "advice_beginning",
    "advice_page",
    "backtest_account",
    "dismiss",
    "given_advice",
    "judge_account",
    "judged_at",
    "known_account",
    "open_advice",
    "track_record",
    "unmeasured",
]
