"""The demo world has a true case of each kind, and the rules say those and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from meta_pipeline import metrics
from meta_pipeline.advisor import AdviceRow, judge_account, known_account, open_advice
from meta_pipeline.metrics.unreconciled import unreconciled_days
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Limits, Simulator, VirtualClock, World, demo_world
from meta_pipeline.simulator.world.demo import BROKEN_PIXEL, TIRED, TWINS
from meta_pipeline.sync import SyncEngine, SyncRequest

NOW = datetime.now(UTC)
TOKEN = "EAADEMO0WORLD0TOKEN"
SHOP = "act_990000000000001"
REFUSED = ("DISAPPROVED", "WITH_ISSUES", "PENDING_BILLING_INFO")


@dataclass(frozen=True)
class Shown:
    """What the page shows of two accounts, the world it is of, and what is stored."""

    world: World
    advice: dict[str, list[AdviceRow]]
    cpa: dict[str, float]
    """By ad set and ad, over all days that are stored."""


@pytest.fixture(scope="module")
def shown(postgres: object) -> Iterator[Shown]:
    world = demo_world(VirtualClock(NOW), anchor=NOW.date())
    with (
        postgres.fresh_database() as url,  # type: ignore[attr-defined]
        Simulator(world, token=TOKEN, limits=Limits(tier="standard_access")) as sim,
    ):
        settings = Settings.load(
            env_file=None, META_ACCESS_TOKEN=TOKEN, META_GRAPH_URL=sim.url, DATABASE_URL=url
        )
        found: dict[str, list[AdviceRow]] = defaultdict(list)
        cpa: dict[str, float] = {}
        with SyncEngine.open(settings) as engine:
            engine.discover()
            for account_id in (SHOP, BROKEN_PIXEL):
                engine.sync(SyncRequest(account_id))
                with engine.warehouse.connection() as connection:
                    metrics.rollup(connection, account_id)
                    days = unreconciled_days(connection, account_id)
                    metrics.reconcile(connection, account_id, days[0], days[-1])
                judge_account(engine.warehouse, account_id, now=NOW)
                known = known_account(engine.warehouse, account_id, NOW)
                for one in known.entities:
                    made = sum(day.results for day in one.days)
                    if made:
                        cpa[one.entity_id] = sum(day.spend for day in one.days) / made
                with engine.warehouse.connection() as connection:
                    for row in open_advice(connection, [account_id]):
                        found[row.kind].append(row)
        yield Shown(world, found, cpa)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_kind_is_there_and_every_advice_is_true(shown: Shown) -> None:
    world, advice = shown.world, shown.advice
    assert advice.keys() == {
        *("delivery", "learning_limited", "pause", "scale", "fatigue", "pacing", "anomaly"),
        *("budget_shift", "duplicates"),
    }
    assert sum(map(len, advice.values())) <= 45, "what is true is said once, not in pieces"

    assert [row.entity_id for row in advice["fatigue"]] == [TIRED]
    (twins,) = advice["duplicates"]
    assert set(twins.entity_ids) == {TWINS[0][0], TWINS[1][0]}
    assert {row.account_id for row in advice["anomaly"]} == {BROKEN_PIXEL}
    for row in advice["anomaly"]:
        assert row.numbers["day"] >= str((NOW - timedelta(days=7)).date())

    def value(entity_id: str, name: str) -> object:
        found = world.get(entity_id)
        assert found is not None
        return found.values.get(name)

    for row in advice["delivery"]:
        if "days_silent" not in row.numbers:
            for entity_id in row.entity_ids:
                assert value(entity_id, "effective_status") in REFUSED
    for row in advice["learning_limited"]:
        stage = value(row.entity_id, "learning_stage_info")
        assert isinstance(stage, dict)
        assert stage["status"] == "FAIL"
        assert row.numbers["events_a_day"] < row.numbers["events_a_day_needed"]
    for kind, sign in (("pause", 1), ("scale", -1)):
        for row in advice[kind]:
            beside = float(row.numbers["siblings_cpa"])
            assert sign * (shown.cpa[row.entity_id] - beside) > 0
    for row in advice["pacing"]:
        assert not 80 <= row.numbers["pace_pct"] <= 120


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_says_what_a_sceptic_asks(shown: Shown) -> None:
    for rows in shown.advice.values():
        for row in rows:
            for sentence in (row.what, row.why, row.method, row.doubt):
                assert sentence.endswith(".")
            assert row.numbers
            assert row.ads_manager_url.startswith("https://adsmanager.facebook.com/")
