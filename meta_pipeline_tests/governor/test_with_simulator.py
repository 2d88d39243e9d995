"""Client, quota and simulated Graph API on one virtual clock: the proof without the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.governor import Thresholds
from meta_pipeline.graph import Attempt, GraphClient, RetryPolicy, Throttled
from meta_pipeline.model.usage import Meter, UsageReading
from meta_pipeline.simulator import Latency, Limits, Simulator, VirtualClock
from meta_pipeline.simulator.pytest_plugin import graph_simulator_server, new_world
from meta_pipeline.sync.limits.quota import Quota

__all__ = ["graph_simulator_server"]

ENTITY = ("ads_list", {"fields": ["id"], "limit": 5})
INSIGHTS = ("insights_account", {"level": "account", "date_preset": "yesterday"})


class Rows:
    """The shared readings of one test."""

    def __init__(self) -> None:
        self.rows: dict[Meter, UsageReading] = {}

    def remember(self, readings: Iterable[UsageReading], *, now: datetime) -> None:
        self.rows |= {row.meter: row for row in readings}

    def current(self, keys: list[str]) -> list[UsageReading]:
        return [row for row in self.rows.values() if row.key in keys]


class Bench:
    """One simulator, and what a sync does with it: ask, and come back when told to wait."""

    def __init__(self, sim: Simulator, **limits: Any) -> None:
        sim.reset(new_world(), limits=Limits(**limits), latency=Latency(median_ms=500, sigma=0))
        self.sim = sim
        self.rows = Rows()
        self.attempts: list[Attempt] = []
        self.accounts = [str(account.id) for account in sim.world.accounts()][:2]

    @contextmanager
    def client(self, account_id: str, **options: Any) -> Iterator[tuple[GraphClient, Quota]]:
        """A client with the quota of a sync of the account."""
        quota = Quota(
            account_id,
            options.pop("thresholds", None),
            store=self.rows,
            clock=self.sim.now,
            sleep=self.sim.sleep,
            stagger_seconds=0,
        )

        def note(attempt: Attempt) -> None:
            self.attempts.append(attempt)
            quota.observe(attempt)

        with GraphClient(
            access_token=self.sim.token,
            base_url=self.sim.url,
            clock=self.sim.now,
            sleep=self.sim.sleep,
            gate=quota.gate,
            on_attempt=note,
            retry=RetryPolicy(retries=0),
        ) as client:
            yield client, quota

    def ask(
        self, client: GraphClient, account_id: str, query: tuple[str, dict[str, Any]] = ENTITY
    ) -> None:
        endpoint_key, params = query
        edge = "insights" if query is INSIGHTS else "ads"
        client.get(f"{account_id}/{edge}", params, account_id=account_id, endpoint_key=endpoint_key)

    def until_done(self, account_id: str, calls: int, **options: Any) -> None:
        """Make the calls, coming back after each stop exactly when it says."""
        with self.client(account_id, **options) as (client, _):
            while calls:
                try:
                    self.ask(client, account_id)
                    calls -= 1
                except Throttled as stop:
                    self.wait_for(stop)

    def wait_for(self, stop: Throttled) -> None:
        assert isinstance(self.sim.clock, VirtualClock)
        self.sim.clock.advance((stop.until - self.sim.now()).total_seconds())

    @property
    def refused(self) -> int:
        return sum(attempt.throttled for attempt in self.attempts)


@pytest.fixture
def bench(graph_simulator_server: Simulator) -> Callable[..., Bench]:
    return lambda **limits: Bench(graph_simulator_server, **limits)


def test_three_hours_of_work_take_three_hours_and_no_refusal(
    bench: Callable[..., Bench],
) -> None:
    """100 calls an hour, 70 of them ours: 280 calls fit into three full hours and a little."""
    there = bench(calls=100, tier="development_access")
    start = there.sim.now()
    there.until_done(there.accounts[0], 280)
    assert there.refused == 0
    assert there.sim.now() - start <= timedelta(hours=3) / 0.9


def test_the_score_is_never_overdrawn(bench: Callable[..., Bench]) -> None:
    """60 points that drain in 300 s: 0.2 calls a second once the first 42 are spent."""
    there = bench(tier="development_access", scoring=True, calls=100_000)
    start = there.sim.now()
    there.until_done(there.accounts[0], 400)
    assert there.refused == 0
    ideal_seconds = (400 - 42) / 0.2
    assert (there.sim.now() - start).total_seconds() <= ideal_seconds / 0.9


@pytest.mark.parametrize("minutes", [5, 60])
def test_a_block_costs_one_call_and_the_other_account_none(
    bench: Callable[..., Bench], minutes: int
) -> None:
    there = bench(calls=100)
    blocked, free = there.accounts
    there.sim.limits.exhaust(blocked, use_case="ads_management", regain_minutes=minutes)
    there.sim.limits.relieve(free)
    start = there.sim.now()
    with there.client(blocked) as (client, quota):
        with pytest.raises(Throttled) as refusal:
            there.ask(client, blocked)
        with pytest.raises(Throttled) as stop:
            there.ask(client, blocked)
        assert refusal.value.hint == "header"
        assert stop.value.hint == "caller"
        assert f"{blocked} stopped until " in str(stop.value)
        assert " because ads_management is at " in str(stop.value)
        assert not quota.decide().may_call
    there.until_done(free, 20)
    there.until_done(blocked, 1)
    assert there.refused == 1
    assert there.sim.now() - start >= timedelta(minutes=minutes)
    assert there.sim.now() - start <= timedelta(minutes=minutes + 3)


def test_a_new_process_keeps_out_of_a_block_it_never_met(bench: Callable[..., Bench]) -> None:
    there = bench(calls=100)
    account = there.accounts[0]
    there.sim.limits.exhaust(account, regain_minutes=30)
    with there.client(account) as (client, _), pytest.raises(Throttled):
        there.ask(client, account)
    made = there.sim.journal.total
    with there.client(account) as (client, quota):
        for query in (ENTITY, INSIGHTS):
            with pytest.raises(Throttled):
                there.ask(client, account, query)
        assert quota.parallel() == 1
        assert quota.snapshot()["account_pct"] >= 100
    assert there.sim.journal.total == made, "not one call went out"


def test_the_apps_limit_stops_every_account(bench: Callable[..., Bench]) -> None:
    there = bench(app_calls=1000)
    one, other = there.accounts
    there.sim.limits.use_app(79)
    there.until_done(one, 1)
    there.sim.limits.use_app(30)
    with there.client(one) as (client, _), pytest.raises(Throttled):
        there.ask(client, one)
    with there.client(other) as (client, _), pytest.raises(Throttled) as stop:
        there.ask(client, other)
    assert stop.value.limit.scope == "app"
    assert "because the app is at" in str(stop.value)
    assert there.refused == 1


def test_threads_share_one_pace(bench: Callable[..., Bench]) -> None:
    there = bench(calls=100)
    account = there.accounts[0]
    stops: list[Throttled] = []
    with there.client(account) as (client, quota), ThreadPoolExecutor(6) as threads:

        def ask(_: int) -> None:
            try:
                there.ask(client, account)
            except Throttled as stop:
                stops.append(stop)

        list(threads.map(ask, range(150)))
        snapshot = quota.snapshot()
    made = len(there.attempts)
    assert there.refused == 0
    assert 60 <= made <= 75, "they stop where the account's threshold is"
    assert stops, "and each of the others was told until when"
    assert made + len(stops) == 150
    assert 55 <= snapshot["account_pct"] <= 75


def test_thresholds_are_respected_as_given(bench: Callable[..., Bench]) -> None:
    there = bench(calls=100)
    account = there.accounts[0]
    limits = Thresholds(account_stop_pct=30, slow_from_pct=20)
    with there.client(account, thresholds=limits) as (client, _):
        for _ in range(100):
            with suppress(Throttled):
                there.ask(client, account)
    assert 24 <= len(there.attempts) <= 31
