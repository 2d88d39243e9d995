"""What the insights edge refuses, and how its pages and defaults look (FACTS section 5)."""

from __future__ import annotations

from typing import Any

import pytest

from meta_pipeline.simulator import Caps, Simulator, World
from meta_pipeline.simulator.pytest_plugin import new_world
from meta_pipeline_tests.simulator.conftest import Graph

DAYS = '{"since":"2026-11-02","until":"2026-11-04"}'

REFUSALS: list[tuple[dict[str, Any], int, int, int | None]] = [
    ({"level": "planet"}, 400, 100, None),
    ({"breakdowns": "favourite_colour"}, 400, 100, None),
    ({"breakdowns": "age,country"}, 400, 2, 1504041),
    ({"breakdowns": "impression_device"}, 400, 2, 1504041),
    ({"breakdowns": "dma"}, 400, 2, 1504041),
    ({"fields": "impressions,nonsense"}, 400, 100, None),
    ({"fields": "impressions,age", "breakdowns": "age"}, 400, 100, None),
    ({"fields": "wish_bid"}, 400, 100, None),
    ({"date_preset": "lifetime"}, 400, 100, None),
    ({"time_range": '{"since":"2026-11-09","until":"2026-11-01"}'}, 400, 100, None),
    ({"time_range": '{"since":"yesterday","until":"2026-11-01"}'}, 400, 100, None),
    ({"time_range": '{"since":"2023-09-01","until":"2026-11-01"}'}, 400, 3018, None),
    ({"time_increment": 91}, 400, 100, None),
    ({"time_increment": "weekly"}, 400, 100, None),
    ({"action_attribution_windows": '["3d_click"]'}, 400, 100, None),
    ({"filtering": '[{"field":"ad.id","operator":"LIKE","value":"1"}]'}, 400, 100, None),
    ({"filtering": '{"field":"ad.id"}'}, 400, 100, None),
    ({"unheard_of": "1"}, 400, 100, None),
    ({"limit": 0}, 400, 100, None),
    ({"sort": '["spend_descending","reach_ascending"]'}, 400, 100, None),
    ({"action_breakdowns": "action_device", "fields": "spend"}, 400, 100, None),
    # Meta has data for these, this world has not: refused, and no "invalid combination".
    ({"breakdowns": "app_id,skan_conversion_id"}, 400, 3, None),
    ({"breakdowns": "media_type"}, 400, 3, None),
    ({"limit": "many"}, 400, 100, None),
]


@pytest.mark.parametrize(
    ("params", "status", "code", "subcode"), REFUSALS, ids=[str(row[0])[:60] for row in REFUSALS]
)
def test_refusals(
    sim: Simulator,
    graph: Graph,
    account: str,
    params: dict[str, Any],
    status: int,
    code: int,
    subcode: int | None,
) -> None:
    sim.expect("unknown", "unserved")
    found, error = graph.error(f"{account}/insights", **params)
    assert (found, error["code"], error.get("error_subcode")) == (status, code, subcode)


def test_a_campaign_has_no_level_above_it(sim: Simulator, graph: Graph, account: str) -> None:
    campaign = sim.world.objects("campaigns", account)[0].id
    assert graph.error(f"{campaign}/insights", level="account")[0] in {400, 500}
    assert graph.get(f"{campaign}/insights", level="ad")["data"]


def test_defaults_are_one_row_of_thirty_days(graph: Graph, account: str) -> None:
    rows = graph.get(f"{account}/insights")["data"]
    assert [row.keys() for row in rows] == [
        {"account_id", "impressions", "spend", "date_start", "date_stop"}]  # fmt: skip
    # 02:00 UTC is already the 16th in Sydney; last_30d ends yesterday.
    assert (rows[0]["date_start"], rows[0]["date_stop"]) == ("2026-10-17", "2026-11-15")


PRESETS = {
    "today": ("2026-11-16", "2026-11-16"),
    "yesterday": ("2026-11-15", "2026-11-15"),
    "last_7d": ("2026-11-09", "2026-11-15"),
    "this_month": ("2026-11-01", "2026-11-16"),
    "last_month": ("2026-10-01", "2026-10-31"),
    "this_quarter": ("2026-10-01", "2026-11-16"),
    "last_quarter": ("2026-07-01", "2026-09-30"),
    "this_year": ("2026-01-01", "2026-11-16"),
    "last_week_mon_sun": ("2026-11-09", "2026-11-15"),
    "last_week_sun_sat": ("2026-11-08", "2026-11-14"),
    "this_week_sun_today": ("2026-11-15", "2026-11-16"),
    "this_week_mon_today": ("2026-11-16", "2026-11-16"),
}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_are_days_of_the_account(graph: Graph, account: str, preset: str) -> None:
    row = graph.get(f"{account}/insights", date_preset=preset)["data"][0]
    assert (row["date_start"], row["date_stop"]) == PRESETS[preset]


def test_every_preset_of_the_sdk_is_answered(sim: Simulator, graph: Graph, account: str) -> None:
    edge = sim.contract.edge("AdAccount", "GET", "insights")
    assert edge is not None
    presets = sim.contract.allowed(edge, "date_preset") or frozenset()
    assert len(presets) >= 20
    for preset in sorted(presets):
        graph.get(f"{account}/insights", date_preset=preset)


