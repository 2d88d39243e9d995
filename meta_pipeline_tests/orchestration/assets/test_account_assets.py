"""Runs of the real definitions against a simulated Graph API and a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.record_metadata import Account
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import SyncRequest, SyncRun
from meta_pipeline.warehouse import account_lock
from meta_pipeline_tests.orchestration.conftest import TOKEN, Stand

TABLES = ("campaigns", "adsets", "ads", "insights")


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


def discover_accounts() -> dg.JobDefinition:
    return build_defs().resolve_job_def("discover_accounts")


@contextmanager
def run(
    stand: Stand, accounts: list[str], **chosen: Mapping[str, object]
) -> Iterator[dg.JobExecutionResult]:
    """One run of `sync_account` with the executor a real run has."""
    tags = (
        {"dagster/partition": accounts[0]}
        if len(accounts) == 1
        else {
            "dagster/asset_partition_range_start": accounts[0],
            "dagster/asset_partition_range_end": accounts[-1],
        }
    )
    with dg.execute_job(
        dg.reconstructable(sync_account),
        instance=stand.instance,
        tags=tags,
        run_config=run_config(**chosen),
        raise_on_error=False,
    ) as result:
        yield result


def scalar(stand: Stand, query: str, *values: object) -> object:
    with psycopg.connect(stand.database_url) as connection:
        row = connection.execute(query, values).fetchone()
    return row and row[0]


def failure_of(result: dg.JobExecutionResult, step: str) -> str:
    data = result.failure_data_for_node(step)
    return str(
        data.error.cause.message
        if data and data.error and data.error.cause
        else data and data.error and data.error.message
    )


def test_an_account_is_synced_recorded_and_materialized(stand: Stand) -> None:
    with run(stand, [stand.good]) as result:
        assert result.success
        run_id = result.run_id
    assert {table: stand.materialized(table, stand.good) for table in TABLES} == dict.fromkeys(
        TABLES, 1
    )
    assert scalar(stand, "SELECT count(*) FROM meta_ads.meta_ads") == 16
    recorded = scalar(
        stand, "SELECT array_agg(status) FROM meta_ads.sync_runs WHERE dagster_run_id = %s", run_id
    )
    assert recorded == ["success", "success"]
    event = stand.instance.get_latest_materialization_event(dg.AssetKey(["meta", "ads"]))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/partition_row_count"].value == 16
    assert metadata["simulated"].value is True
    assert str(metadata["calls"].value) != "0"


def test_one_account_failing_takes_nothing_from_the_others(stand: Stand) -> None:
    with run(stand, stand.accounts) as result:
        assert not result.success
        structure, numbers = failure_of(result, "entities"), failure_of(result, "insights")
        tags = stand.instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
    assert "1 of 3 accounts were not synced; the others were." in structure
    assert stand.closed in structure
    assert "its numbers were not read because its structure failed" in numbers
    assert tags["meta_pipeline/fail"] == stand.closed
    assert {f"account/{account}" for account in stand.accounts} <= tags.keys()
    for account in stand.accounts:
        asked = dg.RunsFilter(tags={f"account/{account}": "yes"})
        assert [one.run_id for one in stand.instance.get_runs(asked)] == [result.run_id]
    for table in TABLES:
        counts = [stand.materialized(table, account) for account in stand.accounts]
        assert counts == [1, 0, 1], table


def test_a_throttled_account_does_not_look_fresh(stand: Stand) -> None:
    stand.sim.fail("GET", "/campaigns", with_=Fault.graph_error(80004), times=None)
    with run(stand, [stand.good]) as result:
        assert not result.success
        text = failure_of(result, "entities")
        tags = stand.instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
    assert "is throttled" in text
    assert "Nothing is broken" in text
    assert "meta_pipeline/throttled" in tags
    assert stand.materialized("campaigns", stand.good) == 0
    assert stand.materialized("insights", stand.good) == 0


def test_a_second_sync_of_the_account_is_polite(stand: Stand) -> None:
    with (
        account_lock(stand.database_url, stand.good, holder="somebody else"),
        run(stand, [stand.good]) as result,
    ):
        assert result.success
        tags = stand.instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
    assert tags["meta_pipeline/refused"] == stand.good
    assert stand.materialized("campaigns", stand.good) == 0


def test_days_are_chosen_in_the_launchpad(stand: Stand) -> None:
    chosen = {"since": "2026-10-01", "until": "2026-10-02"}
    with run(stand, [stand.good], days=chosen) as result:
        assert result.success
    found = scalar(
        stand,
        "SELECT array_agg(DISTINCT date_start::text ORDER BY date_start::text) "
        "FROM meta_ads.meta_insights WHERE entity_type = 'ad'",
    )
    assert found == ["2026-10-01", "2026-10-02"]


def test_discovery_makes_accounts_materializable(stand: Stand) -> None:
    stand.instance.delete_dynamic_partition("ad_account", stand.good)
    with dg.execute_job(dg.reconstructable(discover_accounts), instance=stand.instance) as result:
        assert result.success
    assert stand.good in stand.instance.get_dynamic_partitions("ad_account")
    event = stand.instance.get_latest_materialization_event(dg.AssetKey(["meta", "ad_accounts"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["partitions_added"].value == 1


def test_no_event_holds_the_token(stand: Stand) -> None:
    stand.sim.fail("GET", "/campaigns", with_=Fault.drop_connection())
    stand.sim.fail("GET", "/ads", with_=Fault.graph_error(190), times=None)
    with run(stand, stand.accounts) as result:
        run_id = result.run_id
    said = [str(record) for record in stand.instance.all_logs(run_id)]
    said.append(str(stand.instance.get_run_by_id(run_id)))
    assert said
    assert not [line for line in said if TOKEN in line]


@contextmanager
def run_of(
    stand: Stand,
    accounts: list[str],
    *,
    begin_within_seconds: int = 0,
    **chosen: Mapping[str, object],
) -> Iterator[dg.JobExecutionResult]:
    """A run that names its accounts, as the sensor requests one for many."""
    named = {"ids": accounts, "begin_within_seconds": begin_within_seconds}
    with dg.execute_job(
        dg.reconstructable(sync_account),
        instance=stand.instance,
        tags={
            "dagster/asset_partition_range_start": accounts[0],
            "dagster/asset_partition_range_end": accounts[0],
        },
        run_config=run_config(accounts=named, **chosen),
        raise_on_error=False,
    ) as result:
        yield result


def test_a_run_may_name_any_set_of_accounts(stand: Stand) -> None:
    """First and last of three, which no range of partitions is; order as given."""
    chosen = [stand.accounts[2], stand.accounts[0]]
    with run_of(stand, chosen) as result:
        assert result.success
        run_id = result.run_id
    for table in TABLES:
        counts = [stand.materialized(table, account) for account in stand.accounts]
        assert counts == [1, 0, 1], table
        assert stand.failed(table) == set()
    recorded = scalar(
        stand,
        "SELECT array_agg(account_id ORDER BY started_at) FROM meta_ads.sync_runs "
        "WHERE dagster_run_id = %s",
        run_id,
    )
    assert recorded == chosen * 2


def test_a_failing_account_of_a_batch_is_red_alone(stand: Stand) -> None:
    with run_of(stand, stand.accounts) as result:
        assert not result.success
        assert "1 of 3 accounts were not synced" in failure_of(result, "entities")
    for table in TABLES:
        counts = [stand.materialized(table, account) for account in stand.accounts]
        assert counts == [1, 0, 1], table
        assert stand.failed(table) == {stand.closed}, table


def test_a_run_of_no_account_says_how_to_choose(stand: Stand) -> None:
    with dg.execute_job(
        dg.reconstructable(sync_account), instance=stand.instance, raise_on_error=False
    ) as result:
        assert not result.success
        assert "Which account? Choose its partition" in failure_of(result, "entities")


def test_what_is_fresh_by_the_settings_may_be_too_old_for_the_account(stand: Stand) -> None:
    def calls(**freshness: object) -> object:
        with run_of(stand, [stand.good], freshness=freshness) as result:
            assert result.success
            return scalar(
                stand,
                "SELECT sum(meta_call_count_total)::int FROM meta_ads.sync_runs "
                "WHERE dagster_run_id = %s",
                result.run_id,
            )

    assert calls() != 0
    with psycopg.connect(stand.database_url) as connection:
        connection.execute("UPDATE meta_ads.sync_windows SET fetched_at = now() - interval '31m'")
        connection.execute(
            "UPDATE meta_ads.sync_cursor SET last_fetched_at = now() - '31m'::interval"
        )
    assert calls() == 0
    assert calls(max_age_seconds=1800) == 4


def test_a_preset_is_a_range_in_the_accounts_own_days(stand: Stand) -> None:
    with run(stand, [stand.good], days={"preset": "yesterday"}) as result:
        assert result.success
    days = scalar(
        stand,
        "SELECT count(DISTINCT date_start)::int FROM meta_ads.sync_windows "
        "WHERE dataset = 'insights_ad'",
    )
    assert days == 1


@pytest.mark.parametrize(
    ("job", "preset", "force"),
    [("backfill_insights", "last_90d", None), ("restate", "last_28d", True)],
)
def test_jobs_start_with_a_range_that_suits(job: str, preset: str, force: bool | None) -> None:
    """What the launchpad shows, and what a backfill over partitions uses."""
    found = build_defs().resolve_job_def(job)
    config = found.get_run_config_for_partition_key("act_1")
    chosen = config["resources"]
    assert chosen["days"]["config"]["preset"] == preset
    assert chosen.get("freshness", {"config": {}})["config"].get("force") == force
    assert dg.validate_run_config(found, config)


def test_an_account_that_was_busy_is_asked_once_more_after_the_others(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's sync of the first ends while the run is at the last."""
    good, other = stand.accounts[0], stand.accounts[2]
    held = ExitStack()
    held.enter_context(account_lock(stand.database_url, good, holder="somebody else"))
    sync = SyncSession.sync

    def ending_meanwhile(self: SyncSession, request: SyncRequest) -> tuple[SyncRun, Account]:
        if request.account_id == other:
            held.close()
        return sync(self, request)

    monkeypatch.setattr(SyncSession, "sync", ending_meanwhile)
    with run_of(stand, [good, other]) as result:
        assert result.success
    assert stand.materialized("campaigns", good) == 1
    statuses = scalar(
        stand,
        "SELECT array_agg(status ORDER BY started_at) FROM meta_ads.sync_runs "
        "WHERE account_id = %s AND scope LIKE '%%campaigns%%'",
        good,
    )
    assert statuses == ["refused", "success"]
