"""Insights rows: what is there, what is absent, what is refused (FACTS section 5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.simulator import AccountSpec, VirtualClock, World
from meta_pipeline.simulator.insights import InsightsQuery, count, rows, summary
from meta_pipeline.simulator.insights.errors import (
    BeyondRetentionError,
    InsightsError,
    InvalidBreakdownsError,
    InvalidParameterError,
    StartTooOldError,
    UnknownNodeError,
    WrongLevelError,
)

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)  # 14:00 in Sydney
TODAY = date(2026, 11, 22)
WEEK = (date(2026, 11, 15), date(2026, 11, 21))
SPECS = (
    AccountSpec("Sydney", 6, 12, 60, (3, 6, 24)),
    AccountSpec("Tokyo", 2, 4, 10, (1, 2, 6), currency="JPY", zone="Asia/Tokyo"),
    AccountSpec("California", 2, 4, 10, (1, 2, 6), currency="USD", zone="America/Los_Angeles"),
    AccountSpec("Old", 12, 24, 60, (12, 24, 60), age_days=1_600),
    AccountSpec("Opted in", 2, 4, 10, (1, 2, 6), opted_in=frozenset({"impression_device"})),
)
FIELDS = ("account_id", "campaign_id", "adset_id", "ad_id", "ad_name", "impressions", "reach",
          "frequency", "spend", "clicks", "unique_clicks", "inline_link_clicks", "cpc", "cpm",
          "cpp", "ctr", "actions", "action_values", "outbound_clicks", "purchase_roas",
          "cost_per_action_type", "video_p50_watched_actions", "results", "cost_per_result",
          "unique_actions", "objective", "account_currency")  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=11, clock=VirtualClock(NOW), accounts=SPECS)


def account(world: World, place: int = 0) -> str:
    return world.accounts()[place].id


def ask(world: World, node: str, level: str = "ad", **more: Any) -> list[dict[str, Any]]:
    settings = {"ranges": (WEEK,), "increment": 1, "fields": FIELDS, **more}
    return list(rows(world, InsightsQuery(node_id=node, level=level, **settings)))


def test_every_metric_is_text_and_no_value_is_null(world: World) -> None:
    found = ask(world, account(world))
    assert found
    for row in found:
        for value in row.values():
            assert value is not None
            entries = value if isinstance(value, list) else [value]
            assert all(isinstance(e, str | dict) for e in entries)
        for entry in row.get("actions", []):
            assert all(isinstance(v, str) for v in entry.values())


def test_a_metric_of_nothing_is_an_absent_key(world: World) -> None:
    found = ask(world, account(world))
    assert any("actions" not in row for row in found) or any("cpc" not in row for row in found)
    for row in found:
        assert row.get("inline_link_clicks") != "0"
        assert ("cpc" in row) == (row["clicks"] != "0")
        assert row["impressions"] != "0"
        assert {"impressions", "spend", "reach", "date_start", "date_stop"} <= row.keys()


def test_ids_and_names_come_only_when_asked(world: World) -> None:
    plain = ask(world, account(world), fields=("impressions",))
    assert all(row.keys() == {"impressions", "date_start", "date_stop"} for row in plain)
    named = ask(world, account(world), "campaign", fields=("campaign_name", "ad_name", "ad_id"))
    assert all(row.keys() == {"campaign_name", "date_start", "date_stop"} for row in named)


def test_window_keys_come_only_when_asked_and_value_is_the_default(world: World) -> None:
    plain = ask(world, account(world))
    asked = ask(world, account(world), windows=("1d_click", "7d_click", "28d_click", "1d_view"))
    assert all(set(e) == {"action_type", "value"} for r in plain for e in r.get("actions", []))
    windows = set()
    for row in asked:
        for entry in row.get("actions", []):
            windows |= set(entry)
            if "1d_view" in entry or not entry["action_type"].startswith("offsite"):
                continue
            assert entry["value"] == entry.get("7d_click", "0")
    assert windows == {"action_type", "value", "1d_click", "7d_click", "28d_click", "1d_view"}
    by_type = {e["action_type"]: e for r in asked for e in r.get("actions", []) if "1d_view" in e}
    entry = next(iter(by_type.values()))
    assert int(entry["value"]) == int(entry.get("7d_click", "0")) + int(entry["1d_view"])


def test_retired_windows_are_silently_without_data(world: World) -> None:
    found = ask(world, account(world), windows=("7d_view", "28d_view"))
    assert found == ask(world, account(world))


def test_action_types_overlap_so_that_adding_them_up_is_wrong(world: World) -> None:
    (row,) = ask(world, account(world, 3), "account", increment="all_days")
    by_type = {e["action_type"]: int(e["value"]) for e in row["actions"]}
    assert by_type["purchase"] == by_type["omni_purchase"]
    assert by_type["offsite_conversion.fb_pixel_purchase"] <= by_type["purchase"]
    assert by_type["complete_registration"] == by_type["omni_complete_registration"]
    assert (
        by_type["lead"]
        == by_type["offsite_conversion.fb_pixel_lead"] + by_type["onsite_conversion.lead_grouped"]
    )
    assert by_type["link_click"] < by_type["post_engagement"] <= by_type["page_engagement"]
    value = {e["action_type"]: e["value"] for e in row["action_values"]}
    assert value["purchase"] == value["omni_purchase"]
    roas = float(row["purchase_roas"][0]["value"])
    assert roas == pytest.approx(float(value["omni_purchase"]) / float(row["spend"]), abs=1e-6)


def test_days_without_delivery_have_no_row(world: World) -> None:
    tomorrow = (TODAY + timedelta(1), TODAY + timedelta(9))
    assert ask(world, account(world), ranges=(tomorrow,)) == []
    found = ask(world, account(world), ranges=((date(2026, 8, 22), TODAY),))
    days: dict[str, set[str]] = {}
    for row in found:
        days.setdefault(row["ad_id"], set()).add(row["date_start"])
    assert any(len(seen) < (max_day(seen) - min_day(seen)).days + 1 for seen in days.values())
    assert len({(r["ad_id"], r["date_start"]) for r in found}) == len(found)


def max_day(seen: set[str]) -> date:
    return date.fromisoformat(max(seen))


def min_day(seen: set[str]) -> date:
    return date.fromisoformat(min(seen))


def test_the_day_is_the_accounts_own(world: World) -> None:
    here = {place: {r["date_start"] for r in ask(world, account(world, place), "account",
                    ranges=((date(2026, 11, 20), date(2026, 11, 23)),))}
            for place in (0, 2)}  # fmt: skip
    assert max(here[0]) == "2026-11-22"
    assert max(here[2]) == "2026-11-21"  # still Saturday evening in California


def test_today_grows_every_quarter_hour_and_stays_when_over() -> None:
    clock = VirtualClock(NOW)
    world = World(seed=11, clock=clock, accounts=SPECS[:1])

    def impressions(day: date) -> int:
        return sum(int(r["impressions"]) for r in ask(world, account(world), ranges=((day, day),)))

    grown = []
    for _ in range(60):
        grown.append(impressions(TODAY))
        clock.advance(900)
    assert grown == sorted(grown)
    assert len(set(grown)) > 30
    assert grown[-1] == impressions(TODAY) == grown[-10]


def test_conversions_of_a_day_arrive_for_28_days_and_then_freeze() -> None:
    clock = VirtualClock(NOW)
    world = World(seed=11, clock=clock, accounts=SPECS[:1])

    def purchases() -> int:
        (row,) = ask(world, account(world), "account", ranges=((TODAY, TODAY),))
        return sum(int(e["value"]) for e in row["actions"] if e["action_type"] == "view_content")

    clock.advance(11 * 3_600)
    seen = [purchases()]
    for _ in range(35):
        clock.advance(86_400)
        seen.append(purchases())
    assert seen == sorted(seen)
    assert seen[0] < seen[7] < seen[28]
    assert len(set(seen[28:])) == 1


def test_jpy_has_no_cents_and_usd_has(world: World) -> None:
    assert all(r["spend"].isdigit() for r in ask(world, account(world, 1)))
    assert all(r["account_currency"] == "JPY" for r in ask(world, account(world, 1)))
    assert all(len(r["spend"].split(".")[1]) == 2 for r in ask(world, account(world, 2)))


@pytest.mark.parametrize("increment", [2, 3, 7, 90])
def test_increments_cover_the_range_in_steps(world: World, increment: int) -> None:
    found = ask(world, account(world), "account", increment=increment, fields=("impressions",))
    daily = ask(world, account(world), "account", fields=("impressions",))
    total = sum(int(r["impressions"]) for r in found)
    assert total == sum(int(r["impressions"]) for r in daily)
    assert found[0]["date_start"] == "2026-11-15"
    assert found[-1]["date_stop"] == "2026-11-21"
    assert len(found) == -(-7 // increment)


def test_months_are_cut_to_the_range(world: World) -> None:
    found = ask(world, account(world), "account", increment="monthly",
                ranges=((date(2026, 9, 20), date(2026, 11, 3)),))  # fmt: skip
    assert [(r["date_start"], r["date_stop"]) for r in found] == [
        ("2026-09-20", "2026-09-30"),
        ("2026-10-01", "2026-10-31"),
        ("2026-11-01", "2026-11-03"),
    ]


def test_several_ranges_may_overlap(world: World) -> None:
    found = ask(world, account(world), "account", increment="all_days", ranges=(WEEK, WEEK))
    assert len(found) == 2
    assert found[0] == found[1]
    assert count(world, InsightsQuery(account(world), "account", (WEEK, WEEK))) == 2


def test_rows_of_deleted_ads_wait_to_be_asked_for_but_totals_have_them(world: World) -> None:
    months = ((date(2026, 6, 1), date(2026, 11, 21)),)
    default = ask(world, account(world), ranges=months, increment="all_days")
    statuses = [status_of(world, row["ad_id"]) for row in default]
    assert "ARCHIVED" in statuses
    assert "DELETED" not in statuses
    every = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED", "CAMPAIGN_PAUSED", "ADSET_PAUSED",
             "WITH_ISSUES", "IN_PROCESS", "DISAPPROVED")  # fmt: skip
    everything = ask(world, account(world), ranges=months, increment="all_days",
                     filtering=(only("ad.effective_status", "IN", every),))  # fmt: skip
    (total,) = ask(world, account(world), "account", ranges=months, increment="all_days")
    spent = [round(sum(float(r["spend"]) for r in some), 2) for some in (default, everything)]
    assert spent[0] < spent[1] == float(total["spend"])


def status_of(world: World, object_id: str) -> str:
    found = world.get(object_id)
    assert found is not None
    return str(found.values["effective_status"])


def only(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def test_a_deleted_ad_answers_when_asked_itself(world: World) -> None:
    months = ((date(2026, 1, 1), date(2026, 11, 21)),)
    deleted = [a.id for a in world.objects("ads", account(world), statuses={"DELETED"})]
    assert any(ask(world, ad, ranges=months) for ad in deleted)


def test_delivered_ads_can_have_dead_parents(world: World) -> None:
    months = ((date(2026, 6, 1), date(2026, 11, 21)),)
    found = ask(world, account(world), ranges=months, increment="all_days")
    parents = {status_of(world, row["adset_id"]) for row in found}
    assert "ARCHIVED" in parents
    shown = {"ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "IN_PROCESS", "WITH_ISSUES"}
    listed = {e.id for e in world.objects("adsets", account(world), statuses=shown)}
    assert {r["adset_id"] for r in found} - listed


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        (only("impressions", "GREATER_THAN", 1_000), lambda r: int(r["impressions"]) > 1_000),
        (only("spend", "LESS_THAN", "5"), lambda r: True),
        (only("reach", "IN_RANGE", [100, 900]), lambda r: 100 <= int(r["reach"]) <= 900),
        (("clicks", "EQUAL", 3), lambda r: r["clicks"] == "3"),
    ],
)
def test_metric_filters_keep_what_they_say(world: World, condition: Any, test: Any) -> None:
    everything = ask(world, account(world))
    found = ask(world, account(world), filtering=(condition,))
    if condition != only("spend", "LESS_THAN", "5"):
        assert found == [row for row in everything if test(row)]
        assert 0 < len(found) < len(everything)
    query = InsightsQuery(account(world), "ad", (WEEK,), 1, FIELDS, filtering=(condition,))
    assert count(world, query) == len(found)


def test_entity_filters_work_at_every_level(world: World) -> None:
    everything = ask(world, account(world))
    campaign = everything[0]["campaign_id"]
    found = ask(world, account(world), filtering=(only("campaign.id", "IN", [campaign]),))
    assert found == [row for row in everything if row["campaign_id"] == campaign]
    assert [r["campaign_id"] for r in ask(
        world, account(world), "campaign", increment="all_days",
        filtering=(("campaign.id", "EQUAL", campaign),))] == [campaign]  # fmt: skip
    by_node = ask(world, campaign)
    assert by_node == found


def test_an_unprefixed_field_is_ignored_without_a_word(world: World) -> None:
    useless = only("created_time", "GREATER_THAN", "2030-01-01")
    assert ask(world, account(world), filtering=(useless,)) == ask(world, account(world))


def test_sorting_orders_and_pages(world: World) -> None:
    found = ask(world, account(world), sort=("spend_descending",))
    spent = [float(row["spend"]) for row in found]
    assert spent == sorted(spent, reverse=True)
    query = InsightsQuery(account(world), "ad", (WEEK,), 1, FIELDS, sort=("spend_descending",))
    assert list(rows(world, query, offset=7, limit=5)) == found[7:12]
    clicks = ask(world, account(world), sort=("actions:link_click_ascending",), fields=("ad_id",))
    assert all(row.keys() == {"ad_id", "date_start", "date_stop"} for row in clicks)
    assert len(clicks) == len(found)


def test_asking_for_objective_results_brings_results(world: World) -> None:
    found = ask(world, account(world), "campaign", fields=("objective_results", "objective"))
    assert all("results" in row and "objective_results" not in row for row in found)
    assert any("values" in row["results"][0] for row in found)


def test_the_summary_counts_people_once(world: World) -> None:
    query = InsightsQuery(account(world), "ad", (WEEK,), 1, ("impressions", "reach", "spend"))
    found = list(rows(world, query))
    total = summary(world, query)
    assert int(total["impressions"]) == sum(int(r["impressions"]) for r in found)
    assert int(total["reach"]) < sum(int(r["reach"]) for r in found)
    assert (total["date_start"], total["date_stop"]) == ("2026-11-15", "2026-11-21")


# Breakdowns


def test_hourly_rows_say_when_and_have_no_reach(world: World) -> None:
    hourly = "hourly_stats_aggregated_by_advertiser_time_zone"
    found = ask(world, account(world), "account", breakdowns=(hourly,))
    assert {row[hourly] for row in found} == {
        f"{hour:02d}:00:00 - {hour:02d}:59:59" for hour in range(24)
    }
    assert {(row["reach"], row["frequency"]) for row in found} == {("0", "0")}
    assert not any(e["action_type"].startswith(("purchase", "offsite", "lead"))
                   for row in found for e in row.get("actions", []))  # fmt: skip
    assert not any("video_p50_watched_actions" in row for row in found)


def test_the_hour_that_daylight_saving_skips_has_no_row(world: World) -> None:
    hourly = "hourly_stats_aggregated_by_advertiser_time_zone"
    day = date(2026, 10, 4)
    found = ask(world, account(world), "account", ranges=((day, day),), breakdowns=(hourly,))
    hours = {row[hourly][:2] for row in found}
    assert "02" not in hours
    assert len(hours) == 23
    (whole,) = ask(world, account(world), "account", ranges=((day, day),))
    assert sum(int(r["impressions"]) for r in found) == int(whole["impressions"])


def test_conversions_are_not_told_apart_by_region(world: World) -> None:
    by_region = ask(world, account(world), "account", breakdowns=("region",))
    by_country = ask(world, account(world), "account", breakdowns=("country",))
    assert "action_values" in by_country[0]
    assert not any("action_values" in row for row in by_region)
    assert {row["region"] for row in by_region} >= {"Victoria", "Queensland"}


def test_assets_come_as_objects(world: World) -> None:
    found = ask(world, account(world), breakdowns=("image_asset",))
    assert {"id", "hash", "url"} == set(found[0]["image_asset"])


@pytest.mark.parametrize("place", [0, 4])
def test_a_breakdown_without_opt_in_is_silently_empty(world: World, place: int) -> None:
    asked = ("publisher_platform", "impression_device")
    found = ask(world, account(world, place), breakdowns=asked)
    assert bool(found) == (place == 4)


@pytest.mark.parametrize(
    "asked", [("dma",), ("impression_device",), ("age", "country"), ("skan_campaign_id",),
              ("hourly_stats_aggregated_by_advertiser_time_zone", "age")]
)  # fmt: skip
def test_combinations_that_do_not_exist_are_refused(world: World, asked: tuple[str, ...]) -> None:
    with pytest.raises(InvalidBreakdownsError) as refused:
        ask(world, account(world), breakdowns=asked)
    assert (refused.value.code, refused.value.subcode) == (2, 1504041)


def test_action_breakdowns_split_an_action_exactly(world: World) -> None:
    plain = ask(world, account(world), "account")
    asked = {"action_breakdowns": ("action_type", "action_device"), "windows": ("7d_click",)}
    split = ask(world, account(world), "account", **asked)
    for whole, parts in zip(plain, split, strict=True):
        sums: dict[str, int] = {}
        for entry in parts["actions"]:
            assert "action_device" in entry
            sums[entry["action_type"]] = sums.get(entry["action_type"], 0) + int(entry["value"])
        assert sums == {e["action_type"]: int(e["value"]) for e in whole["actions"]}


# What Meta no longer keeps


def test_37_months_is_the_end(world: World) -> None:
    day = date(2023, 10, 22)
    ask(world, account(world, 3), "account", ranges=((day, day),))
    day -= timedelta(1)
    with pytest.raises(StartTooOldError) as refused:
        ask(world, account(world, 3), "account", ranges=((day, day),))
    assert refused.value.code == 3018


OLD = ((date(2025, 9, 1), date(2025, 9, 3)),)
PLAIN = ("impressions", "reach", "frequency", "cpp", "spend")


def test_reach_is_left_out_of_old_breakdowns_only(world: World) -> None:
    node = account(world, 3)
    broken = ask(world, node, "account", ranges=OLD, breakdowns=("age",), fields=PLAIN)
    assert broken
    assert not any({"reach", "frequency", "cpp"} & row.keys() for row in broken)
    whole = ask(world, node, "account", ranges=OLD, fields=PLAIN)
    assert all("reach" in row for row in whole)
    kept = ask(world, node, "account", ranges=OLD, breakdowns=("age",), fields=PLAIN,
               asynchronous=True)  # fmt: skip
    assert all("reach" in row for row in kept)


@pytest.mark.parametrize(
    "more",
    [
        {"breakdowns": ("age",), "fields": ("unique_actions", "spend")},
        {"breakdowns": ("hourly_stats_aggregated_by_advertiser_time_zone",)},
    ],
)
def test_unique_counts_beyond_13_months_are_empty_or_refused(more: dict[str, Any]) -> None:
    settings = {"ranges": OLD, "fields": ("spend",), **more}
    soft = World(seed=11, clock=VirtualClock(NOW), accounts=SPECS)
    assert ask(soft, account(soft, 3), "account", **settings) == []
    hard = World(seed=11, clock=VirtualClock(NOW), accounts=SPECS, hard_retention=True)
    with pytest.raises(BeyondRetentionError, match="13 months"):
        ask(hard, account(hard, 3), "account", **settings)


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (UnknownNodeError, {"node": "act_1"}),
        (WrongLevelError, {"level": "account", "node": None}),
        (InvalidParameterError, {"filtering": (("ad.shoe_size", "EQUAL", 4),)}),
        (InvalidParameterError, {"filtering": (("ad.id", "LOOKS_LIKE", 4),)}),
        (InvalidParameterError, {"sort": ("spend",)}),
    ],
)
def test_what_is_refused_says_why(world: World, error: type[InsightsError], more: Any) -> None:
    node = more.pop("node", account(world)) or world.objects("ads", account(world))[0].id
    with pytest.raises(error):
        ask(world, node, **more)
