"""The advisor: reads what is known of an account, asks the rules, keeps what they advise."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .meta_view import (
    MetaRecommendation,
    OpportunityScore,
    ScoreNow,
    count_recommended,
    recommendations_page,
    recommended,
    score_days,
    scores_now,
)
from .store import (
    AdviceRow,
    AdviceSettled,
    Asked,
    TrackRecord,
    advice_beginning,
    count_open_advice,
    dismiss,
    given_advice,
    last_asked,
    open_advice,
    track_record,
    unmeasured,
)

if TYPE_CHECKING:
    from .backtest import Backtested, backtest_account
    from .judging import Judged, judge_account
    from .reading import MOST_ROWS_OF_A_REQUEST, known_account, rows_to_read

_WITH_THE_RULES = {
    "MOST_ROWS_OF_A_REQUEST": "reading",
    "Backtested": "backtest",
    "backtest_account": "backtest",
    "Judged": "judging",
    "judge_account": "judging",
    "known_account": "reading",
    "rows_to_read": "reading",
}
"""What asks the rules: they bring scipy, and who reads stored advice needs none of it."""

__all__ = [
    "MOST_ROWS_OF_A_REQUEST",
    "AdviceRow",
    "AdviceSettled",
    "Asked",
    "Backtested",
    "Judged",
    "MetaRecommendation",
    "OpportunityScore",
    "ScoreNow",
    "TrackRecord",
    "advice_beginning",
    "backtest_account",
    "count_open_advice",
    "count_recommended",
    "dismiss",
    "given_advice",
    "judge_account",
    "known_account",
    "last_asked",
    "open_advice",
    "recommendations_page",
    "recommended",
    "rows_to_read",
    "score_days",
    "scores_now",
    "track_record",
    "unmeasured",
]


def __getattr__(name: str) -> Any:
    home = _WITH_THE_RULES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
