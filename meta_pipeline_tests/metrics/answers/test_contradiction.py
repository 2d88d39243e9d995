"""What the account's own row contradicts is never called nothing, and never complete."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import ComparisonOutcome, rollup
from meta_pipeline.quality import find
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, Rows, actions, ago, ask

DAY = ago(50)
LEVELS: tuple[dict[str, Any], ...] = (
    {},
    {"level": "account"},
    {"by": ["day"]},
    {"by": ["week"]},
    {"by": ["month"]},
    {"level": "campaign"},
    {"level": "adset"},
    {"level": "ad"},
    {"by": ["day", "ad"]},
    {"by": ["account"]},
    {"by": ["objective"]},
    {"filters": {"campaign": "c1"}},
    {"filters": {"ad_name": "*a1*"}, "by": ["ad"]},
    {"attribution": "7d_click"},
)
RANGES = ((DAY, DAY), (DAY - timedelta(days=2), DAY), (ago(60), ago(40)))


def read_day(rows: Rows, day: Any = DAY, **account: Any) -> None:
    """A day that both levels were read of, together, today; the ads gave nothing."""
    for dataset in ("insights_ad", "insights_account"):
        rows.fetched([day], dataset=dataset, is_final=True, sync="s")
    if account:
        rows.insight(ACCOUNT, day, level="account", **account)


def reconcile(rows: Rows, since: Any, until: Any) -> metrics.Reconciliation:
    """The comparison of the first day, stored."""
    found = metrics.reconcile(rows.connection, ACCOUNT, since, until)
    rows.connection.commit()
    return found[0]


def gone(rows: Rows) -> None:
    """An account whose ads of one day are gone; the days around it had no delivery."""
    rows.tree()
    for back in range(40, 61):
        read_day(rows, ago(back))
    read_day(rows, spend="3.00", impressions=40, clicks=2, actions=actions(purchase=1))
    rollup(rows.connection, ACCOUNT)


@pytest.mark.each_value
@pytest.mark.parametrize("options", LEVELS, ids=str)
@pytest.mark.parametrize("span", RANGES, ids=str)
@pytest.mark.parametrize("is_compared", [False, True])
def test_a_zero_that_the_account_row_contradicts_is_said(
    rows: Rows, warehouse: Warehouse, options: dict[str, Any], span: Any, is_compared: bool
) -> None:
    gone(rows)
    if is_compared:
        reconcile(rows, ago(60), ago(40))
    answer = ask(warehouse, "spend", "clicks", "roas", "purchases", date_range=span, **options)
    about = answer.attrs
    (note,) = [one for one in about["notes"] if "account row" in one]
    assert "The account row has 3.00 EUR that no ad row explains" in note
    assert str(DAY) in note
    assert not any("was delivered" in one for one in about["notes"])
    assert about["completeness"]["is_complete"] is False
    assert about["completeness"]["contradicted_days"] == {ACCOUNT: [str(DAY)]}
    assert ("asked for" in note) is bool(options.get("filters"))


def test_other_days_stay_nothing_and_complete(rows: Rows, warehouse: Warehouse) -> None:
    gone(rows)
    about = ask(warehouse, "spend", date_range=(ago(49), ago(45))).attrs
    assert about["completeness"]["is_complete"] is True
    assert any("Nothing was delivered" in one for one in about["notes"])


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"spend": 0, "impressions": 7}, "7 impressions"),
        ({"spend": "0.01", "impressions": 0}, "0.01 EUR"),
        ({"spend": "1234.50", "impressions": 9}, "1,234.50 EUR"),
    ],
)
def test_delivery_of_any_kind_contradicts(
    rows: Rows, warehouse: Warehouse, account: dict[str, Any], said: str
) -> None:
    rows.tree()
    read_day(rows, **account)
    notes = ask(warehouse, "leads", date_range=(DAY, DAY)).attrs["notes"]
    assert any(f"The account row has {said} that no ad row explains" in one for one in notes)
    assert not any("was delivered" in one for one in notes)


def test_part_of_a_day_that_is_gone_is_said_beside_the_rest(
    rows: Rows, warehouse: Warehouse
) -> None:
    gone(rows)
    rows.insight("a1", DAY, spend="1.00", impressions=10)
    rollup(rows.connection, ACCOUNT, [DAY])
    reconcile(rows, DAY, DAY)
    answer = ask(warehouse, "spend", date_range=(DAY, DAY))
    assert answer["spend"][0] == 1
    assert any("2.00 EUR that no ad row explains" in one for one in answer.attrs["notes"])


def test_a_young_day_read_at_different_times_is_no_contradiction(
    rows: Rows, warehouse: Warehouse
) -> None:
    rows.tree()
    rows.insight("a1", ago(1), spend="1.00", impressions=10)
    rows.insight(ACCOUNT, ago(1), level="account", spend="0.80", impressions=8)
    rows.fetched([ago(1)])
    rows.fetched([ago(1)], dataset="insights_account", at=READ_AT - timedelta(hours=3))
    about = ask(warehouse, "spend", date_range=(ago(1), ago(1))).attrs
    assert about["completeness"]["contradicted_days"] == {}


def test_the_overview_says_what_no_ad_row_explains(rows: Rows, warehouse: Warehouse) -> None:
    rows.tree()
    read_day(rows, ago(3), spend="3.00", impressions=40)
    reconcile(rows, ago(3), ago(3))
    rows.connection.execute("SET meta_ads.now = '2026-03-18 09:00+00'")
    found = rows.connection.execute(
        "SELECT spend_7d, unexplained_spend_30d FROM meta_ads.account_overview"
    ).fetchone()
    assert found == (0, 3)


# -- conversions ----------------------------------------------------------------------------------


def bought(rows: Rows, day: Any, ads: Any, account: Any) -> ComparisonOutcome:
    rows.tree()
    rows.insight("a1", day, spend="5.00", impressions=50, clicks=2, **ads)
    read_day(rows, day, spend="5.00", impressions=50, clicks=2, **account)
    rollup(rows.connection, ACCOUNT)
    return reconcile(rows, day, day).status


PURCHASES: dict[str, Any] = {
    "actions": actions(purchase=4),
    "action_values": actions(purchase="41.0"),
}


@pytest.mark.parametrize(
    ("ads", "account", "named"),
    [
        ({}, PURCHASES, "purchases 0 in the ad rows, 4 in the account row"),
        (PURCHASES, {}, "purchases 4 in the ad rows, 0 in the account row"),
        ({"actions": actions(lead=2)}, {"actions": actions(lead=5)}, "leads 2 in the ad rows"),
        (
            {"actions": actions(purchase=4)},
            PURCHASES,
            "revenue 0 in the ad rows, 41 in the account row",
        ),
    ],
)
def test_conversions_of_a_final_day_that_differ_are_found_and_said(
    rows: Rows, warehouse: Warehouse, ads: Any, account: Any, named: str
) -> None:
    assert bought(rows, DAY, ads, account) is ComparisonOutcome.DIFFERS
    about = ask(warehouse, "purchases", "revenue", "roas", date_range=(ago(60), ago(40))).attrs
    (note,) = [one for one in about["notes"] if "Conversions" in one]
    assert named in note
    assert about["completeness"]["is_complete"] is False
    rows.connection.execute("SET meta_ads.now = '2026-03-18 09:00+00'")
    found = find("reconciliation").run(rows.connection)
    assert [row["day"] for row in found.rows] == [str(DAY)]
    assert named in found.rows[0]["explanation"]


@pytest.mark.parametrize("cents", ["5.00", "5.01", "4.99"])
def test_conversions_are_looked_at_also_where_rounding_explains_the_spend(
    rows: Rows, warehouse: Warehouse, cents: str
) -> None:
    rows.tree()
    rows.insight("a1", DAY, spend="5.00", impressions=50, clicks=2)
    read_day(rows, spend=cents, impressions=50, clicks=2, **PURCHASES)
    rollup(rows.connection, ACCOUNT)
    assert reconcile(rows, DAY, DAY).status is ComparisonOutcome.DIFFERS
    notes = ask(warehouse, "purchases", date_range=(DAY, DAY)).attrs["notes"]
    assert any("purchases 0 in the ad rows, 4 in the account row" in one for one in notes)
    assert not any("no ad row explains" in one or "took something back" in one for one in notes)


@pytest.mark.parametrize(
    ("account", "tolerance_pct", "status"),
    [
        ("41.01", 0, ComparisonOutcome.MATCH),  # two amounts rounded to cents
        ("41.02", 0, ComparisonOutcome.DIFFERS),
        ("41.40", 1, ComparisonOutcome.MATCH),
        ("41.50", 1, ComparisonOutcome.DIFFERS),
    ],
)
def test_revenue_may_differ_by_rounding_and_by_the_tolerance(
    rows: Rows, account: str, tolerance_pct: int, status: ComparisonOutcome
) -> None:
    rows.tree()
    rows.insight("a1", DAY, spend="5.00", impressions=50, **PURCHASES)
    read_day(rows, spend="5.00", impressions=50, actions=actions(purchase=4),
             action_values=actions(purchase=account))  # fmt: skip
    (found,) = metrics.reconcile(rows.connection, ACCOUNT, DAY, DAY, tolerance_pct)
    assert found.status is status, found.explanation


def test_conversions_that_differ_are_told_with_every_digit(rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", DAY, spend="5.00", impressions=50, actions=actions(purchase=1234567))
    read_day(rows, spend="5.00", impressions=50, actions=actions(purchase=1234568))
    told = reconcile(rows, DAY, DAY).explanation
    assert "purchases 1,234,567 in the ad rows, 1,234,568 in the account row" in told


@pytest.mark.parametrize(
    ("back", "status"), [(28, ComparisonOutcome.MATCH), (29, ComparisonOutcome.DIFFERS)]
)
def test_conversions_may_be_late_until_the_28_days_are_over(
    rows: Rows, warehouse: Warehouse, back: int, status: ComparisonOutcome
) -> None:
    assert bought(rows, ago(back), {}, PURCHASES) is status
    notes = ask(warehouse, "purchases", date_range=(ago(back), ago(back))).attrs["notes"]
    assert any("Conversions" in one for one in notes) is (status is ComparisonOutcome.DIFFERS)


def test_a_preset_range_is_looked_at_in_each_accounts_zone(
    rows: Rows, warehouse: Warehouse
) -> None:
    rows.tree()
    rows.account("act_2", timezone_name="Pacific/Auckland")
    read_day(rows, ago(1), spend="3.00", impressions=40)
    answer = metrics.query(
        warehouse, account=None, metrics=["spend"], date_range="yesterday", now=NOW, by=["account"]
    )
    assert answer.attrs["completeness"]["contradicted_days"] == {ACCOUNT: [str(ago(1))]}


@pytest.mark.parametrize("is_compared", [False, True])
@pytest.mark.parametrize("has_own_row", [True, False])
def test_what_is_missing_is_told_in_the_currency_of_its_day(
    rows: Rows, warehouse: Warehouse, is_compared: bool, has_own_row: bool
) -> None:
    """The account is in EUR by now; the days were read while it was in JPY."""
    rows.tree()
    read_day(rows)
    rows.insight("a1", DAY, spend=500, impressions=40, currency="JPY")
    if has_own_row:
        rows.insight(ACCOUNT, DAY, level="account", spend=2500, impressions=90, currency="JPY")
    rollup(rows.connection, ACCOUNT)
    if is_compared:
        assert reconcile(rows, DAY, DAY).status is ComparisonOutcome.DIFFERS
    elif not has_own_row:
        return  # without either there is nothing to say
    notes = ask(warehouse, "clicks", date_range=(DAY, DAY)).attrs["notes"]
    said = "row has 2,000.00 JPY that no ad" if has_own_row else "ad rows have 500.00 JPY more than"
    assert any(said in one for one in notes), notes


@pytest.mark.parametrize("is_compared", [False, True])
@pytest.mark.parametrize(
    ("today", "held", "apart", "is_rounding"),
    [
        ("EUR", "JPY", "1", True),
        ("EUR", "JPY", "2", False),
        ("JPY", "EUR", "0.01", True),
        ("JPY", "EUR", "0.02", False),
    ],
)
def test_rounding_is_that_of_the_currency_of_its_day(
    rows: Rows, warehouse: Warehouse, is_compared: bool, today: str, held: str, apart: str,
    is_rounding: bool,
) -> None:  # fmt: skip
    rows.account(currency=today)
    rows.tree()
    rows.insight("a1", DAY, spend=500, impressions=40, currency=held)
    read_day(rows, spend=500 + Decimal(apart), impressions=40, currency=held)
    rollup(rows.connection, ACCOUNT)
    if is_compared:
        status = ComparisonOutcome.ROUNDING if is_rounding else ComparisonOutcome.DIFFERS
        assert reconcile(rows, DAY, DAY).status is status
    notes = ask(warehouse, "clicks", date_range=(DAY, DAY)).attrs["notes"]
    assert any("that no ad row explains" in one for one in notes) is not is_rounding


@pytest.mark.parametrize("is_compared", [False, True])
@pytest.mark.parametrize("spend", [7, 0])
def test_amounts_of_two_currencies_are_not_held_against_each_other(
    rows: Rows, warehouse: Warehouse, is_compared: bool, spend: int
) -> None:
    """The day was read again in EUR; an ad that is gone kept what it had in JPY."""
    rows.tree()
    rows.insight("a1", DAY, spend=5, impressions=40, currency="EUR")
    rows.insight("a2", DAY, spend=spend, impressions=0, currency="JPY")
    read_day(rows, spend=5, impressions=40, currency="EUR")
    rollup(rows.connection, ACCOUNT)
    if is_compared:
        found = reconcile(rows, DAY, DAY)
        assert ("two currencies" in found.explanation) is bool(spend)
        assert found.status is (ComparisonOutcome.UNCHECKED if spend else ComparisonOutcome.MATCH)
    notes = ask(warehouse, "clicks", date_range=(DAY, DAY)).attrs["notes"]
    assert not any("account row" in one for one in notes)
