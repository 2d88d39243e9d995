"""A day in a few seconds: processes, calls and meters as events on a clock of their own."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meta_pipeline.governor import Meters, Needs, RateLimiter, Thresholds, decide
from meta_pipeline.graph import parse_usage
from meta_pipeline.model.usage import APP, Meter, UsageReading

from .refusals import limit_of
from .world import Answer, World

START = datetime(2026, 11, 22, tzinfo=UTC)
LATENCY_SECONDS = 0.5
Steps = Generator["float | Signal", None, None]


class Signal:
    """Something to wait for; `fire` wakes all who wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[Steps] = []

    def wait(self, steps: Steps) -> None:
        self._waiting.append(steps)

    def fire(self) -> None:
        for steps in self._waiting:
            self._clock.at(self._clock.now, steps)
        self._waiting = []


class Clock:
    """Runs steps in the order of time; a step yields seconds to sleep or a Signal to wait for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Steps]] = []
        self._order = itertools.count()

    def at(self, moment: float, steps: Steps) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), steps))

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, steps = heapq.heappop(self._heap)
            waits_for = next(steps, None)
            if isinstance(waits_for, Signal):
                waits_for.wait(steps)
            elif waits_for is not None:
                self.at(self.now + waits_for, steps)
        self.now = until

    def moment(self) -> datetime:
        return START + timedelta(seconds=self.now)


@dataclass
class Job:
    """Calls to make for one account from `released` (second of the day) on."""

    account_id: str
    released: float
    calls: int
    done: int = 0
    given: int = 0
    finished: float | None = None


@dataclass
class Ledger:
    """What was done when."""

    sent: list[tuple[float, str]] = field(default_factory=list)
    done: list[float] = field(default_factory=list)


class Shared:
    """What `usage_readings` does: the newest reading of each meter, for all processes."""

    def __init__(self) -> None:
        self.rows: dict[Meter, UsageReading] = {}

    def remember(self, readings: list[UsageReading], *, now: datetime) -> None:
        for reading in readings:
            known = self.rows.get(reading.meter)
            if known is None or reading.read_at >= known.read_at:
                self.rows[reading.meter] = reading

    def current(self, keys: set[str]) -> list[UsageReading]:
        return [reading for reading in self.rows.values() if reading.key in keys]


class Process:
    """One process of ours: a governor and a few threads that work off the jobs of its accounts."""

    refresh_seconds = 3.0

    def __init__(
        self,
        clock: Clock,
        world: World,
        jobs: list[Job],
        *,
        shared: Shared | None = None,
        thresholds: Thresholds | None = None,
        threads: int = 4,
        stagger_seconds: float = 0.0,
        ledger: Ledger | None = None,
    ) -> None:
        self.clock, self.world, self.jobs = clock, world, sorted(jobs, key=lambda j: j.released)
        self.shared = shared or Shared()
        self.thresholds = thresholds or Thresholds()
        self.ledger = ledger or Ledger()
        self._stagger = stagger_seconds
        self._threads = threads
        self._answered = Signal(clock)
        self._again: dict[str, deque[Job]] = {}
        self._parked: dict[str, float] = {}
        self._refreshed = -1e9
        self.start()

    def start(self) -> None:
        """Begin with an empty memory, as a restarted process does."""
        self.meters = Meters(self.thresholds, stagger_seconds=self._stagger)
        self.limiter = RateLimiter(self.meters, self._threads)
        self._parked = {}
        self._life = object()
        for job in self.jobs:
            job.given = job.done
        for _ in range(self._threads):
            self.clock.at(self.clock.now, self._work(self._life))

    def _work(self, life: object) -> Steps:
        while life is self._life:
            job = self._next_job()
            if job is None:
                yield self._idle_seconds()
                continue
            yield from self._make_call(job, life)

    def _next_job(self) -> Job | None:
        for job in self.jobs:
            if job.released > self.clock.now:
                return None
            if job.given < job.calls and self._parked.get(job.account_id, 0.0) <= self.clock.now:
                return job
        return None

    def _idle_seconds(self) -> float:
        self.jobs = [job for job in self.jobs if job.finished is None]
        wakes = [
            max(job.released, self._parked.get(job.account_id, 0.0))
            for job in self.jobs
            if job.given < job.calls
        ]
        return max(0.5, min(wakes, default=self.clock.now + 60.0) - self.clock.now)

    def _make_call(self, job: Job, life: object) -> Steps:
        now = self.clock.moment()
        self._look_up(job.account_id)
        permit = self.limiter.ask(job.account_id, self.world.use_case, now)
        if permit.starts_at is None:
            if permit.stops:
                self._park(job.account_id, permit.decision.until)
            else:
                yield self._answered
            return
        job.given += 1
        pause = (permit.starts_at - now).total_seconds()
        if pause > 0:
            yield pause
            if life is not self._life or not self._still_open(job):
                return
        answer = self.world.call(job.account_id, self.clock.now)
        self.ledger.sent.append((self.clock.now, job.account_id))
        yield LATENCY_SECONDS
        if life is self._life:
            self._take(job, answer)

    def _still_open(self, job: Job) -> bool:
        self._look_up(job.account_id)
        decision = decide(
            account_id=job.account_id,
            meters=self.meters,
            now=self.clock.moment(),
            needs=Needs(frozenset({self.world.use_case})),
        )
        if decision.may_call:
            return True
        self.meters.unsent(job.account_id, self.world.use_case)
        job.given -= 1
        self._park(job.account_id, decision.until)
        self._answered.fire()
        return False

    def _take(self, job: Job, answer: Answer) -> None:
        now = self.clock.moment()
        readings = list(parse_usage(answer.headers, job.account_id, now))
        if answer.refused:
            job.given -= 1
            limit = limit_of(answer.code, answer.subcode)
            assert limit is not None
            readings += self.meters.block_of(limit, job.account_id, now, readings)
        else:
            job.done += 1
            self.ledger.done.append(self.clock.now)
            job.finished = self.clock.now if job.done == job.calls else None
        changed = self.meters.answered(
            job.account_id, self.world.use_case, now, readings, ok=not answer.refused
        )
        self.shared.remember(changed, now=now)
        self._answered.fire()

    def _park(self, account_id: str, until: datetime | None) -> None:
        """A stopped sync ends; it is taken up again when it may."""
        assert until is not None
        self._parked[account_id] = (until - START).total_seconds()

    def _look_up(self, account_id: str) -> None:
        if self.clock.now - self._refreshed >= self.refresh_seconds:
            self._refreshed = self.clock.now
            keys = {job.account_id for job in self.jobs} | {APP, account_id}
            self.meters.observe(self.shared.current(keys))


class Perfect:
    """A scheduler that sees the meters themselves: what could be done within the caps."""

    def __init__(
        self,
        clock: Clock,
        world: World,
        jobs: list[Job],
        *,
        account_cap: float = 1.0,
        app_cap: float = 1.0,
        threads: int = 4,
        ledger: Ledger | None = None,
    ) -> None:
        self.clock, self.world, self.jobs = clock, world, sorted(jobs, key=lambda j: j.released)
        self.ledger = ledger or Ledger()
        self._caps = (account_cap, app_cap)
        for _ in range(threads):
            clock.at(0.0, self._work())

    def _work(self) -> Steps:
        while True:
            now = self.clock.now
            waiting = [job for job in self.jobs if job.released <= now and job.given < job.calls]
            free = [job for job in waiting if self.world.room(job.account_id, now, *self._caps)]
            if not free:
                yield self._wait(waiting)
                continue
            job = free[0]
            job.given += 1
            self.world.call(job.account_id, now)
            self.ledger.sent.append((now, job.account_id))
            yield LATENCY_SECONDS
            job.done += 1
            self.ledger.done.append(self.clock.now)
            job.finished = self.clock.now if job.done == job.calls else None

    def _wait(self, waiting: list[Job]) -> float:
        now = self.clock.now
        self.jobs = [job for job in self.jobs if job.given < job.calls]
        changes = [self.world.changes_at(job.account_id, now) for job in waiting]
        released = [job.released for job in self.jobs if job.released > now]
        return max(0.05, min([*changes, *released, now + 60.0]) - now)
