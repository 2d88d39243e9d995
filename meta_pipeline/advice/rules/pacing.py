"""Pacing: budgets that spend too little or too much of what was due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from meta_pipeline.advice.advice import (
    GROUPED,
    Advice,
    Kind,
    NoAdvice,
    Severity,
    advice,
    money,
    named,
)
from meta_pipeline.advice.gates import unchanged, undecided
from meta_pipeline.advice.known import Account, BudgetPace, Entity
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7
_HUNDRED = 100
_METHOD = (
    "View budget_pacing: a daily budget by its last seven whole days, a lifetime budget by the "
    "part of its schedule that is over."
)
_DOUBT = {
    True: "Meta spends a lifetime budget unevenly and need not spend a daily budget every day; a "
    "budget may also be a ceiling that was never meant to be reached.",
    False: "Meta keeps a week within seven daily budgets, so a budget that was cut during the week "
    "looks overspent, too; a lifetime budget is spent unevenly.",
}
"""By whether too little was spent."""
_Paced: TypeAlias = tuple[Entity, BudgetPace, float]
"""An entity, its budget and its pace in percent."""


def pacing(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Budgets out of pace; a daily one over a whole week, for single days may differ (FACTS 16).

    More than three on one side are one advice: what holds back so many is rarely each by itself.
    """
    known = {one.entity_id: one for one in account.entities}
    under: list[_Paced] = []
    over: list[_Paced] = []
    for budget in account.budgets:
        if not budget.due or (budget.kind == "daily" and budget.days_counted < _WEEK):
            continue
        pct = _HUNDRED * budget.spent / budget.due
        if thresholds.pace_under_pct <= pct <= thresholds.pace_over_pct:
            continue
        entity = known.get(budget.entity_id) or Entity(
            entity_type=budget.entity_type, entity_id=budget.entity_id, name=budget.name
        )
        # A budget that nothing is spent of, and that is small beside the account, holds back none.
        a_day = max(budget.spent, budget.due) / max(budget.days_counted, 1)
        if not entity.is_active or a_day < thresholds.least_spend_share * account.whole_spend_a_day:
            continue
        # A budget with nothing in it to spend it cannot be out of pace.
        is_empty = not budget.spent and account.is_empty(entity)
        closed = (
            (("empty", "no ad in it is active") if is_empty else None)
            or undecided(account, entity)
            or unchanged(account, [entity], thresholds)
        )
        if closed is None:
            (under if pct < _HUNDRED else over).append((entity, budget, pct))
        else:
            yield NoAdvice(
                kind=Kind.PACING,
                entity_type=entity.entity_type,
                entity_id=entity.entity_id,
                gate=closed[0],
                sentence=f"No advice on the budget of the {named(entity)}: {closed[1]}.",
            )
    for side in (under, over):
        # By money, not by percent: what is most off in the account comes first.
        side.sort(key=lambda one: -abs((one[1].due or 0) - one[1].spent))
        if len(side) > GROUPED:
            yield _together(account, side)
        else:
            yield from (_advice(account, *one) for one in side)


def _together(account: Account, side: Sequence[_Paced]) -> Advice:
    is_under = side[0][2] < _HUNDRED
    spent = sum(budget.spent for _, budget, _ in side)
    due = sum(budget.due or 0 for _, budget, _ in side)
    first = ", ".join(named(entity) for entity, _, _ in side[:GROUPED])
    what = (
        f"Find out what holds back {len(side)} budgets, above all those of the {first}: a bid cap, "
        "a small audience, weak ads, or more budget than there is demand."
        if is_under
        else f"Lower {len(side)} budgets, above all those of the {first}, unless you want what "
        "they spend beyond plan."
    )
    return advice(
        account,
        Kind.PACING,
        Entity(entity_type="account", entity_id=account.account_id, name=account.name),
        subject="under" if is_under else "over",
        days_to_review=7,
        severity=Severity.LOW if is_under else Severity.MEDIUM,
        entity_ids=tuple(entity.entity_id for entity, _, _ in side),
        what=what,
        why=f"Together they spent {money(spent, account.currency)} of the "
        f"{money(due, account.currency)} that was due by now ({_HUNDRED * spent / due:.0f} %).",
        numbers={
            "budgets": len(side),
            "spent": round(spent, 2),
            "due": round(due, 2),
            "pace_pct": round(_HUNDRED * spent / due, 1),
            "worst": [
                f"{entity.name or entity.entity_id}: {pct:.0f} %" for entity, _, pct in side[:10]
            ],
        },
        method=_METHOD,
        doubt=_DOUBT[is_under],
        expected_effect="The budgets are spent as planned.",
    )


def _advice(account: Account, entity: Entity, budget: BudgetPace, pct: float) -> Advice:
    under = pct < _HUNDRED
    what = (
        f"Find out what holds back the {named(entity)} (a bid cap, a small audience, weak ads), "
        "or give its budget to another that can spend it."
        if under
        else f"Lower the budget of the {named(entity)}, unless you want what it spends beyond plan."
    )
    return advice(
        account,
        Kind.PACING,
        entity,
        subject="under" if under else "over",
        days_to_review=7,
        severity=Severity.LOW if under else Severity.MEDIUM,
        what=what,
        why=f"It spent {money(budget.spent, account.currency)} of the "
        f"{money(budget.due or 0, account.currency)} that was due by now ({pct:.0f} %); its "
        f"{budget.kind} budget is {money(budget.budget, account.currency)}.",
        numbers={
            "budget_kind": budget.kind,
            "budget": budget.budget,
            "spent": round(budget.spent, 2),
            "due": round(budget.due or 0, 2),
            "pace_pct": round(pct, 1),
            "days_counted": budget.days_counted,
        },
        method=_METHOD,
        doubt=_DOUBT[under],
        expected_effect="The budget is spent as planned.",
    )
