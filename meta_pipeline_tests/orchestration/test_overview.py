"""What the first page says, from the first tick on: accounts in words, and what does not run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs.overview import (
    FIRST_ANSWERS,
    OVERVIEW_KEY,
    REPORT_EVERY,
    overview_sensor,
)
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.printable import markdown_lines
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.fleet.stored import Stored
from meta_pipeline_tests.orchestration.instances import stored_instance
from meta_pipeline_tests.waiting import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAAOVERVIEW")
    with stored_instance() as opened:
        yield opened


@pytest.fixture
def stored(warehouse: Warehouse) -> Iterator[Stored]:
    with warehouse.connection() as connection:
        yield Stored(connection)


class Looks:
    """The sensor's ticks, each with what it left for the next one."""

    def __init__(self, instance: dg.DagsterInstance, url: str, clock: Clock) -> None:
        self._instance, self._url, self._clock = instance, url, clock
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        """One tick, done as the daemon does it: its events and partitions are recorded."""
        resources = {
            "warehouse": WarehouseResource(database_url=self._url),
            "clock": self._clock,
        }
        with dg.build_sensor_context(
            instance=self._instance, cursor=self.cursor, resources=resources
        ) as context:
            found = overview_sensor(context)
        assert isinstance(found, dg.SensorResult)
        self.cursor = found.cursor
        for event in found.asset_events:
            self._instance.report_runless_asset_event(event)
        for request in found.dynamic_partitions_requests or ():
            self._instance.add_dynamic_partitions(
                request.partitions_def_name, list(request.partition_keys)
            )
        return found


@pytest.fixture
def looks(instance: dg.DagsterInstance, database_url: str, clock: Clock) -> Looks:
    return Looks(instance, database_url, clock)


def synced(stored: Stored, clock: Clock, number: int, status: str = "success") -> None:
    stored.account(f"act_{number}", name=f"Shop {number}")
    synced_run(stored, clock, number, status)


def synced_run(stored: Stored, clock: Clock, number: int, status: str = "success") -> None:
    stored.insert(
        "sync_runs",
        sync_run_id=f"overview-{number}",
        account_id=f"act_{number}",
        scope="campaigns,adsets,ads,insights",
        started_at=clock.now - timedelta(minutes=9),
        finished_at=clock.now - timedelta(minutes=8),
        status=status,
        reason="manual",
        error_summary=None if status == "success" else "code 200: | <b>no</b> permission",
        not_before=clock.now + timedelta(hours=1) if status == "throttled" else None,
    )


def ads_read(watcher: psycopg.Connection) -> int:
    """Rows of `meta_ads` that the ticks have read; a session's are known once it is over."""
    open_ones = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'meta_pipeline overview'"
        " AND datname = current_database()"
    )
    wait_until(lambda: not watcher.execute(open_ones).fetchall(), "the sensor's session is over")
    row = watcher.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'meta_ads'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def newest(instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    event = instance.get_latest_materialization_event(OVERVIEW_KEY)
    assert event is not None
    found = event.asset_materialization
    assert found is not None
    return found


def failing(instance: dg.DagsterInstance, name: str, times: int, status: InstigatorStatus) -> None:
    """A sensor whose last ticks failed."""
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin("meta_pipeline"), "__repository__"
    )
    state = InstigatorState(RemoteInstigatorOrigin(repository, name), InstigatorType.SENSOR, status)
    instance.add_instigator_state(state)
    for number in range(times):
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.FAILURE,
                timestamp=datetime.now(UTC).timestamp() - number,
                selector_id=state.selector_id,
                error=SerializableErrorInfo("password authentication failed", [], "Oops"),
            )
        )


