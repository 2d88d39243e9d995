"""Job data_quality: every check over every account, one result each, and the stored alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg
from dagster._core.loader import LoadingContextForTest

from meta_pipeline.alerts import AlertStore
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs.quality import DATA_QUALITY_KEY
from meta_pipeline.quality import CHECKS, TOKEN_CHECK
from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.orchestration.assets.test_metric_assets import run as sync
from meta_pipeline_tests.orchestration.conftest import TOKEN, Stand

CHECK_KEYS = [dg.AssetCheckKey(DATA_QUALITY_KEY, one.name) for one in (*CHECKS, TOKEN_CHECK)]


def data_quality() -> dg.JobDefinition:
    return build_defs().resolve_job_def("data_quality")


@contextmanager
def check(stand: Stand) -> Iterator[tuple[bool, dict[str, Any]]]:
    with dg.execute_job(
        dg.reconstructable(data_quality), instance=stand.instance, raise_on_error=False
    ) as result:
        found = {one.check_name: one for one in result.get_asset_check_evaluations()}
        yield result.success, found


def materialized(stand: Stand) -> Mapping[str, dg.MetadataValue[Any]]:
    """The metadata of the asset's latest materialization."""
    event = stand.instance.get_latest_materialization_event(DATA_QUALITY_KEY)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata


def alerts(stand: Stand) -> dict[str, int]:
    with Warehouse(stand.database_url) as warehouse, warehouse.connection() as connection:
        return {alert.alert_key: alert.grade for alert in AlertStore(connection).open()}


def write(stand: Stand, statement: str) -> None:
    with psycopg.connect(stand.database_url) as connection:
        connection.execute(statement)


def test_all_checks_pass_after_a_sync(stand: Stand) -> None:
    with sync(stand, stand.good):
        pass
    with check(stand) as (ran, found):
        assert ran
    assert found.keys() == {key.name for key in CHECK_KEYS}
    failed = {name: one.metadata["headline"].value for name, one in found.items() if not one.passed}
    assert failed == {}
    assert alerts(stand) == {}


def test_a_failed_check_is_a_table_with_what_to_do_and_an_alert(stand: Stand) -> None:
    stand.read(stand.good)
    write(stand, "DELETE FROM meta_ads.meta_campaigns")
    with check(stand) as (ran, found):
        assert ran, "the checks were asked; what they say is no failure of the run"
    orphans = found["orphans"]
    assert not orphans.passed
    assert orphans.severity is dg.AssetCheckSeverity.ERROR
    assert orphans.metadata["count"].value > 0
    assert "restate" in str(orphans.metadata["what_to_do"].value)
    table = orphans.metadata["worst"]
    assert [column.name for column in table.schema.columns][:3] == [
        "account_id",
        "entity_type",
        "entity_id",
    ]
    assert table.records[0].data["account_id"] == stand.good
    assert alerts(stand) == {"check:orphans": 2}
    stand.read(stand.good)
    write(stand, "DELETE FROM meta_ads.meta_ads; DELETE FROM meta_ads.meta_adsets")
    write(stand, "DELETE FROM meta_ads.meta_insights")
    with check(stand):
        pass
    assert "check:orphans" not in alerts(stand), "over, whoever looked"


def test_a_dead_account_is_not_hidden_by_a_healthy_one(stand: Stand) -> None:
    stand.read(stand.good)
    write(
        stand,
        "INSERT INTO meta_ads.meta_ad_accounts (account_id, name, last_listed_at, data_as_of,"
        " first_seen_at) SELECT 'act_99' || n, 'Dead ' || n, now(), now(), now() - interval '2 day'"
        " FROM generate_series(1, 9) AS n",
    )
    with check(stand) as (_, found):
        freshness = found["freshness"]
    assert not freshness.passed
    assert freshness.metadata["count"].value == 9
    assert len(freshness.metadata["worst"].records) == 9
    assert "check:freshness" not in alerts(stand), "told account by account"


def test_a_token_that_meta_will_not_talk_about_is_a_warning(stand: Stand) -> None:
    stand.read(stand.good)
    stand.sim.fail("GET", "/debug_token", with_=Fault.graph_error(100), times=None)
    with check(stand) as (ran, found):
        assert ran
        token = found["token_health"]
    assert not token.passed
    assert token.severity is dg.AssetCheckSeverity.WARN
    assert TOKEN not in str(token)


def test_the_token_check_leaves_a_note_for_the_others(stand: Stand) -> None:
    stand.read(stand.good)
    with check(stand):
        pass
    with Warehouse(stand.database_url) as warehouse:
        (known,) = warehouse.tokens.in_use()
        assert known.is_valid
        stand.sim.tokens.revoke(TOKEN)
        with check(stand) as (ran, found):
            assert ran
            token = found["token_health"]
        (refused,) = warehouse.tokens.in_use()
        assert TOKEN not in str(refused)
    assert token.severity is dg.AssetCheckSeverity.ERROR
    assert not refused.is_valid
    assert alerts(stand)["check:token_health"] == 4, "urgent: nothing can be read any more"


def test_a_check_that_cannot_be_asked_stops_no_other(stand: Stand) -> None:
    stand.read(stand.good)
    write(stand, "ALTER TABLE meta_ads.unrecognized_values RENAME TO elsewhere")
    with check(stand) as (ran, found):
        assert not ran
    told = materialized(stand)
    assert told["checks_not_asked"].value == 1
    assert "| schema_drift | not asked |" in str(told["summary"].value)
    assert found.keys() == {key.name for key in CHECK_KEYS} - {"schema_drift"}


def test_every_check_says_in_the_ui_what_to_do() -> None:
    graph = build_defs().resolve_asset_graph()
    for key in CHECK_KEYS:
        description = graph.get(key).description
        assert description is not None
        assert "**When it fails:**" in description
    assert set(CHECK_KEYS) == {
        key for key in graph.asset_check_keys if key.asset_key == DATA_QUALITY_KEY
    }


def test_the_answers_stay_in_sight_when_accounts_are_synced(stand: Stand) -> None:
    """Dagster calls a check "not evaluated" once its asset is materialized after it."""
    with sync(stand, stand.good), check(stand), sync(stand, stand.good):
        pass
    context = LoadingContextForTest(stand.instance)
    for key in CHECK_KEYS:
        (record,) = stand.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert asyncio.run(record.targets_latest_materialization(context)), key
    told = materialized(stand)
    assert told["checks_passed"].value == len(CHECK_KEYS)
    assert told["checks_failed"].value == told["checks_not_asked"].value == 0
    assert "| orphans | passed |" in str(told["summary"].value)


def test_one_check_may_be_asked_alone(stand: Stand) -> None:
    stand.read(stand.good)
    with check(stand):
        pass
    write(stand, "DELETE FROM meta_ads.meta_campaigns")
    orphans = next(key for key in CHECK_KEYS if key.name == "orphans")
    job = build_defs().resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={orphans})
    result = alone.execute_in_process(instance=stand.instance)
    (found,) = result.get_asset_check_evaluations()
    assert (found.check_name, found.passed) == ("orphans", False)
    assert not result.get_asset_materialization_events()
