"""Extras through the real definitions: off, on for one of two, failing, waiting, by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

from meta_pipeline.model.usage import UsageReading
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.stores.rotation_states import rotation_states
from meta_pipeline_tests.orchestration.conftest import Stand

PLAIN = ("campaigns", "adsets", "ads", "insights")
EXTRAS = (
    *("creatives", "activities", "recommendations"),
    *("custom_conversions", "custom_audiences", "images"),
    *("insights_hourly", "insights_breakdown"),
)
TABLES = {
    "creatives": "meta_creatives",
    "activities": "meta_activities",
    "recommendations": "meta_recommendations",
    "custom_conversions": "meta_custom_conversions",
    "custom_audiences": "meta_custom_audiences",
    "images": "meta_images",
    "insights_hourly": "meta_insights_hourly",
    "insights_breakdown": "meta_insights_breakdown",
}


EDGES = (
    *("/adcreatives", "/activities", "/recommendations"),
    *("/customconversions", "/customaudiences", "/adimages"),
)


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


SYNC = dg.reconstructable(sync_account)
BY_HAND = ReconstructableRepository.for_module(
    "meta_pipeline.definitions", "defs"
).get_reconstructable_job("__ASSET_JOB")
"""Dagster's own job over all assets: what *Materialize* on an asset starts."""


@contextmanager
def run(
    stand: Stand,
    accounts: Sequence[str],
    *,
    only: Sequence[str] = (),
    job: ReconstructableJob = SYNC,
    **chosen: Mapping[str, object],
) -> Iterator[dg.JobExecutionResult]:
    """One run of accounts; `only` are the assets that were chosen by hand."""
    with dg.execute_job(
        job,
        instance=stand.instance,
        tags={
            "dagster/asset_partition_range_start": accounts[0],
            "dagster/asset_partition_range_end": accounts[0],
        },
        run_config=run_config(accounts={"ids": list(accounts)}, **chosen),
        asset_selection=[dg.AssetKey(["meta", name]) for name in only] or None,
        raise_on_error=False,
    ) as result:
        yield result


