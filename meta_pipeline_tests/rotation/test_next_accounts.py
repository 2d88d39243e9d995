"""From the tables to the runs a sensor requests."""

from __future__ import annotations

from datetime import timedelta

from meta_pipeline.orchestration.next_accounts import next_accounts
from meta_pipeline.rotation import DuePart, NextRuns, Policy, RotationSettings
from meta_pipeline.warehouse import account_lock

from .fleet import HOUR, MINUTE, NOW
from .stored import Stored

PAIRS = RotationSettings(accounts_per_run=2, first_syncs_per_run=2)


def synced(stored: Stored, account_id: str, minutes_ago: float, entities_ago: float) -> None:
    stored.account(account_id)
    stored.entities(NOW - entities_ago * MINUTE, account_id)
    stored.days(90, NOW - minutes_ago * MINUTE, account_id)
    stored.run("success", minutes_ago, account_id)


def test_a_fleet_becomes_runs(stored: Stored, database_url: str) -> None:
    synced(stored, "act_1", 34, 100)
    stored.days(1, NOW, dataset="insights_account")
    stored.spend(812, 0)
    synced(stored, "act_2", 20, 20)
    stored.account("act_3", first_seen_at=NOW - MINUTE)
    stored.account("act_4", first_seen_at=NOW - HOUR)
    stored.account("act_5", first_seen_at=NOW - HOUR)
    with account_lock(database_url, "act_4", holder="test"):
        found = next_accounts(stored.connection, NOW, requested={"act_5"}, currency="EUR")
    assert {run.account_ids for run in found.runs} == {("act_1",), ("act_3",)}
    first, second = sorted(found.runs, key=lambda run: run.account_ids)
    assert first.parts == {DuePart.INSIGHTS}
    assert first.run_key == "act_1:20260318T0856"
    assert first.tags == {"account": "act_1", "reason": "priority", "window": "days due by age"}
    assert first.why == (
        "act_1: high spend (812 EUR in 7 days), insights 34 min old, due every 30 min"
    )
    assert second.tags["reason"] == "first sync"
    assert {name: reason.partition(":")[0] for name, reason in found.choice.skipped.items()} == {
        "act_2": "not due",
        "act_4": "running",
        "act_5": "requested",
    }


def test_a_tick_without_work_says_when_there_will_be_some(stored: Stored) -> None:
    synced(stored, "act_1", 20, 20)
    found = next_accounts(stored.connection, NOW, policy=Policy.ROTATION)
    assert found.runs == ()
    assert found.reason == ("nobody's turn; 1 not due; the next turn comes at 2026-03-18 09:40 UTC")


def test_no_free_run_is_no_pick(stored: Stored) -> None:
    stored.account("act_3", first_seen_at=NOW - MINUTE)
    found = next_accounts(stored.connection, NOW, slots=0)
    assert (found.runs, found.choice.picks) == ((), ())
    assert found.choice.skipped["act_3"].startswith("waiting:")


def test_rotation_passes_nobody_over_who_found_no_run(stored: Stored) -> None:
    """Picks of other parts need another run; with one free run they wait, and are next."""
    for number, entities_ago in [(1, 300), (2, 100), (3, 300), (4, 100)]:
        synced(stored, f"act_{number}", 70, entities_ago)

    def tick(cursor: str | None, requested: set[str]) -> NextRuns:
        return next_accounts(
            stored.connection,
            NOW,
            policy=Policy.ROTATION,
            settings=RotationSettings(accounts_per_run=4),
            cursor=cursor,
            slots=1,
            requested=requested,
        )

    one = tick(None, set())
    assert one.runs[0].account_ids == ("act_1", "act_3")
    assert one.cursor == "act_1"
    two = tick(one.cursor, {"act_1", "act_3"})
    assert two.runs[0].account_ids == ("act_2", "act_4")
    assert two.cursor == "act_4"


def test_what_a_sync_left_undone_is_seen_from_the_tables_alone(stored: Stored) -> None:
    """Structure came, numbers broke off in the middle of the backfill."""
    stored.account("act_1", first_seen_at=NOW - timedelta(days=1))
    stored.entities(NOW - 45 * MINUTE)
    stored.days(20, NOW - 44 * MINUTE)
    stored.run("fail", 45)
    (run,) = next_accounts(stored.connection, NOW, settings=PAIRS).runs
    (pick,) = run.picks
    assert pick.parts == {DuePart.INSIGHTS}
    assert pick.why == (
        "nothing that could spend, insights 44 min old, some of the last 90 days are missing; "
        "the last attempt did not succeed"
    )
