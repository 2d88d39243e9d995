"""The quota of one sync: asks the governor before each call and tells it, and everybody, after."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from meta_pipeline.governor import (
    ADS_INSIGHTS,
    ADS_MANAGEMENT,
    APP,
    UNNAMED,
    BudgetState,
    Decision,
    Meter,
    Meters,
    Needs,
    Pacer,
    Reading,
    Scope,
    Thresholds,
    Turn,
    decide,
)
from meta_pipeline.graph import Attempt, Call, Throttled, UsageReading
from meta_pipeline.warehouse import UsageRow

logger = logging.getLogger(__name__)

_ANNOUNCED_SECONDS = 5.0
_STAGGERS = 7
_BACKSTOP_SECONDS = 1.0
_AHEAD = timedelta(minutes=1)  # a reading from further on was dated by a clock that is wrong
_LONGEST_SECONDS = 30 * 86_400.0  # beyond it a time is nonsense, and beyond year 9999 an error
_SHARED_SCOPES = (Scope.APP, Scope.INSIGHTS_APP)


class SharedReadings(Protocol):
    """Where the processes of one app leave their readings for each other: `UsageStore`."""

    def remember(self, readings: Iterable[UsageRow]) -> None: ...

    def current(self, keys: list[str]) -> list[UsageRow]: ...


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
    that fails costs the sharing, never the sync.
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
    ) -> None:
        self.account_id = account_id
        stagger = float(os.getpid() % _STAGGERS) if stagger_seconds is None else stagger_seconds
        self._meters = Meters(thresholds, stagger_seconds=stagger)
        self._pacer = Pacer(self._meters, max_parallel)
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._refresh = timedelta(seconds=refresh_seconds)
        self._refreshed_at: datetime | None = None
        self._shared_at: datetime | None = None
        self._unshared: dict[Meter, Reading] = {}
        self._open: dict[threading.Thread, _Open] = {}
        self._answered = threading.Condition(threading.RLock())

    def gate(self, call: Call) -> None:
        """Let a call go when it is its turn; raises Throttled where none may be made.

        Pauses of up to `Thresholds.max_pause_seconds` are slept here. While as many calls as may
        be are on their way, waits for the next answer.
        """
        use_case = use_case_of(call)
        turn, now = self._turn(call, use_case)
        if turn.starts_at is None:
            raise self._refusal(turn.decision, call, now)
        pause = (turn.starts_at - now).total_seconds()
        if pause <= 0:
            return
        level = logging.INFO if pause > _ANNOUNCED_SECONDS else logging.DEBUG
        logger.log(level, "waiting %.1f s for quota: %s", pause, turn.decision.reason)
        self._sleep(pause)
        self._check_again(call, use_case)

    def observe(self, attempt: Attempt) -> None:
        """Take what an attempt says of the meters; give it to GraphClient as `on_attempt`."""
        readings = readings_of(attempt.usage, attempt.account_id, attempt.timestamp)
        with self._answered:
            if attempt.throttled:
                readings += self._meters.block_of(
                    attempt.error_code,
                    attempt.error_subcode,
                    attempt.account_id,
                    attempt.timestamp,
                    readings,
                )
            opened = self._open.pop(threading.current_thread(), None)
            changed = self._meters.answered(
                attempt.account_id,
                opened.use_case if opened else use_case_of(attempt),
                attempt.timestamp,
                readings,
                ok=not attempt.throttled and attempt.status_code is not None,
                calls=attempt.counted_calls,
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
                max_parallel=self._pacer.max_parallel,
            )

    def parallel(self) -> int:
        """How many calls are worth having in flight now, at least 1: the gate stops, not this."""
        return max(1, self.decide().parallel)

    def snapshot(self) -> dict[str, Any]:
        """What is known of every meter, for `sync_runs`; also shares what was not shared yet."""
        with self._answered:
            self._share(self._clock(), at_once=True)
            return self._meters.snapshot(self._clock(), self.account_id)

    def _turn(self, call: Call, use_case: str) -> tuple[Turn, datetime]:
        with self._answered:
            self._close_lost_calls()
            while True:
                now = self._clock()
                self._look_up(now)
                turn = self._pacer.ask(call.account_id, use_case, now, calls=call.counted_calls)
                if turn.starts_at is not None:
                    opened = _Open(call.account_id, use_case, call.counted_calls)
                    self._open[threading.current_thread()] = opened
                if turn.starts_at is not None or turn.stops:
                    return turn, now
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
                max_parallel=self._pacer.max_parallel,
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
        shared = reading is not None and reading.key == APP
        return Throttled(
            decision.reason,
            until=until,
            seconds=max(0.0, (until - now).total_seconds()),
            scope="app" if shared else "account",
            use_case=(reading.use_case or None) if reading else None,
            hint="caller",
            account_id=call.account_id,
            endpoint_key=call.endpoint_key,
        )

    def _look_up(self, now: datetime) -> None:
        due = self._refreshed_at is None or now - self._refreshed_at >= self._refresh
        if self._store is None or not due:
            return
        self._refreshed_at = now
        try:
            rows = self._store.current([key for key in (self.account_id, APP) if key])
        except Exception as error:
            logger.warning("usage readings of other processes are not known: %s", error)
            return
        self._meters.observe(_reading_of(row) for row in rows if row.read_at <= now + _AHEAD)

    def _share(self, now: datetime, *, at_once: bool = False) -> None:
        due = self._shared_at is None or now - self._shared_at >= self._refresh
        urgent = any(_is_urgent(reading, self._meters) for reading in self._unshared.values())
        if self._store is None or not self._unshared or not (due or urgent or at_once):
            return
        rows = [_row_of(reading) for reading in self._unshared.values()]
        self._shared_at, self._unshared = now, {}
        try:
            self._store.remember(rows)
        except Exception as error:
            logger.warning("usage readings could not be shared: %s", error)


def use_case_of(call: Call | Attempt) -> str:
    """Meta's use case for a call: reports and insights draw on ads_insights (FACTS §2)."""
    insights = call.endpoint_key.startswith(("insights", "report"))
    return ADS_INSIGHTS if insights else ADS_MANAGEMENT


