"""Back-test: each rule asked on every past day on what was known then; was it right, what was lost.

What the days after showed is weighed by the claim the advice made: that an ad is dearer than its
siblings, say. Regret is what doing nothing lost: results that the spend would have brought, had the
advice been followed from its day to its review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from .advice import Advice, Kind
from .judgement import judge
from .known import Account, Day, Entity
from .thresholds import Thresholds

_LEAST_DAYS = 7
_LEAST_RESULTS = 10
"""Results on both sides together below which the days after say nothing."""
_LEAST_IMPRESSIONS = 1000
# Within it neither side is dearer, as in `outcome`.
_NOISE = 0.10
# What `scale` advises at once: a fifth of the budget.
_RAISED = 0.2
# A fault lasts until somebody finds it; a chance day has ordinary ones after it.
_DAYS_OF_ANOMALY = 3


class Held(StrEnum):
    """What the days after a piece of advice said of its claim."""

    HIT = "hit"
    FALSE_ALARM = "false alarm"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Whether a claim held; `regret` in results lost by doing nothing, None where none is told."""

    held: Held
    regret: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestStats:
    """One kind of advice over all days and accounts that were replayed."""

    kind: Kind
    given: int = 0
    hits: int = 0
    false_alarms: int = 0
    unclear: int = 0
    regret_results: float = 0.0
    results: float = 0.0

    @property
    def hit_rate_pct(self) -> float | None:
        """Of those the days after said something of."""
        told = self.hits + self.false_alarms
        return 100 * self.hits / told if told else None

    @property
    def regret_pct(self) -> float | None:
        """Results lost by doing nothing, in percent of those there were at its places."""
        return 100 * self.regret_results / self.results if self.results else None

    def __add__(self, other: BacktestStats) -> BacktestStats:
        return BacktestStats(
            kind=self.kind,
            given=self.given + other.given,
            hits=self.hits + other.hits,
            false_alarms=self.false_alarms + other.false_alarms,
            unclear=self.unclear + other.unclear,
            regret_results=self.regret_results + other.regret_results,
            results=self.results + other.results,
        )


def backtest(
    known_on: Callable[[date], Account],
    final: Account,
    days: Sequence[date],
    thresholds: Thresholds | None = None,
) -> dict[Kind, BacktestStats]:
    """Ask the rules on each of the days; `final` is the account as it is known now.

    As where advice is stored, one that is repeated counts once; one that was away counts again, but
    not before its review date.
    """
    stats_by_kind: dict[Kind, BacktestStats] = {}
    quiet: dict[str, date] = {}
    open_before: set[str] = set()
    for day in days:
        advices = judge(known_on(day), thresholds).advices
        news = [one for one in advices if one.key not in open_before]
        open_before = {one.key for one in advices}
        for one in news:
            if day < quiet.get(one.key, day):
                continue
            quiet[one.key] = one.review_on
            after = afterwards(final, one)
            # Regret is a share of these results: without one told, they are no denominator.
            stats = BacktestStats(
                kind=one.kind,
                given=1,
                hits=int(after.held is Held.HIT),
                false_alarms=int(after.held is Held.FALSE_ALARM),
                unclear=int(after.held is Held.UNCLEAR),
                regret_results=after.regret or 0.0,
                results=0.0 if after.regret is None else _results(final, one),
            )
            before = stats_by_kind.get(one.kind)
            stats_by_kind[one.kind] = stats if before is None else before + stats
    return stats_by_kind


def afterwards(final: Account, advice: Advice) -> Afterwards:
    """What the days from a piece of advice to its review say of it."""
    return _MEASURES[advice.kind](final, advice)


def _span(final: Account, advice: Advice, most: int | None = None) -> tuple[date, date]:
    length = most or max((advice.review_on - advice.as_of).days, _LEAST_DAYS)
    last = final.settled_until or final.yesterday
    return advice.as_of, min(advice.as_of + timedelta(days=length - 1), last)


