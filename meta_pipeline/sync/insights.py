"""Reading insights of one window from the account edge, whatever its size.

A window is asked for as ordinary pages first. What Meta finds too slow is asked for as an async
report; what is too much is halved by days, and a single day by the ids that delivered on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Protocol

from meta_pipeline.graph import (
    CursorLost,
    FieldRejected,
    GraphClient,
    MustGoAsync,
    NewReportNeeded,
    Page,
    ServerTrouble,
    TooMuchData,
)
from meta_pipeline.warehouse import InsightsHistory

from .datasets import LEVELS
from .days import zone
from .fields import ENTITY_SPECS
from .insights_mapping import InsightsMapper
from .mapping import Source
from .request import Part
from .slices import Note, Slice, rendered
from .unrecognized import Findings, Reason
from .window import Tally, Window

SMALLEST_PAGE = 25
"""Meta's own default. Where so few rows are too much, fewer days help and smaller pages do not."""
_WALKS = 3
_STATUS_OF_LEVEL = {
    "campaign": ENTITY_SPECS[Part.CAMPAIGNS].statuses,
    "adset": ENTITY_SPECS[Part.ADSETS].statuses,
    "ad": ENTITY_SPECS[Part.ADS].statuses,
}


class WindowBook(Protocol):
    """Notes that a window was read, in the transaction of its last slice."""

    def closing(
        self,
        window: Window,
        rows_by_day: Mapping[date, int],
        incomplete: Mapping[date, str] | None = None,
    ) -> Note: ...


ReportPages = Callable[[dict[str, Any], str], Iterator[Page]]
"""Parameters and endpoint key of a query to the pages of an async report of it."""


