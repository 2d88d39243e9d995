"""Reviews: whether advice was right, by the numbers after it, once they are settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from .advice import Kind, money
from .evidence import rate_fell
from .gates import settled
from .known import Account, Day
from .thresholds import Thresholds

_LEAST_DAYS = 7
"""Shorter stretches differ by their weekdays alone."""
_LEAST_RESULTS = 30
_LEAST_IMPRESSIONS = 1000
# One verdict a review, looked at once: no correction for looking daily.
_SURE = 0.95
_NOISE = 0.10
"""Usual floors of verdicts: 30 results, 1,000 impressions a side, a band of 10 %."""
_STEADY = 0.5
"""Spend or results within half and twice what was typical are back to normal."""


class AdviceVerdict(StrEnum):
    """How the numbers stand after a piece of advice, beside before."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Advice as it was given; `acted_on` is the day somebody followed it, None while nobody did.

    `numbers` are those it rested on.
    """

    kind: Kind
    entity_type: str
    entity_id: str
    entity_ids: tuple[str, ...]
    as_of: date
    review_on: date
    numbers: Mapping[str, Any]
    acted_on: date | None = None
    currency: str | None = None
    """What its amounts are in, where that is not the account's currency of today."""

    @property
    def span(self) -> int:
        """Days that are compared with as many before."""
        return max((self.review_on - self.as_of).days, _LEAST_DAYS)

    @property
    def compared_since(self) -> date:
        """The first of the days before it that are compared."""
        return (self.acted_on or self.as_of) - timedelta(days=self.span)

    @property
    def begins(self) -> date:
        """The first whole day after it was acted on, or given."""
        return (self.acted_on or self.as_of) + timedelta(days=1)

    @property
    def ends(self) -> date:
        """The last day that is compared."""
        return self.begins + timedelta(days=self.span - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A verdict in a sentence, with its numbers."""

    verdict: AdviceVerdict
    sentence: str
    numbers: Mapping[str, Any]


def is_due(account: Account, given: Given, thresholds: Thresholds) -> bool:
    """Whether the days after it are over, and have settled where numbers are compared."""
    if given.kind in _STATES:
        return account.today >= max(given.review_on, given.begins)
    return settled(account, thresholds) >= given.ends


def review(account: Account, given: Given) -> Review:
    """Measure a piece of advice whose review is due: the days after it beside as many before it.

    It says what happened, not that the advice was the cause: nobody experimented.
    Amounts of two currencies say nothing of each other.
    """
    until = account.other_currency_until
    if given.kind not in _WITHOUT_AMOUNTS:
        if given.currency not in {None, account.currency}:
            return _unknown(
                f"It was given in {given.currency}, and the account is in {account.currency} by "
                "now: amounts of two currencies are not compared."
            )
        if until is not None and until >= given.compared_since:
            return _unknown(
                f"Amounts up to {until} are stored in another currency than {account.currency}: "
                "the days after are not compared with those before."
            )
    return _MEASURES[given.kind](account, given)


def _own(account: Account, given: Given) -> list[Day]:
    """Days of what it is about."""
    return [day for one in account.with_ids(given.entity_ids) for day in one.days]


def _scope(account: Account, given: Given) -> list[Day]:
    """Days of all the spend could go to: of one parent and goal; of a shift, of the two alone."""
    if given.kind is Kind.BUDGET_SHIFT:
        return _own(account, given)
    keys = dict.fromkeys(one.siblings_key for one in account.with_ids(given.entity_ids))
    return [day for key in keys for day in account.days_together(key)]


def _sides(days: Sequence[Day], given: Given) -> tuple[list[Day], list[Day]]:
    # The day itself is on neither side: it was partly before the step and partly after it.
    last = (given.acted_on or given.as_of) - timedelta(days=1)
    return (
        [one for one in days if given.compared_since <= one.day <= last],
        [one for one in days if given.begins <= one.day <= given.ends],
    )


def _unknown(sentence: str) -> Review:
    return Review(verdict=AdviceVerdict.UNKNOWN, sentence=sentence, numbers={})


def _cost(account: Account, given: Given) -> Review:
    """Results for the spend, of all that the spend could go to."""
    before, after = _sides(_scope(account, given), given)
    made = [sum(day.results for day in side) for side in (before, after)]
    spent = [sum(day.spend for day in side) for side in (before, after)]
    if min(made) < _LEAST_RESULTS or min(spent) <= 0:
        return _unknown(
            f"{made[0]:,.0f} results in the {given.span} days before and {made[1]:,.0f} after are "
            "too few to compare."
        )
    cpa = [cost / count for cost, count in zip(spent, made, strict=True)]
    # Results by unit of spend, as clicks by impression: Poisson both, so one test serves.
    fell = float(rate_fell(made[1], spent[1], made[0], spent[0]))
    # The rate is results by spend: where it fell, each costs more.
    verdict = _verdict(cpa[1] / cpa[0] - 1, worse=fell, better=1 - fell)
    return Review(
        verdict=verdict,
        sentence=f"A result cost {money(cpa[1], account.currency)} in the {given.span} days after, "
        f"{money(cpa[0], account.currency)} in those before.",
        numbers={
            "cpa_before": round(cpa[0], 4),
            "cpa_after": round(cpa[1], 4),
            "results_before": round(made[0], 2),
            "results_after": round(made[1], 2),
            "probability_cheaper": round(1 - fell, 4),
        },
    )


def _clicks(account: Account, given: Given) -> Review:
    """Clicks for the impressions, of all ads beside the tired one."""
    before, after = _sides(_scope(account, given), given)
    shown = [sum(day.impressions for day in side) for side in (before, after)]
    if min(shown) < _LEAST_IMPRESSIONS:
        return _unknown("There were too few impressions before or after to compare.")
    clicked = [sum(day.clicks for day in side) for side in (before, after)]
    fell = float(rate_fell(clicked[1], shown[1], clicked[0], shown[0]))
    rate = [100 * clicks / views for clicks, views in zip(clicked, shown, strict=True)]
    change = rate[1] / rate[0] - 1 if rate[0] else 0.0
    return Review(
        verdict=_verdict(-change, worse=fell, better=1 - fell),
        sentence=f"{rate[1]:.2f} % of the impressions were clicked in the {given.span} days after, "
        f"{rate[0]:.2f} % in those before.",
        numbers={"ctr_pct_before": round(rate[0], 3), "ctr_pct_after": round(rate[1], 3)},
    )


def _verdict(rise: float, *, worse: float, better: float) -> AdviceVerdict:
    """By the rise of a cost: beyond the band of noise, and surely."""
    if rise >= _NOISE and worse >= _SURE:
        return AdviceVerdict.WORSE
    if rise <= -_NOISE and better >= _SURE:
        return AdviceVerdict.BETTER
    return AdviceVerdict.SAME


def _scaled(account: Account, given: Given) -> Review:
    """Results a day of the one that was raised; at a surely higher cost it is no gain."""
    before, after = _sides(_own(account, given), given)
    cost = _cost(account, given)
    made = [sum(day.results for day in side) for side in (before, after)]
    if cost.verdict is AdviceVerdict.UNKNOWN:
        return cost
    rose = float(rate_fell(made[0], given.span, made[1], given.span))
    change = made[1] / made[0] - 1 if made[0] else 0.0
    verdict = _verdict(-change, worse=1 - rose, better=rose)
    # More results that each cost more is what any raise brings.
    if verdict is AdviceVerdict.BETTER and cost.verdict is AdviceVerdict.WORSE:
        verdict = AdviceVerdict.SAME
    return Review(
        verdict=verdict,
        sentence=f"It brought {made[1] / given.span:,.1f} results a day in the {given.span} days "
        f"after, {made[0] / given.span:,.1f} in those before. {cost.sentence}",
        numbers=dict(cost.numbers),
    )


def _mended(account: Account, given: Given) -> Review:
    named = account.with_ids(given.entity_ids)
    if given.entity_type == "account" and "account_status" in given.numbers:
        is_on = account.account_status == 1
        return Review(
            verdict=AdviceVerdict.BETTER if is_on else AdviceVerdict.SAME,
            sentence="The account is active again." if is_on else "The account is still off.",
            numbers={"account_status": account.account_status},
        )
    if not named:
        return _unknown("What it was about is gone.")
    since = account.today - timedelta(days=_LEAST_DAYS)
    good = [
        one
        for one in named
        if one.is_active
        and not one.issues
        # What was silent had no issue before either: it is mended once it delivers.
        and ("days_silent" not in given.numbers or one.between(since, account.yesterday))
    ]
    verdict = (
        AdviceVerdict.SAME
        if not good
        else AdviceVerdict.BETTER
        if len(good) == len(named)
        else AdviceVerdict.UNKNOWN
    )
    return Review(
        verdict=verdict,
        sentence=f"{len(good)} of {len(named)} can deliver again.",
        numbers={"named": len(named), "mended": len(good)},
    )


def _learned(account: Account, given: Given) -> Review:
    named = account.with_ids(given.entity_ids)
    stage = next((one.learning.stage for one in named if one.learning), None)
    if stage is None:
        return _unknown("Meta does not say its learning stage any more.")
    verdict = {"SUCCESS": AdviceVerdict.BETTER, "FAIL": AdviceVerdict.SAME}.get(
        stage, AdviceVerdict.UNKNOWN
    )
    return Review(
        verdict=verdict, sentence=f"Its learning stage is {stage}.", numbers={"stage": stage}
    )


def _paced(account: Account, given: Given) -> Review:
    now = account.budgets_due.get(given.entity_id)
    if now is None or not now.due:
        return _unknown("Its budget has no pace any more.")
    pct = 100 * now.spent / now.due
    was = float(given.numbers.get("pace_pct", pct))
    off, off_before = abs(pct - 100), abs(was - 100)
    verdict = AdviceVerdict.SAME
    if abs(off - off_before) > 100 * _NOISE:
        verdict = AdviceVerdict.BETTER if off < off_before else AdviceVerdict.WORSE
    return Review(
        verdict=verdict,
        sentence=f"It is at {pct:.0f} % of what was due, after {was:.0f} %.",
        numbers={"pace_pct_before": round(was, 1), "pace_pct_after": round(pct, 1)},
    )


def _normal(account: Account, given: Given) -> Review:
    """Whether the days after are near what was typical before the anomaly."""
    _, after = _sides(_own(account, given), given)
    days = int(given.numbers.get("days", 1))
    typical = float(given.numbers.get("typical", 0)) / days
    spent, made = sum(day.spend for day in after), sum(day.results for day in after)
    if not after or typical <= 0:
        return _unknown("Nothing was read of the days after.")
    now = spent / len(after)
    if "results" in given.numbers:
        # At the spend of the days that stood out.
        now = made * float(given.numbers["spend"]) / days / spent if spent else 0.0
    is_back = _STEADY <= now / typical <= 1 / _STEADY
    return Review(
        verdict=AdviceVerdict.BETTER if is_back else AdviceVerdict.SAME,
        sentence=f"A day of the {given.span} after had {now:,.1f}, typical were {typical:,.1f}.",
        numbers={"typical": typical, "a_day_after": round(now, 2)},
    )


_STATES = frozenset({Kind.DELIVERY, Kind.LEARNING_LIMITED, Kind.PACING})
"""Kinds whose outcome is a state of now: no days are compared."""
_WITHOUT_AMOUNTS = frozenset({Kind.DELIVERY, Kind.LEARNING_LIMITED})
_MEASURES: Mapping[Kind, Callable[[Account, Given], Review]] = {
    Kind.DELIVERY: _mended,
    Kind.LEARNING_LIMITED: _learned,
    Kind.PAUSE: _cost,
    Kind.SCALE: _scaled,
    Kind.FATIGUE: _clicks,
    Kind.PACING: _paced,
    Kind.ANOMALY: _normal,
    Kind.BUDGET_SHIFT: _cost,
    Kind.DUPLICATES: _cost,
}
