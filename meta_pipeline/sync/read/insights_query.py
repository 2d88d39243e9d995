"""Questions to the insights edge of one account: as pages, as a report, or only the ids.

Which of them: large windows are planned as reports (`plan.windows`), others become one when Meta
says that pages are too much (`splitting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.custom_reports.report import DEFAULT_ACTION_BREAKDOWNS
from meta_pipeline.graph import (
    GraphClient,
    NewReportNeeded,
    Page,
    RetryPolicy,
    ValueRejected,
)
from meta_pipeline.model.part import Part
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.sync.rows.keys import id_text

from .filters import Filter, with_statuses
from .refusals import BREAKDOWNS, REFUSED, STATUSES, TROUBLE, WINDOWS, Refusals

SMALLEST_PAGE = 25
"""Meta's own default. Where so few rows are too much, fewer days help and smaller pages do not."""
# Named always: without a filter insights leave out other statuses at each level (FACTS §4.5).
STATUSES_OF_LEVEL = {
    "campaign": ENTITY_SPECS[Part.CAMPAIGNS].statuses,
    "adset": ENTITY_SPECS[Part.ADSETS].statuses,
    "ad": ENTITY_SPECS[Part.ADS].statuses,
}


class ReportPages(Protocol):
    """Gives the pages of an async report of a query about a window, or about a part of it."""

    def __call__(
        self, params: dict[str, Any], window: Window, *, is_whole: bool, probing: bool
    ) -> Iterator[Page]: ...


