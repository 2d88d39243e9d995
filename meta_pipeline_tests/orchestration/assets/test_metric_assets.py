"""What follows a sync of insights in the same run: daily metrics, and the proof they add up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg
import pytest

from meta_pipeline.metrics import read_dictionary
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.defs.jobs import FOLLOWING as FOLLOWING_SELECTION
from meta_pipeline.orchestration.metric_metadata import RECONCILES
from meta_pipeline.simulator import Fault
from meta_pipeline_tests.orchestration.conftest import Stand

DAILY = ("daily_campaign_metrics", "daily_adset_metrics", "daily_ad_metrics")
FOLLOWING = (*DAILY, "reconciliation", "advice")


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


def only_metrics() -> dg.JobDefinition:
    """What a person starts who materializes these assets alone."""
    job = dg.define_asset_job("only_metrics", selection=FOLLOWING_SELECTION)
    return dg.Definitions.merge(build_defs(), dg.Definitions(jobs=[job])).resolve_job_def(job.name)


@contextmanager
def run(
    stand: Stand, *accounts: str, job: Any = sync_account, config: Any = None
) -> Iterator[dg.JobExecutionResult]:
    tags = {"dagster/partition": accounts[0]} if len(accounts) == 1 else {}
    if len(accounts) > 1:
        tags["dagster/asset_partition_range_start"] = accounts[0]
        tags["dagster/asset_partition_range_end"] = accounts[-1]
    with dg.execute_job(
        dg.reconstructable(job),
        instance=stand.instance,
        tags=tags,
        run_config=config,
        raise_on_error=False,
    ) as result:
        yield result


def rows(stand: Stand, query: str, *values: object) -> list[Any]:
    with psycopg.connect(stand.database_url) as connection:
        return connection.execute(query, values).fetchall()


def metadata(stand: Stand, name: str) -> dict[str, Any]:
    event = stand.instance.get_latest_materialization_event(dg.AssetKey(["meta", name]))
    assert event is not None
    assert event.asset_materialization is not None
    return {key: one.value for key, one in event.asset_materialization.metadata.items()}


def test_metrics_are_in_when_the_sync_is(stand: Stand) -> None:
    with run(stand, stand.good) as result:
        assert result.success
    assert {name: stand.materialized(name, stand.good) for name in FOLLOWING} == dict.fromkeys(
        FOLLOWING, 1
    )
    ((stored, spend),) = rows(
        stand, "SELECT count(*), sum(spend) FROM meta_ads.daily_ad_metrics WHERE spend > 0"
    )
    ((expected,),) = rows(
        stand, "SELECT sum(spend) FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
    )
    assert spend == expected > 0
    told = metadata(stand, "daily_ad_metrics")
    assert told["dagster/partition_row_count"] >= stored
    assert told["rows_written"] == told["dagster/partition_row_count"]
    assert told["definition_version"] == read_dictionary().version()
    for name, count in (("daily_campaign_metrics", "campaign"), ("daily_adset_metrics", "adset")):
        ((found,),) = rows(stand, f"SELECT count(*) FROM meta_ads.{name}")
        assert metadata(stand, name)["dagster/partition_row_count"] == found > 0, count


def test_every_day_is_proved_and_the_proof_is_plotted(stand: Stand) -> None:
    with run(stand, stand.good) as result:
        evaluations = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert evaluations[RECONCILES].passed
    told = metadata(stand, "reconciliation")
    assert told["days_compared"] == 3
    assert told["days_differ"] == 0
    assert told["days_match"] + told["days_rounding"] + told["days_empty"] == 3
    assert told["worst_difference_pct"] == 0.0


def test_nothing_new_is_nothing_done(stand: Stand) -> None:
    for _ in range(2):
        with run(stand, stand.good) as result:
            assert result.success
    told = metadata(stand, "daily_ad_metrics")
    assert (told["days_recomputed"], told["rows_written"]) == (0, 0)
    assert told["dagster/partition_row_count"] > 0
    assert metadata(stand, "reconciliation")["days_compared"] == 0


def test_an_account_that_failed_hides_no_other(stand: Stand) -> None:
    with run(stand, *stand.accounts) as result:
        assert not result.success
        steps = {event.step_key for event in result.get_step_success_events()}
    assert {"rollups", "reconciliation"} <= steps
    ((accounts,),) = rows(
        stand, "SELECT count(DISTINCT account_id) FROM meta_ads.daily_campaign_metrics"
    )
    assert accounts == 2


def test_a_batch_named_in_the_config_is_followed(stand: Stand) -> None:
    config = run_config(accounts={"ids": [stand.accounts[0], stand.accounts[2]]})
    with run(stand, stand.accounts[0], config=config) as result:
        assert result.success
    for name in FOLLOWING:
        counts = [stand.materialized(name, account) for account in stand.accounts]
        assert counts == [1, 0, 1], name


def break_metrics(stand: Stand, account_id: str) -> None:
    """Its daily metrics cannot be stored any more, those of the others can."""
    with psycopg.connect(stand.database_url) as connection:
        connection.execute(
            "ALTER TABLE meta_ads.ad_rollups ADD CONSTRAINT broken CHECK"
            f" (account_id <> '{account_id}') NOT VALID"
        )


@pytest.mark.parametrize("place", [0, 1])
def test_an_account_of_a_batch_whose_metrics_fail_is_red_alone(stand: Stand, place: int) -> None:
    """Also the first, whose partition is in the tags of the run."""
    chosen = [stand.accounts[2], stand.accounts[0]]
    broken, fine = chosen[place], chosen[1 - place]
    break_metrics(stand, broken)
    config = run_config(accounts={"ids": chosen})
    with run(stand, chosen[0], config=config) as result:
        assert not result.success
    for name in DAILY:
        assert stand.failed(name) == {broken}, name
        assert stand.materialized(name, fine) == 1, name
        assert stand.materialized(name, broken) == 0, name
    for name in ("insights", "reconciliation"):
        assert stand.failed(name) == set(), name
        assert [stand.materialized(name, account) for account in chosen] == [1, 1], name


def test_an_account_that_cannot_be_computed_takes_nothing_from_the_others(stand: Stand) -> None:
    stand.read(stand.accounts[0])
    stand.read(stand.accounts[2])
    break_metrics(stand, stand.accounts[0])
    with psycopg.connect(stand.database_url) as connection:
        connection.execute("UPDATE meta_ads.metric_rollups SET definition_version = 'old'")
        connection.execute("UPDATE meta_ads.meta_insights SET clicks = clicks + 1")
    with run(stand, *stand.accounts, job=only_metrics) as result:
        assert not result.success
        failure = result.failure_data_for_node("rollups")
    assert failure is not None
    assert failure.error is not None
    text = str(failure.error.cause or failure.error)
    assert "1 accounts were not rolled up; the others of the run were." in text
    assert stand.accounts[0] in text
    ((version,),) = rows(
        stand,
        "SELECT DISTINCT definition_version FROM meta_ads.metric_rollups WHERE account_id = %s",
        stand.accounts[2],
    )
    assert version == read_dictionary().version()


def test_numbers_that_do_not_add_up_are_a_warning_and_a_table(stand: Stand) -> None:
    stand.read(stand.good)
    with psycopg.connect(stand.database_url) as connection:
        connection.execute(
            "UPDATE meta_ads.meta_insights SET spend = spend * 2 WHERE entity_type = 'ad'"
        )
        connection.execute("DELETE FROM meta_ads.reconciliations")
    with run(stand, stand.good, job=only_metrics) as result:
        assert result.success, "the check tells; the data is what Meta gave"
        found = [
            one for one in result.get_asset_check_evaluations() if one.check_name == RECONCILES
        ]
    (evaluation,) = found
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert stand.good in str(evaluation.metadata["days"].value)
    assert metadata(stand, "reconciliation")["worst_difference_pct"] == pytest.approx(100)


def test_insights_that_were_throttled_leave_the_metrics_as_they_were(stand: Stand) -> None:
    stand.read(stand.good)
    stand.sim.fail("GET", "/insights", with_=Fault.graph_error(80000), times=None)
    forced = run_config(freshness={"force": True})
    with run(stand, stand.good, config=forced) as result:
        assert not result.success
    assert metadata(stand, "daily_ad_metrics")["days_recomputed"] == 0
