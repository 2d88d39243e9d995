"""Pause or scale: one side against its siblings, by an e-value that may be looked at daily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import numpy as np

from meta_pipeline.advice.advice import (
    Advice,
    Kind,
    NoAdvice,
    Severity,
    advice,
    cost_per_result,
    money,
    named,
)
from meta_pipeline.advice.evidence import Comparison, compare
from meta_pipeline.advice.gates import (
    Closed,
    is_weighty,
    last_change,
    not_learning,
    reconciled,
    same_attribution,
    settled,
    settled_enough,
    unchanged,
    volume,
)
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.thresholds import Thresholds

# Four whole weeks, so that every bet begins on the same weekday.
_ANCHOR_DAYS = 28
_TWO = 2
_MOST_SAID = 1_000_000.0
"""Evidence beyond it is the same to everybody: larger e-values are said as this."""


def comparisons(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Ad sets of a campaign with each other (pause or scale), ads of an ad set (pause).

    Of an ad set that is better paused no ad is judged: all of them stop with it.
    """
    paused: set[str] = set()
    for entity_type in ("adset", "ad"):
        running = [
            one
            for one in account.of_type(entity_type)
            if one.is_active and one.result_metric is not None and one.days
            if one.adset_id not in paused
        ]
        running.sort(key=lambda one: one.siblings_key)
        for _, siblings in groupby(running, key=lambda one: one.siblings_key):
            alike = list(siblings)
            if len(alike) >= _TWO:
                for one in _among(account, alike, thresholds):
                    if isinstance(one, Advice) and one.kind is Kind.PAUSE:
                        paused.add(one.entity_id)
                    yield one


def _among(
    account: Account, siblings: Sequence[Entity], thresholds: Thresholds
) -> Iterator[Advice | NoAdvice]:
    since, until = _first_day(account, siblings, thresholds), settled(account, thresholds)
    totals = {one.entity_id: _totals(one, since, until) for one in siblings}
    # While no day is settled nobody has spend: all stay, so that the gate can say why.
    none_settled = since > until
    taking_part = [one for one in siblings if none_settled or totals[one.entity_id][0] > 0]
    if len(taking_part) < _TWO:
        return
    closed = _gates(account, taking_part, totals, (since, until), thresholds)
    if closed is not None:
        gate, reason = closed
        first = taking_part[0]
        among = f"the {len(taking_part)} {'ads' if first.entity_type == 'ad' else 'ad sets'}"
        yield NoAdvice(
            kind=Kind.PAUSE,
            entity_type=first.entity_type,
            entity_id=first.entity_id,
            gate=gate,
            sentence=f"No advice on {among} beside the {named(first)}: {reason}.",
        )
        return
    # Each is compared with the rest: as many chances to err as there are comparisons.
    chances = 1 if len(taking_part) == _TWO else len(taking_part)
    judged = [
        _Match(one, taking_part, (since, until), match, chances)
        for one, match in zip(
            taking_part, _each_against_rest(taking_part, since, until), strict=True
        )
        if match.e_value >= thresholds.e_value * chances
        and max(match.ratio, 1 / match.ratio) >= thresholds.pair_ratio
        and is_weighty(account, one, thresholds)
    ]
    dear = [one for one in judged if one.found.ratio > 1]
    spent = sum(totals[one.entity_id][0] for one in taking_part)
    alone = [
        one for one in dear if 1 - totals[one.entity.entity_id][0] / spent < thresholds.pair_share
    ]
    if alone:
        yield NoAdvice(
            kind=Kind.PAUSE,
            entity_type=alone[0].entity.entity_type,
            entity_id=alone[0].entity.entity_id,
            gate="share",
            sentence=f"No advice to pause the {named(alone[0].entity)}: its siblings had less than "
            f"{thresholds.pair_share:.0%} of the spend, so what they would do with the rest is not "
            "known.",
        )
        return
    # One step at a time: once the dearest is gone, the rest are other siblings.
    if dear:
        yield _advice(account, Kind.PAUSE, max(dear, key=lambda one: one.found.e_value))
    elif judged and judged[0].entity.entity_type == "adset":
        best = max(judged, key=lambda one: one.found.e_value)
        if account.campaign_has_budget(best.entity):
            yield NoAdvice(
                kind=Kind.SCALE,
                entity_type="adset",
                entity_id=best.entity.entity_id,
                gate="budget",
                sentence=f"No advice to scale the {named(best.entity)}: its campaign has the "
                "budget, and Meta spreads it over the ad sets.",
            )
        else:
            yield _advice(account, Kind.SCALE, best)


def _first_day(account: Account, siblings: Sequence[Entity], thresholds: Thresholds) -> date:
    """Where the bet begins: after the last change, else at a day that does not move every day.

    A window that slid along would be a new bet every day, and the promise of the e-value void.
    """
    oldest = account.today - timedelta(days=round(thresholds.compared_days))
    begun = oldest + timedelta(days=-oldest.toordinal() % _ANCHOR_DAYS)
    changed = last_change(account, siblings)
    return begun if changed is None else max(begun, changed + timedelta(days=1))


def _totals(entity: Entity, since: date, until: date) -> tuple[float, float]:
    days = entity.between(since, until)
    return sum(one.spend for one in days), sum(one.results for one in days)


