"""Numbers people can trust: what a metric means, and how much of it there was."""

from __future__ import annotations

from .comparison import Outcome
from .dictionary import Dictionary
from .errors import (
    DictionaryError,
    ImpossibleQuestion,
    MetricsError,
    MissingRate,
    MixedCurrencies,
    UnknownName,
)
from .kpi import KPIs, Pacing, Performance
from .query import accounts_of, days_of, query
from .reader import read_dictionary
from .reconciliation import Reconciliation, reconcile, reconciliations
from .rollup import RolledUp, rollup, stale_days
from .settling import AgeMovement, Settling, settling
from .store import dictionary_of, load_dictionary
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
    "read_dictionary",
    "reconcile",
    "reconciliations",
    "rollup",
    "settling",
    "stale_days",
    "timeline",
]
