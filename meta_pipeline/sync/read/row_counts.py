"""Rows by day of a window, counted as its pages come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

from meta_pipeline.graph import MalformedAnswer, Page
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows.convert import Unfit, number
from meta_pipeline.sync.rows.keys import hour_of, id_text
from meta_pipeline.sync.rows.unrecognized import Findings, Reason

# Numbers are of the process, as temporary tables keep rows of several windows by them.
_WALKS = count(1)


class RowCounts:
    """Rows by day of one window; what a walk counted is taken back when it fails.

    A row of another day, of several days, or of another ad account is not what was asked for: Meta
    ignores a range it does not like without a word (FACTS section 5.1). It is recorded and left
    out. A row without its key is not stored and so not counted; `keyless` says of which days such
    rows had delivery.
    """

    def __init__(self, account_id: str, window: Window, findings: Findings) -> None:
        self.rows_by_day = dict.fromkeys(window.starts, 0)
        self.walks: list[int] = []
        """Numbers of the walks that came to their end; of no other walk in this process."""
        self.current_walk = 0
        # Rows name their account by its number, everything else of Meta's by act_ and the number.
        self._account_number = account_id.removeprefix("act_")
        self._window = window
        self._findings = findings
        self._days = {str(day): day for day in self.rows_by_day}
        self._stops = {str(day): str(window.stop_of(day)) for day in self.rows_by_day}
        self.keyless: dict[date, str] = {}

    def walk(self, pages: Iterator[Page]) -> Iterator[Page]:
        """The same pages, counted. Raises MalformedAnswer when no row is what was asked for."""
        self.current_walk = walk = next(_WALKS)
        counted: Counter[str] = Counter()
        strays = own_rows = 0
        for page in pages:
            own = [row for row in page.rows if self._is_own(row)]
            counted.update(row["date_start"] for row in own if self._has_key(row))
            strays += len(page.rows) - len(own)
            own_rows += len(own)
            yield page if len(own) == len(page.rows) else replace(page, rows=own)
            del page, own  # the next one is fetched now
        # Nothing but strays is a range that Meta ignored; a few among others it may well send.
        if strays and not own_rows:
            raise MalformedAnswer(
                f"asked for {self._window.since} to {self._window.until}, Meta answered for "
                "other days or another ad account",
                endpoint_key=self._window.dataset.endpoint_key,
            )
        for day, rows in counted.items():
            self.rows_by_day[self._days[day]] += rows
        self.walks.append(walk)

    def _has_key(self, row: Mapping[str, Any]) -> bool:
        """Whether the row can be stored; an hourly one without impressions may lack its hour."""
        dataset = self._window.dataset
        if dataset.level != "account" and id_text(row.get(dataset.id_field)) is None:
            return False
        if not dataset.is_hourly or hour_of(row.get(dataset.breakdowns[0])) is not None:
            return True
        if any(_is_something(row.get(name)) for name in ("impressions", "spend")):
            self.keyless[self._days[row["date_start"]]] = "hours came without saying which they are"
        return False

    def _is_own(self, row: Mapping[str, Any]) -> bool:
        start, number = row.get("date_start"), id_text(row.get("account_id"))
        field, said = "date_start", f"{start}..{row.get('date_stop')}"
        if isinstance(start, str) and start in self._days:
            stop = self._stops[start]
            if row.get("date_stop", stop) == stop:
                if number in (None, self._account_number):
                    return True
                field, said = "account_id", str(number)
        self._findings.note(
            self._window.dataset.endpoint_key,
            field,
            said,
            Reason.MISSING_KEY if start is None else Reason.FILTER_IGNORED,
            str(row.get(self._window.dataset.id_field)),
        )
        return False


def _is_something(value: Any) -> bool:
    """Whether a metric is there and not zero."""
    try:
        return value is not None and number(value) != 0
    except Unfit:
        return True
