"""The rules of advice on planted worlds: false alarms and finds, each beside its limit.

    python -m benchmarks advice_rules
    python -m benchmarks.advice_rules --worlds 50

The tables of docs/advice.md are made of them by `advice_backtest`.

Every world is looked at daily for 28 days by the rule as it ships, with the shipped thresholds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from meta_pipeline.advice import Account, BudgetPace, Entity, Kind, Thresholds, judge
from meta_pipeline.advice.rules import Rule
from meta_pipeline.advice.rules.anomaly import anomalies
from meta_pipeline.advice.rules.comparison import comparisons
from meta_pipeline.advice.rules.fatigue import fatigue
from meta_pipeline.advice.rules.pacing import pacing
from meta_pipeline.advice.rules.shift import budget_shift
from meta_pipeline.advice.rules.target import against_target
from meta_pipeline_tests.advice import planted as made
from meta_pipeline_tests.advice.replay import Given, first_of, replay, seen_on

LOOKS = 28
Make = Callable[[np.random.Generator], Account]


@dataclass(frozen=True, slots=True)
class World:
    """A planted truth; `looked_from` is the first day of looking, counted from the first day.

    `crossed` is the day from which the truth is there, None where there is nothing to find.
    """

    rule: Rule
    name: str
    make: Make
    kinds: tuple[Kind, ...]
    looked_from: int = 1
    crossed: int | None = None
    seen: Callable[[Account, date], Account] = seen_on


@dataclass(frozen=True, slots=True)
class Found:
    """Of so many worlds, in how many the rule spoke; after how many days of the truth."""

    worlds: int
    spoke: int
    days: tuple[int, ...]

    @property
    def share_pct(self) -> float:
        return 100 * self.spoke / self.worlds

    @property
    def waited_pct(self) -> float:
        """Share of the four weeks that passed before it was said: what waiting lost of the gain."""
        waited = sum(min(max(one, 0), LOOKS) for one in self.days)
        return 100 * (waited + LOOKS * (self.worlds - len(self.days))) / (LOOKS * self.worlds)

    @property
    def median_days(self) -> float | None:
        """Median over all worlds, those where nothing was found counted as never."""
        late = sorted(self.days) + [10**6] * (self.worlds - len(self.days))
        middle = float(np.median(late))
        return middle if middle < 10**6 else None


def measure(world: World, worlds: int, seed: int = 1) -> Found:
    """Replay a world so many times."""
    days: list[int] = []
    spoke = 0
    for number in range(worlds):
        account = world.make(np.random.default_rng((seed, number)))
        looks = [made.FIRST + timedelta(days=world.looked_from + at) for at in range(LOOKS)]
        first: Given | None = first_of(
            replay(partial(world.seen, account), looks, rules=(world.rule,)),
            *world.kinds,
        )
        if first is not None:
            spoke += 1
            days.append((first.day - made.FIRST).days - (world.crossed or 0))
    return Found(worlds, spoke, tuple(days))


def measure_each(
    world: World, worlds: int, thresholds: Sequence[Thresholds], seed: int = 1
) -> list[Found]:
    """The same with each of these, the loosest first: on a day it is silent, so are the others."""
    days: list[list[int]] = [[] for _ in thresholds]
    for number in range(worlds):
        account = world.make(np.random.default_rng((seed, number)))
        waiting = list(range(len(thresholds)))
        for at in range(world.looked_from, world.looked_from + LOOKS):
            seen = world.seen(account, made.FIRST + timedelta(days=at))
            while waiting:
                said = judge(seen, thresholds[waiting[0]], (world.rule,)).advices
                if not any(one.kind in world.kinds for one in said):
                    break
                days[waiting.pop(0)].append(at - (world.crossed or 0))
            if not waiting:
                break
    return [Found(worlds, len(found), tuple(found)) for found in days]


def two_ads(ratio: float, number: int = 2) -> Make:
    """Ads of 100 a day and five conversions each, the first `ratio` times as dear."""

    def make(rng: np.random.Generator) -> Account:
        ads = [
            made.entity(
                rng, f"ad{at}", made.steady_spend(rng, LOOKS), rate=0.05 / (ratio if not at else 1)
            )
            for at in range(number)
        ]
        return made.account(ads, LOOKS)

    return make


def target(ratio: float) -> Make:
    """An ad set of five conversions a day at the target of 20, times `ratio`."""

    def make(rng: np.random.Generator) -> Account:
        adset = made.entity(
            rng, "s", made.steady_spend(rng, LOOKS), entity_type="adset", rate=0.05 / ratio
        )
        return made.account([adset], LOOKS, target_cpa=20.0, target_metric="results")

    return make


def creatives(fall_a_day: float, begins: int = 35) -> Make:
    """Three ads seen often; the first one's click rate falls from a day on."""

    def make(rng: np.random.Generator) -> Account:
        days = begins + LOOKS
        falling = 0.015 * (1 - fall_a_day) ** np.maximum(np.arange(days) - begins + 1, 0)
        ads = [
            made.entity(
                rng,
                f"ad{at}",
                made.steady_spend(rng, days, 50.0),
                ctr=falling if not at else 0.015,
                frequency=1.6,
            )
            for at in range(3)
        ]
        return made.account(ads, days)

    return make


