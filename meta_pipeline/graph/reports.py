"""Async insights reports: create, ask how far they are, read their rows (FACTS §6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from meta_pipeline.graph.answer import Malformed, expect_keys
from meta_pipeline.graph.batch import BatchAnswer, BatchOperation, run_batch
from meta_pipeline.graph.caller import Caller, Request
from meta_pipeline.graph.error_answer import Refusal, error_of, rule_of
from meta_pipeline.graph.errors import GraphError, NewReportNeeded, ObjectMissing, Treatment
from meta_pipeline.graph.pages import Page, PageSize, PageWalk, page_request
from meta_pipeline.graph.query_shape import Params

# A report that was just created may not be everywhere yet: 100/33 is believed only after this.
SETTLING_TIME = timedelta(seconds=60)


class ReportState(StrEnum):
    """Meta's `async_status`, as far as a caller acts on it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


_PERCENT = "async_percent_completion"
# Meta's own words (FACTS §6); `Job Skipped` is a run that expired before its turn.
_STATES: Mapping[str, ReportState] = {
    "Job Not Started": ReportState.RUNNING,
    "Job Started": ReportState.RUNNING,
    "Job Running": ReportState.RUNNING,
    "Job Completed": ReportState.COMPLETED,
    "Job Failed": ReportState.FAILED,
    "Job Skipped": ReportState.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class ReportRun:
    """A report run: what was asked, and Meta's id for it."""

    id: str
    # The edge it was asked of, such as act_1/insights.
    path: str
    params: Params
    account_id: str | None
    # In UTC: a run is gone after 30 days (FACTS §6).
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """How far a report is."""

    report: ReportRun
    state: ReportState
    # Meta's own word.
    async_status: str
    # Its progress; a failed report may stand at 100, so only `done` means that rows can be read.
    percent: int
    checked_at: datetime
    # What to do when it failed, was skipped or is gone.
    error: GraphError | None = None

    @property
    def done(self) -> bool:
        return self.state is ReportState.COMPLETED


@dataclass(slots=True)
class ReportWatch:
    """Tells a report that stands still from one that is only slow: by progress, not by age.

    Progress is a percentage higher than all before, or a word of Meta's that was not there before:
    of what goes up and down there is no end.
    """

    _furthest: int = -1
    _words: set[str] = field(default_factory=set)
    _since: datetime | None = field(default=None)

    def saw(self, status: ReportStatus) -> timedelta:
        """Take note of `status`; how long the report has now stood still."""
        is_new = status.async_status in _STATES and status.async_status not in self._words
        if is_new or status.percent > self._furthest or self._since is None:
            self._since = status.checked_at
        self._words.add(status.async_status)
        self._furthest = max(self._furthest, status.percent)
        return status.checked_at - self._since


def create_report(
    caller: Caller, path: str, params: Params, *, account_id: str | None
) -> ReportRun:
    """Start a report of `path` (`act_1/insights`) with insights parameters.

    A lost answer is asked again: Meta may then run the report twice, which harms nobody.
    """
    response = caller.send(
        Request(
            "POST",
            path,
            params,
            account_id,
            "report_create",
            expect=_expect_run_id,
        )
    )
    run_id = str(response.body["report_run_id"])  # a number in Meta's own sample
    return ReportRun(run_id, path, dict(params), account_id, response.attempt.timestamp)


def _expect_run_id(body: Any) -> int | Malformed | None:
    """An id that can be asked for: whatever else there is would name another object."""
    found = body.get("report_run_id") if isinstance(body, dict) else None
    is_id = not isinstance(found, bool) and re.fullmatch(r"[0-9]+", str(found), re.ASCII)
    return None if is_id else Malformed("HTTP 200 without a `report_run_id` that is one")


def report_status(caller: Caller, report: ReportRun) -> ReportStatus:
    """How far `report` is; one call."""
    request = Request(
        "GET",
        report.id,
        {},
        report.account_id,
        "report_status",
        expect=expect_keys("async_status"),
        just_created=_is_settling(report, caller.clock()),
    )
    try:
        body = caller.send(request).body
    except ObjectMissing as error:
        return _gone(report, error, caller.clock())
    return _read_status(caller, report, body, caller.clock())


def report_statuses(caller: Caller, reports: Sequence[ReportRun]) -> list[ReportStatus]:
    """How far several reports are, 50 to an HTTP call; in the order given.

    Raises what concerns the asking itself (a throttle, a token); a report's own trouble is in
    its status. Meta counts one call for each report.
    """
    operations = [BatchOperation(report.id, account_id=report.account_id) for report in reports]
    account_ids = {report.account_id for report in reports}
    answers = run_batch(
        caller,
        operations,
        account_id=account_ids.pop() if len(account_ids) == 1 else None,
        endpoint_key="report_status",
    )
    now = caller.clock()
    return [
        _status_of(caller, report, answer, now)
        for report, answer in zip(reports, answers, strict=True)
    ]


def _status_of(
    caller: Caller, report: ReportRun, answer: BatchAnswer, now: datetime
) -> ReportStatus:
    if isinstance(answer.error, ObjectMissing):
        if _is_settling(report, now):
            return ReportStatus(report, ReportState.RUNNING, "Job Not Started", 0, now)
        return _gone(report, answer.error, now)
    return _read_status(caller, report, answer.value(), now)


def _read_status(
    caller: Caller, report: ReportRun, run: Mapping[str, Any], now: datetime
) -> ReportStatus:
    """The status in Meta's answer `run`.

    A word Meta adds later counts as running: the watch finds out when nothing moves.
    """
    word = str(run.get("async_status"))
    # The percent as a whole number of 0 to 100; None where there is none.
    try:
        percent: int | None = min(100, max(0, int(float(run.get(_PERCENT)))))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        percent = None
    state = _STATES.get(word, ReportState.RUNNING)
    # Only a number that is there can say that the word comes too early.
    if state is ReportState.COMPLETED and percent is not None and percent < 100:
        state = ReportState.RUNNING
    error = None
    if state in {ReportState.FAILED, ReportState.SKIPPED}:
        error = _failure(report, caller.cleaned(Refusal.of_report(run)), now)
    return ReportStatus(report, state, word, percent or 0, now, error)


def report_pages(
    caller: Caller,
    report: ReportRun,
    *,
    size: PageSize,
    after: str | None = None,
) -> Iterator[Page]:
    """The rows of a completed report, like the pages of an edge."""
    request = page_request(
        f"{report.id}/insights", {}, account_id=report.account_id, endpoint_key="report_rows"
    )
    settling = _is_settling(report, caller.clock())
    shaped = replace(request, shaping=report.params, just_created=settling)
    try:
        yield from PageWalk(caller, shaped, size, after)
    except ObjectMissing as error:
        raise _expired(report, error) from None


def _failure(report: ReportRun, refusal: Refusal, now: datetime) -> GraphError:
    """What a failed run asks for: its codes decide; one without telling codes is run again."""
    error = error_of(
        refusal,
        now=now,
        http_status=None,
        account_id=report.account_id,
        endpoint_key="report_status",
    )
    rule = rule_of(refusal, None)
    # A run that names no reason, or one that passes, costs least when it is simply made again.
    telling = rule.is_known and rule.treatment is not Treatment.RETRY
    return error if telling else _renew(report, error)


def _renew(report: ReportRun, error: GraphError) -> NewReportNeeded:
    return NewReportNeeded(
        f"report {report.id}: {error.message}",
        code=error.code,
        subcode=error.subcode,
        fbtrace_id=error.fbtrace_id,
        http_status=error.http_status,
        account_id=report.account_id,
        endpoint_key=error.endpoint_key,
        usage=error.usage,
        retry_count=error.retry_count,
    )


def _expired(report: ReportRun, error: GraphError) -> NewReportNeeded:
    renewed = _renew(report, error)
    renewed.next_step = "Create the report again: it expired (Meta keeps 30 days) or never was."
    return renewed


def _gone(report: ReportRun, error: GraphError, now: datetime) -> ReportStatus:
    return ReportStatus(report, ReportState.FAILED, "gone", 0, now, _expired(report, error))


def _is_settling(report: ReportRun, now: datetime) -> bool:
    return now - report.created_at < SETTLING_TIME
