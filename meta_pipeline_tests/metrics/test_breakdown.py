from __future__ import annotations

import json
from typing import Any

import pytest

from meta_pipeline.metrics import ImpossibleQuestion
from meta_pipeline.warehouse import Warehouse

from .rows import ACCOUNT, READ_AT, TODAY, Rows, actions, ask


def cell(rows: Rows, names: str, values: dict[str, str], ad: str = "a1", **numbers: Any) -> None:
    rows.insert(
        "meta_insights_breakdown",
        entity_type="ad",
        entity_id=ad,
        date_start=TODAY,
        breakdown=names,
        cell=json.dumps([values[name] for name in names.split(",")]),
        cell_values=values,
        account_id=ACCOUNT,
        campaign_id="c1",
        adset_id="s1",
        ad_id=ad,
        currency="EUR",
        data_as_of=READ_AT,
        **({"spend": 0, "impressions": 0, "clicks": 0} | numbers),
    )
    rows.fetched([TODAY], dataset=f"breakdown:{names}")


def hour(rows: Rows, at: int, **numbers: Any) -> None:
    rows.insert(
        "meta_insights_hourly",
        ad_id="a1",
        date_start=TODAY,
        hour=at,
        account_id=ACCOUNT,
        campaign_id="c1",
        adset_id="s1",
        currency="EUR",
        data_as_of=READ_AT,
        **numbers,
    )


def test_breakdown_is_summed_from_its_cells_or_finer_ones(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    for age, gender, spend in (("18-24", "female", 1), ("18-24", "male", 2), ("25-34", "male", 4)):
        cell(
            rows,
            "age,gender",
            {"age": age, "gender": gender},
            spend=spend,
            actions=actions(lead=spend),
        )

    by_age = ask(warehouse, "spend", "leads", "cpl", by=["age"])
    only_men = ask(warehouse, "spend", filters={"gender": "male"})

    assert by_age[["age", "spend", "leads", "cpl"]].values.tolist() == [
        ["25-34", 4.0, 4, 1.0],
        ["18-24", 3.0, 3, 1.0],
    ]
    assert "Added up from the cells of age,gender." in by_age.attrs["notes"]
    assert by_age.attrs["completeness"]["dataset"] == "breakdown:age,gender"
    assert only_men["spend"].tolist() == [6.0]


def test_breakdown_that_is_not_kept_is_refused_with_what_there_is(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    cell(rows, "age,gender", {"age": "18-24", "gender": "male"}, spend=1)

    with pytest.raises(ImpossibleQuestion, match=r"No rows by country are kept .*age,gender"):
        ask(warehouse, "spend", by=["country"])


def test_conversions_by_region_and_hour_are_refused(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    hour(rows, 9, spend=1, impressions=10, clicks=1)
    hour(rows, 10, spend=2, impressions=10, clicks=1)

    assert ask(warehouse, "spend", by=["hour"]).values.tolist() == [[9, 1.0], [10, 2.0]]
    for metric in ("purchases", "cpl", "roas"):
        with pytest.raises(ImpossibleQuestion, match="leaves actions outside its apps out"):
            ask(warehouse, metric, by=["hour"])
        with pytest.raises(ImpossibleQuestion, match="too small"):
            ask(warehouse, metric, by=["region"])


def test_hours_are_not_split_by_breakdowns(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    with pytest.raises(ImpossibleQuestion, match="one or the other"):
        ask(warehouse, "spend", by=["hour", "age"])
