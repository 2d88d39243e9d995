"""Creative fatigue: our own sign beside Meta's level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from meta_pipeline.advice.advice import Advice, Kind, NoAdvice, Severity, advice, named
from meta_pipeline.advice.evidence import dispersion, rate_fell
from meta_pipeline.advice.gates import is_weighty, one_currency, reconciled, unchanged
from meta_pipeline.advice.known import Account, Day, Entity
from meta_pipeline.advice.thresholds import Thresholds

_WEEK = 7
# Long enough for a rate of its own, short enough that the creative was not new at its beginning.
_WEEKS_BEFORE = 3
# Levels of the webhook creative_fatigue that ask for something; it also tells LOW.
_METAS = {"HIGH", "MEDIUM"}


def fatigue(account: Account, thresholds: Thresholds) -> Iterator[Advice | NoAdvice]:
    """Active ads people have seen often and click less than before, or that Meta calls tired."""
    since = account.today - timedelta(days=_WEEK)
    before = since - timedelta(days=_WEEK * _WEEKS_BEFORE)
    ads = [one for one in account.of_type("ad") if one.is_active and one.days]
    season = _Season(ads, before, since, account.yesterday)
    for one in ads:
        own = _windows(one, before, since, account.yesterday)
        if min(_impressions(own[0]), _impressions(own[1])) < thresholds.fatigue_impressions:
            # Meta sees more than the numbers it gives: its word counts where ours are too few.
            if one.fatigue in _METAS:
                yield _metas_only(account, one)
            continue
        if not is_weighty(account, one, thresholds):
            continue
        sign = _sign(one, own, season.beside(one), thresholds)
        if sign is None and one.fatigue not in _METAS:
            continue
        closed = (
            one_currency(account, before)
            or reconciled(account, before, account.yesterday)
            or unchanged(account, [one], thresholds)
        )
        if closed is not None:
            yield NoAdvice(
                kind=Kind.FATIGUE,
                entity_type="ad",
                entity_id=one.entity_id,
                gate=closed[0],
                sentence=f"No advice on the creative of the {named(one)}: {closed[1]}.",
            )
        elif sign is None:
            yield _metas_only(account, one)
        else:
            yield _tired(account, one, sign)


def _windows(entity: Entity, before: date, since: date, until: date) -> tuple[list[Day], list[Day]]:
    return entity.between(before, since - timedelta(days=1)), entity.between(since, until)


def _impressions(days: Sequence[Day]) -> int:
    return sum(one.impressions for one in days)


def _clicks(days: Sequence[Day]) -> int:
    return sum(one.clicks for one in days)


class _Season:
    """How the click rate of all other ads moved: what fell everywhere is not this creative."""

    def __init__(self, ads: Sequence[Entity], before: date, since: date, until: date) -> None:
        self._all: Counter[str] = Counter()
        self._by_creative: dict[tuple[str, str], Counter[str]] = {}
        for one in ads:
            then, now = _windows(one, before, since, until)
            counts = {
                "shown_then": _impressions(then),
                "clicks_then": _clicks(then),
                "shown": _impressions(now),
                "clicks": _clicks(now),
            }
            self._all.update(counts)
            self._by_creative.setdefault(_creative(one), Counter()).update(counts)

    def beside(self, entity: Entity) -> float:
        """Of all ads but those of its creative: a factor, 1 where there are none or none moved."""
        own = self._by_creative[_creative(entity)]
        # Whole numbers: what is left is exact.
        others = {name: count - own[name] for name, count in self._all.items()}
        # Few clicks move by chance: pulled towards no movement.
        steady = 200.0
        if not others["shown_then"] or not others["shown"]:
            return 1.0
        rate_then = others["clicks_then"] / others["shown_then"]
        moved = (others["clicks"] / others["shown"]) / max(rate_then, 1e-9)
        weight = others["clicks"] / (others["clicks"] + steady)
        return float(max(moved, 1e-3) ** weight)


def _creative(entity: Entity) -> tuple[str, str]:
    """Its creative; an ad whose creative is not known is one of its own."""
    if entity.creative_id:
        return "creative", entity.creative_id
    return "ad", entity.entity_id


def _sign(
    entity: Entity,
    windows: tuple[Sequence[Day], Sequence[Day]],
    season: float,
    thresholds: Thresholds,
) -> dict[str, float] | None:
    then, now = windows
    # Reach of days cannot be added up. The week's is at least that of its best day, so the
    # frequency is at most this.
    people = max((one.reach or 0 for one in now), default=0)
    frequency = _impressions(now) / people if people else None
    if frequency is None or frequency < thresholds.fatigue_frequency:
        return None
    rate_then, rate_now = _clicks(then) / _impressions(then), _clicks(now) / _impressions(now)
    if not rate_then:
        return None
    season = min(season, 1.0)  # siblings that rose make no creative tired
    drop = 1 - rate_now / (rate_then * season)
    # Each window by its own rate: a fall between them is no spread.
    days = [(day, rate) for side, rate in ((then, rate_then), (now, rate_now)) for day in side]
    spread = dispersion(
        [day.clicks for day, _ in days], [day.impressions * rate for day, rate in days], fitted=2
    )
    sure = float(
        rate_fell(
            _clicks(now),
            _impressions(now) * season,
            _clicks(then),
            _impressions(then),
            spread=spread,
        )
    )
    if drop < thresholds.fatigue_ctr_drop or sure < thresholds.fatigue_probability:
        return None
    made, made_then = (sum(one.results for one in days) for days in (now, then))
    cost, cost_then = (sum(one.spend for one in days) for days in (now, then))
    numbers = {
        "frequency_at_most": round(frequency, 2),
        "ctr_pct": round(100 * rate_now, 3),
        "ctr_before_pct": round(100 * rate_then, 3),
        "other_ads_ctr_factor": round(season, 3),
        "ctr_drop_pct": round(100 * drop, 1),
        "probability_fell": round(sure, 5),
        "daily_spread": round(spread, 2),
    }
    if made and made_then:
        numbers["cost_per_result_ratio"] = round((cost / made) / (cost_then / made_then), 2)
    return numbers


def _tired(account: Account, entity: Entity, numbers: dict[str, float]) -> Advice:
    ratio = numbers.get("cost_per_result_ratio")
    cost = f"; a result costs {ratio:.1f} times what it did" if ratio else ""
    level = f"; Meta's own fatigue level is {entity.fatigue}" if entity.fatigue else ""
    return advice(
        account,
        Kind.FATIGUE,
        entity,
        days_to_review=14,
        severity=Severity.HIGH if entity.fatigue == "HIGH" else Severity.MEDIUM,
        what=f"Add a new creative next to the {named(entity)}, and pause this one once the new one "
        "delivers.",
        why=f"Its click-through rate last week was {numbers['ctr_drop_pct']:.0f} % below that of "
        f"the three weeks before, and people saw it up to {numbers['frequency_at_most']:.1f} times "
        f"that week{cost}{level}.",
        numbers=numbers | {"meta_fatigue_level": entity.fatigue},
        method="Clicks per impression of 7 days beside the 21 before, corrected for how all other "
        "ads moved, and widened by how much its days differ; frequency is impressions by the "
        "largest reach of a day.",
        doubt="The frequency is an upper bound, as the reach of days cannot be added up, and a "
        "click-through rate also falls when the audience or the placements change.",
        confidence=numbers["probability_fell"],
        expected_effect="The click-through rate returns to about where it was.",
    )


def _metas_only(account: Account, entity: Entity) -> Advice:
    return advice(
        account,
        Kind.FATIGUE,
        entity,
        days_to_review=14,
        severity=Severity.MEDIUM if entity.fatigue == "HIGH" else Severity.LOW,
        what=f"Prepare a new creative for the {named(entity)}.",
        why=f"Meta says its creative is tiring people (level {entity.fatigue}); your own numbers "
        "do not show it yet.",
        numbers={"meta_fatigue_level": entity.fatigue},
        method="Meta's webhook creative_fatigue, as last received.",
        doubt="Meta does not say how it decides; our click rate and frequency do not confirm it.",
        expected_effect="The cost per result does not rise further.",
    )