def readings_of(
    usage: Iterable[UsageReading], account_id: str | None, at: datetime
) -> list[Reading]:
    """The governor's readings of an answer for `account_id` at `at`.

    The key of the use-case header is a business's as often as an account's (FACTS §1.3): what a
    call to an account was told counts for that account, unless the header names the account
    itself among others; then the others' entries are theirs. Calls without an account tell of
    the app only.
    """
    told = list(usage)
    number = (account_id or "").removeprefix("act_")
    by_account = any(each.key == number for each in told)
    return [
        _reading_told(each, _key_of(each, account_id, by_account=by_account), at)
        for each in told
        if account_id is not None or each.scope in _SHARED_SCOPES
    ]


def _key_of(told: UsageReading, account_id: str | None, *, by_account: bool) -> str:
    if told.scope in _SHARED_SCOPES:
        return APP
    if by_account and told.key is not None:
        return f"act_{told.key}"
    return str(account_id)


def _reading_told(told: UsageReading, key: str, at: datetime) -> Reading:
    regain = told.regain_seconds
    return Reading(
        scope=told.scope,
        key=key,
        use_case=_use_case_name(told),
        usage_pct=told.usage_pct,
        read_at=at,
        regain_at=at + timedelta(seconds=min(regain, _LONGEST_SECONDS)) if regain else None,
        access_tier=told.tier,
        source=told.header,
    )


def _row_of(reading: Reading) -> UsageRow:
    return UsageRow(**(asdict(reading) | {"scope": str(reading.scope)}))


def _reading_of(row: UsageRow) -> Reading:
    return Reading(**(asdict(row) | {"source": row.source or ""}))


def _use_case_name(told: UsageReading) -> str:
    if told.key is not None:
        return told.use_case or UNNAMED
    return told.use_case or ""


def _is_urgent(reading: Reading, meters: Meters) -> bool:
    """Whether the other processes should know now rather than in a few seconds."""
    return reading.blocks or reading.usage_pct >= meters.thresholds.slow_pct(reading.meter)


__all__ = ["Quota", "SharedReadings", "readings_of", "use_case_of"]