def test_the_first_tick_tells_each_account_in_words(
    looks: Looks, stored: Stored, clock: Clock, instance: dg.DagsterInstance
) -> None:
    for number, status in enumerate(["success", "fail", "throttled", "partial"], start=1):
        synced(stored, clock, number, status)
    stored.account("act_5", name="a|b <i>")
    looks.tick()
    told = newest(instance)
    assert told.description == (
        "5 accounts: 1 failing, 1 partly synced, 1 waiting for quota, 1 not synced yet, "
        "1 up to date."
    )
    summary = str(told.metadata["summary"].value)
    accounts = [line for line in summary.splitlines() if line.startswith("|")][2:]
    assert [line.split(" | ")[1] for line in accounts] == [
        "failing",
        "partly synced",
        "waiting for quota",
        "not synced yet",
        "up to date",
    ]
    assert "permission" in accounts[0]
    assert "<b>" not in summary
    assert markdown_lines(str(told.metadata["state"].value)) == told.description
    needs = str(told.metadata["needs_somebody"].value)
    assert needs.startswith("Shop 2: failing, code 200")
    assert "Shop 4: partly synced" in needs
    assert "<i>" not in summary
    assert {name: told.metadata[name].value for name in told.metadata if "accounts" in name} == {
        "accounts": 5,
        "accounts_up_to_date": 1,
        "accounts_failing": 2,
        "accounts_waiting": 1,
        "accounts_not_synced_yet": 1,
        "accounts_lost": 0,
    }


