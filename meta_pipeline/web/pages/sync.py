"""Sync: when each account was read, what it took, how full Meta's meters are; asking for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.datastructures import FormData
from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.reports.runs import read_runs
from meta_pipeline.sync_requests import RequestRefused, Wish, ask, cancel, price
from meta_pipeline.warehouse import Connection
from meta_pipeline.web.asked import address, day_of
from meta_pipeline.web.gate import Done, NotFound, Visit
from meta_pipeline.web.paging import paging
from meta_pipeline.web.standing import statuses_of

_PER_PAGE = 50
_REQUESTS_SHOWN = 15
_RUNS_SHOWN = 25
# An account's own meter stands in its row; these are what all accounts share.
_METERS = """
    SELECT scope, use_case, usage_pct::float8, read_at, regain_at, access_tier
    FROM meta_ads.usage_readings WHERE scope LIKE '%%app' ORDER BY usage_pct DESC NULLS LAST
"""


@dataclass(frozen=True, slots=True)
class AppMeter:
    """One of Meta's counters of the app's use, as last read."""

    scope: str
    use_case: str
    usage_pct: float | None
    read_at: datetime
    regain_at: datetime | None
    access_tier: str | None


def sync(visit: Visit) -> Response:
    """How syncs go, and what was asked for; one account alone where the address names it."""
    params = visit.request.query_params
    with visit.warehouse.connection() as connection:
        meters = [AppMeter(*row) for row in connection.execute(_METERS).fetchall()]
    wanted, search = params.get("account"), params.get("search", "")
    shown = [
        one
        for one in statuses_of(visit)
        if (not wanted or one.account_id == wanted)
        and search.strip().casefold() in one.label.casefold()
    ]
    page = paging(params, len(shown), _PER_PAGE)
    only = [wanted] if wanted else None
    requests = visit.warehouse.sync_requests.recent(_REQUESTS_SHOWN, accounts=only)
    settings = visit.site.settings
    return visit.page(
        "sync.html",
        title="Sync",
        accounts=shown[page.first : page.after],
        names={one.account_id: one.name for one in shown},
        page=page,
        turned=lambda to: address("/sync", {"account": wanted}, page=to),
        search=search,
        account=wanted or "",
        meters=meters,
        requests=requests,
        is_busy=any(one.is_moving(visit.now) for one in requests)
        or any(one.facts["is_running"] for one in shown[page.first : page.after]),
        runs=read_runs(visit.warehouse, accounts=only, limit=_RUNS_SHOWN),
        stops={
            "app": settings.app_usage_stop_pct,
            "account": settings.account_usage_stop_pct,
            "insights": settings.insights_usage_stop_pct,
        },
    )


def sync_price(visit: Visit) -> Response:
    """What a backfill would cost, before anything is asked for."""
    params = visit.request.query_params
    wish = _wish(params)
    (known,) = metrics.accounts_of(visit.warehouse, wish.account_id)
    try:
        cost = price(visit.warehouse, visit.site.settings, wish, visit.now)
    except RequestRefused as error:
        raise ImpossibleQuestion(_sentence(error)) from None
    return visit.page(
        "sync_price.html", title="What it costs", account=known, wish=wish, cost=cost.facts()
    )


def sync_asked(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Write the wish down; a sensor of Dagster's starts it within seconds."""
    wish = _wish({name: str(form.get(name, "")) for name in ("account", "since", "until")})
    try:
        row = ask(
            visit.warehouse,
            wish,
            source="web",
            requested_by=visit.visitor.subject,
            now=visit.now,
            reason=str(form.get("reason", "")),
            connection=connection,
        )
    except RequestRefused as error:
        raise ImpossibleQuestion(_sentence(error)) from None
    days = f", {wish.since} to {wish.until}" if wish.since else ""
    return Done(
        "sync asked for",
        f"{row.account_id}{days}, request {row.request_id}",
        "/sync",
        "Asked for. It starts within seconds where Dagster runs; many who ask get one sync.",
    )


def sync_cancelled(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Take back what has not begun."""
    wanted = str(form.get("request", ""))
    row = visit.warehouse.sync_requests.get(wanted, connection)
    if row is None or not row.is_open:
        raise NotFound("There is no open request of that id.")
    by, now = visit.visitor.subject, visit.now
    done = cancel(visit.warehouse, row, by=by, now=now, connection=connection)
    said = "Cancelled." if done else "Its sync has begun or is done: nothing was cancelled."
    return Done("sync request taken back", row.request_id, "/sync", said)


def _wish(given: Mapping[str, str]) -> Wish:
    account, since, until = (given.get(name, "") for name in ("account", "since", "until"))
    if not (since or until):
        return Wish(account)
    if not (since and until):
        raise ImpossibleQuestion("A backfill has a first and a last day: give both.")
    period = Period(day_of(since), day_of(until))
    return Wish(account, since=period.since, until=period.until)


def _sentence(error: RequestRefused) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
