"""Advice: what to pause, scale or mend, why, and how sure that is; asking the rules, saying no."""

from __future__ import annotations

from collections import Counter

from starlette.datastructures import FormData
from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.advisor import (
    AdviceSettled,
    advice_beginning,
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

_GIVEN_SHOWN = 20
_OF_META_SHOWN = 50
_LONGEST_REASON = 300
_FOLDED = frozenset({"high", "medium"})
"""Severities whose evidence is open from the start."""


def advice(visit: Visit) -> Response:
    """The advice that is open, the most urgent first, of one account or of all."""
    params = visit.request.query_params
    account, kind = params.get("account") or None, params.get("kind") or None
    accounts = metrics.accounts_of(visit.warehouse) if visit.has_accounts else ()
    if account and account not in {one.account_id for one in accounts}:
        raise NotFound(f"There is no ad account {account[:40]}.")
    with visit.warehouse.connection() as connection:
        rows = open_advice(connection, [account] if account else None)
        given = given_advice(connection, [account] if account else None, limit=_GIVEN_SHOWN)
        asked = last_asked(connection, account) if account else None
        record = track_record(connection, [account] if account else None, limit=_GIVEN_SHOWN)
        of_meta = recommended(connection, [account] if account else None)
        scores = scores_now(connection, [account] if account else None)
    kinds = Counter(one.kind for one in rows)
    return visit.page(
        "advice.html",
        title="Advice",
        accounts=accounts,
        names={one.account_id: one.name for one in accounts},
        account=account,
        kind=kind,
        kinds=sorted(kinds.items()),
        rows=[one for one in rows if kind in (None, one.kind)],
        given=given,
        record=record,
        asked=asked,
        of_meta=of_meta[:_OF_META_SHOWN],
        of_meta_more=max(len(of_meta) - _OF_META_SHOWN, 0),
        scores=scores,
        folded=_FOLDED,
        most_characters=_LONGEST_REASON,
    )


def advice_judged(visit: Visit, form: FormData, _: Connection) -> Done:
    """Ask the rules of one account; they read our tables alone."""
    from meta_pipeline.advisor import judge_account  # noqa: PLC0415  # brings scipy

    (known,) = metrics.accounts_of(visit.warehouse, str(form.get("account", "")))
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


def advice_dismissed(visit: Visit, form: FormData, connection: Connection) -> Done:
    """Say no to an advice, and why: it stays quiet for four weeks unless it gets more urgent."""
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
        "/advice",
        "Dismissed: it stays quiet for four weeks, unless it becomes more urgent.",
    )
