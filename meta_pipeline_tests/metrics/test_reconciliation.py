from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline.metrics import ComparisonOutcome, reconcile, reconciliations

from .rows import ACCOUNT, READ_AT, TODAY, Rows, actions, ago

LATER = READ_AT + timedelta(hours=3)


def whole(rows: Rows, **values: Any) -> None:
    rows.insight(ACCOUNT, level="account", **values)
    rows.fetched([TODAY], dataset="insights_account")


def ads(rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", spend="10.10", impressions=100, clicks=5, actions=actions(lead=1))
    rows.insight("a4", spend="4.90", impressions=50, clicks=2)
    rows.fetched([TODAY])


def verdict(rows: Rows, tolerance_pct: float = 0) -> tuple[ComparisonOutcome, str]:
    (row,) = reconcile(rows.connection, ACCOUNT, TODAY, TODAY, tolerance_pct)
    assert reconciliations(rows.connection, ACCOUNT, TODAY, TODAY) == [row]
    return row.status, row.explanation


def test_equal_to_the_cent_matches(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=15, impressions=150, clicks=7, actions=actions(lead=1))

    assert verdict(rows) == (
        ComparisonOutcome.MATCH,
        "Spend, impressions, clicks and conversions agree.",
    )


def test_a_missing_ad_of_one_cent_differs_and_deleted_ads_are_named(rows: Rows) -> None:
    ads(rows)
    rows.ad("a5", "s1", "c1", is_deleted=True)
    whole(rows, spend="15.01", impressions=151, clicks=7)

    status, explanation = verdict(rows)

    assert status is ComparisonOutcome.DIFFERS
    assert "deleted and archived ads (1 deleted ads are known here)" in explanation


def test_cents_alone_are_rounding_and_no_contradiction(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend="15.01", impressions=150, clicks=7)
    (row,) = reconcile(rows.connection, ACCOUNT, TODAY, TODAY)

    assert (row.status, row.is_ok) == (ComparisonOutcome.ROUNDING, True)
    assert row.spend_difference == Decimal("-0.01")


def test_more_than_rounding_differs_though_counts_agree(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend="15.02", impressions=150, clicks=7)

    assert verdict(rows)[0] is ComparisonOutcome.DIFFERS


def test_tolerance_is_taken_of_the_account_row(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend="15.75", impressions=150, clicks=7)

    assert verdict(rows, tolerance_pct=5)[0] is ComparisonOutcome.MATCH
    assert verdict(rows, tolerance_pct=4.7)[0] is ComparisonOutcome.DIFFERS


def moved(rows: Rows, entity_id: str, spend: Any, impressions: int, clicks: int) -> None:
    rows.connection.execute(
        "UPDATE meta_ads.meta_insights SET spend = %s, impressions = %s, clicks = %s"
        " WHERE entity_id = %s",
        (spend, impressions, clicks, entity_id),
    )


def test_rows_read_at_different_times_prove_nothing(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=20, impressions=200, clicks=9)
    rows.fetched([TODAY], dataset="insights_account", at=LATER)

    status, explanation = verdict(rows)

    assert status is ComparisonOutcome.UNCHECKED
    assert "Read at different times (2026-03-18 08:30 and 2026-03-18 11:30 UTC)" in explanation
    assert "ad rows first" in explanation


def test_delivery_that_began_after_the_account_was_read_proves_nothing(rows: Rows) -> None:
    ads(rows)
    rows.fetched([TODAY], at=LATER)
    rows.fetched([TODAY], dataset="insights_account")

    assert verdict(rows)[0] is ComparisonOutcome.UNCHECKED


def test_one_sync_may_take_long(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=20, impressions=200, clicks=9)
    rows.fetched([TODAY], sync="run-1")
    rows.fetched([TODAY], dataset="insights_account", at=LATER, sync="run-1")

    assert verdict(rows)[0] is ComparisonOutcome.DIFFERS


def test_days_that_meta_restates_no_more_are_compared_whenever_they_were_read(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=20, impressions=200, clicks=9)
    rows.fetched([TODAY], is_final=True)
    rows.fetched([TODAY], dataset="insights_account", at=LATER, is_final=True)

    assert verdict(rows)[0] is ComparisonOutcome.DIFFERS


def test_equal_numbers_agree_whenever_they_were_read(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=15, impressions=150, clicks=7)
    rows.fetched([TODAY], dataset="insights_account", at=LATER)

    assert verdict(rows)[0] is ComparisonOutcome.MATCH


@pytest.mark.parametrize(
    ("spend", "proven"), [(15, ComparisonOutcome.MATCH), (20, ComparisonOutcome.DIFFERS)]
)
def test_a_verdict_holds_until_both_levels_are_read_together_again(
    rows: Rows, spend: int, proven: ComparisonOutcome
) -> None:
    ads(rows)
    whole(rows, spend=spend, impressions=150, clicks=7)
    assert verdict(rows)[0] is proven

    moved(rows, "a1", 12, 130, 6)
    rows.fetched([TODAY], at=LATER)
    (fresh,) = reconcile(rows.connection, ACCOUNT, TODAY, TODAY)
    assert fresh.status is ComparisonOutcome.UNCHECKED
    (kept,) = reconciliations(rows.connection, ACCOUNT, TODAY, TODAY)
    assert (kept.status, kept.spend_ads, kept.ads_as_of) == (proven, Decimal(15), READ_AT)

    moved(rows, ACCOUNT, "16.90", 180, 8)
    rows.fetched([TODAY], dataset="insights_account", at=LATER)
    assert verdict(rows)[0] is ComparisonOutcome.MATCH


def test_ads_above_the_account_say_which_way(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=14, impressions=150, clicks=7)

    assert "hold more than the account" in verdict(rows)[1]


def test_clicks_alone_differ_too(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=15, impressions=150, clicks=8)

    status, explanation = verdict(rows)
    assert status is ComparisonOutcome.DIFFERS
    assert "Only clicks differ" in explanation


def test_conversions_that_differ_are_shown_and_fail_nothing(rows: Rows) -> None:
    ads(rows)
    whole(rows, spend=15, impressions=150, clicks=7, actions=actions(lead=3))
    (row,) = reconcile(rows.connection, ACCOUNT, TODAY, TODAY)

    assert row.status is ComparisonOutcome.MATCH
    assert row.conversions["leads"] == [1, 3]
    assert "Not leads" in row.explanation


def test_what_was_not_fetched_is_unchecked_not_wrong(rows: Rows) -> None:
    ads(rows)
    assert verdict(rows) == (
        ComparisonOutcome.UNCHECKED,
        "The account row of this day was not fetched.",
    )


def test_delivery_without_an_account_row_differs(rows: Rows) -> None:
    ads(rows)
    rows.fetched([TODAY], dataset="insights_account")

    status, explanation = verdict(rows)
    assert status is ComparisonOutcome.DIFFERS
    assert "no row for the account" in explanation


def test_every_day_asked_for_has_a_row_also_idle_ones(rows: Rows) -> None:
    rows.account()
    rows.fetched([ago(1), TODAY])
    rows.fetched([ago(1), TODAY], dataset="insights_account")

    found = reconcile(rows.connection, ACCOUNT, ago(2), TODAY)

    assert [(row.date_start, str(row.status)) for row in found] == [
        (ago(2), "unchecked"),
        (ago(1), "empty"),
        (TODAY, "empty"),
    ]
