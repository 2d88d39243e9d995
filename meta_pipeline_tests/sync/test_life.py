"""Weeks of an account's life on the virtual clock; in the end the tables are the world.

Small settings, restatements downwards, rows, hours and cells taken back, answers that are empty or
short, pauses longer than the backfill, and hosts whose clock is wrong. A failing example prints its
steps; `--hypothesis-seed=N` repeats a run. It is not made smaller: each step is a whole sync.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from meta_pipeline.simulator import AccountSpec, EditRefusedError, Fault, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.sync import (
    DEFAULT_PARTS,
    PageSizes,
    Part,
    PlanPolicy,
    Status,
    SyncEngine,
    SyncRequest,
)
from meta_pipeline.sync.days import SETTLED_AFTER_DAYS, span
from meta_pipeline_tests.postgres import TestPostgres

from .lab import STATUSES, Lab, lab

START = datetime(2026, 10, 2, 9, tzinfo=UTC)
SPEC = AccountSpec("Lebenslauf", 2, 3, 5, (2, 2, 4), zone="Europe/Berlin", currency="EUR")
PARTS = (DEFAULT_PARTS | {Part.HOURLY, Part.BREAKDOWNS}, DEFAULT_PARTS, frozenset({Part.HOURLY}))
TABLES = {
    "meta_insights": ((), "entity_id"),
    "meta_insights_hourly": (("hourly_stats_aggregated_by_advertiser_time_zone",), "ad_id"),
    "meta_insights_breakdown": (("age", "gender"), "entity_id"),
}
FALSE = (
    Fault.no_rows(),
    Fault.lost_rows(),
    Fault.lost_rows(3),
    Fault.null_rows(),
    Fault.drop_connection(),
    Fault.graph_error(2, status=503, transient=True),
    Fault.too_much_data(),
    Fault.cursor_expired(),
)


OLDEST = START + timedelta(days=330)
"""A life is over before its first hours are 13 months old: then Meta tells nobody the truth of them
any more (FACTS §5.4), and what we keep has nothing to be compared with."""


class Killed(BaseException):
    """Ends a sync where it stands."""


class Life(RuleBasedStateMachine):
    postgres: TestPostgres
    found: Lab

    @initialize(
        seed=st.integers(0, 10_000),
        backfill=st.integers(3, 20),
        page=st.sampled_from([40, 500]),
    )
    def start(self, seed: int, backfill: int, page: int) -> None:
        self.stack = ExitStack()
        url = self.stack.enter_context(self.postgres.fresh_database())
        world = World(seed=seed, clock=VirtualClock(START), accounts=(SPEC,))
        policy = PlanPolicy(
            backfill_days=backfill,
            window_days=4,
            breakdowns=(("age", "gender"),),
            page_sizes=PageSizes(entities=50, extras=50, insights=page),
        )
        self.found = self.stack.enter_context(lab(url, world=world, policy=policy, parallel=3))
        # A life outlasts the 90 days for which a person's token opens data.
        self.found.sim.tokens.issue(self.found.sim.token, kind="SYSTEM_USER")
        self.first = self.found.today() - timedelta(days=backfill - 1)
        assert self.found.sync(parts=PARTS[0]).status is Status.SUCCESS

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            with self.stack:
                self.settle()

    def day(self, ago: int) -> date:
        """A day that Meta still restates."""
        return self.found.today() - timedelta(days=min(ago, SETTLED_AFTER_DAYS - 2))

    # -- the world moves ------------------------------------------------------------------------

    @rule(
        ad=st.integers(0, 20),
        ago=st.integers(0, 26),
        days=st.integers(1, 5),
        keep=st.sampled_from([0.0, 0.0, 0.01, 0.3, 0.9]),
    )
    def take_back(self, ad: int, ago: int, days: int, keep: float) -> None:
        ads = self.found.world.objects("ads", self.found.account_id)
        since = self.day(ago)
        until = min(since + timedelta(days=days - 1), self.found.today())
        self.found.world.take_back(ads[ad % len(ads)].id, since, until, keep)

    @rule(ad=st.integers(0, 20))
    def pause(self, ad: int) -> None:
        ads = self.found.world.objects("ads", self.found.account_id)
        with suppress(EditRefusedError):
            self.found.world.pause(ads[ad % len(ads)].id)

    @precondition(lambda self: self.found.clock.now() < OLDEST)
    @rule(hours=st.sampled_from([1, 1, 3, 7, 26, 24 * 6, 24 * 25]))
    def wait(self, hours: int) -> None:
        self.found.advance(hours=hours)

    # -- what answers and clocks do -------------------------------------------------------------

    @rule(
        fault=st.sampled_from(FALSE),
        level=st.sampled_from(["ad", "account"]),
        calls=st.sampled_from([1, 2, 40]),
    )
    def lie(self, fault: Fault, level: str, calls: int) -> None:
        """One level at a time: what no level tells nobody can know."""
        self.found.sim.faults.clear()
        lies = iter(range(calls))
        self.found.sim.fail(
            "GET",
            "/insights",
            until=lambda call: call.text("level") != level or next(lies, None) is None,
            with_=fault,
        )

    @rule()
    def mend(self) -> None:
        self.found.sim.faults.clear()

    @rule(backfill=st.integers(1, 20))
    def set_backfill(self, backfill: int) -> None:
        context = self.found.engine.context
        policy = replace(context.policy, backfill_days=backfill)
        self.found.engine = SyncEngine(replace(context, policy=policy))
        self.found.sim.faults.clear()
        self.found.sync(parts=PARTS[0])
        self.first = min(self.first, self.found.today() - timedelta(days=backfill - 1))

    @rule(ahead_hours=st.sampled_from([1, 30]))
    def sync_under_a_wrong_clock(self, ahead_hours: int) -> None:
        sound = self.found.engine
        ahead = timedelta(hours=ahead_hours)
        self.found.engine = sound.changed(clock=lambda: sound.now() + ahead)
        self.found.sync(parts=PARTS[0])
        self.found.engine = sound

    # -- syncs ----------------------------------------------------------------------------------

    @rule(parts=st.sampled_from(PARTS), force=st.booleans())
    def sync(self, parts: frozenset[Part], force: bool) -> None:
        record = self.found.sync(parts=parts, force=force)
        assert (record.error_summary is None) == (record.status is Status.SUCCESS)

    @rule(steps=st.integers(1, 8), parts=st.sampled_from(PARTS))
    def kill(self, steps: int, parts: frozenset[Part]) -> None:
        seen: list[object] = []

        def report(step: object) -> None:
            seen.append(step)
            if len(seen) == steps:
                raise Killed

        engine = self.found.engine
        with suppress(Killed):
            engine.sync(SyncRequest(self.found.account_id, parts=parts), report)
        self.found.engine = engine.changed()

    @precondition(lambda self: self.found.clock.now() < OLDEST)
    @rule()
    def settle(self) -> None:
        """Ordinary syncs alone bring every day to the truth, once what is due has come due."""
        self.found.sim.faults.clear()
        week = 7 * 24 + 1
        for hours in (2, week, week, week, 2, 5, 9):  # old days are read for the last time, too
            self.found.advance(hours=hours)
            record = self.found.sync(parts=PARTS[0])
            if record.not_before is not None:
                wait = (record.not_before - self.found.clock.now()).total_seconds()
                self.found.clock.advance(max(wait, 0) + 60)
        assert record.status is Status.SUCCESS, record.error_summary
        for table, (breakdowns, key) in TABLES.items():
            self._assert_true(table, breakdowns, key)
        self._assert_proven()

    def _assert_true(self, table: str, breakdowns: tuple[str, ...], key: str) -> None:
        today = self.found.today()
        condition = "entity_type = 'ad'" if key == "entity_id" else "true"
        stored = self.found.query(
            f"SELECT {key} AS ad_id, date_start, count(*) AS rows, sum(spend) AS spend, "
            f"sum(impressions)::bigint AS impressions, sum(clicks)::bigint AS clicks "
            f"FROM meta_ads.{table} WHERE {condition} AND date_start <= %s GROUP BY 1, 2",
            today,
        )
        expected: dict[tuple[str, date], list[Any]] = {}
        query = InsightsQuery(
            node_id=self.found.account_id,
            level="ad",
            ranges=((self.first, today),),
            increment=1,
            fields=("ad_id", "spend", "impressions", "clicks"),
            breakdowns=breakdowns,
            filtering=({"field": "ad.effective_status", "operator": "IN", "value": STATUSES},),
        )
        for row in rows(self.found.world, query):
            sums = expected.setdefault(
                (row["ad_id"], date.fromisoformat(row["date_start"])), [0, Decimal(0), 0, 0]
            )
            values = (1, Decimal(row["spend"]), int(row["impressions"]), int(row["clicks"]))
            for at, value in enumerate(values):
                sums[at] += value
        found = {
            (row["ad_id"], row["date_start"]): [
                row["rows"], row["spend"], row["impressions"], row["clicks"]
            ]
            for row in stored
        }  # fmt: skip
        assert found == expected, table

    def _assert_proven(self) -> None:
        today = self.found.today()
        for dataset in ("insights_ad", "insights_account", "insights_hourly"):
            ledger = self.found.warehouse.ledger.fetched(
                self.found.account_id, dataset, self.first, today
            )
            missing = set(span(self.first, today)) - ledger.keys()
            # The account's row of a day that has just begun comes with the next reading of its ads.
            assert missing <= ({today} if dataset == "insights_account" else set()), dataset
            assert not [day for day, row in ledger.items() if row.incomplete], dataset
            # A week of last readings is gathered: what is older than that is final.
            last = today - timedelta(days=SETTLED_AFTER_DAYS + 9)
            assert all(row.is_final for day, row in ledger.items() if day < last), dataset


def machine(postgres: TestPostgres) -> type[Life]:
    return type("Machine", (Life,), {"postgres": postgres})


def test_a_hard_fortnight_ends_equal_to_the_truth(postgres: TestPostgres) -> None:
    """One life, step by step, with each kind of blow in it."""
    life = machine(postgres)()
    try:
        life.start(seed=7, backfill=4, page=500)
        life.take_back(ad=1, ago=2, days=3, keep=0.0)
        life.lie(Fault.no_rows(), "ad", 2)
        life.sync(PARTS[0], force=False)
        life.mend()
        life.wait(26)
        life.lie(Fault.lost_rows(), "ad", 40)
        life.sync(PARTS[1], force=True)
        life.sync_under_a_wrong_clock(30)
        life.kill(3, PARTS[0])
        life.set_backfill(2)
        life.take_back(ad=5, ago=6, days=5, keep=0.3)
        life.pause(4)
        life.wait(24 * 6)
        life.lie(Fault.null_rows(), "account", 1)
        life.sync(PARTS[0], force=False)
    finally:
        life.teardown()  # settles, and compares


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_weeks_of_life_end_equal_to_the_truth(postgres: TestPostgres) -> None:
    run_state_machine_as_test(
        machine(postgres),
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