def _of(final: Account, advice: Advice) -> Entity | None:
    return next(iter(final.with_ids([advice.entity_id])), None)


def _sum(days: Iterable[Day]) -> tuple[float, float]:
    spent = made = 0.0
    for one in days:
        spent, made = spent + one.spend, made + one.results
    return spent, made


def _results(final: Account, advice: Advice) -> float:
    entity = _of(final, advice)
    if entity is None:
        return 0.0
    since, until = _span(final, advice)
    days = final.days_together(entity.siblings_key)
    return _sum(one for one in days if since <= one.day <= until)[1]


def _beside_siblings(final: Account, advice: Advice) -> Afterwards:
    entity = _of(final, advice)
    if entity is None:
        return Afterwards(Held.UNCLEAR)
    since, until = _span(final, advice)
    spent, made = _sum(entity.between(since, until))
    if advice.subject == "target":
        rate = 1 / float(advice.numbers["target_cpa"])
    else:
        others = (one for one in final.siblings[entity.siblings_key] if one is not entity)
        rest = _sum(day for one in others for day in one.between(since, until))
        if not rest[0] or made + rest[1] < _LEAST_RESULTS:
            return Afterwards(Held.UNCLEAR)
        rate = rest[1] / rest[0]
    if not spent or not rate:
        return Afterwards(Held.UNCLEAR)
    own = made / spent
    # A side without results is infinitely dear: 2 stands for that, well beyond the noise.
    if advice.kind is Kind.PAUSE:
        return Afterwards(_claim(rate / own if own else 2.0), spent * (rate - own))
    return Afterwards(_claim(own / rate), _RAISED * spent * (own - rate))


def _claim(ratio: float) -> Held:
    """`ratio` is above one where the claim is right."""
    if ratio >= 1 + _NOISE:
        return Held.HIT
    return Held.FALSE_ALARM if ratio <= 1 else Held.UNCLEAR


def _still_tired(final: Account, advice: Advice) -> Afterwards:
    entity = _of(final, advice)
    drop = advice.numbers.get("ctr_drop_pct")
    if entity is None or drop is None:
        return Afterwards(Held.UNCLEAR)
    days = entity.between(*_span(final, advice))
    shown = sum(one.impressions for one in days)
    if shown < _LEAST_IMPRESSIONS:
        return Afterwards(Held.UNCLEAR)
    rate = 100 * sum(one.clicks for one in days) / shown
    before = float(advice.numbers["ctr_before_pct"]) * float(advice.numbers["other_ads_ctr_factor"])
    # Back above half of the fall, it was a bad week.
    return Afterwards(Held.HIT if rate <= before * (1 - float(drop) / 200) else Held.FALSE_ALARM)


def _still_off(final: Account, advice: Advice) -> Afterwards:
    """An anomaly of one day that the days after do not share was chance, or over by itself."""
    entity = _of(final, advice)
    if entity is None:
        return Afterwards(Held.UNCLEAR)
    day = date.fromisoformat(str(advice.numbers["day"]))
    days = entity.between(day + timedelta(days=1), day + timedelta(days=_DAYS_OF_ANOMALY))
    typical = float(advice.numbers["typical"])
    spent, made = _sum(days)
    if not spent or typical <= 0:
        return Afterwards(Held.UNCLEAR)
    if advice.subject == "results":
        now, was = made * float(advice.numbers["spend"]) / spent, float(advice.numbers["results"])
    else:
        now, was = spent / len(days), float(advice.numbers["spend"])
    middle = (typical + was) / 2
    return Afterwards(Held.HIT if (now < middle) == (was < typical) else Held.FALSE_ALARM)


