"""A window: some days of one kind of insights, read and marked in the ledger together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from meta_pipeline.model.part import Part
from meta_pipeline.sync.rows.datasets import Dataset

# It is created, and asked twice how far it is.
_CALLS_AROUND_A_REPORT = 3


@dataclass(frozen=True, slots=True)
class Window:
    """Some days of one dataset, both ends inclusive, in the account's zone."""

    dataset: Dataset
    since: date
    until: date
    page_size: int
    """Rows of a page at most."""
    expected_rows: int = 0
    """As many as the newest days stored had; 0 where that is not known."""
    as_report: bool = False
    """Asked for as an async report instead of in pages."""
    is_reread: bool = False
    """Whether some of its days were read before: only then can numbers have moved."""
    as_of: datetime | None = None
    """When the report was created that its rows come from, if an earlier sync did that."""
    without: frozenset[str] = frozenset()
    """Metrics that are not asked for."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The fields to ask for."""
        return tuple(name for name in self.dataset.fields if name not in self.without)

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def starts(self) -> list[date]:
        """First days of its rows, newest first: every day, or every period of a custom report."""
        return self.dataset.starts(self.since, self.until)

    @property
    def is_single(self) -> bool:
        """Whether it cannot be split by days any more."""
        return len(self.starts) == 1

    def stop_of(self, start: date) -> date:
        """Last day of the row that begins with `start`: a period ends with the window."""
        return min(self.dataset.last_of(start), self.until)

    @property
    def calls(self) -> int:
        """Pages expected; a report is also created and asked how far it is."""
        pages = max(1, math.ceil(self.expected_rows / self.page_size))
        return pages + _CALLS_AROUND_A_REPORT if self.as_report else pages

    @property
    def keeps_history(self) -> bool:
        # Rows of a report that an earlier sync asked for are of that time, and no news of today's.
        is_news = self.is_reread and self.as_of is None and self.dataset.part is Part.INSIGHTS
        # One field that was asked for alone, long after the others, was restated by nobody.
        return is_news and self.dataset.only is None

    @property
    def name(self) -> str:
        return f"{self.dataset.name} {self.since}..{self.until}"

    def halves(self) -> tuple[Window, Window]:
        """The newer half, then the older one."""
        # Half of the rows is a guess that decides nothing but pages or a report.
        starts, rows = self.starts, self.expected_rows // 2
        first_of_newer = starts[len(starts) // 2 - 1]
        return (
            replace(self, since=first_of_newer, expected_rows=rows),
            replace(self, until=first_of_newer - timedelta(days=1), expected_rows=rows),
        )

    def parted(self, first: date) -> tuple[Window | None, Window | None]:
        """The days from `first` on, or from the next row that begins, and those before."""
        line = self.dataset.boundary(first)
        if self.since >= line:
            return self, None
        if self.until < line or self.is_single:
            return None, self
        return replace(self, since=line), replace(self, until=line - timedelta(days=1))
