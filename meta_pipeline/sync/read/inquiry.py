"""Inquiry: what of a question about insights Meta does not take, found by small questions.

Meta names what it refuses in some answers, by a place in some, and not at all in others (FACTS
section 3.3); what it names may be another's. So nothing is left out unless the question is taken
without it, and what Meta did not name was refused once more after that: a refusal may pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from meta_pipeline.graph import (
    FieldRejected,
    GraphError,
    InvalidRequest,
    RangeTooOld,
    ValueRejected,
)
from meta_pipeline.sync.plan.window import Window

from .halving import refused_alone, refused_together
from .insights_query import InsightsEdge
from .refusals import BREAKDOWNS, FORBIDDEN, LIVING, UNANSWERED, WINDOWS, Refusals
from .retention import UNIQUE_COUNTS, without_unique_counts

# Subcode of breakdowns that do not go together; the message names none of them.
_INVALID_BREAKDOWNS = 1504041
_OF_REPORTS = (BREAKDOWNS, "action_breakdowns")


class Inquiry:
    """Asks one account's edge; what is found is told to the refusals that a sync shares."""

    def __init__(self, edge: InsightsEdge, refusals: Refusals) -> None:
        self._edge = edge
        self._refusals = refusals

    def drop_value(self, window: Window, error: GraphError) -> bool:
        """Leave out statuses, attribution windows or fields that Meta refuses; whether any was.

        What is forbidden is looked into only where something of the account was answered.
        """
        refusals, key = self._refusals, window.dataset.endpoint_key
        is_of_all = isinstance(error, FORBIDDEN) and not refusals.is_answered
        if isinstance(error, RangeTooOld) or is_of_all or not refusals.may_find_out(key):
            return False
        takes = partial(self._edge.takes_statuses, window, as_report=_is_of_report(error))
        level = window.dataset.level
        statuses = self._edge.statuses(level)
        try:
            # Where even the least is refused, it is for something else.
            if not isinstance(error, ValueRejected) and not takes(LIVING if statuses else ()):
                refusals.found_out_nothing(key)
                return False
            if isinstance(error, InvalidRequest) and refusals.drop_statuses(
                f"insights_{level}", statuses, error, takes
            ):
                return True
            return refusals.may_find_out(key) and self._drop_unnamed(window, error)
        except UNANSWERED:
            refusals.found_out_nothing()
            return False

    def _drop_unnamed(self, window: Window, error: GraphError) -> bool:
        """Leave out attribution windows or fields without which the question is taken.

        Where Meta names nothing, or a place that is another's, what is refused is found by asking.
        """
        windows = self._edge.attribution_windows(window.dataset.report)
        metrics = [name for name in self._edge.asked(window) if not name.endswith("_id")]
        ids = [name for name in self._edge.asked(window) if name.endswith("_id")]
        takes = partial(self._edge.takes, window, as_report=_is_of_report(error))

        def takes_windows(some: Sequence[str]) -> bool:
            return takes(windows=some)

        def takes_fields(some: Sequence[str]) -> bool:
            return takes(fields=[*ids, *some])

        named = self._refusals.refused_value(WINDOWS, error, windows, takes_windows)
        if named is None and takes():
            return False
        if named is not None or (windows and takes_windows(())):
            refused = [named] if named else refused_together(windows, takes_windows)
            return self._without(window, error, windows=refused)
        # Of cells a field may be refused for their age alone.
        if window.dataset.breakdowns:
            return False
        if takes_fields(()):
            return self._without(window, error, fields=refused_alone(metrics, takes_fields))
        # One hides the other: the windows are asked for without metrics, and these without them.
        if not takes(windows=(), fields=ids):
            return False

        def takes_windows_of_ids(some: Sequence[str]) -> bool:
            return takes(windows=some, fields=ids)

        def takes_fields_alone(some: Sequence[str]) -> bool:
            return takes(windows=(), fields=[*ids, *some])

        refused = refused_alone(windows, takes_windows_of_ids) if windows else []
        fields = [] if takes_fields_alone(metrics) else refused_alone(metrics, takes_fields_alone)
        return self._without(window, error, windows=refused, fields=fields)

    def _without(
        self,
        window: Window,
        error: GraphError,
        *,
        windows: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> bool:
        """Leave these out from now on; whether there are any."""
        for name in windows:
            self._refusals.drop_value(WINDOWS, "insights", name, error)
        for name in fields:
            rejected = FieldRejected.named(name, error)
            self._refusals.drop_field(window.dataset.endpoint_key, rejected, window.asked)
        return bool(windows or fields)

    def named_breakdowns(self, window: Window, error: InvalidRequest) -> Sequence[str]:
        """The breakdowns that an error is about; none where it is about something else."""
        dataset, report = window.dataset, window.dataset.report
        all_names = (*dataset.breakdowns, *(report.action_breakdowns if report else ()))
        if not isinstance(error, ValueRejected):
            return all_names if error.subcode == _INVALID_BREAKDOWNS else ()
        if report is not None and error.parameter in _OF_REPORTS:
            return all_names
        takes = partial(self._takes_breakdowns, window)
        try:
            named = self._refusals.refused_value(BREAKDOWNS, error, dataset.breakdowns, takes)
        except UNANSWERED:
            return ()
        return () if named is None else [named]

    def _takes_breakdowns(self, window: Window, some: Sequence[str]) -> bool:
        return self._edge.takes(window, breakdowns=some)

    def is_for_unique_counts(self, window: Window, error: InvalidRequest) -> bool:
        """Whether its breakdowns are taken without unique counts, and Meta does not say why."""
        if not self._may_be_breakdowns(window, error) or UNIQUE_COUNTS.isdisjoint(window.asked):
            return False
        try:
            return (
                not self._edge.takes(window)
                and self._edge.takes(without_unique_counts(window))
                and not self._edge.takes(window)
            )
        except UNANSWERED:
            return False

    def unnamed_breakdowns(self, window: Window, error: InvalidRequest) -> Sequence[str]:
        """The breakdowns that are refused without being named: found by asking."""
        asked, takes = window.dataset.breakdowns, partial(self._takes_breakdowns, window)
        try:
            if not self._may_be_breakdowns(window, error) or takes(asked) or not takes(()):
                return ()
            if window.dataset.report is None:
                return refused_together(asked, takes)
            # With fewer its rows would be of another grain.
            return () if takes(asked) else asked
        except UNANSWERED:
            return ()

    def _may_be_breakdowns(self, window: Window, error: InvalidRequest) -> bool:
        is_for_age = isinstance(error, RangeTooOld)
        return not is_for_age and bool(window.dataset.breakdowns)


def _is_of_report(error: GraphError) -> bool:
    """Whether a report was refused: what it does not take, pages may."""
    return error.endpoint_key == "report_create"
