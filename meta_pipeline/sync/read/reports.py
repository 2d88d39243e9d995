"""One async insights report, from its creation to its rows (FACTS section 6)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from meta_pipeline.graph import (
    GraphClient,
    NewReportNeeded,
    Page,
    ReportRun,
    ReportStalled,
    ReportStatus,
    ReportWatch,
    RetryPolicy,
    query_hash,
)
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.warehouse import PendingReport, PendingReports
from meta_pipeline.words import duration

from .insights_query import SMALLEST_PAGE

logger = logging.getLogger(__name__)

# Small reports are done in seconds; long ones take minutes, and each look is a call.
_FIRST_POLL_SECONDS = 2.0
# Each look costs a call; a report that takes minutes is not found much later by this.
_LONGEST_POLL_SECONDS = 30.0
_LONG_WAIT_SECONDS = 5.0
"""A wait that is longer is told: why, and when it is over."""
_LONGEST_RUN = timedelta(hours=1)
"""What a report may take: one that moves is waited for no longer, and one that has not moved since
it was left is created again."""
# A worker that waits longer for one account could have read several others.
DEFAULT_PATIENCE = timedelta(minutes=3)


@dataclass
class ReportReader:
    """Reads queries as async reports; polls more and more rarely through the given `sleep`.

    A report that has not moved for `patience`, or is not done after an hour of waiting, is left, so
    that the worker is free: its id is kept in `store`, and the next sync that asks the same takes
    it (`pending`) instead of a new one.
    """

    client: GraphClient
    account_id: str
    store: PendingReports
    sleep: Callable[[float], None]
    clock: Callable[[], datetime]
    pending: list[PendingReport] = field(default_factory=list)
    patience: timedelta = DEFAULT_PATIENCE

    def pages(
        self, params: dict[str, Any], window: Window, *, is_whole: bool, probing: bool = False
    ) -> Iterator[Page]:
        """Create the report or take the one that is there, wait for it, read its rows.

        `probing` asks for it once, where it is likely that no answer comes.

        Raises NewReportNeeded when it failed, was skipped or expired, TooMuchData when Meta finds
        it too large, ReportStalled when it does not move: a report of a `is_whole` window is then
        kept for the next sync, any other is replaced by a smaller question.
        """
        path, hashed = f"{self.account_id}/insights", query_hash(params)
        # Only of the very same question: rows of another would be marked as these days'.
        known = next((one for one in self.pending if one.query_hash == hashed), None)
        if known is not None:
            report = ReportRun(known.report_run_id, path, params, self.account_id, known.created_at)
        else:
            patient = self.client
            client = patient.with_options(retry=RetryPolicy(retries=0)) if probing else patient
            report = client.create_report(path, params, account_id=self.account_id)
        name, days = window.dataset.name, (window.since, window.until)
        kept = known or PendingReport(
            self.account_id, report.id, name, *days, hashed, report.created_at
        )
        self._wait(report, kept, window, may_stall=is_whole)
        return self._rows(report, window, is_known=known is not None)

    def _rows(self, report: ReportRun, window: Window, *, is_known: bool) -> Iterator[Page]:
        size = min(SMALLEST_PAGE, window.page_size)
        yield from self.client.report_pages(report, page_size=window.page_size, min_page_size=size)
        # Not before it is read to its end: the next sync takes up what breaks off here.
        if is_known:
            self._forget(report)

    def _wait(
        self, report: ReportRun, kept: PendingReport, window: Window, *, may_stall: bool
    ) -> None:
        watch, pause, waited = ReportWatch(), _FIRST_POLL_SECONDS, 0.0
        since, longest = self.clock(), max(_LONGEST_RUN, self.patience)
        while True:
            status = self.client.report_status(report)
            if status.done or status.error is not None:
                break
            stood = watch.saw(status)
            # One that still moves is not said to stand.
            if stood >= self.patience:
                why = f"no further than {duration(stood)} ago"
                self._leave(report, kept, status, window, why, may_stall=may_stall)
            if (lasted := status.checked_at - since) >= longest:
                why = f"not done after {duration(lasted)} of waiting"
                self._leave(report, kept, status, window, why, may_stall=may_stall)
            if waited < _LONG_WAIT_SECONDS <= waited + pause:
                logger.info(
                    "%s: waiting for report %s of %s, which is at %d %%",
                    self.account_id, report.id, window.name, status.percent,
                )  # fmt: skip
            self.sleep(pause)
            waited += pause
            pause = min(pause * 2, _LONGEST_POLL_SECONDS)
        if waited >= _LONG_WAIT_SECONDS:
            logger.info(
                "%s: report %s of %s: %s after %.0f s",
                self.account_id, report.id, window.name, status.async_status, waited,
            )  # fmt: skip
        if status.error is not None:
            self._forget(report)
            raise status.error

    def _leave(
        self,
        report: ReportRun,
        kept: PendingReport,
        status: ReportStatus,
        window: Window,
        why: str,
        *,
        may_stall: bool,
    ) -> None:
        text = f"report {report.id} is at {status.percent} %, {why}"
        facts: Any = {"account_id": self.account_id, "endpoint_key": window.dataset.endpoint_key}
        logger.info("%s: %s: left", self.account_id, text)
        moved = status.percent > kept.progress_pct
        is_dead = not moved and self.clock() - kept.created_at >= _LONGEST_RUN
        if is_dead or not may_stall:
            self._forget(report)
            raise NewReportNeeded(text, **facts)
        furthest = max(kept.progress_pct, status.percent)
        self.store.keep(replace(kept, progress_pct=furthest))
        raise ReportStalled(f"{text}; its id is kept for the next sync", **facts)

    def _forget(self, report: ReportRun) -> None:
        if any(one.report_run_id == report.id for one in self.pending):
            self.pending[:] = [one for one in self.pending if one.report_run_id != report.id]
            self.store.forget(self.account_id, report.id)
