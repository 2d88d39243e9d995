from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline.metrics import rollup
from meta_pipeline.warehouse import Warehouse

from .rows import ACCOUNT, NOW, READ_AT, TODAY, Rows, actions, ago, ask


def view(rows: Rows, name: str, where: str = "true") -> list[dict[str, Any]]:
    rows.connection.execute("SELECT set_config('meta_ads.now', %s, true)", (NOW.isoformat(),))
    cursor = rows.connection.cursor(row_factory=dict_row)
    return cursor.execute(
        f"SELECT * FROM meta_ads.{name} WHERE {where} ORDER BY 1, 2, 3"
    ).fetchall()


def delivered(rows: Rows) -> None:
    rows.tree()
    for back in (0, 1, 3, 10, 40):
        rows.insight(
            "a1",
            ago(back),
            spend=10,
            impressions=100,
            clicks=4,
            actions=actions(omni_purchase=2, purchase=2, lead=1),
            action_values=actions(omni_purchase=50),
        )
    rows.insight("a4", ago(2), spend=6, impressions=10, clicks=2)
    rows.fetched([ago(back) for back in range(41)])
    rollup(rows.connection, ACCOUNT)
    rows.connection.commit()


def test_performance_views_show_windows_and_zeros(rows: Rows) -> None:
    delivered(rows)

    campaigns = {row["campaign_id"]: row for row in view(rows, "campaign_performance")}
    ads = {row["ad_id"]: row for row in view(rows, "ad_performance")}

    c1 = campaigns["c1"]
    assert (c1["spend_today"], c1["spend_7d"], c1["spend_30d"], c1["spend_lifetime"]) == (
        10,
        20,
        30,
        50,
    )
    assert (c1["purchases_7d"], c1["roas_7d"], c1["cpa_7d"], c1["ctr_7d_pct"]) == (4, 5, 5, 4)
    assert (c1["ads"], c1["has_delivery"], c1["last_delivery_day"]) == (3, True, TODAY)
    c3 = campaigns["c3"]
    assert (c3["spend_7d"], c3["impressions_30d"], c3["cpa_7d"], c3["has_delivery"]) == (
        0,
        0,
        None,
        False,
    )
    assert ads["a3"]["spend_30d"] == 0
    assert (ads["a1"]["spend_30d"], ads["a1"]["first_delivery_day"]) == (30, ago(40))
    assert ads["a1"]["adset_name"] == "Ad set s1"
    assert len(view(rows, "adset_performance")) == 3


def test_views_and_metric_layer_agree(warehouse: Warehouse, rows: Rows) -> None:
    delivered(rows)
    names = ("spend", "leads", "purchases", "revenue", "results", "cpl", "roas")

    for level in ("campaign", "adset", "ad"):
        answer = ask(warehouse, *names, level=level, date_range="last_7d")
        shown = {row[f"{level}_id"]: row for row in view(rows, f"{level}_performance")}
        assert set(answer[f"{level}_id"]) == set(shown)
        for record in answer.to_dict("records"):
            row = shown[record[f"{level}_id"]]
            for name in names:
                expected = row[f"{name}_7d"]
                value = record[name]
                assert (None if value != value else value) == (
                    None if expected is None else float(expected)
                )


def test_account_overview(rows: Rows) -> None:
    delivered(rows)
    rows.account("act_2", timezone_name="Not/AZone")

    first, second = view(rows, "account_overview")

    assert (first["spend_today"], first["spend_yesterday"]) == (10, 10)
    assert (first["spend_7d"], first["spend_previous_7d"]) == (26, 10)
    assert first["spend_change_pct"] == 160
    assert (first["newest_day"], first["data_as_of"]) == (TODAY, READ_AT)
    assert (first["settling_days"], first["unfinished_days"]) == (41, 0)
    assert (second["spend_7d"], second["unfinished_days"], second["today"]) == (0, 30, TODAY)


def test_tree_rolls_up(rows: Rows) -> None:
    delivered(rows)

    nodes = {row["entity_id"]: row for row in view(rows, "entity_tree")}

    assert nodes[ACCOUNT]["spend_30d"] == 36
    assert nodes["a4"]["path"] == [ACCOUNT, "c2", "s3", "a4"]
    for parent in (ACCOUNT, "c1", "c2", "c3", "s1", "s2", "s3"):
        children = [row for row in nodes.values() if row["parent_id"] == parent]
        for name in ("spend_30d", "clicks_30d", "purchases_30d", "revenue_30d", "results_30d"):
            assert nodes[parent][name] == sum(row[name] for row in children)


def test_conversions_long_marks_the_one_type_that_counts(rows: Rows) -> None:
    rows.tree()
    rows.insight(
        "a1",
        actions=actions(
            purchase={"value": 3, "7d_click": 2},
            offsite_conversion__fb_pixel_purchase=3,
            brand_new_type=1,
            lead="n/a",
        ),
        action_values=actions(purchase="70.5"),
    )
    rollup(rows.connection, ACCOUNT)

    found = {row["action_type"]: row for row in view(rows, "conversions_long")}

    assert found["purchase"]["is_counted"]
    assert (found["purchase"]["actions_7d_click"], found["purchase"]["action_value"]) == (2, 70.5)
    assert not found["offsite_conversion.fb_pixel_purchase"]["is_counted"]
    assert found["brand_new_type"]["family"] is None
    assert found["brand_new_type"]["is_counted"]
    assert found["lead"]["actions"] is None


def test_timeline_has_what_syncs_saw_and_who_did_it(rows: Rows) -> None:
    rows.tree()
    rows.insert(
        "entity_changes",
        account_id=ACCOUNT,
        entity_type="campaign",
        entity_id="c1",
        field="daily_budget",
        old_value="10",
        new_value="20",
        seen_at=READ_AT,
    )
    rows.insert(
        "meta_activities",
        activity_id="x",
        account_id=ACCOUNT,
        event_time=READ_AT - timedelta(hours=1),
        event_type="update_campaign_budget",
        translated_event_type="Budget updated",
        object_id="c1",
        object_type="CAMPAIGN",
        object_name="Campaign c1",
        actor_name="Ada",
        extra_data={"old_value": 1000, "new_value": 2000},
        data_as_of=READ_AT,
    )

    by_meta, by_sync = view(rows, "entity_timeline", "entity_id = 'c1'")

    assert (by_meta["source"], by_meta["who"], by_meta["old_value"]) == ("meta", "Ada", "1000")
    assert (by_sync["what"], by_sync["entity_name"]) == ("daily_budget", "Campaign c1")
    assert by_meta["entity_type"] == by_sync["entity_type"] == "campaign"


def test_restatement_by_age(rows: Rows) -> None:
    for age, before, after in (("0.4", 90, 100), ("0.9", 100, 98), ("6.2", 98, 99)):
        rows.insert(
            "insights_changes",
            account_id=ACCOUNT,
            entity_type="ad",
            date_start=ago(7),
            read_at=READ_AT,
            age_days=age,
            rows_changed=2,
            spend_before=before,
            spend_after=after,
        )

    first, second = view(rows, "restatement_by_age")

    assert (first["age_days"], first["reads"], first["days_moved"]) == (0, 2, 1)
    assert first["spend_moved"] == 12
    assert (second["age_days"], second["spend_moved"]) == (6, 1)