def test_an_account_that_is_left_out_is_said_to_be_so(
    looks: Looks,
    stored: Stored,
    clock: Clock,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synced(stored, clock, 1)
    synced(stored, clock, 2, "fail")
    stored.account("act_3", name="Never wanted")
    monkeypatch.setenv("META_EXCLUDE_ACCOUNTS", "act_2,act_3")
    looks.tick()
    told = newest(instance)
    assert told.description == "3 accounts: 1 up to date, 2 left out."
    assert told.metadata["needs_somebody"].value == "Nobody."


def test_partitions_are_there_before_anybody_looks(
    looks: Looks, stored: Stored, clock: Clock, instance: dg.DagsterInstance
) -> None:
    synced(stored, clock, 1)
    stored.account("act_2")
    looks.tick()
    assert set(instance.get_dynamic_partitions("ad_account")) == {"act_1", "act_2"}
    assert not looks.tick().dynamic_partitions_requests


def test_the_same_state_is_reported_for_the_plots_only(
    looks: Looks, stored: Stored, clock: Clock, instance: dg.DagsterInstance
) -> None:
    synced(stored, clock, 1)
    assert looks.tick().asset_events
    clock.now += timedelta(minutes=2)
    assert not looks.tick().asset_events
    clock.now += REPORT_EVERY
    assert looks.tick().asset_events
    clock.now += timedelta(minutes=2)
    stored.account("act_2")
    assert looks.tick().asset_events, "a change is told at once"


@pytest.mark.parametrize("status", ["success", "fail", "partial"])
def test_a_sync_that_begins_and_ends_is_no_news_and_counts_nothing(
    looks: Looks, stored: Stored, clock: Clock, database_url: str, status: str
) -> None:
    synced(stored, clock, 1, status)
    stored.insert("meta_ads", ad_id="1", account_id="act_1", data_as_of=clock.now)
    with psycopg.connect(database_url, autocommit=True) as watcher:
        assert looks.tick().asset_events
        assert (counted := ads_read(watcher)) > 0, "what they hold is told with the news"
        watcher.execute("SELECT pg_advisory_lock(hashtextextended('meta_ads:sync:act_1', 0))")
        run = {"sync_run_id": "next", "account_id": "act_1", "scope": "campaigns,adsets,ads"}
        stored.insert("sync_runs", **run, started_at=clock.now, status="running")
        assert not looks.tick().asset_events, "it began"
        stored.connection.execute(
            "UPDATE meta_ads.sync_runs SET status = %s, finished_at = started_at"
            " WHERE sync_run_id = 'next'",
            [status],
        )
        stored.connection.commit()
        watcher.execute("SELECT pg_advisory_unlock_all()")
        assert not looks.tick().asset_events, "it ended as the one before"
        assert ads_read(watcher) == counted


def test_an_account_that_needs_somebody_is_told_at_once(
    looks: Looks, stored: Stored, clock: Clock, instance: dg.DagsterInstance
) -> None:
    synced(stored, clock, 1)
    looks.tick()
    stored.connection.execute("UPDATE meta_ads.sync_runs SET status = 'fail'")
    stored.connection.commit()
    assert looks.tick().asset_events
    assert newest(instance).metadata["accounts_failing"].value == 1


def test_a_fleet_that_is_filled_is_told_by_halves(
    looks: Looks, stored: Stored, clock: Clock
) -> None:
    for number in range(1, 9):
        stored.account(f"act_{number}", name=f"Shop {number}")
    assert looks.tick().asset_events
    told = []
    for number in range(1, 9):
        synced_run(stored, clock, number)
        told.append(bool(looks.tick().asset_events))
    assert [8 - number for number, was in enumerate(told, start=1) if was] == [7, 3, 1, 0]


def test_any_cursor_begins_anew(looks: Looks) -> None:
    for cursor in ("", "{", "[]", "7", '{"at": 3}', '{"digest": null}'):
        looks.cursor = cursor
        assert looks.tick().asset_events, cursor


def test_questions_of_the_clock_are_asked_once_there_is_something_to_ask(
    looks: Looks, stored: Stored, clock: Clock, instance: dg.DagsterInstance
) -> None:
    assert not looks.tick().run_requests
    synced(stored, clock, 1)
    stored.account("act_2")
    stored.account("act_3")
    assert not looks.tick().run_requests, "one of three says next to nothing"
    synced(stored, clock, 4)
    asked = {one.job_name: one.run_key for one in looks.tick().run_requests or ()}
    assert set(asked) == {"data_quality", "operations_report"}
    assert {one.job_name: one.run_key for one in looks.tick().run_requests or ()} == asked
    for key in FIRST_ANSWERS.values():
        instance.report_runless_asset_event(dg.AssetMaterialization(key))
    assert not looks.tick().run_requests


@pytest.mark.parametrize("name", ["alerts", "next_stale_account", "failed_runs"])
def test_a_sensor_that_fails_is_told_where_people_look(
    looks: Looks, instance: dg.DagsterInstance, name: str
) -> None:
    """Also `alerts`, which tells of all others and cannot tell of itself."""
    looks.tick()
    failing(instance, name, 2, InstigatorStatus.DECLARED_IN_CODE)
    looks.tick()
    told = newest(instance)
    assert f"The sensor {name} fails: password authentication failed" in str(told.description)
    assert told.metadata["sensors_failing"].value == 1
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(OVERVIEW_KEY, "sensors_and_schedules_run"), limit=1
    )
    assert record.status.value == "FAILED"


def test_a_sensor_that_somebody_stopped_is_named(
    looks: Looks, instance: dg.DagsterInstance
) -> None:
    failing(instance, "next_stale_account", 0, InstigatorStatus.STOPPED)
    looks.tick()
    assert str(newest(instance).description).endswith("Stopped by hand: next_stale_account.")


def test_a_database_without_tables_says_what_comes(
    instance: dg.DagsterInstance, empty_url: str, clock: Clock
) -> None:
    Looks(instance, empty_url, clock).tick()
    assert "No ad account is known yet" in str(newest(instance).description)


def test_a_person_may_ask_at_once(
    stored: Stored, clock: Clock, instance: dg.DagsterInstance, database_url: str
) -> None:
    synced(stored, clock, 1)
    defs = build_defs({"warehouse": WarehouseResource(database_url=database_url)})
    done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[OVERVIEW_KEY]
    )
    assert done.success
    (check,) = done.get_asset_check_evaluations()
    assert check.passed
    assert "up to date" in str(newest(instance).metadata["summary"].value)
