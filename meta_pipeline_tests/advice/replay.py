"""Replay: the rules asked day by day, each time on what was known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from meta_pipeline.advice.advice import Advice, Kind
from meta_pipeline.advice.judgement import judge
from meta_pipeline.advice.known import Account
from meta_pipeline.advice.rules import RULES, Rule
from meta_pipeline.advice.thresholds import Thresholds


def seen_on(account: Account, today: date) -> Account:
    """The account as it was at the beginning of a day: nothing of that day or later."""
    entities = tuple(
        replace(one, days=tuple(day for day in one.days if day.day < today))
        for one in account.entities
    )
    changes = tuple(one for one in account.changes if one.day < today)
    # No day is settled before it is over, however much is known of it now.
    settled = account.settled_until
    if settled is not None:
        settled = min(settled, today - timedelta(days=1))
    return replace(account, today=today, entities=entities, changes=changes, settled_until=settled)


@dataclass(frozen=True, slots=True)
class Given:
    """A piece of advice and the day it was first given in a replay."""

    day: date
    advice: Advice


def replay(
    known_on: Callable[[date], Account],
    days: Sequence[date],
    thresholds: Thresholds | None = None,
    rules: Sequence[Rule] = RULES,
) -> Iterator[Given]:
    """Ask on each of the days; a piece of advice counts once, on the first day it is given."""
    told: set[str] = set()
    for day in days:
        for one in judge(known_on(day), thresholds, rules).advices:
            if one.key not in told:
                told.add(one.key)
                yield Given(day, one)


def first_of(given: Iterator[Given], *kinds: Kind) -> Given | None:
    """The first advice of these kinds."""
    return next((one for one in given if one.advice.kind in kinds), None)
