"""Yen are neither added to nor compared with euro, not even where one account spent both."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.copilot import Answer, Outcome
from meta_pipeline.copilot.days import Range
from meta_pipeline.copilot.tools import GivenDays, Tools
from meta_pipeline.metrics.answers.exchange import load_rates
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres

OTHER = "act_2"
BEFORE, SINCE = (ago(6), ago(4)), (ago(3), ago(1))
"""Days before and since the other account changed its currency from JPY to EUR."""
WHY = (
    f"{OTHER} changed its currency: its amounts of these days are in EUR, those of the days before "
    "in JPY. They are not compared."
)


@pytest.fixture(scope="module")
def changed(postgres: TestPostgres) -> Iterator[Tools]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        opened.migrate()
        with opened.connection() as connection:
            Rows(connection).changed_currency()
            load_rates(connection, [(ago(6), "EUR", "JPY", Decimal(200))], "test")
        for account in (ACCOUNT, OTHER):
            metrics.KPIs(opened).set(account, "cpc", 3, is_primary=True)
        yield Tools(opened, lambda: NOW)


def wanted(*names: str, account: str | None = None, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = dict.fromkeys(("level", "by", "currency"))
    given |= {"metrics": names, "filters": {}, "attribution": "default"}
    return given | {"accounts": account and [account]} | options


def compared(
    tools: Tools, *names: str, days: Range = SINCE, before: Range = BEFORE, **options: Any
) -> Answer:
    return tools.compare_periods(wanted(*names, **options), given(days, before), None, 50)


def explained(
    tools: Tools, name: str, days: Range = SINCE, before: Range = BEFORE, **options: Any
) -> Answer:
    return tools.explain_change(wanted(name, **options), given(days, before), None, 50)


def given(days: Range, before: Range) -> GivenDays:
    (since, until), (before_since, before_until) = days, before
    return GivenDays(since=since, until=until, before_since=before_since, before_until=before_until)


@pytest.mark.parametrize("by", [None, [], ["account"], ["campaign"]])
def test_amounts_of_one_account_that_were_in_another_currency_have_no_difference(
    changed: Tools, by: list[str] | None
) -> None:
    found = compared(changed, "spend", "cpc", "clicks", "roas", account=OTHER, by=by)
    row = found.rows[0]
    assert (row["spend"], row["spend_before"], row["cpc"]) == (30, 3000, 2)
    for name in ("spend", "cpc"):
        assert row[f"{name}_change"] is row[f"{name}_change_pct"] is None
    assert (row["clicks_change"], row["clicks_change_pct"], row["roas_change"]) == (0, 0, 0)
    assert found.notes.count(WHY) == 1
    assert found.provenance is not None
    assert found.provenance.currency == ["EUR", "JPY"]


def test_accounts_that_stayed_in_their_currency_are_compared_beside_one_that_did_not(
    changed: Tools,
) -> None:
    for days, other, by in ((SINCE, BEFORE, ["account"]), (BEFORE, SINCE, ["campaign"])):
        found = compared(changed, "spend", by=by, days=days, before=other)
        of = {row["account_id"]: row for row in found.rows if row["spend"]}
        assert (of[ACCOUNT]["spend_before"], of[ACCOUNT]["spend_change"]) == (30, 0)
        assert of[OTHER]["spend_before"]
        assert of[OTHER]["spend_change"] is None
        assert len([note for note in found.notes if "They are not compared" in note]) == 1
    # Of the later comparison each row says what it is in.
    assert (of[ACCOUNT]["currency"], of[OTHER]["currency"]) == ("EUR", "JPY")


def test_rows_that_do_not_say_whose_amounts_they_have_are_refused(changed: Tools) -> None:
    found = compared(changed, "spend", by=["campaign"])
    assert (found.outcome, found.message) == (Outcome.REFUSED, f"{WHY} Ask by account.")
    assert compared(changed, "spend", by=[]).outcome is Outcome.REFUSED
    assert compared(changed, "clicks", by=[]).rows[0]["clicks_change"] == 0


def test_amounts_that_are_converted_are_compared(changed: Tools) -> None:
    found = compared(changed, "spend", account=OTHER, currency="EUR")
    assert found.rows[0]["spend_change"] == pytest.approx(30 - 15)
    assert WHY not in found.notes
    parts = explained(changed, "spend", currency="EUR")
    assert (parts.asked["before"], parts.asked["after"]) == ("45.000000", "60.000000")


def test_a_change_from_one_currency_to_another_is_not_explained(changed: Tools) -> None:
    for name in ("spend", "cpc"):
        found = explained(changed, name, account=OTHER)
        assert (found.outcome, found.message) == (Outcome.REFUSED, WHY)
        mixed = explained(changed, name)
        assert mixed.outcome is Outcome.REFUSED
        assert "EUR, JPY" in (mixed.message or "")
    for name, account in (("spend", ACCOUNT), ("clicks", None), ("roas", OTHER)):
        assert explained(changed, name, account=account).outcome is Outcome.ANSWERED


def test_a_change_is_told_in_the_currency_that_is_stored(changed: Tools) -> None:
    earlier, later = (ago(9), ago(7)), (ago(0), ago(0))
    for days, before, change in ((BEFORE, earlier, 3000), (later, BEFORE, -3000)):
        found = explained(changed, "spend", account=OTHER, days=days, before=before)
        assert found.provenance is not None
        assert (float(found.asked["change"]), found.provenance.currency) == (change, "JPY")


@pytest.mark.parametrize("asked", ["spend by account", f"spend for {OTHER}", "spend by campaign"])
def test_words_about_days_of_both_currencies_are_answered_with_the_days_of_each(
    changed: Tools, asked: str
) -> None:
    found = changed.ask(f"{asked} last 6 days", None, None, 50)
    assert found.outcome is Outcome.ASKED_BACK
    assert (found.message or "").startswith(
        f"{OTHER} changed its currency: its stored amounts are in JPY from {ago(6)} to {ago(4)} "
        f"and EUR from {ago(3)} to {ago(1)}."
    )
    assert [one.label for one in found.choices] == [f"{OTHER} in JPY", f"{OTHER} in EUR"]
    for one, spent in zip(found.choices, (3000, 30), strict=True):
        narrowed = changed.ask(f"{asked} {one.say}", None, None, 50)
        assert narrowed.outcome is Outcome.ANSWERED
        assert spent in [row["spend"] for row in narrowed.rows]


def test_words_that_compare_both_currencies_say_why_not(changed: Tools) -> None:
    found = changed.ask(f"why did spend change in the last 3 days for {OTHER}", None, None, 50)
    assert (found.outcome, found.message) == (Outcome.REFUSED, WHY)


def test_days_of_one_currency_that_lie_within_those_of_another_are_not_offered(
    warehouse: Warehouse,
) -> None:
    """As where a day was read again after the change."""
    with warehouse.connection() as connection:
        Rows(connection).changed_currency()
        connection.execute(
            "UPDATE meta_ads.meta_insights SET currency = 'EUR'"
            " WHERE entity_type = 'account' AND account_id = %s AND date_start = %s",
            (OTHER, ago(5)),
        )
    found = Tools(warehouse, lambda: NOW).ask(f"spend for {OTHER} last 6 days", None, None, 50)
    assert (found.outcome, found.choices) == (Outcome.REFUSED, [])
    assert "changed its currency" in (found.message or "")


def test_an_account_of_two_currencies_leaves_the_targets_of_the_others(changed: Tools) -> None:
    found = changed.ask("are we on target last 6 days", None, None, 50)
    assert [(row["account_id"], row["value"], row["verdict"]) for row in found.rows] == [
        (ACCOUNT, 2, "met"),
        (OTHER, None, "unknown"),
    ]
    assert [note for note in found.notes if note.startswith(f"{OTHER} changed its currency")]