class InsightsEdge:
    """Asks the insights edge of one account about windows, leaving out what Meta refuses."""

    def __init__(
        self,
        client: GraphClient,
        account_id: str,
        *,
        report_pages: ReportPages,
        attribution_windows: Sequence[str],
        refusals: Refusals,
        start_page_size: int | None = None,
        on_page_size: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._account_id = account_id
        self._report_pages = report_pages
        self._attribution_windows = list(attribution_windows)
        self._refusals = refusals
        self._start_page_size = start_page_size
        self._on_page_size = on_page_size

    def pages(self, window: Window, *filters: Filter, probing: bool = False) -> Iterator[Page]:
        """The rows in pages. `probing` asks once, where it is likely that no answer comes."""
        sizes: list[int] = []
        params = self._params(window, *filters)
        pages = self._asking(probing).pages(
            f"{self._account_id}/insights",
            params,
            account_id=self._account_id,
            endpoint_key=window.dataset.endpoint_key,
            page_size=window.page_size,
            min_page_size=min(SMALLEST_PAGE, window.page_size),
            start_page_size=self._start_page_size,
            on_page_size=sizes.append,
        )
        with _naming(params):
            for page in pages:
                if sizes:  # of a size that is answered: what nothing helps for shrinks no others
                    self._start_page_size = sizes[-1]
                    self._on_page_size(sizes[-1])
                    sizes.clear()
                yield page

    def report(
        self,
        window: Window,
        *filters: Filter,
        may_be_empty: bool = False,
        probing: bool = False,
    ) -> Iterator[Page]:
        """The rows of an async report. One without any is believed when nothing delivered.

        `probing` asks for the report once, where it is likely that no answer comes.
        """
        is_empty, params = True, self._params(window, *filters)
        with _naming(params):
            pages = self._report_pages(params, window, is_whole=not filters, probing=probing)
        try:
            with _naming(params):
                for page in pages:
                    is_empty &= not page.rows
                    yield page
        except TROUBLE as error:
            raise self._renew(window, f"completed and cannot be read: {error.message}") from error
        # A breakdown may be empty in silence, for want of an opt-in (FACTS section 5.4).
        report = window.dataset.report
        may_be_empty |= report is not None and bool(report.filters)
        is_doubtful = is_empty and not window.dataset.breakdowns and not may_be_empty
        # Ids are asked for because they delivered.
        has_ids = any(one["operator"] == "IN" for one in filters)
        if is_doubtful and (has_ids or self.delivering(window, "account", *filters)):
            raise self._renew(window, "completed without rows, yet the account delivered")

    def _asking(self, probing: bool) -> GraphClient:
        return self._client.with_options(retry=RetryPolicy(retries=0)) if probing else self._client

    def delivering(
        self, window: Window, level: str, *filters: Filter, probing: bool = False
    ) -> list[str]:
        """The ids of a level that have rows in the window; `probing` as in `pages`."""
        params = self._ids_params(window, level, *filters)
        pages = self._asking(probing).pages(
            f"{self._account_id}/insights",
            params,
            account_id=self._account_id,
            endpoint_key=f"insights_{level}_ids",
            page_size=window.page_size,
            min_page_size=min(SMALLEST_PAGE, window.page_size),
        )
        ids = {id_text(row.get(f"{level}_id")) for page in pages for row in page.rows}
        return sorted(one for one in ids if one is not None)

    def ads_of(self, adset_id: str) -> list[str]:
        """All ads of an ad set, whether they delivered or not."""
        pages = self._client.pages(
            f"{adset_id}/ads",
            {"fields": "id", "effective_status": self.statuses("ad")},
            account_id=self._account_id,
            endpoint_key="ads_ids",
            page_size=500,
        )
        ids = {id_text(row.get("id")) for page in pages for row in page.rows}
        return sorted(one for one in ids if one is not None)

    def takes_statuses(
        self, window: Window, statuses: Sequence[str], *, as_report: bool = False
    ) -> bool:
        """Whether the level of the window may be asked with these statuses: one small call."""
        level = window.dataset.level
        # A day and a row: whether the values are taken shows before anything is computed.
        day = replace(window, since=window.until)
        params = self._ids_params(day, level)
        if statuses:
            params |= {"filtering": [with_statuses(level, statuses)]}
        return self._is_taken(params, f"insights_{level}_ids", as_report=as_report)

    def takes(
        self,
        window: Window,
        *,
        windows: Sequence[str] | None = None,
        breakdowns: Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        as_report: bool = False,
    ) -> bool:
        """Whether the first day of the window may be asked for so: one small call.

        With these attribution windows, breakdowns and fields instead of its own.
        """
        day = replace(window, until=window.since) if window.dataset.is_daily else window
        params = self._params(day)
        for name, values in ((WINDOWS, windows), (BREAKDOWNS, breakdowns)):
            if values is not None:
                params[name] = list(values)
        if fields is not None:
            params["fields"] = ",".join(fields)
        params = {name: value for name, value in params.items() if value != []}
        return self._is_taken(params, window.dataset.endpoint_key, as_report=as_report)

    def _is_taken(self, params: dict[str, Any], endpoint_key: str, *, as_report: bool) -> bool:
        """Whether a page of one row is given, or a report begun: either may refuse alone."""
        path, account_id = f"{self._account_id}/insights", self._account_id
        try:
            if as_report:
                self._client.create_report(path, params, account_id=account_id)
            else:
                params = params | {"limit": 1}
                self._client.get(path, params, account_id=account_id, endpoint_key=endpoint_key)
        except REFUSED:
            return False
        return True

    def statuses(self, level: str) -> list[str]:
        """The statuses that are asked for; none for the account's own total."""
        if level == "account":  # reconciliation compares the ads with it
            return []
        return self._refusals.taken(STATUSES, f"insights_{level}", STATUSES_OF_LEVEL[level])

    def attribution_windows(self, report: CustomReport | None = None) -> list[str]:
        """Those that are asked for: of the settings, unless the report has its own."""
        wanted = (report.attribution_windows if report else None) or self._attribution_windows
        return self._refusals.taken(WINDOWS, "insights", wanted)

    def refused_breakdowns(self, window: Window) -> list[str]:
        """The breakdowns of the window that Meta is known not to take."""
        names = window.dataset.breakdowns
        if window.dataset.report is not None:
            name = window.dataset.name
            return [name] if self._refusals.is_dropped((name,)) else []
        if self._refusals.is_dropped(names):
            return list(names)
        taken = self._refusals.taken(BREAKDOWNS, "insights", names)
        return [name for name in names if name not in taken]

    def asked(self, window: Window) -> list[str]:
        """The fields that are asked for."""
        refused = self._refusals.fields(window.dataset.endpoint_key)
        return [name for name in window.asked if name not in refused]

    def _params(self, window: Window, *filters: Filter) -> dict[str, Any]:
        params: dict[str, Any] = {
            "level": window.dataset.level,
            "fields": ",".join(self.asked(window)),
            "time_range": {"since": str(window.since), "until": str(window.until)},
            "time_increment": window.dataset.increment,
        }
        report = window.dataset.report
        if attribution_windows := self.attribution_windows(report):
            params["action_attribution_windows"] = attribution_windows
        # The default goes unsaid, so that calls with and without it are of one shape (`Prices`).
        if report is not None and report.action_breakdowns != DEFAULT_ACTION_BREAKDOWNS:
            params["action_breakdowns"] = list(report.action_breakdowns)
        if window.dataset.breakdowns:
            params["breakdowns"] = list(window.dataset.breakdowns)
        return params | self._filtering(window, window.dataset.level, *filters)

    def _ids_params(self, window: Window, level: str, *filters: Filter) -> dict[str, Any]:
        return {
            "level": level,
            "fields": f"{level}_id",
            "time_range": {"since": str(window.since), "until": str(window.until)},
            **self._filtering(window, level, *filters),
        }

    def _filtering(self, window: Window, level: str, *filters: Filter) -> dict[str, Any]:
        """With the filter that keeps archived and deleted objects in (FACTS section 4.5).

        A custom report may say itself which statuses it wants.
        """
        report = window.dataset.report
        own = [one.as_meta() for one in report.filters] if report else []
        says_statuses = any(str(one["field"]).endswith(f".{STATUSES}") for one in own)
        statuses = [] if says_statuses else self.statuses(level)
        all_filters = [*([with_statuses(level, statuses)] if statuses else []), *own, *filters]
        return {"filtering": all_filters} if all_filters else {}

    def _renew(self, window: Window, why: str) -> NewReportNeeded:
        return NewReportNeeded(
            f"the report for {window.since} to {window.until} {why}",
            account_id=self._account_id,
            endpoint_key=window.dataset.endpoint_key,
        )


@contextmanager
def _naming(params: Mapping[str, Any]) -> Iterator[None]:
    """Give a refused value its name while it is known which values were sent.

    Meta tells its place, and another thread may have left something out meanwhile.
    """
    try:
        yield
    except ValueRejected as error:
        at, sent = error.index, params.get(error.parameter or "", ())
        if error.parameter == "filtering":
            sent = next(
                (one["value"] for one in sent if str(one["field"]).endswith(f".{STATUSES}")), ()
            )
        if error.value is None and at is not None and at < len(sent):
            error.value = sent[at]
        raise
