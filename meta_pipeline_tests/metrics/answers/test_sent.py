"""Facts in an answer are under the bound that Meta's rows are under."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from meta_pipeline.metrics import Bound, TooMuch, answer
from meta_pipeline.metrics.answers.assembly import Row
from meta_pipeline_tests.metrics.counted import Counted
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, TODAY, Rows, ago


@pytest.fixture
def counted(database_url: str) -> Iterator[Counted]:
    with Counted(database_url) as opened:
        yield opened


def sent(rows: Rows, ad: str, metric: str = "crm.leads", value: int = 1) -> None:
    provider, _, name = metric.partition(".")
    rows.insert(
        "facts",
        tenant="default",
        provider=provider,
        account_id=ACCOUNT,
        level="ad",
        entity_id=ad,
        metric=name,
        date_start=TODAY,
        hour=-1,
        breakdown="",
        value=value,
        observed_at=READ_AT,
        received_at=READ_AT,
    )


def asked(counted: Counted, rows: int, *metrics: str, **options: Any) -> list[Row]:
    given: dict[str, Any] = {"by": ["day", "ad"], "date_range": (ago(1), TODAY), "now": NOW}
    return answer(counted, metrics=metrics, bound=Bound(rows=rows), **(given | options)).rows


def test_facts_that_are_more_than_an_answer_may_have_are_refused_before_they_are_read(
    counted: Counted, rows: Rows
) -> None:
    rows.account()
    for number in range(9):
        sent(rows, f"unknown {number}")
    with pytest.raises(TooMuch, match="more than 2 rows"):
        asked(counted, 2, "crm.leads")
    assert counted.most_rows == 3
    assert len(asked(counted, 9, "crm.leads")) == 9


def test_rows_of_facts_and_rows_of_meta_are_counted_together(counted: Counted, rows: Rows) -> None:
    rows.tree()
    for ad in ("a1", "a2"):
        rows.insight(ad, spend=10)
    for number in range(3):
        sent(rows, f"unknown {number}")
    with pytest.raises(TooMuch, match="more than 4 rows"):
        asked(counted, 4, "spend", "crm.leads")
    assert len(asked(counted, 5, "spend", "crm.leads")) == 5


def test_rows_without_delivery_count_as_well(counted: Counted, rows: Rows) -> None:
    rows.tree()
    # Of the tree's four ads none delivered, and one that is not listed any more did.
    rows.insight("gone", spend=10)
    with pytest.raises(TooMuch, match="more than 4 rows"):
        asked(counted, 4, "spend", by=["ad"])
    assert len(asked(counted, 5, "spend", by=["ad"])) == 5


def test_several_facts_of_one_key_are_one_row(counted: Counted, rows: Rows) -> None:
    rows.account()
    for ad, metric, value in (
        ("1", "crm.leads", 5),
        ("1", "shop.sales", 7),
        ("2", "crm.leads", 6),
    ):
        sent(rows, ad, metric, value)
    found = asked(counted, 2, "crm.leads", "shop.sales")
    assert [(row["ad_id"], row["crm.leads"], row["shop.sales"]) for row in found] == [
        ("1", 5, 7),
        ("2", 6, None),
    ]
    (total,) = asked(counted, 2, "shop.sales", "crm.leads", by=None)
    assert total == {"shop.sales": 7, "crm.leads": 11}
