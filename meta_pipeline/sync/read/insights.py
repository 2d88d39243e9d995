"""Reading insights of one window from the account edge, whatever its size.

A window is asked for as ordinary pages first. What Meta finds too slow is asked for as an async
report; what is too much is halved by days, and a single day around what cannot be answered
(`splitting`). What Meta does not take is left out for the rest of the sync (`refusals`), what it
keeps no more is not asked for (`retention`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from meta_pipeline.graph import (
    Blocked,
    FieldRejected,
    GraphError,
    InvalidRequest,
    Misconfigured,
    PermissionDenied,
    RangeTooOld,
    Reauthorize,
    Throttled,
    UniqueCountsTooOld,
)
from meta_pipeline.model.missing import Missing
from meta_pipeline.model.time_zone import zone
from meta_pipeline.sync.days import today
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows import datasets
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.insights_mapping import InsightsMapper
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.day_marks import DayMarks
from meta_pipeline.sync.write.slices import Note, Slice, rendered
from meta_pipeline.warehouse import GapRow, InsightsHistory, PendingReport

from .inquiry import Inquiry
from .insights_query import SMALLEST_PAGE, InsightsEdge
from .refusals import BREAKDOWNS, FORBIDDEN, UNANSWERED, Refusals, setting_of
from .retention import (
    UNIQUE_COUNTS,
    UNIQUE_MONTHS,
    by_age,
    left_out,
    months_before,
    without_unique_counts,
)
from .row_counts import RowCounts
from .splitting import Portion, Splitter

__all__ = ["SMALLEST_PAGE", "WindowReader", "ends_all"]

_DAYS_CLAMPED = 3
"""So many days the line of 37 months may lie from where the calendar says; then halves find it."""


def ends_all(error: GraphError) -> bool:
    """Whether no further call makes sense: the account, the token or the app is refused."""
    return isinstance(error, Throttled | Reauthorize | PermissionDenied | Misconfigured | Blocked)


@dataclass
class WindowReader:
    """Reads windows of one account through `edge`; `gaps` are what earlier syncs gave up."""

    edge: InsightsEdge
    source: Source
    findings: Findings
    refusals: Refusals
    marks: DayMarks
    gaps: Mapping[str, Mapping[date, Sequence[GapRow]]]
    pending: Sequence[PendingReport] = ()

    def __post_init__(self) -> None:
        self._inquiry = Inquiry(self.edge, self.refusals)
        self._today = today(self.source.data_as_of, self.source.timezone_name)
        self._young = dict[tuple[str, frozenset[str]], bool]()
        self._history = InsightsHistory(
            sync_run_id=self.source.sync_run_id,
            read_at=self.source.data_as_of,
            timezone=zone(self.source.timezone_name),
        )

    def slices(self, window: Window) -> Iterator[Slice]:
        """The window as slices; the last one of each part marks its days as fetched.

        Where only a part of it cannot be had, the rest is read first and the error raised then.
        """
        parts = by_age(window, self._today, UNIQUE_MONTHS)
        if old := left_out(window, parts):
            yield self._not_kept(replace(window, since=min(old), until=max(old)))
        yield from self._each([piece for part in parts for piece in self._around_pending(part)])

    def _around_pending(self, window: Window) -> Iterator[Window]:
        """The window in parts, one of them for each report of its days that is still under way."""
        for report in self.pending:
            is_of_window = window.since <= report.since and report.until <= window.until
            if not window.dataset.is_daily:  # a period that goes on is another one by then
                is_of_window = (window.since, window.until) == (report.since, report.until)
            if report.dataset == window.dataset.name and is_of_window and window.as_of is None:
                # What lies on either side may have reports of its own.
                newer, rest = window.parted(report.until + timedelta(days=1))
                own, older = rest.parted(report.since) if rest else (None, None)
                yield from self._around_pending(newer) if newer else ()
                if own is not None:
                    yield replace(own, as_report=True, as_of=report.created_at)
                yield from self._around_pending(older) if older else ()
                return
        yield window

    def _each(self, parts: Sequence[Window]) -> Iterator[Slice]:
        """Every part, also when another one fails; the first failure is raised in the end."""
        failed: GraphError | None = None
        for part in parts:
            try:
                yield from self._part(part)
            except GraphError as error:
                if ends_all(error) or self.refusals.is_vain:
                    raise
                failed = failed or error
        if failed is not None:
            raise failed

    def _part(self, window: Window) -> Iterator[Slice]:
        """Some days that Meta may be asked about together; fewer of them when it objects."""
        refused = self.edge.refused_breakdowns(window)
        if refused:
            yield from self._without_breakdowns(window, refused)
            return
        # The narrow refusals before the wide one that they are kinds of.
        try:
            yield from self._committed(window)
        except UniqueCountsTooOld as error:
            yield from self._with_fewer_counts(window, error)
        except RangeTooOld as error:
            yield from self._clamped(window, error)
        except InvalidRequest as error:
            names = self._inquiry.named_breakdowns(window, error)
            if not names and self._inquiry.is_for_unique_counts(window, error):
                kept = UniqueCountsTooOld(error.message, code=error.code)
                yield from self._with_fewer_counts(window, kept)
            else:
                names = names or self._inquiry.unnamed_breakdowns(window, error)
                yield from self._refuse_breakdowns(window, names, error)
        except UNANSWERED:
            if window.is_single or self.refusals.is_vain:
                raise
            yield from self._each(window.halves())

    # -- what Meta answers, committed -------------------------------------------------------------

    def _committed(self, window: Window) -> Iterator[Slice]:
        """The window, asked again without what Meta does not take of it."""
        refused = 0
        while True:
            sent = self._values(window)
            try:
                yield from self._read(window)
            except FieldRejected as error:
                # Each field once: a refusal more, and Meta refuses what is not asked for.
                refused += 1
                if refused > len(window.asked):
                    raise
                if error.field_name not in window.asked and self._inquiry.drop_value(window, error):
                    continue
                self.refusals.drop_field(window.dataset.endpoint_key, error, window.asked)
            except (InvalidRequest, *FORBIDDEN) as error:
                # One thread finds out at a time: whoever met the same refusal asks without.
                with self.refusals.finding_out:
                    if self._values(window) == sent and not self._inquiry.drop_value(window, error):
                        raise
            else:
                return

    def _values(self, window: Window) -> tuple[list[str], ...]:
        """The attribution windows, the statuses and the fields that are asked for."""
        level, report = window.dataset.level, window.dataset.report
        windows, statuses = self.edge.attribution_windows(report), self.edge.statuses(level)
        return windows, statuses, self.edge.asked(window)

    def _read(self, window: Window) -> Iterator[Slice]:
        counts = RowCounts(self.source.account_id, window, self.findings)
        began_at = self.marks.clock()
        splitter = Splitter(
            edge=self.edge,
            refusals=self.refusals,
            findings=self.findings,
            now=self.source.data_as_of,
            known=self.gaps.get(window.dataset.name, {}),
        )
        # Days without a row are closed as well: then this empty slice carries their marks.
        held = self._slice(window, Portion([], window.without))
        for portion in splitter.portions(window, counts):
            if held.read:
                yield held
            held = self._slice(window, portion, counts.current_walk)
            del portion  # the next one is fetched now
        held.after.append(self._closing(window, counts, splitter.gaps, began_at))
        yield held

    def _closing(
        self, window: Window, counts: RowCounts, gaps: Sequence[GapRow], began_at: datetime
    ) -> Note:
        reasons = dict(counts.keyless)
        for gap in gaps:
            known = reasons.get(gap.day)
            reasons[gap.day] = f"{known}; {gap}" if known else str(gap)
        for day, reason in reasons.items():
            name = f"{window.dataset.name} {day}"
            self.refusals.miss(Missing(reason, window.dataset.part, name))
        return self.marks.closing(
            window, counts.rows_by_day, reasons, gaps, walks=counts.walks, began_at=began_at
        )

    def _slice(self, window: Window, portion: Portion, walk: int = 0) -> Slice:
        asked = [name for name in self.edge.asked(window) if name not in portion.without]
        # Rows of a report that an earlier sync asked for are as old as the report.
        source = replace(self.source, data_as_of=window.as_of or self.source.data_as_of)
        mapper = InsightsMapper(window.dataset, source, self.findings, asked)
        table, columns = window.dataset.table, mapper.columns
        return Slice(
            part=window.dataset.part,
            table=table,
            columns=columns,
            rows=rendered(table, columns, mapper.rows(portion.rows), self.findings),
            read=len(portion.rows),
            message=window.name,
            history=self._history if window.keeps_history else None,
            window=window,
            walk=walk,
        )

    # -- what Meta does not take ------------------------------------------------------------------

    def _refuse_breakdowns(
        self, window: Window, names: Sequence[str], error: InvalidRequest
    ) -> Iterator[Slice]:
        """Go on without the breakdowns that Meta does not take, or that do not go together."""
        if not names:
            raise error
        if window.dataset.report is not None:  # with fewer its rows would be of another grain
            self.refusals.drop_report(window.dataset.name, error)
        elif set(names) == set(window.dataset.breakdowns):
            self.refusals.drop_table(window.dataset.breakdowns, error)
        else:
            for name in names:
                self.refusals.drop_value(BREAKDOWNS, "insights", name, error)
        yield from self._part(window)

    def _without_breakdowns(self, window: Window, refused: Sequence[str]) -> Iterator[Slice]:
        """The cells of the other breakdowns, if there are any; the days stay incomplete."""
        rest = [name for name in window.dataset.breakdowns if name not in refused]
        if rest and window.dataset.report is None:
            fewer = datasets.broken_down(rest, window.dataset.level)
            yield from self._part(replace(window, dataset=fewer))
        named, setting = ", ".join(refused), setting_of(refused)
        if window.dataset.report is not None:
            named, setting = "the breakdowns", f"{window.dataset.name} in META_REPORTS_FILE"
        yield self._closed(window, f"Meta does not take {named} of {setting}")

    # -- what Meta does not keep ------------------------------------------------------------------

    def _with_fewer_counts(self, window: Window, error: UniqueCountsTooOld) -> Iterator[Slice]:
        """The days beyond Meta's line, which may be another than ours, without unique counts."""
        # With the margin of `retention`: nobody says in whose time zone the line runs.
        newer, older = window.parted(months_before(self._today, error.months) + timedelta(days=2))
        if newer and older:
            yield from self._each([newer, older])
        elif not UNIQUE_COUNTS.isdisjoint(window.asked) and (older or window.is_single):
            yield from self._part(without_unique_counts(window))
        elif not window.is_single:
            yield from self._each(window.halves())
        elif newer and not self._takes_yesterday(window):
            raise error
        else:
            yield self._not_kept(window)

    def _clamped(self, window: Window, error: RangeTooOld) -> Iterator[Slice]:
        """The window from the first day that Meta keeps."""
        line = months_before(self._today, error.months)
        newer, older = window.parted(line)
        if newer and not self._takes_yesterday(window):
            raise error  # then it is for no age, whatever it says
        if newer and older:
            yield self._not_kept(older)
            yield from self._part(newer)
        elif window.is_single:
            yield self._not_kept(window)
        elif older or (window.since - line).days >= _DAYS_CLAMPED:
            yield from self._each(window.halves())
        else:
            newer, older = window.parted(window.since + timedelta(days=1))
            assert newer is not None and older is not None  # noqa: PT018  # it is not single
            yield self._not_kept(older)
            yield from self._part(newer)

    def _takes_yesterday(self, window: Window) -> bool:
        """Whether so young a day may be asked about as the window was; asked once."""
        known, asked = self._young, (window.dataset.name, window.without)
        if asked not in known:
            day = self._today - timedelta(days=1)
            known[asked] = self.edge.takes(replace(window, since=day, until=day))
        return known[asked]

    def _not_kept(self, window: Window) -> Slice:
        """Days that are done because Meta keeps nothing of them any more."""
        self.findings.note(
            window.dataset.endpoint_key,
            "time_range",
            f"{window.dataset.name}: not kept so long",
            Reason.REFUSED_VALUE,
            str(window.until),
        )
        return self._closed(window)

    def _closed(self, window: Window, reason: str | None = None) -> Slice:
        """Days that are done unread; with a `reason` they stay incomplete for it."""
        rows_by_day = RowCounts(self.source.account_id, window, self.findings).rows_by_day
        incomplete = dict.fromkeys(rows_by_day, reason) if reason else None
        closed = self._slice(window, Portion([], window.without))
        closed.after.append(self.marks.closing(window, rows_by_day, incomplete))
        return closed
