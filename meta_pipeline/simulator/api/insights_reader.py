"""Answers to reads of insights: rows, report runs and their summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from meta_pipeline.simulator import insights
from meta_pipeline.simulator.api import errors, fields, filters, insights_params, paging
from meta_pipeline.simulator.api.calls import Call, Target
from meta_pipeline.simulator.api.reports import Plan, ReportRun
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.insights.errors import InsightsError

# By the names of `world.data_gaps`: how a page and how a report fails that holds a spoiled day.
_SPOILED_PAGES = {
    "timeout": errors.insights_timeout,
    "reduce": errors.reduce_data,
    "too_much": errors.too_much_insights_data,
    "unknown": errors.unknown_error,
    "cut": errors.cut_off,
}
_SPOILED_REPORTS = {
    "too_large": lambda: Plan("too_large", code=-3, subcode=1504045),
    "fail": Plan.fail,
    "skip": Plan.skip,
}


class InsightsReader:
    """Reads insights of the state on behalf of one request."""

    def __init__(self, state: State) -> None:
        self.state, self.world = state, state.world

    def query(self, call: Call) -> insights.InsightsQuery:
        """The insights query of a call on an account, campaign, ad set or ad."""
        for condition in () if call.flag else filters.conditions(call.request):
            # Without a prefix and no metric: Meta ignores such a condition, and says nothing.
            if condition.prefix is None and condition.field not in insights.FILTERABLE:
                call.flag = call.flag or f"ignored_filter {condition.field}"
        spec = self.world.spec(call.target.account_id or "")
        return insights_params.build(
            call.request,
            contract=self.state.contract,
            node_type=call.target.node_type,
            node_id=call.target.node_id,
            zone=spec.zone,
            now=call.now,
        )

    def read(self, call: Call) -> dict[str, Any]:
        """The document of a GET on an insights edge, of an object or of a report run."""
        run = call.target.subject
        with metas_errors():
            if isinstance(run, ReportRun):
                return self._report_rows(call, run)
            query = self.query(call)
            # Refused is what only a report could answer.
            limit = paging.limit_of(call.request)
            if day := insights.spoiled(self.world, query):
                raise _SPOILED_PAGES[day.refusal]()
            total = insights.count(self.world, query)  # an index that the rows need anyway
            if total > self.state.caps.sync_insights_rows:
                raise errors.too_much_insights_data()
            if min(limit, total) * _width(query) > self.state.caps.insights_cells:
                raise errors.reduce_data()
            return self._rows(call, query)

    def reserve(self, query: insights.InsightsQuery, account_id: str) -> int:
        """Rows of the whole answer of a new run; takes from the day's old reach if it asks it."""
        with metas_errors():
            rows = insights.count(self.world, query)
            if insights.asks_old_reach(self.world, query):
                self.state.reports.take_old_reach(account_id)
            return rows

    def plan(self, query: insights.InsightsQuery) -> Plan | None:
        """What becomes of a run that holds an unanswerable ad day; None for all others."""
        with metas_errors():
            day = insights.spoiled(self.world, query)
            return _SPOILED_REPORTS[day.report]() if day else None

    def _report_rows(self, call: Call, run: ReportRun) -> dict[str, Any]:
        if not self.state.reports.is_complete(run):
            raise errors.GraphError(
                "(#100) Insights of this report run can't be read: it is not completed.", code=100
            )
        if run.plan.outcome == "complete_but_fails":
            raise errors.unknown_error()
        if run.plan.outcome == "empty":
            return {"data": []}
        entity = self.world.get(run.request.path[0])
        if entity is None:
            raise errors.unsupported_object(run.id)
        node = fields.NODE_OF_KIND[entity.kind]
        target = Target(node, entity.id, "insights", entity, entity.account_id)
        # The question is that of its creation; the numbers are those of its completion.
        query = self.query(Call(run.request, call.token, target, run.created_at))
        return self._rows(call, replace(query, asynchronous=True, moment=run.completed_at))

    def _rows(self, call: Call, query: insights.InsightsQuery) -> dict[str, Any]:
        request, uneven = call.request, self.state.uneven
        call.weight = _width(query) / 10

        def fetch(at: int, size: int) -> Iterable[Any]:
            # Whoever sorts gets that order; without it Meta promises none.
            if uneven.shuffled and "sort" not in request.params:
                return uneven.window(lambda: insights.rows(self.world, query), at, size)
            return insights.rows(self.world, query, offset=at, limit=size)

        page = paging.page_of_rows(request, fetch, uneven)
        call.rows += len(page.rows)
        body = page.body(request, page.rows)
        if wants_summary(request) and page.rows:
            total = insights.summary(self.world, query)
            # A list of names asks for those metrics only.
            is_list = isinstance(request.params.get("summary"), list)
            names = request.words("summary") if is_list else tuple(total)
            shown = {*names, "date_start", "date_stop"}
            body["summary"] = {key: value for key, value in total.items() if key in shown}
        return body


def _width(query: insights.InsightsQuery) -> int:
    return len(query.fields) + 3 * len(query.breakdowns) + 2


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
