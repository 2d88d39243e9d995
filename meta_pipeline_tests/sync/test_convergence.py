"""Any order of edits, time, faults, stops and syncs: one clean sync later the tables are the world.

Two clean syncs are asked for: an ordinary one, which must find by itself what is due, and a forced
one. A failing example prints its steps; `--hypothesis-seed=N` repeats a run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
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

from meta_pipeline.simulator import AccountSpec, EditRefusedError, VirtualClock, World
from meta_pipeline.sync import (
    DEFAULT_PARTS,
    ENTITIES,
    PageSizes,
    Part,
    PlanPolicy,
    Status,
    SyncRequest,
)
from meta_pipeline_tests.postgres import TestPostgres

from .faults import TROUBLES
from .lab import Lab, lab

BEFORE_THE_CLOCK_CHANGE = datetime(2026, 10, 23, 20, 40, tzinfo=UTC)
SPEC = AccountSpec("Wechselhaft", 3, 4, 7, (2, 3, 5), zone="Europe/Berlin", currency="EUR")
DAYS = 5
POLICY = PlanPolicy(
    backfill_days=DAYS,
    window_days=3,
    account_rows_every=timedelta(hours=1),
    page_sizes=PageSizes(entities=2, extras=2, insights=6),
)
EDGES = ("campaigns", "adsets", "ads")
PATHS = ("/campaigns", "/adsets", "/ads", "/insights")
# Silence costs real time; what edits the world is a rule of its own here.
FAULTS = tuple(one for one in TROUBLES if one.name != "silence" and not one.edits_world)
PARTS = (DEFAULT_PARTS, ENTITIES, frozenset({Part.INSIGHTS}), frozenset({Part.ADS}))


class Killed(BaseException):
    """Ends a sync where it stands."""


class Convergence(RuleBasedStateMachine):
    postgres: TestPostgres
    found: Lab

    @initialize(seed=st.integers(0, 10_000), hours=st.integers(0, 60))
    def start(self, seed: int, hours: int) -> None:
        self.stack = ExitStack()
        url = self.stack.enter_context(self.postgres.fresh_database())
        clock = VirtualClock(BEFORE_THE_CLOCK_CHANGE + timedelta(hours=hours))
        world = World(seed=seed, clock=clock, accounts=(SPEC,))
        self.found = self.stack.enter_context(lab(url, world=world, policy=POLICY, parallel=3))
        self.added = 0

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.settle()

    def pick(self, edge: str, at: int) -> str:
        objects = self.found.world.objects(edge, self.found.account_id)
        return str(objects[at % len(objects)].id)

    # -- the world moves ------------------------------------------------------------------------

    @rule(
        edge=st.sampled_from(EDGES),
        at=st.integers(0, 20),
        edit=st.sampled_from(["pause", "activate", "archive", "delete"]),
    )
    def edit(self, edge: str, at: int, edit: str) -> None:
        with suppress(EditRefusedError):  # archived and deleted things stay so, as at Meta
            getattr(self.found.world, edit)(self.pick(edge, at))

    @rule(edge=st.sampled_from(EDGES), at=st.integers(0, 20), name=st.text(max_size=20))
    def rename(self, edge: str, at: int, name: str) -> None:
        self.found.world.rename(self.pick(edge, at), name.strip() or "x")

    @rule(edge=st.sampled_from(EDGES[:2]), at=st.integers(0, 20), minor=st.integers(100, 10**6))
    def set_budget(self, edge: str, at: int, minor: int) -> None:
        with suppress(EditRefusedError):
            self.found.world.set_budget(self.pick(edge, at), daily_minor=minor)

    @precondition(lambda self: self.added < 4)
    @rule(at=st.integers(0, 20), edge=st.sampled_from(EDGES))
    def add(self, at: int, edge: str) -> None:
        self.added += 1
        world, account = self.found.world, self.found.account_id
        with suppress(EditRefusedError):
            if edge == "campaigns":
                world.add_campaign(account)
            elif edge == "adsets":
                world.add_adset(self.pick("campaigns", at))
            else:
                world.add_ad(self.pick("adsets", at))

    @rule(minutes=st.one_of(st.integers(1, 90), st.integers(300, 4_000)))
    def wait(self, minutes: int) -> None:
        self.found.advance(minutes=minutes)

    # -- things go wrong ------------------------------------------------------------------------

    @rule(
        path=st.sampled_from(PATHS),
        trouble=st.sampled_from(FAULTS),
        call=st.integers(1, 4),
        times=st.sampled_from([1, 1, 1, 50]),
    )
    def break_something(self, path: str, trouble: Any, call: int, times: int) -> None:
        self.found.sim.fail("GET", path, on_call=call, times=times, with_=trouble.make())

    @rule(path=st.sampled_from(PATHS))
    def mend(self, path: str) -> None:
        self.found.sim.faults.clear()

    # -- syncs ------------------------------------------------------------------------------------

    @rule(parts=st.sampled_from(PARTS), force=st.booleans())
    def sync(self, parts: frozenset[Part], force: bool) -> None:
        record = self.found.sync(parts=parts, force=force)
        assert record.status is not Status.RUNNING
        assert (record.error_summary is None) == (record.status is Status.SUCCESS)

    @rule(steps=st.integers(1, 6), is_kill=st.booleans(), parts=st.sampled_from(PARTS))
    def sync_and_end_it(self, steps: int, is_kill: bool, parts: frozenset[Part]) -> None:
        """Asked to stop, or struck down, after some slices."""
        engine = self.found.engine = self.found.engine.changed()
        seen = []

        def report(step: object) -> None:
            seen.append(step)
            if len(seen) == steps and is_kill:
                raise Killed
            if len(seen) == steps:
                engine.stop()

        with suppress(Killed):
            engine.sync(SyncRequest(self.found.account_id, parts=parts), report)
        self.found.engine = engine.changed()

    @rule()
    def settle(self) -> None:
        """What was promised: an ordinary sync brings what is due, a forced one everything."""
        self.found.sim.faults.clear()
        self.found.advance(hours=7)
        self._clean(force=False)
        today = self.found.today()
        since = today - timedelta(days=DAYS - 1)
        self.found.assert_entities()
        self.found.assert_insights(since, today, conversions=False)
        self._assert_complete()
        self._clean(force=True)
        self.found.assert_entities()
        self.found.assert_insights(since, today)
        self.found.assert_insights(since, today, level="account")
        self._assert_complete()

    def _clean(self, *, force: bool) -> None:
        record = self.found.sync(force=force)
        if record.status is Status.THROTTLED and record.not_before is not None:
            wait = (record.not_before - self.found.clock.now()).total_seconds()
            self.found.clock.advance(max(wait, 0) + 3_600)
            record = self.found.sync(force=force)
        assert record.status is Status.SUCCESS, record.error_summary

    def _assert_complete(self) -> None:
        assert self.found.orphans() == 0
        today = self.found.today()
        since = today - timedelta(days=DAYS - 1)
        for dataset in ("insights_ad", "insights_account"):
            account = self.found.account_id
            assert self.found.warehouse.ledger.gaps(account, dataset, since, today) == []
        open_runs = "SELECT count(*) FROM meta_ads.sync_runs WHERE status = 'running'"
        assert self.found.scalar(open_runs) == 0


@pytest.fixture
def converge(postgres: TestPostgres) -> Callable[[int, int], None]:
    def run(examples: int, steps: int) -> None:
        machine = type("Machine", (Convergence,), {"postgres": postgres})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=examples < 20,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
            ),
        )

    return run


def test_one_clean_sync_makes_the_tables_the_world(converge: Callable[[int, int], None]) -> None:
    converge(4, 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_one_clean_sync_makes_the_tables_the_world_however_long_it_went(
    converge: Callable[[int, int], None],
) -> None:
    converge(150, 40)
