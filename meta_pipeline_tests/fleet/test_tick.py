"""One look at the tables: from how the accounts stand to the runs a sensor requests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.fleet import DuePart, Policy, RotationRules
from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.tick import Tick, look, record
from meta_pipeline.governor import Thresholds
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.warehouse import Warehouse, account_lock

from .fleet import HOUR, MINUTE, NOW
from .stored import Stored

PAIRS = RotationRules(accounts_per_run=2, first_syncs_per_run=2)


def rotation(
    rules: RotationRules = PAIRS, policy: Policy = Policy.HYBRID, currency: str = "USD"
) -> Rotation:
    return Rotation(policy, rules, Thresholds(), 3, "insights_ad", currency)


def synced(stored: Stored, account_id: str, minutes_ago: float, entities_ago: float) -> None:
    stored.account(account_id)
    stored.entities(NOW - entities_ago * MINUTE, account_id)
    stored.days(90, NOW - minutes_ago * MINUTE, account_id)
    stored.run("success", minutes_ago, account_id)


def test_a_fleet_becomes_runs(stored: Stored, warehouse: Warehouse, database_url: str) -> None:
    synced(stored, "act_1", 34, 100)
    stored.days(1, NOW, dataset="insights_account")
    stored.spend(812, 0)
    synced(stored, "act_2", 20, 20)
    stored.account("act_3", first_seen_at=NOW - MINUTE)
    stored.account("act_4", first_seen_at=NOW - HOUR)
    stored.account("act_5", first_seen_at=NOW - HOUR)
    with account_lock(database_url, "act_4", holder="test"):
        found = look(
            warehouse,
            NOW,
            rotation(RotationRules(), currency="EUR"),
            slots=3,
            requested={"act_5"},
        )
    assert {run.account_ids for run in found.runs} == {("act_1",), ("act_3",)}
    first, second = sorted(found.runs, key=lambda run: run.account_ids)
    assert first.parts == {DuePart.INSIGHTS}
    assert first.run_key == "act_1:20260318T0856"
    assert first.tags == {"account": "act_1", "reason": "priority", "window": "days due by age"}
    assert first.why == (
        "act_1: high spend (812 EUR in 7 days), insights 34 min old, due every 30 min"
    )
    assert second.tags["reason"] == "first sync"
    assert {name: reason.partition(":")[0] for name, reason in found.skipped.items()} == {
        "act_2": "not due",
        "act_4": "running",
        "act_5": "requested",
    }


def test_no_free_run_is_no_pick(stored: Stored, warehouse: Warehouse) -> None:
    stored.account("act_3", first_seen_at=NOW - MINUTE)
    found = look(warehouse, NOW, rotation(), slots=0)
    assert (found.runs, found.choice.picks) == ((), ())
    assert found.skipped["act_3"].startswith("waiting:")


def test_rotation_passes_nobody_over_who_found_no_run(stored: Stored, warehouse: Warehouse) -> None:
    """Picks of other parts need another run; with one free run they wait, and are next."""
    for number, entities_ago in [(1, 300), (2, 100), (3, 300), (4, 100)]:
        synced(stored, f"act_{number}", 70, entities_ago)
    round_robin = rotation(RotationRules(accounts_per_run=4), Policy.ROTATION)

    def tick(cursor: str | None, requested: set[str]) -> Tick:
        return look(warehouse, NOW, round_robin, slots=1, cursor=cursor, requested=requested)

    one = tick(None, set())
    assert one.runs[0].account_ids == ("act_1", "act_3")
    assert one.cursor == "act_1"
    two = tick(one.cursor, {"act_1", "act_3"})
    assert two.runs[0].account_ids == ("act_2", "act_4")
    assert two.cursor == "act_4"


@pytest.mark.parametrize("stopped", [0, 1, 2, 5])
def test_a_look_changes_nothing_until_it_is_recorded(
    stored: Stored, warehouse: Warehouse, stopped: int
) -> None:
    """Whom the governor stops is told with its reason; the sensor alone writes it down."""
    for number in range(5):
        stored.account(f"act_{number}", first_seen_at=NOW - MINUTE)
    warehouse.usage.remember(
        UsageReading("account", f"act_{number}", "ads_insights", 100, NOW - MINUTE, NOW + HOUR)
        for number in range(stopped)
    )
    found = look(warehouse, NOW, rotation(), slots=5)
    assert look(warehouse, NOW, rotation(), slots=5) == found
    assert warehouse.runs.recent(10) == []
    assert {each.account_id for each in found.stopped} == {f"act_{n}" for n in range(stopped)}
    assert sum(len(run.picks) for run in found.runs) == 5 - stopped
    for each in found.stopped:
        assert found.skipped[each.account_id] == f"throttled: {each.reason}"
    record(warehouse, found, NOW)
    record(warehouse, found, NOW)
    assert {row.account_id for row in warehouse.runs.recent(10)} == {
        each.account_id for each in found.stopped
    }


def test_what_a_sync_left_undone_is_seen_from_the_tables_alone(
    stored: Stored, warehouse: Warehouse
) -> None:
    """Structure came, numbers broke off in the middle of the backfill."""
    stored.account("act_1", first_seen_at=NOW - timedelta(days=1))
    stored.entities(NOW - 45 * MINUTE)
    stored.days(20, NOW - 44 * MINUTE)
    stored.run("fail", 45)
    (run,) = look(warehouse, NOW, rotation(), slots=3).runs
    (pick,) = run.picks
    assert pick.parts == {DuePart.INSIGHTS}
    assert pick.why == (
        "nothing that could spend, insights 44 min old, some of the last 90 days are missing; "
        "the last attempt did not succeed"
    )
