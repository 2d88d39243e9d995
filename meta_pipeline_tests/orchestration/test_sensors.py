"""Ticks over real tables: who is requested, who is told to wait, and what a person reads of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from meta_pipeline.model.usage import UsageReading
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.defs.next_stale_account import next_stale_account as sensor
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.orchestration.tables import AD_ACCOUNTS_KEY
from meta_pipeline.warehouse import ConnectionRow, Warehouse, account_lock
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline_tests.fleet.fleet import HOUR, MINUTE, NOW
from meta_pipeline_tests.fleet.stored import Stored
from meta_pipeline_tests.orchestration.instances import stored_instance

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("meta_pipeline"), "__repository__"),
    "sync_account",
)
Tick = Callable[..., dg.SensorResult]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored(warehouse: Warehouse) -> Any:
    with warehouse.connection() as connection:
        yield Stored(connection)


@pytest.fixture
def instance() -> Any:
    """A Dagster that has listed the ad accounts before."""
    with stored_instance() as opened:
        opened.report_runless_asset_event(dg.AssetMaterialization(AD_ACCOUNTS_KEY))
        yield opened


@pytest.fixture
def tick(
    instance: dg.DagsterInstance,
    database_url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Tick:
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAASENSOR")

    def once(cursor: str | None = None) -> dg.SensorResult:
        resources = {"warehouse": WarehouseResource(database_url=database_url), "clock": clock}
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources=resources
        ) as context:
            found = sensor(context)
        assert isinstance(found, dg.SensorResult)
        return found

    return once


def words(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


def chosen(request: dg.RunRequest) -> dict[str, Any]:
    """What the request says in the launchpad's words."""
    return {name: one["config"] for name, one in request.run_config["resources"].items()}


def synced(stored: Stored, number: int, minutes_ago: float, **account: Any) -> None:
    account_id = f"act_{number}"
    stored.account(account_id, **account)
    stored.entities(NOW - minutes_ago * MINUTE, account_id)
    stored.days(90, NOW - minutes_ago * MINUTE, account_id)
    stored.run("success", minutes_ago, account_id)
    stored.campaign("ACTIVE", f"c{number}", account_id)


def new(stored: Stored, *numbers: int) -> None:
    for number in numbers:
        stored.account(f"act_{number}", name=f"Shop {number}", first_seen_at=NOW - MINUTE)


def block(warehouse: Warehouse, key: str, minutes: float, scope: str = "insights_account") -> None:
    reading = UsageReading(
        scope=scope,
        key=key,
        use_case="ads_insights" if scope != "app" else "",
        usage_pct=100,
        read_at=NOW - MINUTE,
        regain_at=NOW + minutes * MINUTE,
        source="x-business-use-case-usage",
    )
    warehouse.usage.remember([reading])


def test_the_first_tick_looks_for_accounts(tick: Tick) -> None:
    (request,) = tick().run_requests or ()
    assert request.job_name == "discover_accounts"
    assert request.run_key == "discover_accounts:20260318T09"


