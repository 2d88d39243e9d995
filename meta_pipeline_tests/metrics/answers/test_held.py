"""Amounts are in the currency they were stored in, whatever their accounts are in today."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import MixedCurrencies
from meta_pipeline.metrics.answers.exchange import load_rates
from meta_pipeline.metrics.answers.query import ask as checked
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago

OTHER = "act_2"
BEFORE, SINCE = (ago(6), ago(4)), (ago(3), ago(1))
"""Days before and since the other account changed its currency."""


@pytest.fixture
def changed(rows: Rows) -> Rows:
    rows.changed_currency()
    return rows


def asked(warehouse: Warehouse, *names: str, **options: Any) -> metrics.Result:
    return metrics.answer(warehouse, metrics=names, now=NOW, **options)


def test_stored_amounts_of_several_currencies_are_not_added_though_the_accounts_have_one(
    warehouse: Warehouse, changed: Rows
) -> None:
    for by in ([], ["day"], ["goal"]):
        with pytest.raises(MixedCurrencies, match="The amounts are in EUR, JPY and cannot be"):
            asked(warehouse, "spend", by=by, date_range=BEFORE)
    assert asked(warehouse, "spend", by=[], date_range=SINCE).rows == [{"spend": 60.0}]
    assert asked(warehouse, "clicks", by=[], date_range=BEFORE).rows == [{"clicks": 30}]


def test_stored_amounts_of_one_currency_are_added_though_the_accounts_have_several(
    warehouse: Warehouse, changed: Rows
) -> None:
    changed.connection.execute(
        "UPDATE meta_ads.meta_ad_accounts SET currency = 'JPY' WHERE account_id = %s", (OTHER,)
    )
    changed.connection.commit()
    found = asked(warehouse, "spend", by=[], date_range=SINCE)
    assert (found.rows, found.about["currency"]) == ([{"spend": 60.0}], "EUR")


def test_each_account_or_entity_by_itself_keeps_amounts_of_several_currencies_apart(
    warehouse: Warehouse, changed: Rows
) -> None:
    by_account = asked(warehouse, "spend", by=["account"], date_range=BEFORE)
    assert {(row["account_id"], row["spend"], row["currency"]) for row in by_account.rows} == {
        (ACCOUNT, 30.0, "EUR"),
        (OTHER, 3000.0, "JPY"),
    }
    ranked = metrics.ranking(warehouse, level="campaign", date_range=BEFORE, now=NOW)
    assert ranked.ids[:2] == ("xc1", "c1")


@pytest.mark.parametrize("by", [[], ["campaign"]])
def test_components_are_of_what_is_stored(
    warehouse: Warehouse, changed: Rows, by: list[str]
) -> None:
    given: dict[str, Any] = dict.fromkeys(("account", "level", "filters", "currency"))
    given |= {"metrics": ["spend"], "by": by, "attribution": "default", "now": NOW}
    with warehouse.connection() as connection:
        question = checked(connection, date_range=SINCE, **given)
        assert set(question.currencies.values()) == {"EUR"}
        (whole,) = {sum(row["spend"] for row in metrics.components(connection, question))}
        assert whole == Decimal(60)
        if by:
            question = checked(connection, date_range=BEFORE, **given)
            assert question.currencies == {ACCOUNT: "EUR", OTHER: "JPY"}
        else:
            with pytest.raises(MixedCurrencies):
                checked(connection, date_range=BEFORE, **given)


def test_stored_amounts_are_converted_from_the_currency_they_are_in(
    warehouse: Warehouse, changed: Rows
) -> None:
    load_rates(changed.connection, [(ago(6), "EUR", "JPY", Decimal(200))], "test")
    changed.connection.commit()
    found = asked(warehouse, "spend", by=[], date_range=BEFORE, currency="EUR")
    assert found.rows == [{"spend": pytest.approx(30 + 15)}]
