"""Pause or scale against the account's own target CPA."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, money, named
from meta_pipeline.advice.evidence import cpa_above
from meta_pipeline.advice.gates import (
    is_weighty,
    last_change,
    not_learning,
    reconciled,
    settled,
    unchanged,
    volume,
)
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.thresholds import Thresholds

_RESULTS_EXPECTED = 10
"""A CPA is judged once the spend would have paid for so many results at the target."""


def against_target(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Active ad sets whose CPA is surely beyond, or surely within, the target; none without one."""
    if account.target_cpa is None:
        return
    for one in account.of_type("adset"):
        if one.is_active and one.days and one.result_metric in (account.target_metric, "results"):
            yield from _judged(account, one, account.target_cpa, thresholds)


def _judged(
    account: Account, entity: Entity, target: float, thresholds: Thresholds
) -> Iterator[Advice | NoAdvice]:
    until = settled(account, thresholds)
    since = until - timedelta(days=round(thresholds.target_days) - 1)
    # What it cost before somebody changed it says nothing of it as it is now.
    changed = last_change(account, [entity])
    if changed is not None:
        since = max(since, changed + timedelta(days=1))
    days = entity.between(since, until)
    spent, made = sum(one.spend for one in days), sum(one.results for one in days)
    if not spent or not is_weighty(account, entity, thresholds):
        return
    closed = (
        reconciled(account, since, until)
        or not_learning(account, [entity])
        or unchanged(account, [entity], thresholds)
        or volume(spent / target, _RESULTS_EXPECTED, "results that its spend should have paid for")
    )
    if closed is not None:
        gate, reason = closed
        yield NoAdvice(
            kind=Kind.PAUSE,
            entity_type=entity.entity_type,
            entity_id=entity.entity_id,
            gate=gate,
            sentence=f"No advice on the {named(entity)} against the target: {reason}.",
        )
        return
    factor, sure = thresholds.target_factor, thresholds.target_probability
    prior = thresholds.target_prior_conversions
    # One belief, asked twice: the prior lies at the target, in the middle of the two limits.
    dear = float(cpa_above(spent, made, factor * target, target=target, prior=prior))
    cheap = 1 - float(cpa_above(spent, made, target / factor, target=target, prior=prior))
    if max(dear, cheap) < sure:
        return
    kind = Kind.PAUSE if dear >= sure else Kind.SCALE
    limit = factor * target if kind is Kind.PAUSE else target / factor
    cpa = money(spent / made, account.currency) if made else "no result at all"
    side = "above" if kind is Kind.PAUSE else "below"
    yield advice(
        account,
        kind,
        entity,
        subject="target",
        days_to_review=14 if kind is Kind.PAUSE else 7,
        severity=Severity.MEDIUM,
        what=f"Pause the {named(entity)}, or fix what makes its results so expensive."
        if kind is Kind.PAUSE
        else f"Raise the budget of the {named(entity)} by at most 20 %, then look again.",
        why=f"From {since} to {until} its CPA was {cpa}; the account's target is "
        f"{money(target, account.currency)}, and it is {max(dear, cheap):.0%} certain that its CPA "
        f"is {side} {money(limit, account.currency)}.",
        numbers={
            "since": since.isoformat(),
            "until": until.isoformat(),
            "spend": round(spent, 2),
            "results": round(made, 2),
            "cpa": round(spent / made, 2) if made else None,
            "target_cpa": target,
            "limit": round(limit, 2),
            "probability": round(max(dear, cheap), 4),
        },
        method=f"Conversions Poisson in spend, Gamma prior at the target with the weight of "
        f"{prior:g} conversions.",
        doubt="This takes the target as right and every conversion as worth the same.",
        confidence=max(dear, cheap),
        expected_effect=f"Spend of {money(spent / len(days), account.currency)} a day goes where "
        "it brings more."
        if kind is Kind.PAUSE
        else "More results within the target, while returns hold.",
    )