def crossing(fall_a_day: float, begins: int = 35) -> int:
    """The day after which the true click rate of 7 days is 20 % below that of the 21 before."""
    days = begins + LOOKS
    rate = (1 - fall_a_day) ** np.maximum(np.arange(days) - begins + 1, 0)
    for day in range(28, days):
        if rate[day - 7 : day].mean() <= 0.8 * rate[day - 28 : day - 7].mean():
            return day
    raise AssertionError("it never crosses")


def whole_account(breaks: bool, begins: int = 70) -> Make:
    """An account of fifteen conversions a day by weekday; its pixel may break on a day."""

    def make(rng: np.random.Generator) -> Account:
        days = begins + LOOKS
        rate = np.full(days, 0.05)
        if breaks:
            rate[begins:] = 0.0
        own = made.entity(
            rng, "act_1", made.steady_spend(rng, days, 300.0), entity_type="account", rate=rate
        )
        return made.account([own], days)

    return make


def arriving_late(account: Account, today: date) -> Account:
    """The account on a day, with the conversions that had arrived by then.

    Half of a day's are there at once, the rest ever more slowly for 28 days (FACTS 5.5).
    """
    seen = seen_on(account, today)
    entities = tuple(
        replace(
            one,
            days=tuple(
                replace(day, results=round(day.results * arrived((today - day.day).days - 1)))
                for day in one.days
            ),
        )
        for one in seen.entities
    )
    return replace(seen, entities=entities, settled_until=None)


def arrived(age_days: int) -> float:
    """Share of a day's conversions that are known, by whole days since its end."""
    return 1 - 0.5 * (1 - min(age_days, 28) / 28) ** 6


def throttled(begins: int = 28) -> Make:
    """Three ad sets, the first twice as cheap and held at a budget that it spends every day."""

    def make(rng: np.random.Generator) -> Account:
        days = begins + LOOKS
        sets = [
            made.entity(
                rng,
                f"s{at}",
                np.full(days, 100.0) if not at else made.steady_spend(rng, days),
                entity_type="adset",
                rate=0.1 if not at else 0.05,
                daily_budget=100.0,
            )
            for at in range(3)
        ]
        return made.account(sets, days)

    return make


def curves(first: float, second: float) -> Make:
    """Two ad sets, results a * spend^0.7: the first brings `first` a day at 100, and so on."""

    def make(rng: np.random.Generator) -> Account:
        days = 60 + LOOKS
        sets: list[Entity] = []
        for name, brings in (("s0", first), ("s1", second)):
            spend = 100 * np.exp(rng.normal(0, 0.25, days))
            rate = brings * (spend / 100) ** 0.7 / spend
            sets.append(
                made.entity(rng, name, spend, entity_type="adset", rate=rate, daily_budget=100.0)
            )
        return made.account(sets, days)

    return make


def budgets(share: float) -> Make:
    """A daily budget of 100 of which `share` is spent."""

    def make(rng: np.random.Generator) -> Account:
        spent = float(made.steady_spend(rng, 7, 100.0 * share).sum())
        pace = BudgetPace("adset", "s", "s", "daily", 100.0, 7, spent, 700.0)
        adset = Entity(entity_type="adset", entity_id="s", name="s")
        return made.account([adset], LOOKS, budgets=(pace,))

    return make


