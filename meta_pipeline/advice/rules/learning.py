"""Learning limited: how many events a day would end it, and what they would cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, advice, money, named
from meta_pipeline.advice.gates import is_weighty, one_currency
from meta_pipeline.advice.known import Account
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7


def learning_limited(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Active ad sets whose learning stage is FAIL, which Ads Manager calls learning limited."""
    since = account.today - timedelta(days=_WEEK)
    for one in account.of_type("adset"):
        if not one.is_active or one.learning is None or one.learning.stage != "FAIL":
            continue
        if not is_weighty(account, one, thresholds):
            continue
        if (closed := one_currency(account, since)) is not None:
            yield NoAdvice(
                kind=Kind.LEARNING_LIMITED,
                entity_type="adset",
                entity_id=one.entity_id,
                gate=closed[0],
                sentence=f"No advice on the learning of the {named(one)}: {closed[1]}.",
            )
            continue
        needed = one.learning.events_needed or thresholds.learning_events
        within = one.learning.days_allowed or thresholds.learning_days
        days = one.between(since, account.yesterday)
        spent, made = sum(day.spend for day in days), sum(day.results for day in days)
        # Both as a rate: Meta's number of days is not always a week.
        daily, enough = made / _WEEK, needed / within
        if daily >= enough:
            yield NoAdvice(
                kind=Kind.LEARNING_LIMITED,
                entity_type="adset",
                entity_id=one.entity_id,
                gate="learning",
                sentence=f"No advice on the learning of the {named(one)}: its {daily:.1f} events a "
                f"day are as many as it needs; Meta looks again after its next significant edit.",
            )
            continue
        numbers = {
            "events_needed": needed,
            "days_allowed": within,
            "events_a_day_needed": round(enough, 2),
            "events_a_day": round(daily, 2),
            "spend_a_day": round(spent / _WEEK, 2),
        }
        cost = ""
        if made:
            budget = spent / made * enough
            numbers |= {"cpa": round(spent / made, 2), "budget_a_day_needed": round(budget, 2)}
            cost = (
                f"; at its present cost per result that takes about "
                f"{money(budget, account.currency)} a day"
            )
        yield advice(
            account,
            Kind.LEARNING_LIMITED,
            one,
            days_to_review=within,
            what=f"Get the {named(one)} more results: merge it with a similar ad set, optimise for "
            "an event that happens more often, widen its audience, or raise its budget.",
            why=f"It gets {daily:.1f} results a day and needs {enough:.1f} to leave the learning "
            f"stage ({needed:g} in {within:g} days){cost}.",
            numbers=numbers,
            method="Meta's learning stage is FAIL; its results of the last 7 days beside "
            + ("its own threshold." if one.learning.events_needed else "about 50 in 7 days."),
            doubt="Meta counts since the last significant edit, in attribution windows of its own, "
            "and a higher budget usually raises the cost per result.",
            expected_effect="It leaves the learning stage, and its cost becomes steadier.",
        )
