"""Pacing: budgets that spend too little or too much of what was due."""

from __future__ import annotations

from collections.abc import Iterator

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, money, named
from meta_pipeline.advice.gates import unchanged
from meta_pipeline.advice.known import Account, BudgetPace, Entity
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7
_HUNDRED = 100


def pacing(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Budgets out of pace; a daily one over a whole week, for single days may differ (FACTS 16)."""
    known = {one.entity_id: one for one in account.entities}
    for budget in account.budgets:
        if not budget.due or (budget.kind == "daily" and budget.days_counted < _WEEK):
            continue
        pct = _HUNDRED * budget.spent / budget.due
        if thresholds.pace_under_pct <= pct <= thresholds.pace_over_pct:
            continue
        entity = known.get(budget.entity_id) or Entity(
            entity_type=budget.entity_type, entity_id=budget.entity_id, name=budget.name
        )
        if not entity.is_active:
            continue
        closed = unchanged(account, [entity], thresholds)
        if closed is None:
            yield _advice(account, entity, budget, pct)
        else:
            yield NoAdvice(
                kind=Kind.PACING,
                entity_type=entity.entity_type,
                entity_id=entity.entity_id,
                gate=closed[0],
                sentence=f"No advice on the budget of the {named(entity)}: {closed[1]}.",
            )


def _advice(account: Account, entity: Entity, budget: BudgetPace, pct: float) -> Advice:
    under = pct < _HUNDRED
    what = (
        f"Find out what holds the {named(entity)} back (bid cap, small audience, weak ads), or "
        "give its budget to one that spends it."
        if under
        else f"Lower the budget of the {named(entity)} or its end, if the month has to hold."
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
        f"{money(budget.due or 0, account.currency)} that were due by now ({pct:.0f} %), of a "
        f"{budget.kind} budget of {money(budget.budget, account.currency)}.",
        numbers={
            "budget_kind": budget.kind,
            "budget": budget.budget,
            "spent": round(budget.spent, 2),
            "due": round(budget.due or 0, 2),
            "pace_pct": round(pct, 1),
            "days_counted": budget.days_counted,
        },
        method="View budget_pacing: a daily budget by its last seven whole days, a lifetime budget "
        "by the part of its schedule that is over.",
        doubt="Meta does not spend a lifetime budget evenly, and no daily budget on every day.",
        expected_effect="The budget is spent as planned.",
    )
