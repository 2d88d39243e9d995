from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import ImpossibleQuestion, Settling, UnknownName
from meta_pipeline.warehouse import Warehouse

from .rows import ACCOUNT, NOW, Rows, ago

BERLIN = ZoneInfo("Europe/Berlin")


def at_age(day: date, age_days: float) -> datetime:
    """The moment the day has that age, in the test account's zone."""
    end = datetime.combine(day + timedelta(days=1), time.min, BERLIN).astimezone(UTC)
    return end + timedelta(days=age_days)


def read(warehouse: Warehouse, rows: Rows, day: date, *ages: float) -> None:
    """Note the day's readings in the ledger, as syncs do."""
    for age in ages:
        warehouse.ledger.mark(
            rows.connection, ACCOUNT, "insights_ad", {day: 1}, at_age(day, age), [], None
        )
    rows.connection.commit()


def moved(rows: Rows, day: date, age: float, before: int, after: int) -> None:
    rows.insert(
        "insights_changes",
        account_id=ACCOUNT,
        entity_type="ad",
        date_start=day,
        read_at=at_age(day, age),
        age_days=age,
        rows_changed=1,
        spend_before=before,
        spend_after=after,
        impressions_before=1000,
        impressions_after=1000,
    )


def settle(warehouse: Warehouse, tolerance_pct: float = 0) -> Settling:
    return metrics.settling(warehouse, ACCOUNT, tolerance_pct=tolerance_pct, now=NOW)


def test_curve_counts_days_that_could_move_and_days_that_did(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.account()
    for back in range(1, 15):
        read(warehouse, rows, ago(back), -0.5, 0.2, back - 0.7)
    for back in (3, 4):
        moved(rows, ago(back), 0.2, 90, 100)
    moved(rows, ago(9), 5.5, 100, 101)

    found = settle(warehouse)

    assert [age.age_days for age in found.ages] == list(range(14))
    assert (found.ages[0].days_read, found.ages[0].days_moved) == (14, 2)
    assert found.ages[0].spend_moved_pct == 10
    assert found.ages[0].clicks_moved_pct is None
    assert (found.ages[5].days_read, found.ages[5].days_moved) == (9, 1)
    assert (found.ages[12].days_read, found.ages[12].days_moved) == (2, 0)
    assert (found.final_age_days, found.proof_days) == (6, 8)
    # Yesterday has age 0 today, so age 6 has the day a week ago.
    assert found.final_until == ago(7)
    assert "Final from age 6 on" in found.notes()[0]
    assert "Meta promises it only after 28 days." in found.notes()


def test_tolerance_makes_days_final_earlier(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    for back in range(1, 15):
        read(warehouse, rows, ago(back), -0.5, back - 0.7)
    moved(rows, ago(5), 1.2, 90, 100)
    moved(rows, ago(9), 5.5, 100, 101)

    assert settle(warehouse).final_age_days == 6
    assert settle(warehouse, 1).final_age_days == 2
    assert "none moved by more than 1 %" in settle(warehouse, 1).notes()[0]


def test_a_day_read_once_proves_nothing(warehouse: Warehouse, rows: Rows) -> None:
    """A backfill reads days of every age once: they had no chance to move."""
    rows.account()
    for back in range(1, 60):
        read(warehouse, rows, ago(back), back - 0.7)

    found = settle(warehouse)

    assert found.ages == ()
    assert (found.final_age_days, found.proof_days, found.final_until) == (None, 0, None)
    assert "No day was read a second time" in found.notes()[0]


def test_days_that_moved_at_the_oldest_age_seen_are_not_called_final(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.account()
    for back in (1, 2, 3):
        read(warehouse, rows, ago(back), -0.5, back - 0.7)
    moved(rows, ago(3), 2.3, 90, 100)

    found = settle(warehouse)

    assert (found.final_age_days, found.final_until) == (None, None)
    assert "Days moved at the oldest age they were read at (2 days)" in found.notes()[0]


def test_movement_from_nothing_counts_though_it_has_no_percentage(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.account()
    for back in range(1, 15):
        read(warehouse, rows, ago(back), -0.5, back - 0.7)
    moved(rows, ago(9), 5.5, 0, 0)

    assert settle(warehouse).final_age_days == 6


def test_curve_says_what_the_view_says(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    for back in range(1, 20):
        read(warehouse, rows, ago(back), -0.5, back - 0.7)
        moved(rows, ago(back), back / 3, 90 + back, 100)

    shown = rows.connection.execute(
        "SELECT age_days, days_moved, spend_moved_pct FROM meta_ads.restatement_by_age ORDER BY 1"
    ).fetchall()

    told = [one for one in settle(warehouse).ages if one.days_moved]
    assert [(one.age_days, one.days_moved, one.spend_moved_pct) for one in told] == shown


def test_a_level_that_is_not_read_says_how_to_read_it(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()

    of_campaigns = metrics.settling(warehouse, ACCOUNT, level="campaign").notes()

    assert (
        "Add it to META_INSIGHTS_LEVELS (ad,campaign), then: meta-pipeline sync act_1"
        in (of_campaigns[0])
    )
    assert "No day of this account was ever read" in settle(warehouse).notes()[0]


def test_bad_questions_are_refused(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    with pytest.raises(UnknownName, match=r"act_1 \(Shop 1\)"):
        metrics.settling(warehouse, "act_11")
    with pytest.raises(UnknownName, match="Did you mean adset"):
        metrics.settling(warehouse, ACCOUNT, level="adsets")
    with pytest.raises(ImpossibleQuestion, match="give 0 or more"):
        metrics.settling(warehouse, ACCOUNT, tolerance_pct=-1)


def test_first_reading_is_kept_through_later_ones(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    read(warehouse, rows, ago(5), -0.5, 0.2, 3.1)

    kept = rows.connection.execute(
        "SELECT first_fetched_at, fetched_at FROM meta_ads.sync_windows"
    ).fetchone()
    assert kept == (at_age(ago(5), -0.5), at_age(ago(5), 3.1))
