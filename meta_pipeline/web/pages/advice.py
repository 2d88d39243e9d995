"""Advice: what to pause, scale or mend, why, and how sure that is; asking the rules, saying no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import FormData
from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.advisor import (
    AdviceSettled,
    advice_beginning,
    count_open_advice,
    dismiss,
    given_advice,
    last_asked,
    open_advice,
    recommended,
    scores_now,
    track_record,
)
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.warehouse import Connection
from meta_pipeline.web.asked import address
from meta_pipeline.web.gate import Done, NotFound, Visit
from meta_pipeline.web.paging import paging

PER_PAGE = 20
_SETTLED_SHOWN = 20
_OF_META_SHOWN = 50
_LONGEST_REASON = 300
_LONGEST_ID = 100
PATH = "/advice"


def advice(visit: Visit) -> Response:
    """The advice that is open, the most urgent first, of one account or of all, page by page."""
    params = visit.request.query_params
    account, kind = params.get("account") or None, params.get("kind") or None
    after, before = (params.get(name, "")[:_LONGEST_ID] or None for name in ("after", "before"))
    accounts = metrics.accounts_of(visit.warehouse) if visit.has_accounts else ()
    if account and account not in {one.account_id for one in accounts}:
        raise NotFound(f"There is no ad account {account[:40]}.")
    asked_of: dict[str, Any] = {
        "accounts": [account] if account else None,
        "kinds": [kind] if kind else None,
        "limit": PER_PAGE,
    }
    with visit.warehouse.connection() as connection:
        counts = count_open_advice(connection)
        matching = [
            count
            for (one, of_kind), count in counts.items()
            if account in (None, one) and kind in (None, of_kind)
        ]
        # A number alone does not say where its page begins: without a place it is the first.
        page = paging(params if after or before else {}, sum(matching), PER_PAGE)
        rows = open_advice(connection, after=after, before=before, **asked_of)
        if not rows and (after or before):  # what stood there was settled since
            page, rows = replace(page, number=1), open_advice(connection, **asked_of)
        settled = given_advice(
            connection, asked_of["accounts"], is_settled=True, limit=_SETTLED_SHOWN
        )
        asked = last_asked(connection, account) if account else None
        record = track_record(connection, asked_of["accounts"], limit=_SETTLED_SHOWN)
        # One more says that there is more.
        of_meta, scores = (
            read(connection, asked_of["accounts"], _OF_META_SHOWN + 1) if page.number == 1 else []
            for read in (recommended, scores_now)
        )
    view = {"account": account, "kind": kind}
    here = address(PATH, view, page=params.get("page"), after=after, before=before)

    def turned(to: int) -> str:
        if to == 1:
            return address(PATH, view)
        ahead = to > page.number
        beyond = {"after": rows[-1].advice_id} if ahead else {"before": rows[0].advice_id}
        return address(PATH, view, beyond, page=to)

    return visit.page(
        "advice.html",
        title="Advice",
        accounts=accounts,
        names={one.account_id: one.name for one in accounts},
        account=account,
        kind=kind,
        by_account=_counted((one, count) for (one, _), count in counts.items()),
        by_kind=_counted(
            (of_kind, count) for (one, of_kind), count in counts.items() if account in (None, one)
        ),
        rows=rows,
        page=page,
        turned=turned,
        here=here,
        settled=settled if page.number == 1 else (),
        record=record,
        asked=asked if page.number == 1 else None,
        of_meta=of_meta[:_OF_META_SHOWN],
        of_meta_more=max(len(of_meta), len(scores)) > _OF_META_SHOWN,
        scores=scores[:_OF_META_SHOWN],
        most_characters=_LONGEST_REASON,
    )


def _counted(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The counts of each name added up, in order of the names."""
    added: Counter[str] = Counter()
    for name, count in counts:
        added[name] += count
    return dict(sorted(added.items()))


def advice_judged(visit: Visit, form: FormData) -> Done:
    """Ask the rules of one account; they read our tables alone."""
    from meta_pipeline.advisor import judge_account  # noqa: PLC0415  # brings scipy

    (known,) = metrics.accounts_of(visit.warehouse, str(form.get("account", "")))
    _require_few_rows(visit, known.account_id)
    # What is advised is written by the installation itself: no tenant writes advice.
    done = judge_account(
        visit.site.warehouse, known.account_id, visit.site.settings.advice_thresholds, visit.now
    )
    closed = f", {len(done.closed)} rules could not be asked" if done.closed else ""
    return Done(
        "rules asked",
        known.account_id,
        address("/advice", {"account": known.account_id}),
        f"{done.given} new, {done.kept} said before, {done.settled} settled{closed}.",
    )


def _require_few_rows(visit: Visit, account_id: str) -> None:
    """Raise ImpossibleQuestion for an account whose days are more than a request should hold."""
    from meta_pipeline.advisor import MOST_ROWS_OF_A_REQUEST, rows_to_read  # noqa: PLC0415

    most = MOST_ROWS_OF_A_REQUEST
    with visit.warehouse.connection() as connection:
        number = rows_to_read(connection, account_id, visit.now, most + 1)
    if number > most:
        raise ImpossibleQuestion(
            f"Ad account {account_id} has more than {most:,} entities and days of them to weigh, "
            f"too many for a page. Ask on a terminal: meta-pipeline advice judge -a {account_id}"
        )


def advice_dismissed(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Dismiss advice, and say why: it stays quiet for four weeks unless it gets more urgent."""
    given = str(form.get("advice", ""))
    reason = " ".join(str(form.get("reason", "")).split())[:_LONGEST_REASON]
    if not reason:
        raise ImpossibleQuestion("Say why not, for those who look later.")
    rows = [one for one in advice_beginning(connection, given) if one.advice_id == given]
    if not rows:
        raise NotFound("There is no such advice.")
    try:
        dismiss(connection, rows[0], by=visit.visitor.subject, reason=reason, at=visit.now)
    except AdviceSettled as error:
        raise ImpossibleQuestion(str(error)) from None
    return Done(
        "advice dismissed",
        f"{given[:8]} {rows[0].account_id}: {reason}",
        _back(str(form.get("here", ""))),
        "Dismissed: it stays quiet for four weeks, unless it becomes more urgent.",
    )


def _back(given: str) -> str:
    """The page of advice the form stood on, with nothing but what pages of advice are asked by."""
    wanted = dict(parse_qsl(given.partition("?")[2]))
    names = ("account", "kind", "page", "after", "before")
    return address(PATH, {name: wanted.get(name, "")[:_LONGEST_ID] for name in names})