def _gates(
    account: Account,
    siblings: Sequence[Entity],
    totals: dict[str, tuple[float, float]],
    span: tuple[date, date],
    thresholds: Thresholds,
) -> Closed:
    made = sum(results for _, results in totals.values())
    return (
        settled_enough(*span)
        or reconciled(account, *span)
        or not_learning(account, siblings)
        or unchanged(account, siblings, thresholds)
        # Ads of one ad set share its attribution window.
        or same_attribution(siblings if siblings[0].entity_type == "adset" else ())
        or volume(made, thresholds.pair_conversions, "conversions of all sides together")
    )


def _each_against_rest(
    siblings: Sequence[Entity], since: date, until: date
) -> Iterator[Comparison]:
    """Each of the siblings beside all others together, in their order."""
    number = (until - since).days + 1
    own = np.zeros((len(siblings), number, 2))
    for at, one in enumerate(siblings):
        for day in one.between(since, until):
            own[at, (day.day - since).days] += (day.spend, day.results)
    # The sum of those before it and of those after it: one's own taken off the sum of all would
    # leave a rounding error as spend where nobody else spent.
    rest = np.zeros_like(own)
    rest[1:] = np.cumsum(own[:-1], axis=0)
    rest[:-1] += np.cumsum(own[:0:-1], axis=0)[::-1]
    for one_own, one_rest in zip(own, rest, strict=True):
        both = one_own[:, 0] + one_rest[:, 0]
        share = np.divide(one_own[:, 0], both, out=np.zeros(number), where=both > 0)
        yield compare(one_own[:, 1], one_rest[:, 1], share)


@dataclass(frozen=True, slots=True)
class _Match:
    """One side, its siblings, and what the days between say of the two."""

    entity: Entity
    siblings: Sequence[Entity]
    span: tuple[date, date]
    found: Comparison
    chances: int


def _at_most(value: float) -> str:
    """A number in a sentence; beyond a million it is only said to be more."""
    return f"more than {_MOST_SAID:,.0f}" if value > _MOST_SAID else f"{value:,.0f}"


def _advice(account: Account, kind: Kind, match: _Match) -> Advice:
    entity, siblings, span = match.entity, match.siblings, match.span
    found, chances = match.found, match.chances
    spent, made = _totals(entity, *span)
    rest = [_totals(one, *span) for one in siblings if one is not entity]
    rest_spent, rest_made = (sum(column) for column in zip(*rest, strict=True))
    days = (span[1] - span[0]).days + 1
    cheaper = rest_made / rest_spent if rest_spent else 0.0
    numbers = {
        "since": span[0].isoformat(),
        "until": span[1].isoformat(),
        "spend": round(spent, 2),
        "results": round(made, 2),
        "cpa": round(spent / made, 2) if made else None,
        "siblings": len(siblings) - 1,
        "siblings_spend": round(rest_spent, 2),
        "siblings_results": round(rest_made, 2),
        "siblings_cpa": round(rest_spent / rest_made, 2) if rest_made else None,
        "cpa_ratio": round(found.ratio, 2),
        "cpa_ratio_90_pct_low": round(found.ratio_low, 2),
        "cpa_ratio_90_pct_high": round(found.ratio_high, 2),
        "e_value": round(min(found.e_value, _MOST_SAID), 1),
        "daily_bunching": round(found.bunching, 2),
        "comparisons": chances,
    }
    own = f"{money(spent / made, account.currency)}" if made else "no result at all"
    others = f"{money(rest_spent / rest_made, account.currency)}" if rest_made else "no result"
    gain = spent / days * cheaper - made / days
    noun = "ad" if entity.entity_type == "ad" else "ad set"
    number = len(siblings) - 1
    beside = f"the other {noun}" if number == 1 else f"the other {number} {noun}s"
    if kind is Kind.PAUSE:
        what = f"Pause the {named(entity)} and leave its spend to {beside}."
        effect = f"About {max(gain, 0):.1f} results a day more for the same spend."
    else:
        what = f"Raise the budget of the {named(entity)} by at most 20 %, then look again."
        effect = f"More results, and cheaper than from {beside}, as long as returns hold."
    return advice(
        account,
        kind,
        entity,
        days_to_review=14 if kind is Kind.PAUSE else 7,
        severity=Severity.MEDIUM,
        entity_ids=(entity.entity_id,),
        what=what,
        why=f"From {span[0]} to {span[1]} its {cost_per_result(entity)} was {own}, that of "
        f"{beside} {others}: {found.ratio:.1f} times as much (90 % sure: {found.ratio_low:.1f} to "
        f"{found.ratio_high:.1f}).",
        numbers=numbers,
        method=f"E-value {_at_most(found.e_value)} against equal cost per result: mixture "
        "Beta(20, 20) on the split of results given each day's share of spend, multiplied day by "
        "day, so that it may be looked at daily.",
        doubt=f"If both cost the same, this much evidence would turn up in at most 1 of "
        f"{_at_most(found.e_value / chances)} such cases; but Meta shows them to different people"
        + (
            f", and results came in bunches, so each counted as only {1 / found.bunching:.2g}."
            if found.bunching > 1
            else "."
        ),
        # Ville's bound on erring in any of the comparisons, not the chance of a difference.
        confidence=1 - min(1.0, chances / found.e_value),
        expected_effect=effect,
    )
