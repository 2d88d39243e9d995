"""Answers to reads of insights: rows, report runs and their summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from meta_pipeline.simulator import insights
from meta_pipeline.simulator.api import errors, fields, filters, insights_params, paging
from meta_pipeline.simulator.api.calls import Call, Target
from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.reports import Plan, ReportRun, Reports
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.uneven import Uneven
from meta_pipeline.simulator.insights.errors import InsightsError
from meta_pipeline.simulator.world.world import World

# By the names of `world.data_gaps`: how a page and how a report fails that holds a spoiled day.
_SPOILED_PAGES = {
    "timeout": errors.insights_timeout,
    "reduce": errors.reduce_data,
    "too_much": errors.too_much_insights_data,
    "unknown": errors.unknown_error,
}
_SPOILED_REPORTS = {
    "too_large": lambda: Plan("too_large", code=-3, subcode=1504045),
    "fail": Plan.fail,
    "skip": Plan.skip,
}


@dataclass
class Caps:
    """How much one answer may hold before Meta would refuse it.

    `page_cells` and `insights_cells` are rows x weight of the fields (500, code 1 "reduce");
    `sync_insights_rows` is rows of one synchronous query (100/1487534).
    """

    page_cells: float = 20_000
    insights_cells: float = 120_000
    sync_insights_rows: int = 200_000


class InsightsReader:
    """Reads insights of the world on behalf of one request."""

    def __init__(
        self, world: World, contract: Contract, reports: Reports, caps: Caps, uneven: Uneven
    ) -> None:
        self.world, self.contract, self.reports, self.caps = world, contract, reports, caps
        self.uneven = uneven

    def query(self, call: Call) -> insights.InsightsQuery:
        """The insights query of a call on an account, campaign, ad set or ad."""
        call.flag = call.flag or _ignored_filter(call.request)
        spec = self.world.spec(call.target.account_id or "")
        return insights_params.build(
            call.request,
            contract=self.contract,
            node_type=call.target.node_type,
            node_id=call.target.node_id,
            zone=spec.zone,
            now=call.now,
        )

    def read(self, call: Call) -> dict[str, Any]:
        """The document of a GET on an insights edge, of an object or of a report run."""
        run = call.target.subject
        if isinstance(run, ReportRun):
            return self._report_rows(call, run)
        return self._asked(call, self.query(call), capped=True)

    def _report_rows(self, call: Call, run: ReportRun) -> dict[str, Any]:
        if not self.reports.is_complete(run):
            raise errors.GraphError(
                "(#100) Insights of this report run can't be read: it is not completed.", code=100
            )
        if run.plan.outcome == "complete_but_fails":
            raise errors.unknown_error()
        if run.plan.outcome == "empty":
            return {"data": []}
        asked = Call(run.request, call.token, self._target_of(run), run.created_at)
        query = replace(self.query(asked), asynchronous=True, moment=run.completed_at)
        return self._asked(call, query, capped=False)

    def _target_of(self, run: ReportRun) -> Target:
        entity = self.world.get(run.request.path[0])
        if entity is None:
            raise errors.unsupported_object(run.id)
        return Target(
            fields.NODE_OF_KIND[entity.kind], entity.id, "insights", entity, entity.account_id
        )

    def reserve(self, query: insights.InsightsQuery, account_id: str) -> int:
        """Rows of the whole answer of a new run; takes from the day's old reach if it asks it."""
        with metas_errors():
            rows = insights.count(self.world, query)
            if insights.asks_old_reach(self.world, query):
                self.reports.take_old_reach(account_id)
            return rows

    def plan(self, query: insights.InsightsQuery) -> Plan | None:
        """What becomes of a run that holds an unanswerable ad day; None for all others."""
        with metas_errors():
            one = insights.spoiled(self.world, query)
            return _SPOILED_REPORTS[one.report]() if one else None

    def _asked(self, call: Call, query: insights.InsightsQuery, *, capped: bool) -> dict[str, Any]:
        with metas_errors():
            return self._rows(call, query, capped=capped)

    def _rows(self, call: Call, query: insights.InsightsQuery, *, capped: bool) -> dict[str, Any]:
        width = len(query.fields) + 3 * len(query.breakdowns) + 2
        call.weight = width / 10
        limit = paging.limit_of(call.request)
        if capped:
            if one := insights.spoiled(self.world, query):
                raise _SPOILED_PAGES[one.refusal]()
            total = insights.count(self.world, query)  # an index that the rows need anyway
            if total > self.caps.sync_insights_rows:
                raise errors.too_much_insights_data()
            if min(limit, total) * width > self.caps.insights_cells:
                raise errors.reduce_data()

        def fetch(at: int, size: int) -> Iterable[Any]:
            if self.uneven.shuffled and "sort" not in call.request.params:
                return self.uneven.window(lambda: insights.rows(self.world, query), at, size)
            return insights.rows(self.world, query, offset=at, limit=size)

        page = paging.page_of_rows(call.request, fetch, self.uneven)
        call.rows += len(page.rows)
        body = page.body(call.request, page.rows)
        if wants_summary(call.request) and page.rows:
            body["summary"] = self._summary(call.request, query)
        return body

    def _summary(self, request: GraphRequest, query: insights.InsightsQuery) -> dict[str, Any]:
        """What all rows add up to; a list of names asks for those metrics only."""
        found = insights.summary(self.world, query)
        names = request.words("summary") if isinstance(request.params.get("summary"), list) else ()
        wanted = {*names, "date_start", "date_stop"}
        return {key: value for key, value in found.items() if not names or key in wanted}


def _ignored_filter(request: GraphRequest) -> str | None:
    """The journal's flag for a condition without prefix that is no metric: Meta ignores it."""
    for condition in filters.conditions(request):
        if condition.prefix is None and condition.field not in insights.FILTERABLE:
            return f"ignored_filter {condition.field}"
    return None


@contextmanager
def metas_errors() -> Iterator[None]:
    """Turn what the numbers refuse into what Meta would answer."""
    try:
        yield
    except InsightsError as refused:
        raise errors.GraphError(
            str(refused),
            code=refused.code,
            subcode=refused.subcode,
            status=500 if refused.code == 1 else 400,
        ) from refused


def wants_summary(request: GraphRequest) -> bool:
    """Whether the call asks for a summary: `summary`, a list of names, or `default_summary`."""
    if request.params.get("default_summary") is True:
        return True
    value = request.params.get("summary")
    return value is True or (isinstance(value, list) and bool(value)) or value == "total_count"
