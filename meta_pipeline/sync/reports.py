"""One async insights report, from its creation to its rows (FACTS section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from meta_pipeline.graph import GraphClient, NewReportNeeded, Page, Report, ReportWatch

from .insights import SMALLEST_PAGE

_FIRST_POLL_SECONDS = 2.0
_LONGEST_POLL_SECONDS = 30.0
_STALLED = timedelta(minutes=15)
"""A report may take an hour; one that has not moved for this long will not move any more."""


class ReportReader:
    """Reads queries as async reports; polls more and more rarely through the given `sleep`."""

    def __init__(
        self,
        client: GraphClient,
        account_id: str,
        sleep: Callable[[float], None],
        page_size: int,
    ) -> None:
        self._client = client
        self._account_id = account_id
        self._sleep = sleep
        self._page_size = page_size

    def pages(self, params: dict[str, Any], endpoint_key: str) -> Iterator[Page]:
        """Create the report, wait for it, read its rows.

        Raises NewReportNeeded when it failed, was skipped, stands still or expired, and
        TooMuchData when Meta finds it too large.
        """
        report = self._client.create_report(
            f"{self._account_id}/insights", params, account_id=self._account_id
        )
        self._wait(report, endpoint_key)
        return self._client.report_pages(
            report, page_size=self._page_size, min_page_size=min(SMALLEST_PAGE, self._page_size)
        )

    def _wait(self, report: Report, endpoint_key: str) -> None:
        watch = ReportWatch()
        pause = _FIRST_POLL_SECONDS
        while True:
            status = self._client.report_status(report)
            if status.done:
                return
            if status.error is not None:
                raise status.error
            if watch.saw(status) >= _STALLED:
                raise NewReportNeeded(
                    f"report {report.id} has stood at {status.percent} % "
                    f"for {_STALLED.total_seconds() / 60:.0f} minutes",
                    account_id=self._account_id,
                    endpoint_key=endpoint_key,
                )
            self._sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL_SECONDS)
