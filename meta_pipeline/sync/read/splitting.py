"""A window that Meta cannot answer as a whole: less and less of it, until only the fault is left.

One ad on one day can be too much whatever is asked, often for one field of it. Days are halved by
the caller. Of a single day the objects that delivered are halved, a single object is asked for
fewer fields, and what is not answered even then is given up as a gap: recorded, left out by the
syncs that follow, and tried again ever more seldom.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from meta_pipeline.graph import (
    CursorLost,
    GraphError,
    MustGoAsync,
    NewReportNeeded,
    TooMuchData,
)
from meta_pipeline.model.level import LEVELS
from meta_pipeline.moments import past
from meta_pipeline.sync.days import SLACK, pause
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.warehouse import GapRow

from .filters import Filter, chosen_ids, instead, only, other_than, single_object
from .halving import halves, unanswered
from .insights_query import InsightsEdge
from .refusals import TROUBLE, UNANSWERED, Refusals
from .row_counts import RowCounts

# Cursors die and reports expire by chance; what fails three times does not.
_WALKS = 3
# One object has few rows in a window, and where it is too much, smaller pages come through.
_SMALL_PAGE = 100
# More of them, with the fields beside, make a URL that is refused on the way.
_IDS_IN_A_URL = 50
_GAPS_LEFT_OUT = 20
"""More ids make a filter too long; then the day is asked whole and split again."""
# It stands in a column that people read, beside the code.
_REASON_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of one answer, and the metrics that were not asked for."""

    rows: list[dict[str, Any]]
    without: frozenset[str]