class WindowReader:
    """Reads windows of one account; the sync gives it its client, its clock comes with `source`."""

    def __init__(
        self,
        *,
        client: GraphClient,
        source: Source,
        findings: Findings,
        book: WindowBook,
        report_pages: ReportPages,
        attribution_windows: Sequence[str],
        start_page_size: int | None = None,
        on_page_size: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._source = source
        self._findings = findings
        self._book = book
        self._report_pages = report_pages
        self._attribution_windows = list(attribution_windows)
        self._start_page_size = start_page_size
        self._on_page_size = on_page_size
        self._refused: set[str] = set()
        self._history = InsightsHistory(
            sync_run_id=source.sync_run_id,
            read_at=source.data_as_of,
            timezone=zone(source.timezone_name),
        )

    def slices(self, window: Window) -> Iterator[Slice]:
        """The window as slices; the last one of each part marks its days as fetched."""
        try:
            yield from self._committed(window)
        except (TooMuchData, NewReportNeeded):
            if window.days == 1:
                raise
            for half in window.halves():
                yield from self.slices(half)

    def _committed(self, window: Window) -> Iterator[Slice]:
        mapper = InsightsMapper(window.dataset, self._source, self._findings)
        tally = Tally(window, self._findings)
        held = self._slice(window, mapper, [])
        for page in self._pages(window, tally):
            if held.read:
                yield held
            held = self._slice(window, mapper, page.rows)
            del page  # the next one is fetched now
        held.after.append(self._book.closing(window, tally.rows_by_day))
        yield held

    def _slice(self, window: Window, mapper: InsightsMapper, given: list[dict[str, Any]]) -> Slice:
        return Slice(
            part=window.dataset.part,
            table=window.dataset.table,
            columns=mapper.columns,
            rows=rendered(window.dataset.table, mapper.columns, mapper.rows(given), self._findings),
            read=len(given),
            message=window.name,
            history=self._history if window.keeps_history else None,
        )

    def _pages(self, window: Window, tally: Tally, *ids: Mapping[str, Any]) -> Iterator[Page]:
        """Pages of a window, sync or async, walked again where a walk is lost."""
        lost = 0
        while True:
            try:
                yield from self._either_way(window, tally, *ids)
            except FieldRejected as error:
                self._drop_field(window, error)
            except (CursorLost, NewReportNeeded) as error:
                lost += 1
                if lost == _WALKS:
                    raise
                if isinstance(error, NewReportNeeded):  # pages were too slow, and still are
                    window = replace(window, as_report=True)
            else:
                return

    def _either_way(self, window: Window, tally: Tally, *ids: Mapping[str, Any]) -> Iterator[Page]:
        # Ids come in hundreds: a report takes them in its body, pages would want them in the URL.
        if not (window.as_report or ids):
            try:
                yield from tally.walk(self._sync_pages(window))
            except MustGoAsync:
                pass
            except TooMuchData:
                if window.days > 1:
                    raise
            else:
                return
        try:
            yield from tally.walk(self._report(window, *ids))
        except TooMuchData:
            if window.days > 1:
                raise
            yield from self._by_ids(window, tally, *ids)

    def _report(self, window: Window, *ids: Mapping[str, Any]) -> Iterator[Page]:
        """The rows of an async report. One without any is believed when nothing delivered."""
        is_empty = True
        pages = self._report_pages(self._params(window, *ids), window.dataset.endpoint_key)
        try:
            for page in pages:
                is_empty &= not page.rows
                yield page
        except ServerTrouble as error:
            raise self._renew(window, f"completed and cannot be read: {error.message}") from error
        # A breakdown may be empty in silence, for want of an opt-in (FACTS section 5.4).
        is_doubtful = is_empty and not window.dataset.breakdowns
        # Ids are asked for because they delivered.
        if is_doubtful and (ids or self._delivering(window, "account")):
            raise self._renew(window, "completed without rows, yet the account delivered")

    def _renew(self, window: Window, why: str) -> NewReportNeeded:
        return NewReportNeeded(
            f"the report for {window.since} to {window.until} {why}",
            account_id=self._source.account_id,
            endpoint_key=window.dataset.endpoint_key,
        )

    def _sync_pages(self, window: Window) -> Iterator[Page]:
        return self._client.pages(
            f"{self._source.account_id}/insights",
            self._params(window),
            account_id=self._source.account_id,
            endpoint_key=window.dataset.endpoint_key,
            page_size=window.page_size,
            min_page_size=min(SMALLEST_PAGE, window.page_size),
            start_page_size=self._start_page_size,
            on_page_size=self._remember_page_size,
        )

    def _by_ids(self, window: Window, tally: Tally, *above: Mapping[str, Any]) -> Iterator[Page]:
        """A day too large even for a report, in two halves of the ids that delivered on it."""
        level, ids = self._finest_split(window, above)
        middle = (len(ids) + 1) // 2
        for half in (ids[:middle], ids[middle:]):
            only = {"field": f"{level}.id", "operator": "IN", "value": half}
            kept = [one for one in above if one.get("field") != only["field"]]
            yield from self._pages(window, tally, *kept, only)

    def _finest_split(
        self, window: Window, above: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[str]]:
        """The coarsest level with more than one delivering id under what is chosen already.

        A level is only asked for under a single object of the coarser ones.
        """
        chosen = {one["field"]: list(one["value"]) for one in above}
        for level in LEVELS[1 : LEVELS.index(window.dataset.level) + 1]:
            ids = chosen.get(f"{level}.id") or self._delivering(window, level, *above)
            if len(ids) > 1:
                return level, ids
        raise TooMuchData(
            f"one {window.dataset.level} on {window.since} is too much for Meta to answer",
            account_id=self._source.account_id,
            endpoint_key=window.dataset.endpoint_key,
        )

    def _delivering(self, window: Window, level: str, *above: Mapping[str, Any]) -> list[str]:
        params: dict[str, Any] = {
            "level": level,
            "fields": f"{level}_id",
            "time_range": {"since": str(window.since), "until": str(window.until)},
        }
        if filtering := [*_statuses(level), *above]:
            params["filtering"] = filtering
        pages = self._client.pages(
            f"{self._source.account_id}/insights",
            params,
            account_id=self._source.account_id,
            endpoint_key=f"insights_{level}_ids",
            page_size=window.page_size,
        )
        found = {row.get(f"{level}_id") for page in pages for row in page.rows}
        return sorted(str(one) for one in found if one is not None)

    def _params(self, window: Window, *ids: Mapping[str, Any]) -> dict[str, Any]:
        fields = [name for name in window.dataset.fields if name not in self._refused]
        params: dict[str, Any] = {
            "level": window.dataset.level,
            "fields": ",".join(fields),
            "time_range": {"since": str(window.since), "until": str(window.until)},
            "time_increment": 1,
            "action_attribution_windows": self._attribution_windows,
        }
        if window.dataset.breakdowns:
            params["breakdowns"] = list(window.dataset.breakdowns)
        filtering = [*_statuses(window.dataset.level), *ids]
        return params | ({"filtering": filtering} if filtering else {})

    def _remember_page_size(self, size: int) -> None:
        self._start_page_size = size
        self._on_page_size(size)

    def _drop_field(self, window: Window, error: FieldRejected) -> None:
        if error.field_name in self._refused or error.field_name not in window.dataset.fields:
            raise error
        self._refused.add(error.field_name)
        self._findings.note(
            window.dataset.endpoint_key, error.field_name, error.message, Reason.REFUSED_FIELD
        )


def _statuses(level: str) -> list[dict[str, Any]]:
    """The filter that keeps archived and deleted objects in (FACTS section 4.5).

    None for the account's own total: reconciliation compares the ads with it.
    """
    if level == "account":
        return []
    statuses = list(_STATUS_OF_LEVEL[level])
    return [{"field": f"{level}.effective_status", "operator": "IN", "value": statuses}]