def _still_out_of_pace(final: Account, advice: Advice) -> Afterwards:
    paced = set(advice.entity_ids)
    due = spent = 0.0
    since, until = _span(final, advice, _LEAST_DAYS)
    for one in final.entities:
        # A lifetime budget's pace is its schedule's, of which nothing is known here.
        if one.entity_id in paced and one.daily_budget:
            due += one.daily_budget * ((until - since).days + 1)
            spent += sum(day.spend for day in one.between(since, until))
    if not due:
        return Afterwards(Held.UNCLEAR)
    is_under = advice.subject == "under"
    return Afterwards(Held.HIT if (spent / due < 1) == is_under else Held.FALSE_ALARM)


def _still_silent(final: Account, advice: Advice) -> Afterwards:
    entity = _of(final, advice)
    if entity is None or "days_silent" not in advice.numbers:
        return Afterwards(Held.UNCLEAR)  # Meta's word, not a claim of ours
    # Two days: what comes back later was mended, and is no false alarm.
    days = entity.between(*_span(final, advice, 2))
    return Afterwards(Held.FALSE_ALARM if any(day.spend for day in days) else Held.HIT)


def _still_cheaper(final: Account, advice: Advice) -> Afterwards:
    pair = [next(iter(final.with_ids([one])), None) for one in advice.entity_ids[:2]]
    if None in pair or len(pair) < 2:
        return Afterwards(Held.UNCLEAR)
    since, until = _span(final, advice)
    (gave, gave_made), (took, took_made) = (
        _sum(one.between(since, until)) for one in pair if one is not None
    )
    if not gave or not took or gave_made + took_made < _LEAST_RESULTS:
        return Afterwards(Held.UNCLEAR)
    moved = float(advice.numbers["move_a_day"]) * ((until - since).days + 1)
    # The next result by the curve the advice went by, at the rates that came.
    rates = (
        took_made / took * float(advice.numbers["to_beta"]),
        gave_made / gave * float(advice.numbers["from_beta"]),
    )
    ratio = rates[0] / rates[1] if rates[1] else 2.0
    return Afterwards(_claim(ratio), moved * (rates[0] - rates[1]))


def _untold(final: Account, advice: Advice) -> Afterwards:
    """A state, not a forecast: the days after cannot contradict it."""
    del final, advice
    return Afterwards(Held.UNCLEAR)


_MEASURES: dict[Kind, Callable[[Account, Advice], Afterwards]] = {
    Kind.DELIVERY: _still_silent,
    Kind.LEARNING_LIMITED: _untold,
    Kind.PAUSE: _beside_siblings,
    Kind.SCALE: _beside_siblings,
    Kind.FATIGUE: _still_tired,
    Kind.PACING: _still_out_of_pace,
    Kind.ANOMALY: _still_off,
    Kind.BUDGET_SHIFT: _still_cheaper,
    Kind.DUPLICATES: _untold,
}


@dataclass(frozen=True, slots=True)
class Restated:
    """A day that Meta restated after it was read: shares of the last numbers that were known."""

    day: date
    read_on: date
    spend: float = 1.0
    impressions: float = 1.0
    clicks: float = 1.0
    results: float = 1.0


def to_come(restated: Iterable[Restated], today: date) -> dict[date, Restated]:
    """By day the restatement that says what was known of it at the beginning of `today`."""
    then: dict[date, Restated] = {}
    for one in restated:
        # The first restatement that was still to come says what was known.
        known = then.get(one.day)
        if one.read_on >= today and (known is None or one.read_on < known.read_on):
            then[one.day] = one
    return then


def as_read(days: Sequence[Day], then: Mapping[date, Restated], today: date) -> tuple[Day, ...]:
    """An entity's days as they had been read by the beginning of `today`; `then` is of `to_come`.

    The day's share is that of the whole account, which is what the history of restatements keeps.
    """
    return tuple(
        day
        if (moved := then.get(day.day)) is None
        else replace(
            day,
            spend=day.spend * moved.spend,
            impressions=round(day.impressions * moved.impressions),
            clicks=round(day.clicks * moved.clicks),
            results=day.results * moved.results,
        )
        for day in days
        if day.day < today
    )
