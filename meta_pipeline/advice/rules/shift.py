"""Budget shift: from where the next result is dearest to where it is cheapest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import TypeAlias

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, money, named
from meta_pipeline.advice.gates import (
    not_learning,
    reconciled,
    same_attribution,
    settled,
    unchanged,
    volume,
)
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.response import Response, fit, gain_of_move
from meta_pipeline.advice.thresholds import Thresholds

# Twelve weeks: one season, as for comparisons (`compared_days`).
_LOOKED_BACK_DAYS = 84
_WEEK = 7
_TWO = 2
_Fitted: TypeAlias = tuple[Entity, Response, float]
"""An entity, its response and what it spends a day now."""


def budget_shift(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Among campaigns, and among ad sets, that have daily budgets of their own and one goal."""
    for entity_type in ("campaign", "adset"):
        running = [
            one
            for one in account.of_type(entity_type)
            if one.is_active and one.daily_budget and one.result_metric is not None and one.days
        ]
        running.sort(key=lambda one: one.result_metric or "")
        for _, alike in groupby(running, key=lambda one: one.result_metric):
            siblings = list(alike)
            if len(siblings) >= _TWO:
                yield from _among(account, siblings, thresholds)


def _among(
    account: Account, entities: Sequence[Entity], thresholds: Thresholds
) -> Iterator[Advice | NoAdvice]:
    until = settled(account, thresholds)
    since = until - timedelta(days=_LOOKED_BACK_DAYS - 1)
    # The floor of a pair, half of it for each side: every one is fitted by itself.
    floor = thresholds.pair_conversions / _TWO
    fitted: list[_Fitted] = []
    for one in entities:
        days = [day for day in one.between(since, until) if day.spend > 0]
        closed = (
            # Days of one budget are one point of the curve, however many they are.
            volume(len({round(day.spend, 2) for day in days}), thresholds.shift_days,
                   "days of distinct spend")
            or volume(sum(day.results for day in days), floor, "results")
            or reconciled(account, since, until)
            or not_learning(account, [one])
            or unchanged(account, [one], thresholds)
        )  # fmt: skip
        if closed is None:
            response = fit([day.spend for day in days], [day.results for day in days])
            last = days[-_WEEK:]
            fitted.append((one, response, sum(day.spend for day in last) / len(last)))
        else:
            yield _none(one, closed[0], closed[1])
    if len(fitted) < _TWO:
        return
    fitted.sort(key=lambda item: item[1].marginal_cost(item[2]))
    taker, giver = fitted[0], fitted[-1]
    # Conversions counted over one day look dearer than those counted over seven.
    if (closed := same_attribution([taker[0], giver[0]])) is not None:
        yield _none(giver[0], closed[0], closed[1])
        return
    if giver[0].entity_id in account.to_scale or taker[0].entity_id in account.to_pause:
        yield _none(giver[0], "decided", "beside its siblings the opposite is advised")
        return
    amount = thresholds.shift_step * min(giver[2], taker[2])
    gain, sure = gain_of_move(giver[1], taker[1], (giver[2], taker[2]), amount)
    if amount < thresholds.least_spend_share * account.whole_spend_a_day:
        yield _none(giver[0], "share", "the step would be too small to be felt in the account")
        return
    # The dearest and the cheapest of many were picked: as many chances to err.
    needed = 1 - (1 - thresholds.shift_probability) * _TWO / len(fitted)
    if gain > 0 and sure >= needed:
        yield _advice(account, giver, taker, (amount, gain, sure))


def _none(entity: Entity, gate: str, reason: str) -> NoAdvice:
    return NoAdvice(
        kind=Kind.BUDGET_SHIFT,
        entity_type=entity.entity_type,
        entity_id=entity.entity_id,
        gate=gate,
        sentence=f"No advice to move budget from or to the {named(entity)}: {reason}.",
    )


def _advice(
    account: Account,
    giver: _Fitted,
    taker: _Fitted,
    move: tuple[float, float, float],
) -> Advice:
    amount, gain, sure = move
    dear, cheap = (one[1].marginal_cost(one[2]) for one in (giver, taker))
    currency = account.currency
    return advice(
        account,
        Kind.BUDGET_SHIFT,
        giver[0],
        subject=taker[0].entity_id,
        days_to_review=7,
        severity=Severity.LOW,
        entity_ids=(giver[0].entity_id, taker[0].entity_id),
        what=f"Move about {money(amount, currency)} a day from the {named(giver[0])} to the "
        f"{named(taker[0])}.",
        why=f"One more result costs about {money(dear, currency)} in the first and "
        f"{money(cheap, currency)} in the second, and what counts is the next result, not the "
        "average one.",
        numbers={
            "move_a_day": round(amount, 2),
            "from_spend_a_day": round(giver[2], 2),
            "to_spend_a_day": round(taker[2], 2),
            "from_marginal_cost": round(dear, 2),
            "to_marginal_cost": round(cheap, 2),
            "from_beta": round(giver[1].beta, 2),
            "to_beta": round(taker[1].beta, 2),
            "results_a_day_gained": round(gain, 2),
            "probability": round(sure, 4),
        },
        method="Results = a * spend^beta by Poisson regression on settled days, with beta held "
        "near 0.8 where days are few; at most 20 % of the smaller spend is moved.",
        doubt="This is an estimate without an experiment: spend also moved with the season and "
        "with demand, so look again after a week.",
        confidence=sure,
        expected_effect=f"About {gain:.1f} results a day more for the same spend.",
    )