def test_time_ranges_win_over_everything(graph: Graph, account: str) -> None:
    rows = graph.get(
        f"{account}/insights",
        time_range=DAYS,
        time_increment=1,
        date_preset="today",
        time_ranges='[{"since":"2026-11-02","until":"2026-11-03"},'
        '{"since":"2026-11-03","until":"2026-11-04"}]',
    )["data"]
    assert [(row["date_start"], row["date_stop"]) for row in rows] == [
        ("2026-11-02", "2026-11-03"), ("2026-11-03", "2026-11-04")]  # fmt: skip


def test_days_add_up_to_the_range_and_ads_to_the_account(graph: Graph, account: str) -> None:
    whole = graph.get(f"{account}/insights", time_range=DAYS)["data"][0]
    days = graph.rows(f"{account}/insights", time_range=DAYS, time_increment=1, limit=2)
    ads = graph.rows(f"{account}/insights", time_range=DAYS, level="ad", limit=5)
    for rows in (days, ads):
        assert sum(int(row["impressions"]) for row in rows) == int(whole["impressions"])
        assert sum(round(float(row["spend"]) * 100) for row in rows) == round(
            float(whole["spend"]) * 100)  # fmt: skip


def test_a_day_without_delivery_has_no_row(sim: Simulator, graph: Graph) -> None:
    empty = next(a.id for a in sim.world.accounts() if a.values["name"] == "Nothing Here Yet")
    assert graph.get(f"{empty}/insights", time_increment=1) == {"data": []}


def test_too_many_rows_at_once(graph: Graph, account: str) -> None:
    graph.sim.reset(new_world(), caps=Caps(insights_cells=100, sync_insights_rows=1000))
    response = graph.call("GET", f"{account}/insights", level="ad", time_increment=1, limit=500)
    assert (response.status_code, response.json()["error"]["code"]) == (500, 1)
    assert graph.get(f"{account}/insights", level="ad", time_increment=1, limit=5)["data"]
    graph.sim.reset(new_world(), caps=Caps(sync_insights_rows=10))
    error = graph.error(f"{account}/insights", level="ad", time_increment=1, limit=5)[1]
    assert (error["code"], error["error_subcode"]) == (100, 1487534)


def test_previous_goes_back_over_rows(graph: Graph, account: str) -> None:
    first = graph.get(f"{account}/insights", level="ad", time_range=DAYS, limit=4)
    second = graph.get(
        f"{account}/insights",
        level="ad",
        time_range=DAYS,
        limit=4,
        after=first["paging"]["cursors"]["after"],
    )
    back = graph.get(
        f"{account}/insights",
        level="ad",
        time_range=DAYS,
        limit=4,
        before=second["paging"]["cursors"]["before"],
    )
    assert back["data"] == first["data"]


EVERYTHING = "impressions,reach,spend,clicks"
FEW = '[{"field":"ad.effective_status","operator":"IN","value":["ACTIVE"]}]'
MANY = '[{"field":"impressions","operator":"GREATER_THAN","value":500}]'


@pytest.mark.parametrize("level", ["account", "campaign", "ad"])
@pytest.mark.parametrize(
    "more",
    [{}, {"breakdowns": "age"}, {"time_increment": 1}, {"filtering": FEW}, {"filtering": MANY}],
    ids=str,
)
def test_the_summary_is_what_the_rows_add_up_to(
    graph: Graph, account: str, level: str, more: dict[str, Any]
) -> None:
    asked = {"time_range": DAYS, "fields": EVERYTHING, "level": level, **more}
    rows = graph.rows(f"{account}/insights", limit=100, **asked)
    total = graph.get(f"{account}/insights", limit=2, summary="true", **asked)["summary"]
    assert len(rows) > 1 or level == "account"
    for name in ("impressions", "clicks"):
        assert int(total[name]) == sum(int(row[name]) for row in rows)
    assert round(float(total["spend"]) * 100) == sum(round(float(r["spend"]) * 100) for r in rows)
    reached = [int(row["reach"]) for row in rows]
    assert max(reached) <= int(total["reach"]) <= sum(reached)
    assert len(rows) == 1 or int(total["reach"]) < sum(reached)


def test_a_summary_can_be_asked_for_by_name(graph: Graph, account: str) -> None:
    asked = {"time_range": DAYS, "level": "ad", "fields": EVERYTHING}
    total = graph.get(f"{account}/insights", summary='["spend"]', **asked)["summary"]
    assert total.keys() == {"spend", "date_start", "date_stop"}


def test_an_ignored_filter_is_flagged(sim: Simulator, graph: Graph, account: str) -> None:
    condition = '[{"field":"updated_time","operator":"GREATER_THAN","value":1893456000}]'
    assert graph.get(f"{account}/insights", level="ad", filtering=condition)["data"]
    assert sim.journal[-1].flag == "ignored_filter updated_time"
    sim.expect("ignored_filter")


def test_an_hour_without_delivery_can_lack_its_key(sim: Simulator, graph: Graph) -> None:
    hourly = "hourly_stats_aggregated_by_advertiser_time_zone"
    asked = {"level": "ad", "breakdowns": hourly, "fields": "ad_id,impressions,cpm",
             "time_range": DAYS, "limit": 7}  # fmt: skip
    account = sim.world.accounts()[0].id
    usual = graph.rows(f"{account}/insights", **asked)
    sim.reset(World(seed=7, clock=sim.clock, hourly_zero_rows=True))
    rows = graph.rows(f"{account}/insights", **asked)
    odd = [row for row in rows if hourly not in row]
    assert [row for row in rows if hourly in row] == usual
    assert {row["ad_id"] for row in odd} == {row["ad_id"] for row in usual}
    assert {row["impressions"] for row in odd} == {"0"}