def test_accounts_that_were_never_listed_here_are_synced_and_listed(
    stored: Stored, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync act_1` in a terminal, then the first Dagster: it waits for no hour to come."""
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAASENSOR")
    new(stored, 1)
    resources = {"warehouse": WarehouseResource(database_url=database_url), "clock": clock}
    with (
        stored_instance() as fresh,
        dg.build_sensor_context(instance=fresh, resources=resources) as context,
    ):
        found = sensor(context)
        assert isinstance(found, dg.SensorResult)
        jobs = {one.job_name: one.run_key for one in found.run_requests or ()}
        assert jobs == {
            "sync_account": "act_1:20260318T0859",
            "discover_accounts": "discover_accounts:20260318T09",
        }


def test_accounts_that_were_chosen_and_never_listed_are_looked_for_at_once(
    tick: Tick, stored: Stored, warehouse: Warehouse
) -> None:
    synced(stored, 1, minutes_ago=5)
    row = ConnectionRow(
        connection_id="conn_1",
        tenant="default",
        kind="system_user",
        name="Agency",
        app_id="1",
        user_id="2",
        scopes=["ads_read"],
        state="active",
        added_at=NOW - MINUTE,
        checked_at=NOW - MINUTE,
        chosen_accounts=["act_1"],
    )

    def choose(*ids: str, at: datetime) -> None:
        with warehouse.connection() as connection:
            warehouse.connections.save(replace(row, chosen_accounts=list(ids)), connection)
            warehouse.connections.set_accounts("conn_1", dict.fromkeys(ids), at, connection)

    choose("act_1", at=NOW - MINUTE)
    assert not tick().run_requests
    choose("act_1", "act_9", at=NOW - MINUTE)
    (request,) = tick().run_requests or ()
    assert (request.job_name, request.tags["reason"]) == ("discover_accounts", "accounts chosen")
    (again,) = tick().run_requests or ()
    assert again.run_key == request.run_key, "a run for each choice, however often it is looked"
    choose("act_1", "act_8", at=NOW)
    (other,) = tick().run_requests or ()
    assert other.run_key != request.run_key


def test_a_database_without_tables_is_no_error(
    empty_url: str, instance: dg.DagsterInstance, clock: Clock
) -> None:
    resources = {"warehouse": WarehouseResource(database_url=empty_url), "clock": clock}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        found = sensor(context)
    assert isinstance(found, dg.SensorResult)
    assert [one.job_name for one in found.run_requests or ()] == ["discover_accounts"]


def test_one_account_due_is_one_run_of_its_partition(tick: Tick, stored: Stored) -> None:
    new(stored, 1)
    result = tick()
    (request,) = result.run_requests or ()
    assert request.partition_key == "act_1"
    assert request.job_name == "sync_account"
    assert request.run_key == "act_1:20260318T0859"
    assert {name: request.tags[name] for name in ("account", "reason", "window")} == {
        "account": "act_1",
        "reason": "first sync",
        "window": "last 90 days",
    }
    assert request.tags["why"].startswith("act_1: first sync: the last 90 days, newest first")
    (added,) = result.dynamic_partitions_requests or ()
    assert added.partition_keys == ["act_1"]


def test_a_doubled_tick_asks_for_the_same_runs(tick: Tick, stored: Stored, clock: Clock) -> None:
    new(stored, 1, 2)
    first = [request.run_key for request in tick().run_requests or ()]
    clock.now += timedelta(seconds=5)
    assert [request.run_key for request in tick().run_requests or ()] == first


def test_many_accounts_share_runs(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ACCOUNTS_PER_RUN", "4")
    for number in range(1, 9):
        synced(stored, number, 5 * 60)
        stored.spend(812, 0, entity_id=f"act_{number}", account_id=f"act_{number}")
    requests = tick().run_requests or ()
    assert [request.partition_key for request in requests] == [None] * 3
    accounts = [chosen(request)["accounts"]["ids"] for request in requests]
    assert sorted(name for run in accounts for name in run) == [f"act_{n}" for n in range(1, 9)]
    assert [len(run) for run in accounts] == [3, 3, 2]
    assert chosen(requests[0])["freshness"]["max_age_seconds"] == 1800
    assert len({request.run_key for request in requests}) == 3
    for request, names in zip(requests, accounts, strict=True):
        tags = {name for name in request.tags if name.startswith("account/")}
        assert tags == {f"account/{name}" for name in names}


def test_partitions_come_in_the_order_of_their_numbers(tick: Tick, stored: Stored) -> None:
    new(stored, 10, 9, 100, 1)
    (added,) = tick().dynamic_partitions_requests or ()
    assert added.partition_keys == ["act_1", "act_9", "act_10", "act_100"]


def test_a_fleet_of_new_accounts_begins_with_its_newest_days(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ACCOUNTS_PER_RUN", "4")
    monkeypatch.setenv("META_HOURLY", "all")
    new(stored, *range(1, 30))
    requests = tick().run_requests or ()
    assert [len(request.tags["account"].split(",")) for request in requests] == [10, 10, 9]
    for request in requests:
        assert chosen(request)["days"] == {"newest_days": 7}
        assert chosen(request)["accounts"]["begin_within_seconds"] == 300
        assert request.tags["window"] == "last 7 days"
        assert dg.validate_run_config(
            build_defs().resolve_job_def("sync_account"), request.run_config
        )


def test_what_is_before_the_newest_days_is_due_at_once(
    tick: Tick, stored: Stored, clock: Clock
) -> None:
    stored.account("act_1")
    stored.entities(NOW - 2 * MINUTE, "act_1")
    stored.run("success", 3, "act_1")
    stored.days(7, NOW - 2 * MINUTE, "act_1")
    (request,) = tick().run_requests or ()
    assert request.job_name == "insights_only"
    assert request.tags["window"] == "last 90 days"
    assert "days" not in chosen(request)
    # Tried, and they still did not come: not before half an hour is over.
    stored.run("success", 1, "act_1")
    assert not tick().run_requests
    clock.now += 31 * MINUTE
    assert tick().run_requests


@pytest.mark.each_value
@pytest.mark.parametrize(
    ("tags", "config"),
    [
        ({"dagster/partition": "act_2"}, {}),
        (
            {
                "dagster/asset_partition_range_start": "act_1",
                "dagster/asset_partition_range_end": "act_3",
            },
            {},
        ),
        ({}, run_config(accounts={"ids": ["act_2", "act_9"]})),
    ],
    ids=["partition", "range", "list"],
)
@pytest.mark.parametrize("status", ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_runs_that_wait_are_in_flight(
    instance: dg.DagsterInstance, tags: dict[str, str], config: dict[str, Any], status: str
) -> None:
    """Dagster's own list of statuses in progress forgets QUEUED and NOT_STARTED."""
    instance.add_dynamic_partitions("ad_account", ["act_1", "act_2", "act_3"])
    run = dg.DagsterRun(
        "sync_account",
        tags=tags,
        run_config=config,
        status=dg.DagsterRunStatus(status),
        remote_job_origin=ORIGIN,
    )
    instance.add_run(run)
    found = in_flight(instance)
    assert found.runs == 1
    assert "act_2" in found.accounts
    instance.delete_run(run.run_id)
    assert in_flight(instance).accounts == frozenset()


def test_no_more_than_the_free_slots(
    tick: Tick, stored: Stored, instance: dg.DagsterInstance
) -> None:
    new(stored, 1, 2, 3, 4)
    for number in (1, 2, 3):
        instance.add_run(
            dg.DagsterRun(
                "sync_account",
                tags={"dagster/partition": f"act_{number}"},
                status=dg.DagsterRunStatus.NOT_STARTED,
            )
        )
    assert words(tick()) == (
        "4 accounts: 3 asked for already, 1 waiting their turn; 3 runs of syncs under way, as "
        "many as META_MAX_SYNCS allows"
    )


def test_an_account_synced_by_hand_is_left_alone(
    tick: Tick, stored: Stored, database_url: str
) -> None:
    new(stored, 1)
    with account_lock(database_url, "act_1", holder="somebody"):
        assert words(tick()) == "1 account: 1 being synced"


def test_nothing_due_says_who_is_next_and_when(tick: Tick, stored: Stored) -> None:
    synced(stored, 1, 16, name="2EZi", currency="EUR")
    stored.spend(500, 0)
    synced(stored, 2, 10, name="Other")
    stored.spend(500, 0, entity_id="act_2", account_id="act_2")
    assert words(tick()) == "2 accounts, all fresh; next is 2EZi (act_1) in 14 min, at 09:14 UTC"


def test_a_throttled_account_is_recorded_once_for_each_block(
    tick: Tick, stored: Stored, warehouse: Warehouse, clock: Clock
) -> None:
    new(stored, 1)
    block(warehouse, "act_1", minutes=20)
    first = tick()
    assert "act_1 stopped until 09:21 UTC because" in words(first)
    (event,) = first.asset_events
    assert event.partition == "act_1"
    assert "stopped until 09:21 UTC" in str(event.description)
    clock.now += MINUTE
    second = tick()
    assert second.asset_events == []
    assert "1 throttled by Meta's limits" in words(second)
    assert "next is Shop 1 (act_1) in 20 min" in words(second)
    (row,) = warehouse.runs.recent()
    assert (row.status, row.not_before, row.meta_call_count_total) == (
        "throttled",
        NOW + 21 * MINUTE,
        0,
    )
    assert "insights" in row.scope
    clock.now = NOW + 25 * MINUTE
    assert [request.partition_key for request in tick().run_requests or ()] == ["act_1"]


def test_the_place_of_a_throttled_account_goes_to_the_next(
    tick: Tick, stored: Stored, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_MAX_SYNCS", "1")
    monkeypatch.setenv("META_ACCOUNTS_PER_RUN", "1")
    stored.account("act_1", first_seen_at=NOW - HOUR)
    stored.account("act_2", first_seen_at=NOW - MINUTE)
    block(warehouse, "act_1", minutes=20)
    result = tick()
    assert [request.partition_key for request in result.run_requests or ()] == ["act_2"]
    assert [event.partition for event in result.asset_events] == ["act_1"]


def test_a_full_app_stops_everybody(tick: Tick, stored: Stored, warehouse: Warehouse) -> None:
    new(stored, 1, 2, 3, 4, 5)
    block(warehouse, "app", minutes=20, scope="app")
    result = tick()
    assert not result.run_requests
    assert {row.status for row in warehouse.runs.recent()} == {"throttled"}
    assert "the app is at 100 %" in words(result)


def test_the_lists_decide_who_is_synced(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(stored, 1, 2, 3)
    monkeypatch.setenv("META_INCLUDE_ACCOUNTS", "act_1, act_2")
    monkeypatch.setenv("META_EXCLUDE_ACCOUNTS", "act_2")
    assert [request.partition_key for request in tick().run_requests or ()] == ["act_1"]


def test_the_pool_follows_the_setting(
    tick: Tick, instance: dg.DagsterInstance, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(stored, 1)
    for wanted in (3, 8, 2):
        monkeypatch.setenv("META_MAX_SYNCS", str(wanted))
        tick()
        pools = instance.event_log_storage.get_pool_limits()
        assert {pool.name: pool.limit for pool in pools} == {"meta_api": wanted}


def test_a_lost_account_is_not_asked_for(tick: Tick, stored: Stored) -> None:
    stored.account("act_1", is_accessible=False)
    assert words(tick()) == "1 account: 1 lost to the token"


def test_rotation_goes_round_by_its_cursor(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"POLICY": "rotation", "FRESH": "1m"}.items():
        monkeypatch.setenv(f"META_ROTATION_{name}", value)
    monkeypatch.setenv("META_MAX_SYNCS", "1")
    monkeypatch.setenv("META_ACCOUNTS_PER_RUN", "1")
    for number in (1, 2, 3):
        synced(stored, number, 5 * 60)
    seen, cursor = [], None
    for _ in range(4):
        result = tick(cursor)
        cursor = result.cursor
        seen += [request.partition_key for request in result.run_requests or ()]
    assert seen == ["act_1", "act_2", "act_3", "act_1"]


def test_settings_that_contradict_are_named(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(stored, 1)
    monkeypatch.setenv("META_ROTATION_HIGH_SPEND", "5")
    with pytest.raises(Exception, match="medium_spend 10 and high_spend 5"):
        tick()


def test_every_request_is_one_dagster_accepts(
    instance: dg.DagsterInstance,
    stored: Stored,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole tick as the daemon evaluates it: jobs, partitions and config are validated."""
    monkeypatch.setenv("META_ACCOUNTS_PER_RUN", "2")
    monkeypatch.setenv("DATABASE_URL", database_url)
    new(stored, 1, 2, 3, 4)
    synced(stored, 5, 31)
    stored.spend(500, 0, entity_id="act_5", account_id="act_5")
    defs = build_defs()
    sensor = defs.get_repository_def().get_sensor_def("next_stale_account")
    with dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        definitions=defs,
        resources={
            "warehouse": WarehouseResource(database_url=database_url),
            "clock": utc_now,
        },
    ) as context:
        data = sensor.evaluate_tick(context)
    for request in data.run_requests or ():
        job = defs.resolve_job_def(str(request.job_name))
        assert dg.validate_run_config(job, request.run_config)
    assert len(data.run_requests or ()) == 3


def selected(request: dg.RunRequest) -> set[str]:
    return {key.path[-1] for key in request.asset_selection or ()}


EXTRAS = {
    *("creatives", "activities", "recommendations"),
    *("custom_conversions", "custom_audiences", "images"),
    *("insights_hourly", "insights_breakdown"),
}


def test_extras_that_are_off_are_no_part_of_a_run(tick: Tick, stored: Stored) -> None:
    new(stored, 1)
    (request,) = tick().run_requests or ()
    assert selected(request) == {
        *("campaigns", "adsets", "ads", "insights", "reconciliation", "advice"),
        *("daily_campaign_metrics", "daily_adset_metrics", "daily_ad_metrics"),
    }
    assert {key.name for key in request.asset_check_keys or ()} == {
        *("synced_days_reconcile", "rules_could_be_asked", "nothing_urgent_is_open"),
        "advice_is_measured",
    }
    assert chosen(request).keys() == {"freshness"}


def test_a_run_has_the_extras_of_its_accounts(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ACTIVITIES", "all")
    monkeypatch.setenv("META_HOURLY", "act_2")
    monkeypatch.setenv("META_BREAKDOWNS", "country")
    monkeypatch.setenv("META_BREAKDOWN_ACCOUNTS", "act_9")
    monkeypatch.setenv("META_MAX_SYNCS", "1")
    new(stored, 1, 2, 3)
    (request,) = tick().run_requests or ()
    assert selected(request) & EXTRAS == {"activities", "insights_hourly"}
    assert request.tags["dagster/asset_partition_range_start"] == "act_2", "all are on for it"
    assert request.tags["dagster/asset_partition_range_end"] == "act_2"
    subset = (
        build_defs()
        .resolve_job_def("sync_account")
        .get_subset(
            asset_selection=set(request.asset_selection or ()),
            asset_check_selection=set(request.asset_check_keys or ()),
        )
    )
    assert dg.validate_run_config(subset, request.run_config)


def test_what_is_due_decides_which_extras_ride_along(
    tick: Tick, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("META_CREATIVES", "META_ACTIVITIES", "META_HOURLY"):
        monkeypatch.setenv(name, "all")
    synced(stored, 1, 31)
    stored.spend(500, 0, entity_id="act_1", account_id="act_1")
    (request,) = tick().run_requests or ()
    assert request.job_name == "insights_only"
    assert selected(request) & EXTRAS == {"activities", "insights_hourly"}
    assert dg.validate_run_config(
        build_defs()
        .resolve_job_def("insights_only")
        .get_subset(
            asset_selection=set(request.asset_selection or ()),
            asset_check_selection=set(request.asset_check_keys or ()),
        ),
        request.run_config,
    )


def test_a_locked_table_is_not_waited_for(
    tick: Tick, stored: Stored, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(stored, 1, minutes_ago=500)
    quick = Patience(statement_seconds=60, lock_seconds=0.05)
    monkeypatch.setattr("meta_pipeline.orchestration.resources.TICK", quick)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK meta_ads.meta_ad_accounts IN ACCESS EXCLUSIVE MODE")
        found = tick(cursor="act_1")
    assert words(found).startswith("Cannot tell")
    assert found.cursor == "act_1"
    assert not found.run_requests
    assert "fresh" in words(tick(cursor="act_1"))