_BOTH = (Kind.PAUSE, Kind.SCALE)
EQUAL = (
    World(comparisons, "two equal ads, 5 conversions a day each", two_ads(1), _BOTH),
    World(comparisons, "six equal ads, 5 conversions a day each", two_ads(1, 6), _BOTH),
    World(against_target, "CPA at the target, 5 conversions a day", target(1), _BOTH),
    World(fatigue, "three creatives seen often, none tired", creatives(0), (Kind.FATIGUE,), 35),
    World(anomalies, "weekday seasonality, 15 conversions a day", whole_account(breaks=False),
          (Kind.ANOMALY,), 70),
    World(budget_shift, "two equal response curves", curves(5, 5), (Kind.BUDGET_SHIFT,), 60),
    World(pacing, "a daily budget that is spent", budgets(1), (Kind.PACING,)),
    World(comparisons, "two equal ads, conversions arrive late", two_ads(1), _BOTH,
          seen=arriving_late),
    World(against_target, "CPA at the target, conversions arrive late", target(1), _BOTH,
          seen=arriving_late),
    World(anomalies, "weekday seasonality, conversions arrive late", whole_account(breaks=False),
          (Kind.ANOMALY,), 70, seen=arriving_late),
)  # fmt: skip
"""Nothing to find: whatever is said is a false alarm."""
PLANTED = (
    World(comparisons, "one of two ads twice as dear", two_ads(2), (Kind.PAUSE,), crossed=0),
    World(comparisons, "one of two ads 1.5 times as dear", two_ads(1.5), (Kind.PAUSE,), crossed=0),
    World(against_target, "CPA twice the target", target(2), (Kind.PAUSE,), crossed=0),
    World(fatigue, "click rate falls 5 % a day", creatives(0.05), (Kind.FATIGUE,), 35,
          crossing(0.05)),
    World(anomalies, "the pixel breaks", whole_account(breaks=True), (Kind.ANOMALY,), 70, 70),
    World(budget_shift, "one curve brings twice as much", curves(5, 10), (Kind.BUDGET_SHIFT,), 60,
          60),
    World(comparisons, "one of two ads twice as dear, conversions arrive late", two_ads(2),
          (Kind.PAUSE,), crossed=0, seen=arriving_late),
    World(comparisons, "a cheap ad set held by its budget", throttled(), (Kind.SCALE,), 1,
          crossed=0),
    World(anomalies, "the pixel breaks, conversions arrive late", whole_account(breaks=True),
          (Kind.ANOMALY,), 70, 70, seen=arriving_late),
    World(pacing, "a budget that is half spent", budgets(0.5), (Kind.PACING,), crossed=0),
)  # fmt: skip


def shifted(rng: np.random.Generator, weeks: int = 26) -> tuple[float, float, float]:
    """Follow every budget shift for weeks on two planted curves: true results a day.

    Gives what holding still brings, what following brought to, and the best split's.
    """
    brings, beta, total = np.array([5.0, 10.0]), 0.7, 200.0

    def results(spend: np.ndarray) -> float:
        return float((brings * (spend / 100) ** beta).sum())

    splits = np.linspace(1, total - 1, 399)
    best = max(results(np.array([one, total - one])) for one in splits)
    current = np.array([100.0, 100.0])
    history: list[np.ndarray] = []
    counted: list[np.ndarray] = []
    for week in range(weeks):
        for _ in range(7):
            spend = current * np.exp(rng.normal(0, 0.25, 2))
            history.append(spend)
            counted.append(rng.poisson(brings * (spend / 100) ** beta))
        if week < 2:
            continue
        spends, rates = np.array(history), np.array(counted)
        sets = [
            made.entity(rng, f"s{at}", spends[:, at], entity_type="adset", daily_budget=1.0)
            for at in range(2)
        ]
        exact = [_with_results(one, rates[:, at]) for at, one in enumerate(sets)]
        days = len(history)
        account = made.account(exact, days)
        for one in judge(account, rules=(budget_shift,)).advices:
            giver = int(one.entity_ids[0][1:])
            moved = float(one.numbers["move_a_day"])
            current[giver] -= moved
            current[1 - giver] += moved
    return results(np.array([100.0, 100.0])), results(current), best


def _with_results(entity: Entity, results: np.ndarray) -> Entity:
    days = tuple(
        replace(day, results=float(made_)) for day, made_ in zip(entity.days, results, strict=True)
    )
    return replace(entity, days=days)


def rows(worlds: int) -> Sequence[tuple[str, str, str, str, str]]:
    """The table: rule, world, what was said of so many, after how many days, the limit."""
    table = []
    for world in EQUAL:
        found = measure(world, worlds)
        table.append((world.rule.__name__, world.name, f"{found.share_pct:.1f} % false alarms",
                      "", "<= 5 %"))  # fmt: skip
    for world in PLANTED:
        found = measure(world, worlds)
        days = "" if found.median_days is None else f"{found.median_days:.0f}"
        table.append((world.rule.__name__, world.name, f"{found.share_pct:.1f} % found", days, ""))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=400)
    worlds = parser.parse_args().worlds
    table = Table(title=f"Rules of advice: {worlds} planted worlds each, 28 daily looks")
    for head in ("rule", "world", "said", "median day", "limit"):
        table.add_column(head, justify="right" if head == "median day" else "left")
    for row in rows(worlds):
        table.add_row(*row)
    Console(width=130).print(table)
    kept = [shifted(np.random.default_rng((7, at))) for at in range(max(worlds // 20, 5))]
    held, followed, best = (np.array(column) for column in zip(*kept, strict=True))
    Console(width=130).print(
        f"Budget shift followed for 26 weeks: {100 * (followed / best).mean():.1f} % of the best "
        f"split (worst {100 * (followed / best).min():.1f} %), holding still "
        f"{100 * (held / best).mean():.1f} %."
    )


if __name__ == "__main__":
    main()
