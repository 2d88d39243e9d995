"""Anomalies: a day of the account far off the same weekdays before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, money, named
from meta_pipeline.advice.evidence import unusual_amount, unusually_low
from meta_pipeline.advice.gates import one_currency, reconciled, settled
from meta_pipeline.advice.known import Account, Entity
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7
_SAME_DAYS = 4
"""Same weekdays below which nothing is compared."""
_FEW_RESULTS = 5
_SPANS = (1, 3)
"""Days that are compared at once: what few results of a day do not show, three days do."""
# Of the account's spend: campaigns below it only add chances to err.
_CAMPAIGN_SHARE = 0.05


def anomalies(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Spend of yesterday, of the account; results by spend of the newest settled days.

    Where the account has several goals, whose results are no one number, of its bigger campaigns:
    as many chances to err as there are.
    """
    for one in account.of_type("account"):
        yield from _spend(account, one, thresholds)
    counted = [one for one in account.of_type("account") if one.result_metric is not None]
    if not counted:
        least = _CAMPAIGN_SHARE * account.whole_spend_a_day
        counted = [
            one
            for one in account.of_type("campaign")
            if one.is_active and one.result_metric and account.spend_a_day(one) > least
        ]
    for one in counted:
        yield from _results(account, one, thresholds, thresholds.anomaly_chance / len(counted))


def _same_days(day: date, thresholds: Thresholds) -> list[date]:
    return [
        day - timedelta(days=_WEEK * week) for week in range(1, round(thresholds.anomaly_weeks) + 1)
    ]


def _spend(account: Account, entity: Entity, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    day = account.yesterday
    closed = one_currency(account, day - timedelta(days=_WEEK * _SAME_DAYS))
    if closed is not None:
        yield NoAdvice(
            kind=Kind.ANOMALY,
            entity_type=entity.entity_type,
            entity_id=entity.entity_id,
            gate=closed[0],
            sentence=f"No advice on the spend of {day}: {closed[1]}.",
        )
        return
    usual = [
        entity.by_day[one].spend
        for one in _same_days(day, thresholds)
        if one in entity.by_day and entity.by_day[one].spend > 0
    ]
    if len(usual) < _SAME_DAYS or day not in entity.by_day:
        return
    spent = entity.by_day[day].spend
    # The median: an anomaly of an earlier week does not move it.
    typical = sorted(usual)[len(usual) // 2]
    chance = unusual_amount(spent, usual)
    # What Meta may do by itself on a day is no anomaly.
    room = 1 + thresholds.daily_overspend
    if chance > thresholds.anomaly_chance or typical / room <= spent <= typical * room:
        return
    more = spent > typical
    yield advice(
        account,
        Kind.ANOMALY,
        entity,
        subject="spend",
        days_to_review=2,
        severity=Severity.HIGH,
        what=f"Check what changed in the {named(entity)} on {day}: budgets, schedules, payment.",
        why=f"It spent {money(spent, account.currency)} that day, and typically "
        f"{money(typical, account.currency)} on that weekday: {'more' if more else 'less'} than "
        "Meta's daily leeway explains.",
        numbers={
            "day": day.isoformat(),
            "spend": round(spent, 2),
            "typical": round(typical, 2),
            "same_weekdays": len(usual),
            "chance": float(f"{chance:.2g}"),
        },
        method="Student's t of the logarithms of the same weekdays.",
        doubt="Holidays and sales are not known here, and are no fault.",
        confidence=1 - chance,
        expected_effect="If it is a fault, it is found days earlier.",
    )


def _results(
    account: Account, entity: Entity, thresholds: Thresholds, least_chance: float
) -> Iterator[Advice | NoAdvice]:
    until = settled(account, thresholds)
    # Where the account's own settling is not known, a part of the days' may still be under way.
    there = 1.0 if account.settled_until else thresholds.arrived_share
    for days in _SPANS:
        now = _span(entity, until, days)
        if now is None or now.spend <= 0:
            continue
        before = [_span(entity, day, days) for day in _same_days(until, thresholds)]
        # At the days' own spend: fewer results of less spend are no anomaly.
        usual = [
            there * one.results * now.spend / one.spend
            for one in before
            if one is not None and one.spend > 0
        ]
        if len(usual) < _SAME_DAYS or sum(usual) < _FEW_RESULTS:
            continue
        # Only too few: conversions that are missing are a fault, more of them are luck.
        chance = unusually_low(now.results, usual)
        # Two spans are two chances to err.
        if chance > least_chance / len(_SPANS):
            continue
        closed = reconciled(account, now.since, until)
        if closed is not None:
            yield NoAdvice(
                kind=Kind.ANOMALY,
                entity_type=entity.entity_type,
                entity_id=entity.entity_id,
                gate=closed[0],
                sentence=f"No advice on the results of {now.until}: {closed[1]}.",
            )
            return
        typical = sum(usual) / len(usual) / there
        yield advice(
            account,
            Kind.ANOMALY,
            entity,
            subject="results",
            days_to_review=2,
            severity=Severity.HIGH,
            what=f"Check how the {named(entity)} counts conversions: pixel, Conversions API, "
            "consent banner and the pages behind the ads.",
            why=f"{now.said} it counted {now.results:,.0f} results for "
            f"{money(now.spend, account.currency)}; the same weekdays before brought about "
            f"{typical:,.0f} for as much.",
            numbers={
                "day": until.isoformat(),
                "days": days,
                "results": round(now.results, 2),
                "typical": round(typical, 2),
                "spend": round(now.spend, 2),
                "same_weekdays": len(usual),
                "chance": float(f"{chance:.2g}"),
            },
            method="Negative binomial of the same weekdays at the days' own spend, widened by how "
            "much they differ.",
            doubt="Conversions may still come in late, and the offer itself may have changed.",
            confidence=1 - chance,
            expected_effect="Meta's delivery learns from conversions again.",
        )
        return


@dataclass(frozen=True, slots=True)
class _Span:
    """What some days in a row spent and brought."""

    since: date
    until: date
    spend: float
    results: float

    @property
    def said(self) -> str:
        return (
            f"On {self.until}" if self.since == self.until else f"From {self.since} to {self.until}"
        )


def _span(entity: Entity, until: date, days: int) -> _Span | None:
    """None where a day of them has no row."""
    each = [entity.by_day.get(until - timedelta(days=back)) for back in range(days)]
    there = [one for one in each if one is not None]
    if len(there) < days:
        return None
    since = until - timedelta(days=days - 1)
    spend, results = (sum(getattr(one, of) for one in there) for of in ("spend", "results"))
    return _Span(since, until, spend, results)
