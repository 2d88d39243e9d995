"""What Meta did not take or could not answer during one sync: asked once, noted once, left out.

All readers of a sync share it, in whichever thread they run.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

from meta_pipeline.graph import (
    AppRefused,
    ConnectionLost,
    FieldRejected,
    GraphError,
    InvalidRequest,
    MalformedAnswer,
    NewReportNeeded,
    PermissionDenied,
    ServerTrouble,
    TooMuchData,
    ValueRejected,
)
from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import Part
from meta_pipeline.sync.rows.datasets import HOUR, REPORT
from meta_pipeline.sync.rows.unrecognized import Findings, Reason

from .halving import Asks, refused_alone

TROUBLE = (ServerTrouble, ConnectionLost, MalformedAnswer)
"""Errors that may be of all of Meta, of the way there, or of what one answer would hold."""
UNANSWERED = (TooMuchData, NewReportNeeded, *TROUBLE)
"""Errors that a smaller question may not meet."""
FORBIDDEN = (PermissionDenied, AppRefused)
"""Errors of an account or an app, and as often of one field that needs another permission."""
REFUSED = (InvalidRequest, FieldRejected, *FORBIDDEN)
"""Errors that a question without what is at fault may not meet."""
# Names of parameters whose values Meta may refuse one by one.
WINDOWS = "action_attribution_windows"
BREAKDOWNS = "breakdowns"
STATUSES = "effective_status"
SETTING_OF = {WINDOWS: "META_ATTRIBUTION_WINDOWS", BREAKDOWNS: "META_BREAKDOWNS"}
# Statuses that every edge takes: where even they are refused, the statuses are not the fault.
LIVING = ("ACTIVE", "PAUSED")
# Halving a day of many ads down to the one at fault takes about so many questions in vain.
_FRUITLESS_AT_MOST = 10
# Errors that tell of no amount of data: smaller questions rarely help against them.
_TROUBLE_AT_MOST = 5
# A report that fails costs minutes, pages that fail cost seconds.
_REPORTS_AT_MOST = 3


def setting_of(breakdowns: Iterable[str]) -> str:
    """The setting that has these breakdowns asked for."""
    return "META_HOURLY" if HOUR in breakdowns else SETTING_OF[BREAKDOWNS]


def _named(error: ValueRejected, values: Sequence[str]) -> str | None:
    """The value that is named, or stands where the error says; None when none of them does."""
    if error.value is not None:
        return error.value if error.value in values else None
    if error.index is not None and error.index < len(values):
        return values[error.index]
    return values[0] if len(values) == 1 else None


class Refusals:
    """Fields and values that are left out for the rest of the sync, and when to stop splitting."""

    def __init__(self, findings: Findings, known: Iterable[tuple[str, str, str]] = ()) -> None:
        """`known` are source, parameter and value of what an earlier sync was refused lately."""
        self._findings = findings
        self._lock = threading.Lock()
        # Held over the calls that find what of a question is refused: two threads would ask the
        # same, and what one has left out meanwhile is no fault that the other could find.
        self.finding_out = threading.Lock()
        self._found_nothing_of: set[str] = set()
        # Whether anything of the account was answered: what is forbidden then is not all of it.
        self.is_answered = False
        self._fields: dict[str, set[str]] = defaultdict(set)
        self._values: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._tables: set[tuple[str, ...]] = set()
        self._fruitless = self._trouble = self._reports_failed = 0
        self._without_pages: set[str] = set()
        self._suspects: dict[str, set[str]] = defaultdict(set)
        self._missing: dict[Missing, None] = {}
        for source, parameter, value in known:
            if parameter == BREAKDOWNS and ("," in value or value.startswith(REPORT)):
                self._tables.add(tuple(value.split(",")))
            else:
                self._values[parameter, source].add(value)

    # -- fields and values ------------------------------------------------------------------------

    def fields(self, source: str) -> frozenset[str]:
        """The fields that `source` (an endpoint key) does not give."""
        return frozenset(self._fields[source])

    def drop_field(self, source: str, error: FieldRejected, asked: Iterable[str]) -> None:
        """Leave the field out from now on; raises the error when it is none of those asked for.

        Another thread may have met the same refusal at the same time.
        """
        if error.field_name not in asked:
            raise error
        with self._lock:
            if error.field_name in self._fields[source]:
                return
            self._fields[source].add(error.field_name)
        self._findings.note(source, error.field_name, error.message, Reason.REFUSED_FIELD)

    def taken(self, parameter: str, source: str, values: Iterable[str]) -> list[str]:
        """The values that may be asked for, in the order given."""
        return [one for one in values if one not in self._values[parameter, source]]

    def drop_value(self, parameter: str, source: str, value: str, error: GraphError) -> None:
        """Leave a value out from now on; one that a setting names is told by that name."""
        with self._lock:
            if value in self._values[parameter, source]:
                return
            self._values[parameter, source].add(value)
        self._findings.note(source, parameter, value, Reason.REFUSED_VALUE)
        if setting := SETTING_OF.get(parameter):
            why = f"Meta does not take {value}, left out: {error.message}"
            self.miss(Missing(why, edge=setting))

    def drop_table(self, breakdowns: Sequence[str], error: GraphError) -> None:
        """Leave out breakdowns that Meta does not give together, and what they are a part of."""
        with self._lock:
            self._tables.add(tuple(breakdowns))
        named = ",".join(breakdowns)
        self._findings.note("insights", BREAKDOWNS, named, Reason.REFUSED_VALUE)
        why = f"Meta does not take {named}: {error.message}"
        part = Part.HOURLY if HOUR in breakdowns else Part.BREAKDOWNS
        self.miss(Missing(why, part, setting_of(breakdowns)))

    def drop_report(self, name: str, error: GraphError) -> None:
        """Leave out a custom report whose breakdowns Meta does not give together."""
        with self._lock:
            self._tables.add((name,))
        self._findings.note("insights", BREAKDOWNS, name, Reason.REFUSED_VALUE)
        why = f"Meta does not take its breakdowns, change it in META_REPORTS_FILE: {error.message}"
        self.miss(Missing(why, Part.REPORTS, name))

    def is_dropped(self, breakdowns: Sequence[str]) -> bool:
        return tuple(breakdowns) in self._tables

    def refused_value(
        self, parameter: str, error: GraphError, values: Sequence[str], takes: Asks
    ) -> str | None:
        """Which of the values sent Meta names, where the others are taken without it.

        None where it names none, or another one than is at fault: a place is counted by Meta, and
        in which list is not always told. `takes` asks with some of the values.
        """
        if not isinstance(error, ValueRejected) or error.parameter != parameter:
            return None
        named = _named(error, values)
        if named is None or not takes([one for one in values if one != named]):
            return None
        return named

    def drop_statuses(
        self,
        source: str,
        statuses: Sequence[str],
        error: InvalidRequest,
        takes: Asks,
    ) -> bool:
        """Leave out the statuses that an edge does not take; whether there are any.

        `takes` asks the edge with some of them: where the answer names none, they are found by
        halving, in about six calls for one. Where that is not answered it is none of the statuses,
        as far as is known: the refusal itself is what people have to hear of.
        """
        if not (statuses and self.may_find_out()):
            return False
        refused: list[str] = []
        if isinstance(error, ValueRejected):
            if error.parameter not in (STATUSES, "filtering"):
                return False
            named = _named(error, statuses)
            refused = [named] if named and error.index is not None else []
        try:
            # A place is counted by Meta, and in which list is not always told.
            if refused and takes(refused):
                refused = []
            if not refused and takes(LIVING):
                refused = refused_alone(statuses, takes)
        except UNANSWERED:
            self.found_out_nothing()
            return False
        # Where all of them are refused, it is not for the statuses.
        for one in refused if len(refused) < len(statuses) else ():
            self.drop_value(STATUSES, source, one, error)
        return bool(refused) and len(refused) < len(statuses)

    def found_out_nothing(self, source: str = "") -> None:
        """What `source` (an endpoint key) is refused for was not found: it is asked no more.

        Without a source: the small questions that find it were not answered, whatever is asked.
        """
        self._found_nothing_of.add(source)

    def may_find_out(self, source: str = "") -> bool:
        """Whether it may be asked what `source` is refused for."""
        return not self._found_nothing_of & {"", source}

    # -- what could not be answered ---------------------------------------------------------------

    def fruitless(self, error: GraphError) -> None:
        """A question was not answered; raises the error when too many in a row were not.

        What one object of one day is too much for leaves the rest answered: where nothing is,
        smaller questions are wasted. Sooner still where the error is of no amount.
        """
        with self._lock:
            self._fruitless += 1
            self._trouble += isinstance(error, TROUBLE)
        if self.is_vain:
            raise error

    @property
    def is_vain(self) -> bool:
        """Whether so many questions in a row were not answered that smaller ones are wasted."""
        return self._fruitless >= _FRUITLESS_AT_MOST or self._trouble >= _TROUBLE_AT_MOST

    def fruitful(self, *, is_report: bool = False) -> None:
        """A question was answered."""
        with self._lock:
            self._fruitless = self._trouble = 0
            self.is_answered = True
            self._found_nothing_of.clear()
            if is_report:
                self._reports_failed = 0

    def reachable(self) -> None:
        """Meta answered something, though not the question itself."""
        with self._lock:
            self._trouble = 0

    def report_failed(self) -> None:
        with self._lock:
            self._reports_failed += 1

    def pages_fail(self, dataset: str) -> None:
        """All of a day came in reports, whose pages met trouble again and again."""
        with self._lock:
            self._without_pages.add(dataset)

    def only_reports(self, dataset: str) -> bool:
        """Whether pages are tried no more: each day would cost their retries, and its ids, anew."""
        return dataset in self._without_pages and not self.reports_fail

    @property
    def in_trouble(self) -> bool:
        """Whether the last questions met an error that may be of all of Meta."""
        return self._trouble > 0

    @property
    def reports_fail(self) -> bool:
        """Whether no report came lately: what is not too much is then better asked in pages."""
        return self._reports_failed >= _REPORTS_AT_MOST

    def suspect(self, dataset: str, entity: str) -> None:
        """Note what a question could not be answered for: the next ones leave it to the end."""
        with self._lock:
            self._suspects[dataset].add(entity)

    def suspects(self, dataset: str) -> frozenset[str]:
        return frozenset(self._suspects[dataset])

    def miss(self, missing: Missing) -> None:
        """Keep for the record of the sync what did not come."""
        with self._lock:
            self._missing[missing] = None

    @property
    def missing(self) -> list[Missing]:
        return list(self._missing)
