"""Numbers people can trust: what a metric means, and how much of it there was."""

from __future__ import annotations

from .answers.query import accounts_of, days_of, query
from .answers.ranking import Ranking, ranking
from .comparison import Outcome
from .definitions.dictionary import Dictionary
from .definitions.reader import read_dictionary
from .definitions.store import dictionary_of, load_dictionary
from .errors import (
    DictionaryError,
    ImpossibleQuestion,
    MetricsError,
    MissingRate,
    MixedCurrencies,
    UnknownName,
)
from .kpi import KPIs, Pacing, Performance
from .reconciliation import Reconciliation, reconcile, reconciliations
from .rollup import RolledUp, rollup, stale_days
from .settling import AgeMovement, Settling, settling
from .timeline import Happening, Timeline, timeline

__all__ = [
    "AgeMovement",
    "Dictionary",
    "DictionaryError",
    "Happening",
    "ImpossibleQuestion",
    "KPIs",
    "MetricsError",
    "MissingRate",
    "MixedCurrencies",
    "Outcome",
    "Pacing",
    "Performance",
    "Ranking",
    "Reconciliation",
    "RolledUp",
    "Settling",
    "Timeline",
    "UnknownName",
    "accounts_of",
    "days_of",
    "dictionary_of",
    "load_dictionary",
    "query",
    "ranking",
    "read_dictionary",
    "reconcile",
    "reconciliations",
    "rollup",
    "settling",
    "stale_days",
    "timeline",
]
