"""The days of the proof: what Meta's meters do, who else calls, and what is to be done."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meta_pipeline.governor import Thresholds

from .day import Clock, Job, Ledger, Perfect, Process, Shared, Steps
from .world import HOUR, Headers, RollingQuota, ScoreQuota, World


@dataclass
class Setting:
    """One simulated day: a world, others who use it, and the jobs of each of our processes."""

    world: World
    jobs: list[list[Job]]
    others: Callable[[Clock, World], list[Steps]] = lambda _clock, _world: []
    thresholds: Thresholds = field(default_factory=Thresholds)
    hours: float = 24.0
    restarts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a day; `ideal_*` is the perfect scheduler's, delays are means per call."""

    name: str
    calls: int
    refused: int
    blocks: int
    done: int
    ideal_done: int
    lost_minutes_per_call: float
    world: World
    jobs: list[Job]
    ideal_jobs: list[Job]
    sent: list[tuple[float, str]]

    @property
    def work_pct(self) -> float:
        return 100 * self.done / max(self.ideal_done, 1)

    @property
    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs if job.finished is None]


def run(
    name: str, make: Callable[[], Setting], *, ideal_caps: tuple[float, float] = (1, 1)
) -> Outcome:
    """Live the day twice: with the governor, and with a scheduler that sees everything."""
    ours, theirs = make(), make()
    ledger, ideal = Ledger(), Ledger()
    clock = Clock()
    shared = Shared()
    processes = [
        Process(
            clock,
            ours.world,
            jobs,
            shared=shared,
            thresholds=ours.thresholds,
            stagger_seconds=float(index),
            ledger=ledger,
        )
        for index, jobs in enumerate(ours.jobs)
    ]
    for steps in ours.others(clock, ours.world):
        clock.at(0.0, steps)
    for restart in ours.restarts:
        clock.at(restart, _restart(processes))
    clock.run(ours.hours * HOUR)
    perfect_clock = Clock()
    for steps in theirs.others(perfect_clock, theirs.world):
        perfect_clock.at(0.0, steps)
    for jobs in theirs.jobs:
        Perfect(
            perfect_clock,
            theirs.world,
            jobs,
            account_cap=ideal_caps[0],
            app_cap=ideal_caps[1],
            ledger=ideal,
        )
    perfect_clock.run(theirs.hours * HOUR)
    return Outcome(
        name=name,
        calls=len(ledger.sent),
        refused=ours.world.refusals,
        blocks=ours.world.blocks,
        done=len(ledger.done),
        ideal_done=len(ideal.done),
        lost_minutes_per_call=_lost(ledger.done, ideal.done, ours.hours * HOUR) / 60,
        world=ours.world,
        jobs=[job for jobs in ours.jobs for job in jobs],
        ideal_jobs=[job for jobs in theirs.jobs for job in jobs],
        sent=ledger.sent,
    )


def _restart(processes: list[Process]) -> Steps:
    for process in processes:
        process.start()
    yield from ()


def _lost(done: list[float], ideal: list[float], end: float) -> float:
    """Seconds that a call was done later than the perfect scheduler did it, on average."""
    late = sum(end - at for at in ideal) - sum(end - at for at in done)
    return late / max(len(ideal), 1)


def hourly(account_id: str, calls: int, hours: float, *, offset: float = 0.0) -> list[Job]:
    """A sync every hour."""
    return [Job(account_id, offset + hour * HOUR, calls) for hour in range(int(hours))]


# -- (a) usage rises with load --------------------------------------------------------------------


def rising(hours: float = 24.0) -> Setting:
    """A working day: little at night, at noon half more an hour than the quota allows."""
    curve = [0.1] * 7 + [0.4, 0.8, 1.2, 1.5, 1.5, 1.4, 1.2, 0.8, 0.5, 0.3] + [0.1] * 7
    jobs = [
        Job("act_1", hour * HOUR, round(700 * share))
        for hour, share in enumerate(curve[: int(hours)])
    ]
    return Setting(World({"act_1": RollingQuota(700)}), [jobs], hours=hours)


def saturated(hours: float = 24.0, **thresholds: float) -> Setting:
    """More to do than any quota allows, all day."""
    jobs = [Job("act_1", 0.0, 100_000)]
    return Setting(
        World({"act_1": RollingQuota(700)}),
        [jobs],
        thresholds=Thresholds(**thresholds),
        hours=hours,
    )


def saturated_score(hours: float = 24.0) -> Setting:
    """The ad-account score of Limited access: 60 points, gone in 300 s, a block of 300 s."""
    jobs = [Job("act_1", 0.0, 1_000_000)]
    return Setting(World({"act_1": ScoreQuota(60, 300.0)}), [jobs], hours=hours)


# -- (b) a noisy neighbour ------------------------------------------------------------------------


