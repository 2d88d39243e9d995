"""Thresholds: every number a rule goes by, what it means and where it is from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any

_MEASURED = "python -m benchmarks advice_rules"


def _number(value: float, meaning: str, source: str, at_most: float = 1e9) -> Any:
    about = {"meaning": meaning, "source": source, "at_most": at_most}
    return field(default=value, metadata=about)


class ThresholdError(ValueError):
    """A threshold is unknown or impossible; the message says which, and what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The numbers of the rules; all above zero. Change some: `Thresholds.parse("e_value=40")`."""

    settled_days: float = _number(
        3,
        "Days after which a day counts as settled while its account's own is unknown",
        "asset restatement_by_age shows an account's own; a day may move for 28 (FACTS 5.5)",
        28,
    )
    e_value: float = _number(
        20,
        "E-value from which two CPAs differ; chance of it without a difference: 1 in this",
        f"Ville's inequality at 5 %; {_MEASURED}",
    )
    pair_conversions: float = _number(
        30,
        "Conversions of both sides together below which nothing is compared",
        "usual floor of verdicts, 30 conversions",
    )
    pair_ratio: float = _number(
        1.25,
        "Ratio of two CPAs below which the difference is not worth a step",
        "practice: verdicts leave 10 % to noise; a step costs a learning stage",
        100,
    )
    pair_share: float = _number(
        0.2,
        "Share of the spend that the siblings need to take over a dear one's",
        "an average CPA says little of five times the spend",
        0.99,
    )
    compared_days: float = _number(
        84,
        "Days looked back at most to compare",
        "three months of one season",
        365,
    )
    target_factor: float = _number(
        1.3,
        "CPA beyond target by which an ad set is called too dear, or cheap",
        _MEASURED,
        100,
    )
    target_probability: float = _number(
        0.95,
        "Probability that the CPA is beyond it",
        f"Gamma prior at the target; {_MEASURED}",
        0.9999,
    )
    target_prior_conversions: float = _number(
        10,
        "Conversions that the belief in the target weighs",
        _MEASURED,
    )
    target_days: float = _number(28, "Days judged against the target", "four whole weeks", 365)
    learning_events: float = _number(
        50,
        "Events that end learning where the ad set says no number of its own",
        "about 50 (FACTS 12)",
    )
    learning_days: float = _number(
        7,
        "Days in which they have to happen, where the ad set says none",
        "FACTS 12",
        60,
    )
    fatigue_frequency: float = _number(
        3.5,
        "Impressions a person in a week from which a creative can be tired",
        "practice (mureo); no number of Meta's",
    )
    fatigue_ctr_drop: float = _number(
        0.2,
        "Fall of the click rate below its own weeks before",
        "practice (mureo)",
        0.99,
    )
    fatigue_probability: float = _number(
        0.9995,
        "Probability that the click rate fell at all",
        _MEASURED,
        0.999999,
    )
    fatigue_impressions: float = _number(
        1000,
        "Impressions of each window below which no click rate is judged",
        "practice (mureo)",
    )
    budget_observation_days: float = _number(
        7,
        "Days in which a change of budget is observed, and nothing is advised",
        "practice: a week evens out the daily budget (FACTS 16)",
        90,
    )
    creative_observation_days: float = _number(
        14, "The same after a change of creative, audience or goal", "practice", 90
    )
    bid_observation_days: float = _number(
        21, "The same after a change of bid or bid strategy", "practice", 90
    )
    daily_overspend: float = _number(
        0.75,
        "Share by which a day may spend above its daily budget",
        "Meta (FACTS 16)",
    )
    pace_under_pct: float = _number(
        80,
        "Spend in percent of what was due, below which a budget is under pace",
        "view budget_pacing",
        100,
    )
    pace_over_pct: float = _number(
        120,
        "Spend in percent of what was due, above which a budget is over pace",
        "view budget_pacing",
    )
    anomaly_weeks: float = _number(
        8, "Same weekdays that a day is compared with", "two months of one season", 52
    )
    anomaly_chance: float = _number(
        0.001,
        "Chance of a day so far out on which an anomaly is called",
        _MEASURED,
        0.5,
    )
    arrived_share: float = _number(
        0.75,
        "Share of a settled day's conversions taken as arrived while the account's own is unknown",
        f"days move for 28 (FACTS 5.5); {_MEASURED}",
        1,
    )
    shift_days: float = _number(
        14,
        "Days of distinct spend below which no response to budget is told",
        "a curve needs different points",
        365,
    )
    shift_step: float = _number(
        0.2, "Share of the smaller budget that is moved at once", "practice: steps of 20 %", 1
    )
    shift_probability: float = _number(0.975, "Probability that the move gains", _MEASURED, 0.9999)
    stopped_days: float = _number(
        2, "Whole days without delivery after which it has stopped", "a day may be a gap", 28
    )
    least_spend_share: float = _number(
        0.01,
        "Share of the account's spend of four weeks below which nothing is paused, scaled or paced",
        "practice: below one percent no step is felt",
        0.5,
    )
    quiet_days: float = _number(
        28,
        "Days in which a dismissed or settled advice is not given again",
        "a person's no holds for four weeks",
        365,
    )

    @classmethod
    def parse(cls, text: str) -> Thresholds:
        """The defaults, with those of `name=number,name=number` in their place."""
        given: dict[str, float] = {}
        known = {one.name: one for one in fields(cls)}
        for part in filter(None, (one.strip() for one in text.split(","))):
            name, equals, value = (one.strip() for one in part.partition("="))
            if not equals or name not in known:
                raise ThresholdError(f"{part!r} sets no threshold. There are: {', '.join(known)}")
            try:
                number = float(value)
            except ValueError:
                raise ThresholdError(f"{name}={value!r} is no number") from None
            most = known[name].metadata["at_most"]
            if not isfinite(number) or not 0 < number <= most:
                raise ThresholdError(f"{name}={value} has to be above 0 and at most {most:g}")
            given[name] = number
        return replace(cls(), **given)

    @classmethod
    def described(cls) -> Iterator[tuple[str, float, str, str]]:
        """Name, default, meaning and source of each."""
        for one in fields(cls):
            yield one.name, one.default, one.metadata["meaning"], one.metadata["source"]  # type: ignore[misc]
