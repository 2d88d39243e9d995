"""The quota of one sync: asks the governor before each call and tells it, and everybody, after."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from meta_pipeline.governor import (
    BudgetState,
    Decision,
    Meters,
    Needs,
    Permit,
    RateLimiter,
    Thresholds,
    decide,
)
from meta_pipeline.graph import Attempt, Call, Throttled
from meta_pipeline.model.limit import Limit
from meta_pipeline.model.usage import APP, Meter, UsageReading, use_case_of

logger = logging.getLogger(__name__)

# Shorter waits are everyday pacing; a person wonders about longer ones.
_ANNOUNCED_SECONDS = 5.0
# Processes that a full meter stopped would all begin again in the same second.
_STAGGERS = 7
# Only a thread that died without an answer is noticed by it.
_BACKSTOP_SECONDS = 1.0
_AHEAD = timedelta(minutes=1)  # a reading from further on was dated by a clock that is wrong


class SharedReadings(Protocol):
    """Where the processes of one app leave their readings for each other: `UsageStore`."""

    def remember(self, readings: Iterable[UsageReading], *, now: datetime) -> None: ...

    def current(self, keys: list[str]) -> list[UsageReading]: ...


@dataclass(frozen=True, slots=True)
class _Open:
    """A call that was let through and is not answered yet."""

    account_id: str | None
    use_case: str
    calls: int


class Quota:
    """The governor at work in one sync of one account (None: of no account); thread-safe.

    quota = Quota("act_1", store=warehouse.usage, clock=clock, sleep=sleep)
    with GraphClient(..., gate=quota.gate, on_attempt=quota.observe): ...

    `clock` gives UTC, `sleep` takes seconds. Readings of other processes are looked up at most
    every `refresh_seconds`, ours are shared as often, and at once when a meter fills. A store
    that fails costs the sharing, never the sync. `on_pause` is told the seconds and the reason of
    each pause, in the thread that makes the call. `app` is the key of the app that calls are
    made as; `go_on_as` names another one, whose own meters count from then on.
    """

    def __init__(
        self,
        account_id: str | None,
        thresholds: Thresholds | None = None,
        *,
        store: SharedReadings | None,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        max_parallel: int = 4,
        refresh_seconds: float = 3.0,
        stagger_seconds: float | None = None,
        on_pause: Callable[[float, str], None] | None = None,
        app: str = APP,
    ) -> None:
        self.account_id = account_id
        stagger = float(os.getpid() % _STAGGERS) if stagger_seconds is None else stagger_seconds
        self._meters = Meters(thresholds, stagger_seconds=stagger, app=app)
        self._limiter = RateLimiter(self._meters, max_parallel)
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._on_pause = on_pause
        self._refresh = timedelta(seconds=refresh_seconds)
        self._refreshed_at: datetime | None = None
        self._shared_at: datetime | None = None
        self._unshared: dict[Meter, UsageReading] = {}
        self._open: dict[threading.Thread, _Open] = {}
        # Reentrant: a lost call is closed, and those who wait are woken, from inside it.
        self._answered = threading.Condition(threading.RLock())
        self._pauses: dict[threading.Thread, str] = {}

    def gate(self, call: Call) -> None:
        """Let a call go when it is its turn; raises Throttled where none may be made.

        Pauses of up to `Thresholds.max_pause_seconds` are slept here. While as many calls as may
        be are on their way, waits for the next answer.
        """
        use_case = use_case_of(call.endpoint_key)
        permit, now = self._permit(call, use_case)
        if permit.starts_at is None:
            raise self._refusal(permit.decision, call, now)
        pause = (permit.starts_at - now).total_seconds()
        if pause <= 0:
            return
        level = logging.INFO if pause > _ANNOUNCED_SECONDS else logging.DEBUG
        reading = permit.decision.reading
        facts = {
            "account_id": call.account_id,
            "wait_seconds": round(pause, 1),
            "quota_pct": reading.usage_pct if reading else None,
        }
        reason = permit.decision.reason
        logger.log(level, "waiting %.1f s for quota: %s", pause, reason, extra={"facts": facts})
        if self._on_pause is not None:
            self._on_pause(pause, permit.decision.reason)
        words = f"waiting {pause:.0f} s for quota: {permit.decision.reason}"
        self._pauses[threading.current_thread()] = words
        try:
            self._sleep(pause)
        finally:
            self._pauses.pop(threading.current_thread(), None)
        self._check_again(call, use_case)

    @property
    def app(self) -> str:
        """The key of the app that calls are made as."""
        return self._meters.app

    def go_on_as(self, app: str) -> None:
        """Make the next calls as this app: its meters are heeded, those of the account stay."""
        with self._answered:
            if app != self._meters.app:
                self._meters.app = app
                self._refreshed_at = None
                self._answered.notify_all()

    def observe(self, attempt: Attempt) -> None:
        """Take what an attempt says of the meters; give it to GraphClient as `on_attempt`."""
        readings = list(attempt.usage)
        with self._answered:
            if attempt.limit is not None:
                readings += self._meters.block_of(
                    attempt.limit,
                    attempt.account_id,
                    attempt.timestamp,
                    readings,
                    source=attempt.refusal,
                    app=attempt.app,
                )
            opened = self._open.pop(threading.current_thread(), None)
            changed = self._meters.answered(
                attempt.account_id,
                opened.use_case if opened else use_case_of(attempt.endpoint_key),
                attempt.timestamp,
                readings,
                ok=not attempt.throttled and attempt.status_code is not None,
                calls=attempt.counted_calls,
                app=attempt.app,
            )
            self._unshared |= {reading.meter: reading for reading in changed}
            self._share(attempt.timestamp)
            self._answered.notify_all()

    def decide(self, needs: Needs | None = None, budget: BudgetState | None = None) -> Decision:
        """Whether a plan, or the next slice of it, may start now."""
        with self._answered:
            now = self._clock()
            self._look_up(now)
            return decide(
                account_id=self.account_id,
                meters=self._meters,
                now=now,
                needs=needs,
                budget=budget,
                max_parallel=self._limiter.max_parallel,
            )

    def parallel(self) -> int:
        """How many calls are worth having in flight now, at least 1: the gate stops, not this."""
        return max(1, self.decide().parallel)

    @property
    def waits_for(self) -> str | None:
        """Why calls rest at this moment, as a sentence; None when none does."""
        return next(iter(list(self._pauses.values())), None)

    def usage_pct(self) -> float | None:
        """The fullest meter of the account and the app, as estimated now; None: none is known."""
        with self._answered:
            snapshot = self._meters.snapshot(self._clock(), self.account_id)
        known = [snapshot[name] for name in ("app_pct", "account_pct", "insights_pct")]
        return max((float(each) for each in known if each is not None), default=None)

    def snapshot(self) -> dict[str, Any]:
        """What is known of every meter, for `sync_runs`; also shares what was not shared yet."""
        with self._answered:
            self._share(self._clock(), at_once=True)
            return self._meters.snapshot(self._clock(), self.account_id)

    def _permit(self, call: Call, use_case: str) -> tuple[Permit, datetime]:
        with self._answered:
            self._close_lost_calls()
            while True:
                now = self._clock()
                self._look_up(now)
                permit = self._limiter.ask(call.account_id, use_case, now, calls=call.counted_calls)
                if permit.starts_at is not None:
                    opened = _Open(call.account_id, use_case, call.counted_calls)
                    self._open[threading.current_thread()] = opened
                if permit.starts_at is not None or permit.stops:
                    return permit, now
                # A real wait for a real answer; the time-out only lets a dead thread be noticed.
                self._answered.wait(_BACKSTOP_SECONDS)
                self._close_lost_calls()

    def _check_again(self, call: Call, use_case: str) -> None:
        """Another call may have been refused during the pause."""
        with self._answered:
            now = self._clock()
            self._look_up(now)
            decision = decide(
                account_id=call.account_id,
                meters=self._meters,
                now=now,
                needs=Needs(frozenset({use_case})),
                max_parallel=self._limiter.max_parallel,
            )
            if decision.may_call:
                return
            self._close(threading.current_thread())
            raise self._refusal(decision, call, now)

    def _close_lost_calls(self) -> None:
        """Calls that were let through and never reported: their thread is gone, or asks anew."""
        for thread in list(self._open):
            if thread is threading.current_thread() or not thread.is_alive():
                self._close(thread)

    def _close(self, thread: threading.Thread) -> None:
        opened = self._open.pop(thread, None)
        if opened is not None:
            self._meters.unsent(opened.account_id, opened.use_case, opened.calls)
            self._answered.notify_all()

    def _refusal(self, decision: Decision, call: Call, now: datetime) -> Throttled:
        until = decision.until or now
        reading = decision.reading
        shared = reading is not None and reading.meter.is_of_app
        return Throttled(
            decision.reason,
            until=until,
            seconds=max(0.0, (until - now).total_seconds()),
            limit=Limit(
                "app" if shared else "account", (reading.use_case or None) if reading else None
            ),
            hint="caller",  # no call was made: the words are ours, and `wait_of` takes them as such
            account_id=call.account_id,
            endpoint_key=call.endpoint_key,
        )

    def _look_up(self, now: datetime) -> None:
        due = self._refreshed_at is None or now - self._refreshed_at >= self._refresh
        if self._store is None or not due:
            return
        # Noted before it is tried: a database that is down is not asked again at every call.
        self._refreshed_at = now
        try:
            shared = self._store.current([key for key in (self.account_id, self.app) if key])
        except Exception as error:
            # The governor goes by its own readings then: every answer brings new ones.
            logger.warning("usage readings of other processes are not known: %s", error)
            return
        self._meters.observe(each for each in shared if each.read_at <= now + _AHEAD)

    def _share(self, now: datetime, *, at_once: bool = False) -> None:
        due = self._shared_at is None or now - self._shared_at >= self._refresh
        # The other processes should know now, not in a few seconds, of a meter that fills.
        slow_pct = self._meters.thresholds.slow_pct
        urgent = any(
            reading.blocks or reading.usage_pct >= slow_pct(meter)
            for meter, reading in self._unshared.items()
        )
        if self._store is None or not self._unshared or not (due or urgent or at_once):
            return
        readings = list(self._unshared.values())
        # Gone where the store fails: the next answers bring newer ones.
        self._shared_at, self._unshared = now, {}
        try:
            self._store.remember(readings, now=now)
        except Exception as error:
            logger.warning("usage readings could not be shared: %s", error)


__all__ = ["Quota", "SharedReadings"]