def noisy(hours: float = 24.0, seed: int = 1) -> Setting:
    """Another tool on the same quota, in bursts, some up to the wall, stopping when refused."""
    draws = random.Random(seed)
    bursts = sorted(
        (draws.uniform(0, hours * HOUR), draws.uniform(0.2, 0.9), draws.uniform(2, 900))
        for _ in range(int(hours))
    )

    def others(clock: Clock, world: World) -> list[Steps]:
        return [_burst(clock, world.accounts["act_1"], *burst) for burst in bursts]

    jobs = hourly("act_1", 250, hours)
    return Setting(World({"act_1": RollingQuota(700)}), [jobs], others=others, hours=hours)


def _burst(clock: Clock, meter: Any, at: float, share: float, lasts: float) -> Steps:
    yield at
    calls = round(700 * share)
    for _ in range(calls):
        if meter.charge(clock.now):
            return
        yield lasts / calls


# -- (c) one of ten accounts is blocked -----------------------------------------------------------

BLOCKS = ((9 * HOUR + 55.0, 5 * 60.0), (14 * HOUR + 65.0, 60 * 60.0))
"""The first begins just before the sync of act_3, the second in its middle."""


def one_of_ten(hours: float = 24.0) -> Setting:
    """Ten accounts with a sync an hour; Meta closes act_3 for 5 minutes, later for 60."""
    accounts = [f"act_{number}" for number in range(1, 11)]
    jobs = [
        job
        for index, account in enumerate(accounts)
        for job in hourly(account, 120, hours, offset=index * 30.0)
    ]

    def others(_clock: Clock, world: World) -> list[Steps]:
        return [_block(_clock, world.accounts["act_3"], at, seconds) for at, seconds in BLOCKS]

    world = World({account: RollingQuota(700) for account in accounts})
    return Setting(world, [jobs], others=others, hours=hours)


def _block(clock: Clock, meter: Any, at: float, seconds: float) -> Steps:
    yield at
    meter.force(clock.now + seconds)


# -- (d) the app is blocked -----------------------------------------------------------------------


def whole_app(hours: float = 24.0) -> Setting:
    """Ten accounts share an app's 3,000 calls an hour; twice a day others use it up at a stroke."""
    accounts = [f"act_{number}" for number in range(1, 11)]
    jobs = [
        hourly(account, 150, hours, offset=index * 30.0) for index, account in enumerate(accounts)
    ]

    def others(clock: Clock, world: World) -> list[Steps]:
        return [_stroke(clock, world.app, at) for at in (2.51 * HOUR, 5.26 * HOUR)]

    world = World({account: RollingQuota(5000) for account in accounts}, app=RollingQuota(3000))
    return Setting(world, jobs, others=others, hours=hours)


def _stroke(clock: Clock, meter: Any, at: float) -> Steps:
    yield at
    meter.charge(clock.now, 2600)


# -- (e) headers that cannot be relied on ---------------------------------------------------------


def odd_headers(kind: str, hours: float = 12.0) -> Setting:
    """More to do than the quota allows, and headers of one odd kind from the third hour on."""
    setting = saturated(hours)
    change = ODD[kind]
    setting.world.distort = lambda now, headers: (
        change(now, headers) if now > 3 * HOUR and headers else headers
    )
    return setting


_USAGE = "x-business-use-case-usage"


def _vanish(_now: float, _headers: Headers) -> Headers:
    return {}


def _flicker(now: float, headers: Headers) -> Headers:
    return headers if int(now) % 5 == 0 else {}


def _malformed(now: float, headers: Headers) -> Headers:
    texts = ["", "null", "{", '{"1":[{"type":"ads_insights","call_count":"NaN"}]}', '{"1":7}', "[]"]
    return {_USAGE: texts[int(now) % len(texts)]} if int(now) % 3 else headers


def _jumps(now: float, headers: Headers) -> Headers:
    odd = '{"1":[{"type":"ads_insights","call_count":250,"estimated_time_to_regain_access":0}]}'
    return {_USAGE: odd} if int(now) % 3600 == 0 else headers


def _unknown_use_case(_now: float, headers: Headers) -> Headers:
    return {
        name: text.replace("ads_insights", "ads_reporting_2027") for name, text in headers.items()
    }


def _business_key(_now: float, headers: Headers) -> Headers:
    return {name: text.replace('"1"', '"339410370"') for name, text in headers.items()}


ODD: dict[str, Callable[[float, Headers], Headers]] = {
    "vanish": _vanish,
    "come now and then": _flicker,
    "malformed": _malformed,
    "jump to 250 %": _jumps,
    "unknown use case": _unknown_use_case,
    "keyed by business id": _business_key,
}


# -- (f) ten processes share one quota ------------------------------------------------------------


def ten_processes(hours: float = 24.0) -> Setting:
    """Ten processes with more to do than their one quota allows."""
    jobs = [[Job("act_1", index * 7.0, 100_000)] for index in range(10)]
    return Setting(World({"act_1": RollingQuota(2000)}), jobs, hours=hours)


# -- (g) a restart in the middle of a block -------------------------------------------------------


def restart(hours: float = 24.0) -> Setting:
    """Scenario (c), the process starting anew within both blocks and once more at night."""
    setting = one_of_ten(hours)
    setting.restarts = (9.02 * HOUR, 14.3 * HOUR, 14.6 * HOUR, 22 * HOUR)
    return setting
