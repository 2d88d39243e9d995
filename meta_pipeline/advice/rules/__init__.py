"""The rules, one kind of advice each: what was known goes in, advice and closed gates come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from meta_pipeline.advice.advice import Advice, NoAdvice
from meta_pipeline.advice.known import Account
from meta_pipeline.advice.thresholds import Thresholds

from .anomaly import anomalies
from .comparison import comparisons
from .delivery import delivery
from .duplicates import duplicates
from .fatigue import fatigue
from .learning import learning_limited
from .pacing import pacing
from .shift import budget_shift
from .target import against_target

Rule: TypeAlias = Callable[[Account, Thresholds], Iterator[Advice | NoAdvice]]
RULES: tuple[Rule, ...] = (
    delivery,
    anomalies,
    learning_limited,
    comparisons,
    against_target,
    fatigue,
    pacing,
    budget_shift,
    duplicates,
)

__all__ = ["RULES", "Rule"]
