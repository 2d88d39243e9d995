"""Windows of one sync: what all of them share, and the page size that is kept for the next sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

from meta_pipeline.graph import GraphClient
from meta_pipeline.moments import past
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.days import span
from meta_pipeline.sync.plan.ranges import proof_ranges
from meta_pipeline.sync.plan.stored import StoredAccount
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.read.insights import WindowReader
from meta_pipeline.sync.read.insights_query import InsightsEdge
from meta_pipeline.sync.read.refusals import Refusals
from meta_pipeline.sync.read.reports import ReportReader
from meta_pipeline.sync.rows import datasets
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.day_marks import DayMarks
from meta_pipeline.sync.write.slices import Slice
from meta_pipeline.warehouse import (
    Connection,
    CursorRow,
    GapRow,
    PendingReport,
    ReturnedRows,
)

# Meta is slow for hours as a rule; a size that was refused is asked for again the next day.
_PAGES_GROW_AFTER = timedelta(days=1)
# A value may be taken again after an opt-in or a new version; asking costs a call that fails.
_REFUSED_FOR = timedelta(days=1)
_REPORTS_LIVE = timedelta(days=30)
"""FACTS section 6."""


def refused_lately(
    context: SyncContext, source: Source, *, is_forced: bool
) -> list[tuple[str, str, str]]:
    """Values that Meta did not take within a day: not asked for again, unless forced."""
    if is_forced:
        return []
    since = source.data_as_of - _REFUSED_FOR
    return context.warehouse.unrecognized.noted(
        source.account_id, Reason.REFUSED_VALUE, since, source.data_as_of
    )


@dataclass
class AccountWindows:
    """Reads the windows of one sync, in whichever thread they are read."""

    context: SyncContext
    client: GraphClient
    source: Source
    state: StoredAccount
    findings: Findings
    refusals: Refusals
    sleep: Callable[[float], None]
    _page_size: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        warehouse = self.context.warehouse
        self.returned = ReturnedRows()
        self._marks = DayMarks(
            warehouse.ledger, warehouse.gaps, self.source, self.returned, self.context.clock
        )
        self.proofs = self._marks.proofs

    def lacking_proofs(self) -> tuple[Window, ...]:
        """The account's own rows without which days of this sync cannot be judged."""
        proof, page_size = datasets.daily("account"), self.context.policy.page_sizes.insights
        return tuple(
            Window(proof, since, until, page_size, is_reread=True)
            for since, until in proof_ranges(self.proofs.doubtful())
        )

    def keep_first_days(self, connection: Connection, first_days: Mapping[str, date]) -> None:
        """Remember where a backfill begins: a smaller setting later does not shorten it."""
        cursors, account_id = self.context.warehouse.cursors, self.source.account_id
        for dataset, first_day in first_days.items():
            known = cursors.get(account_id, dataset, connection)
            if known is None or known.first_day is None or first_day < known.first_day:
                cursor = known or CursorRow(account_id, dataset)
                with connection.transaction():
                    cursors.save(connection, replace(cursor, first_day=first_day))

    def slices(self, window: Window) -> Iterator[Slice]:
        """The window, as `WindowReader` gives it."""
        # One cursor for all datasets: its page size is what each of them begins with.
        cursor = self.state.cursors.get("insights")
        warehouse, account_id = self.context.warehouse, self.source.account_id
        reports = ReportReader(
            self.client,
            account_id,
            warehouse.pending_reports,
            self.sleep,
            self.context.clock,
            pending=self._pending_reports,
            patience=self.context.report_patience,
        )
        edge = InsightsEdge(
            self.client,
            account_id,
            report_pages=reports.pages,
            attribution_windows=self.context.attribution_windows,
            refusals=self.refusals,
            start_page_size=cursor.page_size if cursor else None,
            on_page_size=self._remember_page_size,
        )
        return WindowReader(
            edge=edge,
            source=self.source,
            findings=self.findings,
            refusals=self.refusals,
            marks=self._marks,
            gaps=self._gaps,
            pending=tuple(self._pending_reports),
        ).slices(window)

    def save_page_size(self, connection: Connection, *, has_read: bool) -> None:
        """Pages of insights start next time with the size that worked this time."""
        asked, now = self.context.policy.page_sizes.insights, self.source.data_as_of
        account_id = self.source.account_id
        cursors = self.context.warehouse.cursors
        known = cursors.get(account_id, "insights", connection)
        size = self._page_size
        if size is None and known is not None and has_read and self._may_grow(known):
            size = min((known.page_size or asked) * 2, asked)
        if size is None:
            return
        cursor = known or CursorRow(account_id, "insights")
        with connection.transaction():
            cursors.save(connection, replace(cursor, page_size=size, last_fetched_at=now))

    def _may_grow(self, known: CursorRow) -> bool:
        """Windows have too few pages to grow back on the way: a day without refusal doubles them.

        `last_fetched_at` of the insights' cursor is when their page size last changed.
        """
        if known.page_size is None or known.last_fetched_at is None:
            return False
        now = self.source.data_as_of
        changed_at = past(known.last_fetched_at, now)
        is_old = changed_at is None or now - changed_at >= _PAGES_GROW_AFTER
        return is_old and known.page_size < self.context.policy.page_sizes.insights

    def _remember_page_size(self, size: int) -> None:
        self._page_size = size

    @cached_property
    def _gaps(self) -> Mapping[str, Mapping[date, Sequence[GapRow]]]:
        """What earlier syncs gave up of the account's days."""
        return self.context.warehouse.gaps.of(self.source.account_id)

    @cached_property
    def _pending_reports(self) -> list[PendingReport]:
        """Reports that an earlier sync left, unless their days were read since."""
        # Its rows would overwrite what came later with what was so before.
        store, pending = self.context.warehouse.pending_reports, []
        now = self.source.data_as_of
        for one in store.of(self.source.account_id, now - _REPORTS_LIVE, now):
            ledger = self.state.ledgers.get(one.dataset, {})
            read = [ledger[day] for day in span(one.since, one.until) if day in ledger]
            if all(day.fetched_at <= one.created_at for day in read):
                pending.append(one)
        return pending
