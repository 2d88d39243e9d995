"""Overview: every account in a row, what needs a look first."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.metrics.definitions.definition import Metric
from meta_pipeline.metrics.kpi import Kpi, KPIs, Performance, Verdict, judged, of_another_currency
from meta_pipeline.reports.status import AccountStatus, in_short, token_warnings
from meta_pipeline.web.asked import OFFERED, address, days_of, preset_label
from meta_pipeline.web.compared import compared
from meta_pipeline.web.gate import Visit
from meta_pipeline.web.paging import paging
from meta_pipeline.web.standing import statuses_of

SHOWN = ("spend", "results", "cost_per_result")
_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One account: how it stands, and how near it is to its target."""

    status: AccountStatus
    currency: str | None
    """What its amounts are in."""
    target_currency: str | None
    timezone: str
    kpi: Performance | None
    metric: Metric | None

    @property
    def misses_target(self) -> bool:
        return self.kpi is not None and self.kpi.verdict is Verdict.MISSED

    @property
    def needs_look(self) -> bool:
        return self.status.standing.is_problem or self.misses_target

    def rank(self, spend: float) -> tuple[bool, int, bool, float, str]:
        """What is broken comes first, by how badly; then what misses its target; then by spend."""
        standing = self.status.standing
        worst = list(type(standing)).index(standing) if standing.is_problem else 0
        name = self.status.name.casefold()
        return not standing.is_problem, worst, not self.misses_target, -spend, name


def overview(visit: Visit) -> Response:
    """The first page: all accounts, sorted by what needs a look, then by what they spent."""
    params = visit.request.query_params
    days, search = days_of(params), params.get("search", "").strip()
    statuses = statuses_of(visit)
    shown = [one for one in statuses if search.casefold() in one.label.casefold()]
    dictionary = metrics.dictionary_of(visit.warehouse)
    kpis = _primary(visit, dictionary)
    names = list(dict.fromkeys([*SHOWN, *(kpi.metric_key for kpi in kpis.values())]))
    # Without a day that was read nothing is known of an account's numbers: a zero would be made up.
    named = [one.account_id for one in shown if one.facts["name"] is not None]
    read = visit.warehouse.ledger.begun(named, "insights_ad")
    ids = [account_id for account_id in named if account_id in read]
    known = metrics.accounts_of(visit.warehouse, ids) if ids else ()
    numbers = compared(visit.warehouse, known, names, days.asked, visit.now)
    about = {one.account_id: one for one in known}

    def row(status: AccountStatus) -> Row:
        account, kpi = about.get(status.account_id), kpis.get(status.account_id)
        metric = dictionary.metric(kpi.metric_key) if kpi else None
        reached = numbers.now.value(status.account_id, metric.key) if metric else None
        today = account.currency if account else None
        held = numbers.now.currencies.get(status.account_id, today)
        why_not = of_another_currency(kpi, reached, metric, held, today) if kpi and metric else None
        return Row(
            status,
            held,
            today,
            (account.timezone_name if account else None) or "UTC",
            judged(kpi, reached, metric.better, (), why_not) if kpi and metric else None,
            metric,
        )

    rows = sorted(
        map(row, shown),
        key=lambda one: one.rank(numbers.now.value(one.status.account_id, "spend") or 0.0),
    )
    page = paging(params, len(rows), _PER_PAGE)
    return visit.page(
        "overview.html",
        title="Overview",
        days=days,
        presets=[(name, preset_label(name)) for name in OFFERED],
        search=search,
        rows=rows[page.first : page.after],
        numbers=numbers,
        shown=[dictionary.metric(name) for name in SHOWN],
        page=page,
        turned=lambda to: address("/", days.params, search=search, page=to),
        summary=in_short(statuses),
        warnings=token_warnings(visit.warehouse, now=visit.now),
        needing=sum(one.needs_look for one in rows),
    )


def _primary(visit: Visit, dictionary: metrics.Dictionary) -> dict[str, Kpi]:
    """The metric each account is steered by; people are not counted over several days."""
    return {
        kpi.account_id: kpi
        for kpi in KPIs(visit.warehouse).list()
        if kpi.is_primary and dictionary.is_additive(dictionary.metric(kpi.metric_key))
    }