def rows(stand: Stand, query: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(stand.database_url) as connection:
        return connection.execute(query, values).fetchall()


def stored(stand: Stand, name: str) -> dict[str, int]:
    """Rows of an extra's table by account."""
    query = f"SELECT account_id, count(*) FROM meta_ads.{TABLES[name]} GROUP BY 1"
    return {str(account): int(str(count)) for account, count in rows(stand, query)}


def asked(stand: Stand) -> list[str]:
    """Which account was asked for what only an extra asks for; a business is none."""
    return [
        str(entry.account_id)
        for entry in stand.sim.journal
        if entry.account_id is not None
        and (entry.path.endswith(EDGES) or "breakdowns" in entry.params)
    ]


def metadata(stand: Stand, name: str) -> Mapping[str, dg.MetadataValue]:
    event = stand.instance.get_latest_materialization_event(dg.AssetKey(["meta", name]))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata


def observed(stand: Stand, name: str) -> list[str]:
    """What the asset's observations say, newest first."""
    records = stand.instance.fetch_observations(dg.AssetKey(["meta", name]), limit=10).records
    return [str(one.asset_observation and one.asset_observation.description) for one in records]


def switch_on(stand: Stand, monkeypatch: pytest.MonkeyPatch, account_id: str) -> None:
    monkeypatch.setenv("META_CREATIVES", account_id)
    monkeypatch.setenv("META_ACTIVITIES", account_id)
    monkeypatch.setenv("META_RECOMMENDATIONS", account_id)
    monkeypatch.setenv("META_CUSTOM_CONVERSIONS", account_id)
    monkeypatch.setenv("META_CUSTOM_AUDIENCES", account_id)
    monkeypatch.setenv("META_IMAGES", account_id)
    monkeypatch.setenv("META_HOURLY", account_id)
    monkeypatch.setenv("META_BREAKDOWNS", "age,gender")
    monkeypatch.setenv("META_BREAKDOWN_ACCOUNTS", account_id)


def something_happens(stand: Stand, account_id: str) -> None:
    ad = next(iter(stand.sim.world.objects("ads", account_id)))
    stand.sim.world.rename(ad.id, "Renamed")


def test_what_is_off_costs_no_call_and_leaves_no_event(stand: Stand) -> None:
    with run(stand, [stand.good]) as result:
        assert result.success
    assert asked(stand) == []
    for name in EXTRAS:
        assert stand.materialized(name, stand.good) == 0
        assert observed(stand, name) == []
        assert stored(stand, name) == {}
    assert rows(stand, "SELECT count(*) FROM meta_ads.sync_runs") == [(2,)]


def test_what_is_on_for_one_account_of_two_comes_for_it_alone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    on, off = stand.accounts[2], stand.accounts[0]
    switch_on(stand, monkeypatch, on)
    something_happens(stand, on)
    with run(stand, [off, on]) as result:
        assert result.success
    assert set(asked(stand)) == {on}
    for name in EXTRAS:
        assert stored(stand, name).keys() == {on}, name
        assert [stand.materialized(name, account) for account in (off, on)] == [0, 1], name
        told = metadata(stand, name)
        assert told["rows_read"].value == stored(stand, name)[on], name
        assert int(str(told["calls"].value)) >= 1
        assert int(str(told["rows_written"].value)) >= 1
    told, held = metadata(stand, "creatives"), stored(stand, "creatives")[on]
    assert told["dagster/partition_row_count"].value == held


def test_extras_come_after_the_numbers_that_everybody_reads(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(stand, monkeypatch, stand.good)
    with run(stand, [stand.good]) as result:
        assert result.success
    scopes = [
        str(scope)
        for (scope,) in rows(stand, "SELECT scope FROM meta_ads.sync_runs ORDER BY started_at")
    ]
    assert scopes == ["ads,adsets,campaigns", "insights", *scopes[2:]]
    assert set(scopes[2:]) == set(EXTRAS)


def test_what_is_fresh_is_not_read_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    switch_on(stand, monkeypatch, stand.good)
    for _ in range(2):
        with run(stand, [stand.good]) as result:
            assert result.success
    calls = rows(
        stand,
        "SELECT scope, array_agg(meta_call_count_total > 0 ORDER BY started_at) "
        "FROM meta_ads.sync_runs WHERE scope = ANY (%s) GROUP BY scope",
        list(EXTRAS),
    )
    assert {str(scope): made for scope, made in calls} == {name: [True, False] for name in EXTRAS}


def test_an_extra_that_fails_is_red_alone(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    switch_on(stand, monkeypatch, stand.good)
    stand.sim.fail("GET", "/adcreatives", with_=Fault.graph_error(2635), times=None)
    with run(stand, [stand.good]) as result:
        assert not result.success
        why = result.failure_data_for_node("entity_extras")
        tags = stand.instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
        steps = {event.step_key for event in result.get_step_failure_events()}
    assert steps == {"entity_extras"}
    assert "creatives: " in str(why and why.error)
    assert tags["meta_pipeline/creatives_fail"] == stand.good
    assert "meta_pipeline/fail" not in tags
    assert stand.failed("creatives") == {stand.good}
    for name in (*PLAIN, "activities", "insights_hourly", "insights_breakdown"):
        assert stand.materialized(name, stand.good) == 1, name
        assert stand.failed(name) == set(), name


def test_an_extra_that_fails_neither_delays_the_account_nor_shows_in_its_health(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_CREATIVES", "all")
    stand.sim.fail("GET", "/adcreatives", with_=Fault.graph_error(2635), times=None)
    with run(stand, [stand.good]) as result:
        assert not result.success
    assert rows(stand, "SELECT count(*) FROM meta_ads.sync_runs WHERE status = 'fail'") == [(1,)]
    with Warehouse(stand.database_url) as warehouse, warehouse.connection() as connection:
        (state,) = rotation_states(connection, datetime.now(UTC))
    assert (state.last_status, state.failures) == ("success", 0)
    health = rows(stand, "SELECT last_status, last_error FROM meta_ads.sync_health")
    assert health == [("success", None)]


def test_extras_of_an_account_that_failed_are_not_tried(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("META_CREATIVES", "META_HOURLY"):
        monkeypatch.setenv(name, "all")
    with run(stand, [stand.closed, stand.good]) as result:
        assert not result.success
        steps = {event.step_key for event in result.get_step_failure_events()}
    assert steps == {"entities", "insights"}, "said once, by those that failed"
    assert set(asked(stand)) == {stand.good}
    for name in ("creatives", "insights_hourly"):
        assert stand.failed(name) == {stand.closed}
        assert stand.materialized(name, stand.good) == 1


def test_extras_wait_first_when_quota_is_tight(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(stand, monkeypatch, stand.good)
    tight = UsageReading(
        scope="insights_account",
        key=stand.good,
        use_case="ads_insights",
        usage_pct=65,
        read_at=datetime.now(UTC),
        regain_at=None,
        source="x-fb-ads-insights-throttle",
    )
    with Warehouse(stand.database_url) as warehouse:
        warehouse.migrate()
        warehouse.usage.remember([tight])
    with run(stand, [stand.good]) as result:
        assert result.success, "what may wait is no failure"
        tags = stand.instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
    assert asked(stand) == []
    assert stand.materialized("insights", stand.good) == 1
    for name in EXTRAS:
        assert stand.materialized(name, stand.good) == 0
        assert tags[f"meta_pipeline/{name}_throttled"] == stand.good
        (told,) = observed(stand, name)
        assert "because it can wait" in told


def test_by_hand_an_extra_comes_for_any_account(stand: Stand) -> None:
    with run(stand, [stand.good], only=EXTRAS[:3], job=BY_HAND) as result:
        assert result.success
    for name in EXTRAS[:3]:
        assert stand.materialized(name, stand.good) == 1


def test_by_hand_breakdowns_are_named_in_the_launchpad(stand: Stand) -> None:
    only = ["insights_breakdown"]
    with run(stand, [stand.good], only=only, job=BY_HAND) as result:
        assert not result.success
        assert "which breakdowns?" in str(result.failure_data_for_node("insight_extras"))
    tables, days = {"tables": ["gender"]}, {"preset": "yesterday"}
    with run(stand, [stand.good], only=only, job=BY_HAND, breakdowns=tables, days=days) as result:
        assert result.success
    ledger = rows(stand, "SELECT DISTINCT dataset FROM meta_ads.sync_windows")
    assert ledger == [("breakdown:gender",)]


def test_materialize_all_is_no_wish_for_extras(stand: Stand) -> None:
    with run(stand, [stand.good], only=["campaigns", "creatives"], job=BY_HAND) as result:
        assert result.success
    assert asked(stand) == []
    (told,) = observed(stand, "creatives")
    assert f"Off for {stand.good} by META_CREATIVES" in told
    assert "materialize this asset by itself" in told
