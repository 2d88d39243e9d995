"""What is old goes from Dagster's Postgres and from ours; what the UI lives on stays."""

# Dagster reads annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs.maintenance import maintenance
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.orchestration.retention.dagster_history import DagsterHistory
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.vacuum import TableState, table_states
from meta_pipeline_tests.orchestration.instances import (
    in_postgres,
    stored_instance,
)
from meta_pipeline_tests.postgres import TestPostgres

ACCOUNTS = dg.DynamicPartitionsDefinition(name="ad_account")
KEY = dg.AssetKey("synced")


@dg.asset(
    partitions_def=ACCOUNTS, check_specs=[dg.AssetCheckSpec("well", asset=KEY)], tags={"a": "b"}
)
def synced(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    context.log.info("a line")
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=True, check_name="well")], tags={"t": "1"}
    )


@dataclass
class Store:
    """A Dagster instance whose storage is a Postgres of its own."""

    instance: dg.DagsterInstance
    url: str

    def sync(self, account_id: str) -> str:
        result = dg.materialize([synced], instance=self.instance, partition_key=account_id)
        assert result.success
        return result.run_id

    def scalar(self, query: str, *values: object) -> Any:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query, values).fetchone()
        return row and row[0]

    def age(self, days: float) -> None:
        """Everything there is happened so many days earlier."""
        with psycopg.connect(self.url) as connection:
            for table, column in (
                ("event_logs", '"timestamp"'),
                ("runs", "create_timestamp"),
                ("asset_check_executions", "create_timestamp"),
                ("job_ticks", '"timestamp"'),
            ):
                connection.execute(
                    f"UPDATE {table} SET {column} = {column} - make_interval(hours => %s)",
                    (int(days * 24),),
                )

    def prune(self, events: float = 14, history: float = 90, **more: Any) -> dict[str, int]:
        found = DagsterHistory.of(self.instance)
        assert found is not None
        now = datetime.now(UTC)
        return found.prune(now - timedelta(days=events), now - timedelta(days=history), **more)

    def latest(self, account_id: str) -> Any:
        asked = dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[account_id])
        return self.instance.fetch_materializations(asked, limit=10).records


@pytest.fixture
def store(postgres: TestPostgres, dagster_template: str) -> Iterator[Store]:
    with (
        postgres.fresh_database(dagster_template) as url,
        dg.instance_for_test(overrides=in_postgres(url)) as instance,
    ):
        instance.add_dynamic_partitions("ad_account", ["act_1", "act_2"])
        yield Store(instance, f"{url}?options=-csearch_path%3Ddagster")


def test_nothing_young_goes(store: Store) -> None:
    store.sync("act_1")
    before = store.scalar("SELECT count(*) FROM event_logs")
    assert set(store.prune().values()) == {0}
    assert store.scalar("SELECT count(*) FROM event_logs") == before


def test_the_story_of_an_old_run_goes_and_what_happened_to_assets_stays(store: Store) -> None:
    run_id = store.sync("act_1")
    store.age(15)
    young = store.sync("act_1")
    whole = store.scalar("SELECT count(*) FROM event_logs WHERE run_id = %s", young)
    removed = store.prune()
    left = store.scalar("SELECT count(*) FROM event_logs WHERE run_id = %s", run_id)
    assert removed["events"] == whole - left > 10
    assert removed["runs"] == removed["asset_events"] == 0
    assert store.scalar("SELECT count(*) FROM event_logs WHERE run_id = %s", young) == whole
    assert len(store.latest("act_1")) == 2
    assert store.instance.get_run_by_id(run_id) is not None


def test_the_newest_of_each_partition_and_check_outlives_everything(store: Store) -> None:
    store.sync("act_2")
    for _ in range(3):
        store.sync("act_1")
    store.age(100)
    removed = store.prune()
    assert removed["runs"] == 4
    assert removed["check_executions"] == 3
    assert removed["asset_event_tags"] > 0
    assert len(store.latest("act_1")) == 1
    assert len(store.latest("act_2")) == 1
    assert store.instance.get_latest_materialization_event(KEY) is not None
    status = store.instance.event_log_storage.get_materialized_partitions(KEY)
    assert status == {"act_1", "act_2"}
    assert store.scalar("SELECT count(*) FROM run_tags") == 0
    assert set(store.prune().values()) == {0}, "what is left is left for good"


def test_a_run_that_still_runs_is_never_removed(store: Store) -> None:
    with psycopg.connect(store.url) as connection:
        connection.execute("SELECT 1")
    store.sync("act_1")
    with psycopg.connect(store.url) as connection:
        connection.execute("UPDATE runs SET status = 'STARTED'")
    store.age(400)
    assert store.prune()["runs"] == 0


def test_slices_remove_the_same(store: Store) -> None:
    for _ in range(3):
        store.sync("act_1")
    store.age(100)
    counts = store.prune(slice_rows=2)
    assert counts["events"] > 30
    assert counts["runs"] == 3
    assert set(store.prune().values()) == {0}


@pytest.fixture
def counted() -> Iterator[None]:
    """Rows that Dagster's connections read are in Postgres' statistics when a statement is done."""

    def told(connection: sa.Connection, *_: object) -> None:
        connection.connection.cursor().execute("SELECT pg_stat_force_next_flush()")

    sa.event.listen(sa.engine.Engine, "after_cursor_execute", told)
    yield
    sa.event.remove(sa.engine.Engine, "after_cursor_execute", told)


