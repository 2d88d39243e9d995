"""Requests served by real runs: asked, claimed by the sensor, synced, told to the asker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import dagster as dg
import psycopg
import pytest

from meta_pipeline.model.part import Part
from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs.sync_requests import sync_requests as sensor
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.orchestration.runs.requested import CLAIM_TAG, run_request, runs_of
from meta_pipeline.sync import Extras
from meta_pipeline.sync_requests import RunState, Wish, ask, claims
from meta_pipeline.warehouse import SyncRequestRow, Warehouse
from meta_pipeline_tests.orchestration.conftest import Stand
from meta_pipeline_tests.orchestration.instances import in_postgres, statements
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync_requests.rows import NOW, row


def sync_account() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_account")


def sync_named_objects() -> dg.JobDefinition:
    return build_defs().resolve_job_def("sync_named_objects")


JOBS = {"sync_account": sync_account, "sync_named_objects": sync_named_objects}


@pytest.fixture
def opened(stand: Stand) -> Iterator[Warehouse]:
    """The tables, with the accounts that Meta lists."""
    with Warehouse(stand.database_url) as warehouse:
        warehouse.accounts.upsert_listed(
            [
                {"account_id": one.id, "name": one.id, "is_simulated": True}
                for one in stand.sim.world.accounts()
            ],
            utc_now(),
        )
        yield warehouse


def tick(stand: Stand) -> list[dg.RunRequest]:
    resources = {"warehouse": WarehouseResource(stand.database_url), "clock": utc_now}
    with dg.build_sensor_context(instance=stand.instance, resources=resources) as context:
        found = sensor(context)
    return list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []


def execute(stand: Stand, request: dg.RunRequest) -> None:
    """Run it as the daemon would, with the tags it gives a run of one partition."""
    tags = dict(request.tags)
    if request.partition_key:
        tags["dagster/partition"] = request.partition_key
    selection = request.asset_selection
    with dg.execute_job(
        dg.reconstructable(JOBS[str(request.job_name)]),
        instance=stand.instance,
        tags=tags,
        run_config=request.run_config,
        asset_selection=list(selection) if selection else None,
        raise_on_error=False,
    ):
        pass


def wish(opened: Warehouse, account_id: str, **given: object) -> SyncRequestRow:
    wanted = Wish(account_id, **given)  # type: ignore[arg-type]
    return ask(opened, wanted, source="web", requested_by="ana", now=utc_now())


def state(opened: Warehouse, one: SyncRequestRow) -> SyncRequestRow:
    found = opened.sync_requests.get(one.request_id)
    assert found is not None
    return found


def test_ten_presses_are_one_run_one_sync_and_ten_outcomes(stand: Stand, opened: Warehouse) -> None:
    pressed = [wish(opened, stand.good) for _ in range(10)]
    (request,) = tick(stand)
    assert (request.job_name, request.partition_key) == ("sync_account", stand.good)
    assert tick(stand) == []
    execute(stand, request)
    assert tick(stand) == []
    for one in pressed:
        done = state(opened, one)
        assert (done.state, done.outcome) == ("done", "success")
    assert stand.materialized("ads", stand.good) == 1
    calls = len(stand.sim.journal)
    assert calls > 0
    late = wish(opened, stand.good)
    (again,) = tick(stand)
    execute(stand, again)
    assert tick(stand) == []
    assert state(opened, late).state == "done"
    assert len(stand.sim.journal) == calls, "what was read a moment ago is fresh enough"


def test_named_objects_are_read_alone_and_a_bad_account_costs_no_other(
    stand: Stand, opened: Warehouse
) -> None:
    ads = stand.sim.world.objects("ads", stand.good)
    good = wish(opened, stand.good, objects={Part.ADS: [ads[0].id]})
    (hidden, *_) = stand.sim.world.objects("ads", stand.closed)
    bad = wish(opened, stand.closed, objects={Part.ADS: [hidden.id]})
    (request,) = tick(stand)
    assert request.job_name == "sync_named_objects"
    run = stand.instance.create_run_for_job(
        sync_named_objects(), run_config=request.run_config, tags=dict(request.tags)
    )
    assert in_flight(stand.instance).accounts == {stand.good, stand.closed}
    stand.instance.delete_run(run.run_id)
    execute(stand, request)
    assert tick(stand) == []
    assert state(opened, good).outcome == "success"
    assert state(opened, bad).state == "failed"
    assert state(opened, bad).message
    with psycopg.connect(stand.database_url) as connection:
        rows = connection.execute("SELECT ad_id FROM meta_ads.meta_ads").fetchall()
    assert rows == [(ads[0].id,)]


def test_a_range_is_read_as_asked() -> None:
    first, last = date(2026, 11, 1), date(2026, 11, 3)
    rows = [
        row("r1", account, parts=["insights"], since=first, until=last, force=True)
        for account in ("act_1", "act_2")
    ]
    (claim,) = claims(rows, NOW)
    request = run_request(claim, Extras(), "sync_account")
    chosen = {name: one["config"] for name, one in request.run_config["resources"].items()}
    assert chosen == {
        "freshness": {"force": True},
        "accounts": {"ids": ["act_1", "act_2"]},
        "days": {"since": "2026-11-01", "until": "2026-11-03"},
    }
    assert request.asset_selection is not None
    assert dg.AssetKey(["meta", "ads"]) not in request.asset_selection
    assert dg.AssetKey(["meta", "insights"]) in request.asset_selection
    assert request.tags["dagster/priority"] == "10"


def test_the_runs_of_all_open_claims_are_one_question(
    postgres: TestPostgres, dagster_template: str
) -> None:
    done, going = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
    with (
        postgres.fresh_database(dagster_template) as url,
        dg.instance_for_test(overrides=in_postgres(url)) as instance,
    ):
        expected = {}
        for claim in (f"claim{number}" for number in range(9)):
            # Started again: both have the tag, and the newest one counts.
            for status in (done, going):
                run = dg.DagsterRun("sync_account", tags={CLAIM_TAG: claim}, status=status)
                instance.add_run(run)
                expected[claim] = RunState(run.run_id, is_finished=False)
        with statements(instance) as asked:
            assert runs_of(instance, [*expected, "claim of no run"]) == expected
            assert runs_of(instance, []) == {}
        assert len(asked) == 1
