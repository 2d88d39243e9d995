"""Accounts in a few words, and a world in which every pick is synced at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from meta_pipeline.fleet import AccountState, Choice, DuePart, Policy, RotationRules, choose

NOW = datetime(2026, 3, 18, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SETTINGS = RotationRules()


def account(number: int = 1, **values: Any) -> AccountState:
    """An account that was synced a minute ago, well."""
    synced_at = NOW - MINUTE
    given: dict[str, Any] = {
        "account_id": f"act_{number}",
        "entities_synced_at": synced_at,
        "insights_synced_at": synced_at,
        "last_attempt_at": synced_at,
        "last_status": "success",
        "first_seen_at": NOW - timedelta(days=30),
        "currency": "EUR",
    }
    return AccountState(**(given | values))


def aged(number: int = 1, *, minutes: float, **values: Any) -> AccountState:
    """An account whose last sync was some minutes ago."""
    at = NOW - minutes * MINUTE
    times = {"entities_synced_at": at, "insights_synced_at": at, "last_attempt_at": at}
    return account(number, **(times | values))


def new(number: int = 1, *, minutes: float = 1, **values: Any) -> AccountState:
    """An account that was found some minutes ago and never synced."""
    return AccountState(account_id=f"act_{number}", first_seen_at=NOW - minutes * MINUTE, **values)


def picked(choice: Choice) -> list[str]:
    return [pick.account_id for pick in choice.picks]


@dataclass
class World:
    """Ticks over a fleet; what is picked is read at that very moment, or fails."""

    states: dict[str, AccountState]
    policy: Policy
    limit: int
    tick: timedelta
    settings: RotationRules = SETTINGS
    failing: frozenset[str] = frozenset()
    now: datetime = NOW
    cursor: str | None = None
    taken_at: dict[str, list[datetime]] = field(default_factory=dict)

    @classmethod
    def of(cls, states: Iterable[AccountState], policy: Policy, **values: Any) -> World:
        return cls({state.account_id: state for state in states}, policy, **values)

    def step(self) -> Choice:
        choice = choose(
            list(self.states.values()),
            self.now,
            self.policy,
            self.settings,
            cursor=self.cursor,
            limit=self.limit,
        )
        self.cursor = choice.cursor
        for pick in choice.picks:
            self.taken_at.setdefault(pick.account_id, []).append(self.now)
            state = self.states[pick.account_id]
            self.states[pick.account_id] = self._attempted(state, pick.parts)
        self.now += self.tick
        return choice

    def _attempted(self, state: AccountState, parts: frozenset[DuePart]) -> AccountState:
        if state.account_id in self.failing:
            return replace(
                state, last_attempt_at=self.now, last_status="fail", failures=state.failures + 1
            )
        read: dict[str, Any] = {f"{part}_synced_at": self.now for part in parts}
        return replace(state, last_attempt_at=self.now, last_status="success", failures=0, **read)


def _times() -> st.SearchStrategy[datetime | None]:
    ages = st.integers(min_value=0, max_value=3 * 24 * 60)
    return st.none() | ages.map(lambda minutes: NOW - minutes * MINUTE)


def any_state(number: int) -> st.SearchStrategy[AccountState]:
    """Any account the tables could describe, odd ones included."""
    return st.builds(
        AccountState,
        account_id=st.just(f"act_{number}"),
        tenant=st.sampled_from(["a", "b", "c"]),
        entities_synced_at=_times(),
        insights_synced_at=_times(),
        last_attempt_at=_times(),
        last_status=st.sampled_from([None, "success", "partial", "fail", "throttled", "running"]),
        failures=st.integers(0, 40),
        not_before=st.none() | st.integers(-600, 600).map(lambda minutes: NOW + minutes * MINUTE),
        spend_7d=st.sampled_from([0.0, 0.5, 10.0, 10.01, 99.0, 100.0, 101.0, 5e6]),
        currency=st.sampled_from([None, "EUR", "JPY"]),
        can_deliver=st.booleans(),
        is_accessible=st.booleans(),
        first_seen_at=_times(),
        has_backfill_gap=st.booleans(),
        has_newest_days_only=st.booleans(),
        is_running=st.booleans(),
        is_requested=st.booleans(),
    )


def any_fleet(max_size: int = 9) -> st.SearchStrategy[list[AccountState]]:
    return st.lists(any_state(0), max_size=max_size).map(
        lambda states: [
            replace(state, account_id=f"act_{number}") for number, state in enumerate(states)
        ]
    )


def by_id(states: Iterable[AccountState]) -> Mapping[str, AccountState]:
    return {state.account_id: state for state in states}