@pytest.mark.usefixtures("counted")
def test_what_is_kept_is_passed_over_once_and_not_by_every_slice(store: Store) -> None:
    kept, going = 400, 100
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO event_logs (event, dagster_event_type, asset_key, partition, timestamp)"
            " SELECT '{}', CASE WHEN n <= %(kept)s THEN 'ASSET_MATERIALIZATION' END,"
            " '[\"synced\"]', 'act_' || n, now() - interval '20 days'"
            " FROM generate_series(1, %(kept)s::int + %(going)s::int) AS n",
            {"kept": kept, "going": going},
        )
        # So few rows would be read whole, whatever is asked.
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET enable_seqscan = off").format(name))
        connection.execute("SELECT pg_stat_force_next_flush()")
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = %s"
    before = store.scalar(read, "event_logs")
    assert store.prune(slice_rows=5)["events"] == going
    assert store.scalar(read, "event_logs") - before < 2 * (kept + going)


def test_old_ticks_go_skipped_ones_sooner(store: Store) -> None:
    with psycopg.connect(store.url) as connection:
        connection.execute(
            "INSERT INTO job_ticks (job_origin_id, status, type, tick_body, timestamp)"
            " SELECT 'x', status, 'SENSOR', '{}', now() - make_interval(days => days)"
            " FROM unnest(ARRAY['SKIPPED', 'SUCCESS']) AS status, unnest(ARRAY[1, 20, 100]) AS days"
        )
    assert store.prune()["ticks"] == 3
    assert store.scalar("SELECT count(*) FROM job_ticks WHERE status = 'SUCCESS'") == 2


def test_the_border_is_found_by_halving_with_holes_in_the_ids(store: Store) -> None:
    with psycopg.connect(store.url) as connection:
        connection.execute(
            "INSERT INTO event_logs (id, event, timestamp)"
            " SELECT n * n, '{}', now() - make_interval(days => 200 - n)"
            " FROM generate_series(1, 199) AS n"
        )
    assert store.prune(events=14, history=500)["events"] == 186
    assert store.scalar("SELECT min(id) FROM event_logs") == 187 * 187


def test_history_outside_postgres_is_left_alone() -> None:
    with stored_instance() as instance:
        assert DagsterHistory.of(instance) is None


def test_the_job_cleans_both_and_gives_advice(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("META_LOG_RETENTION_DAYS", "30")
    store.sync("act_1")
    store.age(20)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_api_logs (endpoint_key, throttled, timestamp)"
            " SELECT 'ads_list', false, now() - make_interval(days => n)"
            " FROM generate_series(1, 60) AS n"
        )
        connection.execute("ALTER TABLE meta_ads.meta_ads SET (autovacuum_enabled = false)")
        connection.execute(
            "INSERT INTO meta_ads.alerts (alert_key, source, kind, subject, grade, cause,"
            " what_to_do, opened_at, changed_at, resolved_at)"
            " VALUES ('a', 's', 'run', 'x', 1, 'c', 'w', now(), now(), now() - interval '40 days')"
        )
    result = maintenance.execute_in_process(
        instance=store.instance, resources={"warehouse": WarehouseResource(), "clock": utc_now}
    )
    told: dict[str | None, dict[str, Any]] = {
        event.step_key: {name: one.value for name, one in event.step_output_data.metadata.items()}
        for event in result.all_events
        if event.is_successful_output
    }
    assert next(iter(told)) == "run_files", "a slow step leaves no disk full"
    assert told["our_logs"]["meta_api_logs_removed"] == 31
    assert told["our_logs"]["alerts_removed"] == 1
    assert told["dagster_history"]["events_removed"] > 10
    assert "meta_ads.meta_ads RESET (autovacuum_enabled)" in told["vacuum_advice"]["advice"]
    assert told["vacuum_advice"]["database_mib"] > 0


def test_the_steps_of_the_job_know_nothing_of_each_other() -> None:
    job = build_defs().resolve_job_def("maintenance")
    assert {node.name for node in job.nodes} == {
        "our_logs",
        "dagster_history",
        "vacuum_advice",
        "run_files",
    }
    assert not any(job.dependencies.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"dead_rows": 60_000}, "VACUUM (ANALYZE) meta_ads.x;"),
        ({"dead_rows": 9_000, "live_rows": 10}, None),
        ({"freeze_age": 1_500_000_000}, "VACUUM (FREEZE) meta_ads.x;"),
        ({"autovacuum_on": False}, "RESET (autovacuum_enabled)"),
        ({"ever_analyzed": False}, "ANALYZE meta_ads.x;"),
        ({"ever_analyzed": False, "live_rows": 10}, None),
    ],
)
def test_advice_is_given_when_it_helps(changes: dict[str, Any], said: str | None) -> None:
    given: dict[str, Any] = {
        "name": "meta_ads.x",
        "size_bytes": 1,
        "live_rows": 100_000,
        "dead_rows": 0,
        "freeze_age": 1,
        "autovacuum_on": True,
        "ever_analyzed": True,
    }
    advice = TableState(**(given | changes)).advice
    assert (said in advice) if said and advice else advice is said


def test_the_state_of_the_tables_is_read(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        states = {state.name: state for state in table_states(connection)}
    assert states["meta_ads.meta_ads"].autovacuum_on
    assert states["meta_ads.meta_ads"].size_bytes > 0