@dataclass
class Splitter:
    """Reads windows of one dataset around what cannot be answered.

    `known` are the gaps of earlier syncs, `gaps` those of this reading.
    """

    edge: InsightsEdge
    refusals: Refusals
    findings: Findings
    now: datetime
    known: Mapping[date, Sequence[GapRow]]
    gaps: list[GapRow] = field(default_factory=list)
    _guessed: set[str] = field(default_factory=set)
    """Ids that are asked for although they may not have delivered."""

    def portions(self, window: Window, counts: RowCounts) -> Iterator[Portion]:
        """Everything of the window that is answered.

        Raises what halving the window may help against, unless it is a single day.
        """
        left_out = {(gap.entity_type, gap.entity_id) for gap in self._known_gaps(window)}
        if left_out and len(left_out) <= _GAPS_LEFT_OUT:
            yield from self._around(window, counts, left_out)
            return
        try:
            yield from self._whole(window, counts)
        except UNANSWERED as error:
            self.refusals.fruitless(error)
            # Met in another window of this sync: around them all the others may come at once.
            suspects = self.refusals.suspects(window.dataset.name)
            if window.is_single:
                gaps = len(self.gaps)
                yield from self._by_ids(window, counts, error)
                if isinstance(error, TROUBLE) and len(self.gaps) == gaps:
                    self.refusals.pages_fail(window.dataset.name)
            elif 0 < len(suspects) <= _GAPS_LEFT_OUT:
                level = window.dataset.level
                yield from self._around(window, counts, {(level, one) for one in suspects})
            else:
                raise

    # -- a whole window, in pages or as a report --------------------------------------------------

    def _whole(self, window: Window, counts: RowCounts, *filters: Filter) -> Iterator[Portion]:
        """The window sync or async, walked again where a walk is lost."""
        lost = 0
        while True:
            try:
                yield from self._either_way(window, counts, *filters)
            except (CursorLost, NewReportNeeded) as error:
                lost += 1
                if isinstance(error, NewReportNeeded):  # pages were too slow, and still are
                    window = replace(window, as_report=True)
                    self.refusals.report_failed()
                    lost = _WALKS if self.refusals.reports_fail else lost
                if lost == _WALKS:
                    raise
            else:
                return

    def _either_way(self, window: Window, counts: RowCounts, *filters: Filter) -> Iterator[Portion]:
        # Where Meta may be down as a whole, one try shows it; the retries would take minutes.
        probing = self.refusals.in_trouble
        if not (window.as_report or self.refusals.only_reports(window.dataset.name)):
            try:
                yield from self._told(
                    window, counts, self.edge.pages(window, *filters, probing=probing)
                )
            except MustGoAsync:
                pass
            except TooMuchData:
                if not window.is_single:
                    raise
            else:
                return
        pages = self.edge.report(window, *filters, probing=probing)
        yield from self._told(window, counts, pages, is_report=True)

    def _told(
        self, window: Window, counts: RowCounts, pages: Iterator[Any], *, is_report: bool = False
    ) -> Iterator[Portion]:
        for page in counts.walk(pages):
            yield Portion(page.rows, window.without)
            del page  # the next one is fetched now
        self.refusals.fruitful(is_report=is_report)

    # -- around known gaps ------------------------------------------------------------------------

    def _known_gaps(self, window: Window) -> list[GapRow]:
        return [gap for day in window.starts for gap in self.known.get(day, ())]

    def _around(
        self, window: Window, counts: RowCounts, objects: Iterable[tuple[str, str]]
    ) -> Iterator[Portion]:
        """All other objects at once, then these each alone."""
        listed = sorted(objects)
        if all(level != "account" for level, _ in listed):
            ids_of = {level: [one for kind, one in listed if kind == level] for level, _ in listed}
            others = [other_than(level, ids) for level, ids in ids_of.items()]
            try:
                yield from self._whole(window, counts, *others)
            except UNANSWERED as error:
                self.refusals.fruitless(error)
                if not window.is_single:
                    raise
                yield from self._by_ids(window, counts, error, *others)
        for level, one in listed:
            yield from self._alone(window, counts, level, one)

    def _alone(self, window: Window, counts: RowCounts, level: str, one: str) -> Iterator[Portion]:
        """One object: its days without a gap at once, the others a day at a time."""
        gaps = [
            gap
            for gap in self._known_gaps(window)
            if (gap.entity_type, gap.entity_id) == (level, one)
        ]
        filters = () if level == "account" else (only(level, [one]),)
        if window.is_single and gaps:
            tried_at = past(gaps[0].tried_at, self.now)
            if tried_at and self.now - tried_at < pause(gaps[0].tries) * SLACK:
                yield from self._without_gap(window, counts, gaps[0], *filters)
                return
        if not gaps or window.is_single:
            try:
                yield from self._small(window, counts, *filters)
            except UNANSWERED as error:
                if window.is_single:
                    if gaps:
                        yield from self._still(window, counts, gaps[0], error, *filters)
                        return
                    yield from self._by_ids(window, counts, error, *filters)
                    return
                self.refusals.fruitless(error)
            else:
                return
        for half in window.halves():
            yield from self._alone(half, counts, level, one)

    def _without_gap(
        self, window: Window, counts: RowCounts, gap: GapRow, *filters: Filter
    ) -> Iterator[Portion]:
        """What was answered of an object last time, and the gap stays."""
        if gap.fields:
            partly = replace(window, without=window.without | set(gap.fields))
            yield from self._small(partly, counts, *filters)
        self.gaps.append(gap)

    def _still(
        self, window: Window, counts: RowCounts, gap: GapRow, error: GraphError, *filters: Filter
    ) -> Iterator[Portion]:
        """The same, when the whole was asked for in vain once more."""
        again = replace(gap, tries=gap.tries + 1, tried_at=self.now, reason=_reason(error))
        try:
            yield from self._without_gap(window, counts, again, *filters)
        except UNANSWERED as now_this:
            yield from self._by_ids(window, counts, now_this, *filters)

    # -- a day by the objects that delivered on it -------------------------------------------------

    def _by_ids(
        self, day: Window, counts: RowCounts, error: GraphError, *above: Filter
    ) -> Iterator[Portion]:
        """A day in two halves of its ids, and so on; the coarser halves first.

        That way what can be answered comes soon, and shows that only something cannot.
        """
        waiting: deque[tuple[tuple[Filter, ...], GraphError]] = deque([(above, error)])
        while waiting:
            filters, error = waiting.popleft()
            try:
                level, ids = self._finest_split(day, filters)
            except UNANSWERED:  # not even the ids are told
                if filters == above:
                    raise error from None
                self._give_up(day, *single_object(filters), (), error)
                continue
            if len(ids) < 2:
                named = only(level, ids) if ids else None
                alone = filters if named is None or named in filters else (*filters, named)
                yield from self._fewer_fields(day, counts, alone, error)
                continue
            for half in halves(ids):
                some = instead(filters, level, half)
                try:
                    yield from self._some(day, counts, half, *some)
                except UNANSWERED as again:
                    self.refusals.fruitless(again)
                    waiting.append((some, again))

    def _some(
        self, day: Window, counts: RowCounts, ids: Sequence[str], *filters: Filter
    ) -> Iterator[Portion]:
        """Some objects of a day. A report takes its ids in the body, pages in the URL."""
        if len(ids) == 1:
            yield from self._small(day, counts, *filters)
        elif self.refusals.reports_fail and len(ids) <= _IDS_IN_A_URL:
            yield from self._told(day, counts, self.edge.pages(day, *filters))
        else:
            try:
                may_be_empty = not self._guessed.isdisjoint(ids)
                pages = self.edge.report(day, *filters, may_be_empty=may_be_empty)
                yield from self._told(day, counts, pages, is_report=True)
            except NewReportNeeded:
                self.refusals.report_failed()
                raise

    def _small(self, day: Window, counts: RowCounts, *filters: Filter) -> Iterator[Portion]:
        """One object: pages, and where they are too slow a report."""
        small = replace(day, page_size=min(day.page_size, _SMALL_PAGE))
        try:
            yield from self._told(small, counts, self.edge.pages(small, *filters))
        except TooMuchData:
            yield from self._told(small, counts, self.edge.report(small, *filters), is_report=True)

    def _finest_split(self, day: Window, filters: Sequence[Filter]) -> tuple[str, list[str]]:
        """The coarsest level with more than one delivering id under what is chosen already.

        A level is only asked for under a single object of the coarser ones; at most one id of the
        finest level is the single object that is left.
        """
        chosen, under = chosen_ids(filters), list(filters)
        finest = day.dataset.level
        if len(chosen.get(finest, ())) == 1:
            return finest, chosen[finest]
        level, ids = finest, list[str]()
        for level in LEVELS[1 : LEVELS.index(finest) + 1]:
            ids = chosen.get(level) or self._ids(day, level, under)
            self.refusals.reachable()
            if len(ids) > 1:
                break
            if ids and level not in chosen:
                under.append(only(level, ids))
        return level, ids

    def _ids(self, day: Window, level: str, filters: Sequence[Filter]) -> list[str]:
        """The ids that delivered; all ads of an ad set where Meta cannot tell which of them did."""
        try:
            probing = self.refusals.in_trouble
            return self.edge.delivering(day, level, *filters, probing=probing)
        except UNANSWERED:
            adsets = chosen_ids(filters).get("adset", [])
            if level != "ad" or len(adsets) != 1:
                raise
            ads = self.edge.ads_of(adsets[0])
            self._guessed.update(ads)
            return ads

    # -- an object by its fields ------------------------------------------------------------------

    def _fewer_fields(
        self, day: Window, counts: RowCounts, filters: Sequence[Filter], error: GraphError
    ) -> Iterator[Portion]:
        """One object of a day: with the fields that are answered, and the others are a gap."""
        wanted = [name for name in self.edge.asked(day) if not name.endswith("_id")]
        keys = (day.dataset.id_field, *day.dataset.breakdowns)
        merged: dict[tuple[str, ...], dict[str, Any]] = {}

        def answers(names: Sequence[str]) -> bool:
            try:
                rows = [row for one in self._fields(day, filters, names) for row in one]
            except UNANSWERED as again:
                self.refusals.fruitless(again)
                return False
            for row in rows:
                key = tuple(str(row.get(name)) for name in keys)
                merged.setdefault(key, {}).update(row)
            return True

        missing = unanswered(wanted, answers, self.refusals.suspects("fields"))
        level, one = single_object(filters)
        self._give_up(day, level, one, missing if len(missing) < len(wanted) else [], error)
        if merged:
            pages = iter([_Rows(list(merged.values()))])
            yield from self._told(replace(day, without=day.without | set(missing)), counts, pages)

    def _fields(
        self, day: Window, filters: Sequence[Filter], names: Sequence[str]
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows with these metrics only."""
        others = {name for name in day.asked if not name.endswith("_id")} - set(names)
        less = replace(day, without=day.without | others, page_size=min(day.page_size, _SMALL_PAGE))
        try:
            pages = [page.rows for page in self.edge.pages(less, *filters)]
        except MustGoAsync:
            if len(names) > 1:
                raise
            pages = [page.rows for page in self.edge.report(less, *filters)]
        self.refusals.fruitful()
        yield from pages

    def _give_up(
        self, day: Window, level: str, one: str, fields: Sequence[str], error: GraphError
    ) -> None:
        tries = next(
            (
                gap.tries
                for gap in self._known_gaps(day)
                if (gap.entity_type, gap.entity_id) == (level, one)
            ),
            0,
        )
        gap = GapRow(day.since, level, one, tuple(fields), _reason(error), self.now, tries + 1)
        self.gaps.append(gap)
        if level == day.dataset.level and level != "account":
            self.refusals.suspect(day.dataset.name, one)
        for name in fields:
            self.refusals.suspect("fields", name)
        for name in fields or ("row",):
            value = f"{level} {one} on {day.since}"
            self.findings.note(day.dataset.endpoint_key, name, value, Reason.UNANSWERED, one)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A page of rows that were put together from several answers."""

    rows: list[dict[str, Any]]


def _reason(error: GraphError) -> str:
    code = f", code {error.code_text}" if error.code_text else ""
    return f"{error.message[:_REASON_LENGTH]}{code}"
