from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import ImpossibleQuestion, UnknownName
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, TODAY, Rows, actions, ago, ask


@pytest.fixture(params=["rolled up", "insight rows"])
def sums(request: pytest.FixtureRequest, rows: Rows) -> Any:
    """Finishes the set-up: with rollup tables, or without; the answers must not differ."""

    def finish() -> None:
        if request.param == "rolled up":
            metrics.rollup(rows.connection, ACCOUNT)
            rows.connection.commit()

    return finish


def test_ratio_is_a_ratio_of_sums_at_every_level(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("a1", spend=10, impressions=1000, actions=actions(lead=1))
    rows.insight("a2", spend=90, impressions=1000, actions=actions(lead=9))
    rows.insight("a4", spend=50, impressions=500)
    sums()

    total = ask(warehouse, "spend", "leads", "cpl", "cpm")
    by_campaign = ask(warehouse, "cpl", "cpm", level="campaign")

    assert total.to_dict("records") == [{"spend": 150.0, "leads": 10, "cpl": 15.0, "cpm": 60.0}]
    assert by_campaign.set_index("campaign_id")["cpl"].to_dict() == pytest.approx(
        {"c1": 10.0, "c2": math.nan, "c3": math.nan}, nan_ok=True
    )


def test_overlapping_action_types_are_one_family_and_fall_back_row_by_row(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    everything = actions(
        omni_purchase=3, purchase=3, offsite_conversion__fb_pixel_purchase=2, omni_lead=1
    )
    rows.insight("a1", actions=everything)
    rows.insight("a2", actions=actions(purchase=2, offsite_conversion__fb_pixel_purchase=1))
    rows.insight("a3", actions=actions(offsite_conversion__fb_pixel_purchase=5))
    rows.insight("a4", actions=None)
    sums()

    assert ask(warehouse, "purchases")["purchases"].tolist() == [10]


def test_both_registrations_present_prefers_the_omni_one(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("a1", actions=actions(complete_registration=7, omni_complete_registration=5))
    rows.insight("a2", actions=actions(complete_registration=2))
    sums()

    assert ask(warehouse, "free_base_members")["free_base_members"].tolist() == [7]


def test_present_type_without_the_window_is_zero_not_the_next_type(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    both = actions(omni_purchase={"value": 3}, purchase={"value": 3, "7d_click": 3})
    rows.insight("a1", actions=both)
    rows.insight("a2", actions=actions(omni_purchase={"value": 2, "7d_click": 1}))

    answer = ask(warehouse, "purchases", attribution="7d_click")

    assert answer["purchases"].tolist() == [1]
    assert answer.attrs["attribution"] == "7d_click"


def test_window_that_was_never_asked_for_is_refused_not_zero(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    rows.insight("a1", actions=actions(omni_purchase={"value": 3, "7d_click": 2}))

    with pytest.raises(ImpossibleQuestion, match="META_ATTRIBUTION_WINDOWS"):
        ask(warehouse, "purchases", attribution="28d_click")
    with pytest.raises(ImpossibleQuestion, match="2026-01-12"):
        ask(warehouse, "purchases", attribution="7d_view")


def test_weird_action_lists_do_not_take_the_answer_down(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("a1", actions={"not": "a list"})
    broken: list[Any] = [{"action_type": "lead", "value": "n/a"}, {"value": "3"}, "text", None]
    rows.insight("a2", actions=broken)
    rows.insight("a3", actions=actions(lead="1.5") + actions(lead="1e1"))
    sums()

    assert ask(warehouse, "leads")["leads"].tolist() == [11.5]


def test_campaigns_without_delivery_are_shown_with_zeros(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("a1", spend=10)
    rows.insight("a9", spend=4, campaign_id="gone", adset_id="gone")
    sums()

    answer = ask(warehouse, "spend", level="campaign")

    assert answer[["campaign_id", "spend"]].values.tolist() == [
        ["c1", 10.0],
        ["gone", 4.0],
        ["c2", 0.0],
        ["c3", 0.0],
    ]
    assert answer["campaign_name"].tolist()[0] == "Campaign c1"


@pytest.mark.parametrize(
    ("by", "filters"),
    [
        (["campaign"], {"ad_name": "*a1"}),
        (["campaign"], {"ad": "a1"}),
        (["campaign"], {"adset_name": "*s1"}),
        (["adset"], {"ad_status": "ACTIVE", "adset": "s1"}),
        (["campaign", "creative"], {"campaign": "c1"}),
    ],
)
def test_of_what_is_told_apart_below_the_rows_only_what_delivered_is_a_row(
    warehouse: Warehouse, rows: Rows, sums: Any, by: list[str], filters: dict[str, str]
) -> None:
    rows.tree()
    rows.insight("a1", spend=10)
    rows.insight("a4", spend=4)
    sums()

    answer = ask(warehouse, "spend", by=by, filters=filters)

    assert answer["spend"].tolist() == [10.0]
    assert answer[f"{by[0]}_name"].tolist() in (["Campaign c1"], ["Ad set s1"])


def test_each_level_has_its_names_also_of_an_ad_that_no_table_has(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("gone", spend=4, campaign_id="c2", adset_id="s3")
    sums()

    answer = ask(warehouse, "spend", by=["campaign", "adset", "ad"], zeros=False)

    names = answer[["campaign_name", "adset_name", "ad_name"]].values.tolist()
    assert names == [["Campaign c2", "Ad set s3", None]]


def test_days_never_fetched_are_unknown_and_days_without_delivery_are_zero(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.insight("a1", ago(1), spend=10)
    rows.fetched([ago(1), ago(2)])
    sums()

    answer = ask(warehouse, "spend", by=["day"], date_range=(ago(3), ago(1)))

    assert answer["day"].tolist() == [ago(3), ago(2), ago(1)]
    assert math.isnan(answer["spend"][0])
    assert answer["spend"][1:].tolist() == [0.0, 10.0]
    complete = answer.attrs["completeness"]
    assert complete["missing_days"] == {ACCOUNT: [ago(3).isoformat()]}
    assert complete["settling_days"] == {ACCOUNT: [ago(2).isoformat(), ago(1).isoformat()]}
    assert not complete["is_complete"]
    assert answer.attrs["data_as_of"] == "2026-03-18T08:30:00+00:00"


def test_account_that_was_never_fetched_is_unknown_not_zero(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()

    answer = ask(warehouse, "spend", level="campaign")

    assert answer["spend"].isna().all()
    assert "8 of 8 days were never fetched" in answer.attrs["notes"][0]
    assert not any("Nothing was delivered" in note for note in answer.attrs["notes"])


def test_days_to_come_are_said(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    rows.fetched([TODAY])

    answer = ask(warehouse, "spend", date_range=(TODAY, ago(-2)))

    assert answer["spend"].tolist() == [0.0]
    assert "2 of 3 days have not begun." in answer.attrs["notes"]


def test_empty_account_gives_zeros_with_a_note(warehouse: Warehouse, rows: Rows) -> None:
    rows.account()
    rows.fetched(ago(back) for back in range(8))

    answer = ask(warehouse, "spend", "leads", "cpl", "reach")

    assert answer[["spend", "leads", "reach"]].values.tolist() == [[0.0, 0, 0]]
    assert math.isnan(answer["cpl"][0])
    assert any("Nothing was delivered by act_1" in note for note in answer.attrs["notes"])


def test_reach_comes_from_the_row_of_that_level_and_range_or_not_at_all(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    for back in (2, 1):
        rows.insight("a1", ago(back), impressions=100, reach=60)
        rows.insight("a2", ago(back), impressions=100, reach=60)
        rows.insight("act_1", ago(back), level="account", impressions=200, reach=90)
    days = (ago(2), ago(1))

    by_day = ask(warehouse, "reach", "impressions", by=["day"], date_range=days)
    assert by_day["reach"].tolist() == [90, 90]
    by_ad = ask(warehouse, "reach", level="ad", by=["day", "ad"], date_range=days)
    assert by_ad["reach"].tolist() == [60, 60, 60, 60]
    with pytest.raises(ImpossibleQuestion, match="cannot be added up from days"):
        ask(warehouse, "reach", date_range=days)
    how = (
        r"Add campaign to META_INSIGHTS_LEVELS \(ad,campaign\), then read these days: "
        r"meta-pipeline sync act_1 --since 2026-03-16 --until 2026-03-17$"
    )
    for names in (["reach"], ["frequency", "spend"]):
        with pytest.raises(ImpossibleQuestion, match=how):
            ask(warehouse, *names, level="campaign", by=["day", "campaign"], date_range=days)
    with pytest.raises(ImpossibleQuestion, match=r"--by day --by adset .*META_INSIGHTS_LEVELS"):
        ask(warehouse, "reach", level="adset", date_range=days)
    with pytest.raises(ImpossibleQuestion, match="counts people"):
        ask(warehouse, "reach", level="ad", by=["campaign"], date_range=days)
    with pytest.raises(ImpossibleQuestion, match="By hour"):
        ask(warehouse, "reach", by=["hour"], date_range=days)

    rows.insight("act_1", ago(2), level="account", until=ago(1), impressions=400, reach=130)
    whole = ask(warehouse, "reach", "cost_per_1000_people_reached", date_range=days)
    assert whole["reach"].tolist() == [130]


def test_reach_of_a_level_read_for_some_days_only_says_how_to_get_the_rest(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    for back in (2, 1):
        rows.insight("a1", ago(back), impressions=100, reach=60)
    rows.insight("c1", ago(1), level="campaign", impressions=100, reach=55)
    options = {"level": "campaign", "by": ["day", "campaign"], "date_range": (ago(2), ago(1))}

    found = ask(warehouse, "reach", **options)

    assert found["reach"].isna().tolist() == [True, False]
    assert any("Add campaign to META_INSIGHTS_LEVELS" in note for note in found.attrs["notes"])


def test_filter_on_something_finer_than_the_row_refuses_reach(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    rows.insight("act_1", level="account", impressions=200, reach=90)

    with pytest.raises(ImpossibleQuestion, match="part of each account"):
        ask(warehouse, "reach", date_range="today", filters={"campaign": "c1"})


def test_what_is_missing_comes_with_the_command_that_brings_it(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    days = (ago(2), ago(1))
    sync = "meta-pipeline sync act_1 --since 2026-03-16 --until 2026-03-17"

    notes = ask(warehouse, "spend", date_range=days).attrs["notes"]
    assert any(note.endswith(sync) for note in notes)
    notes = ask(warehouse, "spend", by=["hour"], date_range=days).attrs["notes"]
    assert any(note.endswith(f"{sync} --with insights_hourly") for note in notes)
    with pytest.raises(ImpossibleQuestion, match=f"{sync} --breakdown age,gender"):
        ask(warehouse, "spend", by=["gender", "age"], date_range=days)


def test_a_filter_that_nothing_matches_is_named(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    rows.fetched([TODAY])

    found = ask(warehouse, "spend", filters={"campaign_name": "*sprung*"}, date_range="today")

    assert any("Nothing that matches campaign_name=*sprung*" in n for n in found.attrs["notes"])


def test_unknown_names_offer_near_ones(warehouse: Warehouse, rows: Rows) -> None:
    rows.account(name="Nordwind Shop")

    for options, message in (
        ({"names": ["lead"]}, "Did you mean leads"),
        ({"account": "act_11"}, r"Did you mean act_1 \(Nordwind Shop\)"),
        ({"account": "Nordwnd Shop"}, r"act_1 \(Nordwind Shop\)"),
        ({"date_range": "last_7_days"}, "last_7d"),
        ({"date_range": "lifetime"}, "maximum"),
        ({"by": ["campain"]}, "campaign"),
        ({"filters": {"campaign_nam": "x"}}, "campaign_name"),
        ({"attribution": "7d_clik"}, "7d_click"),
        ({"level": "adsets"}, "adset"),
    ):
        chosen: dict[str, Any] = dict(options)
        with pytest.raises(UnknownName, match=message):
            ask(warehouse, *chosen.pop("names", ["spend"]), **chosen)


def test_account_may_be_named(warehouse: Warehouse, rows: Rows) -> None:
    rows.account(name="Nordwind Shop")
    rows.insight("a1", spend=3)

    assert ask(warehouse, "spend", account="Nordwind Shop")["spend"].tolist() == [3.0]
    assert ask(warehouse, "spend", account="1")["spend"].tolist() == [3.0]


def test_filters_keep_rows_by_name_status_and_id(
    warehouse: Warehouse, rows: Rows, sums: Any
) -> None:
    rows.tree()
    rows.campaign("c4", name="Spring 100%_x", effective_status="PAUSED")
    rows.insight("a1", spend=1)
    rows.insight("a4", spend=2)
    rows.insight("a7", spend=4, campaign_id="c4", adset_id="s9")
    rows.fetched([TODAY])
    sums()

    def spent(**filters: Any) -> float:
        return float(ask(warehouse, "spend", filters=filters)["spend"].iloc[0])

    assert spent(campaign_name="spring*%_*") == 4
    assert spent(campaign_name="spring*1%_*") == 0
    assert spent(campaign_status=["ACTIVE"]) == 3
    assert spent(adset=["s1", "s9"]) == 5
    assert spent(ad="a4") == 2


def test_weeks_begin_on_monday(warehouse: Warehouse, rows: Rows, sums: Any) -> None:
    rows.tree()
    for back in range(7):
        rows.insight("a1", ago(back), spend=1)
    rows.fetched(ago(back) for back in range(8))
    sums()

    answer = ask(warehouse, "spend", by=["week"], date_range=(ago(6), TODAY))

    assert answer.values.tolist() == [[date(2026, 3, 9), 4.0], [date(2026, 3, 16), 3.0]]


def test_answer_says_what_it_is(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    rows.insight("a1", spend=1)

    about = ask(warehouse, "roas", "spend", date_range="today").attrs

    assert about["units"] == {"roas": "ratio", "spend": "currency"}
    assert about["formulas"]["roas"] == "sum(revenue) / sum(spend)"
    assert about["currency"] == "EUR"
    assert about["timezone"] == "Europe/Berlin"
    assert about["range"] == ["2026-03-18", "2026-03-18"]
    assert about["attribution"].startswith("default")


def test_day_is_the_accounts_day(warehouse: Warehouse, rows: Rows) -> None:
    rows.account(timezone_name="America/Los_Angeles")
    rows.insight("a1", ago(1), spend=5)

    # 02:00 in Los Angeles is still the 18th; at 06:00 UTC it is the 17th there.
    rows.fetched([ago(1), TODAY])
    early = NOW.replace(hour=6)
    assert ask(warehouse, "spend", date_range="today", now=early)["spend"].tolist() == [5.0]
    assert ask(warehouse, "spend", date_range="today")["spend"].tolist() == [0.0]
