"""Numbers people can trust: what a metric means, and how much of it there was."""

from __future__ import annotations

from .answers.assembly import Result
from .answers.bound import Bound
from .answers.completeness import MOST_DAYS, shortened
from .answers.held import changed_between
from .answers.period import preset, today_in
from .answers.places import PagePosition
from .answers.query import accounts_of, answer, components, days_of, days_of_each, query
from .answers.question import DateRange, known_accounts
from .answers.ranking import Ranking, ranked, ranking
from .comparison import ComparisonOutcome
from .custom_conversions import names_in, with_names
from .definitions.definition import DEFAULT_WINDOW, WINDOWS, Metric, MetricKind, Unit
from .definitions.dictionary import Dictionary
from .definitions.reader import read_dictionary
from .definitions.store import current, dictionary_of, load_dictionary
from .errors import (
    ChangedCurrency,
    DictionaryError,
    ImpossibleQuestion,
    MetricsError,
    MissingRate,
    MixedCurrencies,
    TooMuch,
    UnknownName,
)
from .kpi import KPIs, Pacing, Performance
from .once import asked_once
from .reconciliation import Reconciliation, compare, reconcile, reconciliations
from .rollup import RolledUp, rollup
from .settling import AgeMovement, Settling, settling
from .stale_days import stale_days
from .timeline import Happening, Timeline, timeline

__all__ = [
    "DEFAULT_WINDOW",
    "MOST_DAYS",
    "WINDOWS",
    "AgeMovement",
    "Bound",
    "ChangedCurrency",
    "ComparisonOutcome",
    "DateRange",
    "Dictionary",
    "DictionaryError",
    "Happening",
    "ImpossibleQuestion",
    "KPIs",
    "Metric",
    "MetricKind",
    "MetricsError",
    "MissingRate",
    "MixedCurrencies",
    "Pacing",
    "PagePosition",
    "Performance",
    "Ranking",
    "Reconciliation",
    "Result",
    "RolledUp",
    "Settling",
    "Timeline",
    "TooMuch",
    "Unit",
    "UnknownName",
    "accounts_of",
    "answer",
    "asked_once",
    "changed_between",
    "compare",
    "components",
    "current",
    "days_of",
    "days_of_each",
    "dictionary_of",
    "known_accounts",
    "load_dictionary",
    "names_in",
    "preset",
    "query",
    "ranked",
    "ranking",
    "read_dictionary",
    "reconcile",
    "reconciliations",
    "rollup",
    "settling",
    "shortened",
    "stale_days",
    "timeline",
    "today_in",
    "with_names",
]
