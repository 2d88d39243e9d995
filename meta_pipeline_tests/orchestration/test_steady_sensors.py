"""No sensor stands still for ever because of one item, and one that fails is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import text

from meta_pipeline.alerts import ConditionKind
from meta_pipeline.definitions import defs
from meta_pipeline.orchestration.failures import runs
from meta_pipeline.orchestration.failures.runs import UNREADABLE
from meta_pipeline.orchestration.failures.ticks import failing_ticks
from meta_pipeline.orchestration.resources import WarehouseResource, utc_now
from meta_pipeline.orchestration.runs.in_flight import in_flight
from meta_pipeline.warehouse import dagster_url
from meta_pipeline_tests.orchestration.instances import (
    in_postgres,
    statements,
    stored_instance,
)
from meta_pipeline_tests.orchestration.test_alerts import Ticks, broken_job
from meta_pipeline_tests.postgres import TestPostgres, rows_touched

NOW = datetime.now(UTC)
EXPLAIN = """
    INSERT INTO meta_ads.sync_runs
        (sync_run_id, account_id, scope, started_at, finished_at, status, dagster_run_id)
    VALUES (%s, 'act_1', 'entities', now(), now(), 'fail', %s)
"""


@pytest.fixture
def database_url(postgres: TestPostgres, dagster_template: str) -> Iterator[str]:
    with postgres.fresh_database(dagster_template) as url:
        yield url


@pytest.fixture
def dagster_home(database_url: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's tables in Postgres, as they are in every deployment."""
    with dg.instance_for_test(overrides=in_postgres(database_url)) as instance:
        yield instance


@pytest.fixture
def ticks(
    dagster_home: dg.DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Ticks:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return Ticks(dagster_home, database_url)


def failed(ticks: Ticks, **tags: str) -> str:
    """A run that failed, as the daemon reports one whose worker is gone."""
    run = dg.DagsterRun(job_name="maintenance", tags=tags, status=dg.DagsterRunStatus.STARTED)
    ticks.instance.add_run(run)
    ticks.instance.report_run_failed(run, "its worker is gone")
    return run.run_id


def explained(ticks: Ticks) -> None:
    run_id = failed(ticks)
    with psycopg.connect(ticks.database_url) as connection:
        connection.execute(EXPLAIN, (run_id, run_id))


def unexplained(ticks: Ticks) -> None:
    failed(ticks)


def retried(ticks: Ticks) -> None:
    failed(ticks, **{"dagster/will_retry": "true"})


def vanished(ticks: Ticks) -> None:
    run_id = failed(ticks)
    change(ticks, "DELETE FROM runs WHERE run_id = :run", run_id)


def unreadable_run(ticks: Ticks) -> None:
    run_id = failed(ticks)
    change(ticks, "UPDATE runs SET run_body = '{' WHERE run_id = :run", run_id)


def unreadable_event(ticks: Ticks) -> None:
    run_id = failed(ticks)
    body = '{"__class__": "OfANewerVersion"}'
    change(
        ticks,
        f"UPDATE event_logs SET event = '{body}' "
        "WHERE run_id = :run AND dagster_event_type = 'PIPELINE_FAILURE'",
        run_id,
    )


def unreadable_step(ticks: Ticks) -> None:
    done = broken_job.execute_in_process(instance=ticks.instance, raise_on_error=False)
    run_id = done.run_id
    change(
        ticks,
        "UPDATE event_logs SET event = '[1]' "
        "WHERE run_id = :run AND dagster_event_type = 'STEP_FAILURE'",
        run_id,
    )


def change(ticks: Ticks, statement: str, run_id: str) -> None:
    storage = ticks.instance.event_log_storage
    with storage.index_connection() as connection:  # type: ignore[attr-defined]
        assert connection.execute(text(statement), {"run": run_id}).rowcount
        connection.commit()


KINDS = (explained, unexplained, retried, vanished, unreadable_run, unreadable_event)
TOLD = {unexplained: "its worker is gone", unreadable_run: UNREADABLE, unreadable_event: UNREADABLE}
"""What is recorded of each; failures of one job are one problem, and so are those of none."""


RING = [*zip(KINDS, (*KINDS[1:], KINDS[0]), strict=True)]
"""Each outcome is once the first and once the second of a tick."""


@pytest.mark.parametrize(
    "pairs",
    [RING, pytest.param([*itertools.permutations(KINDS, 2)], marks=pytest.mark.slow)],
    ids=["a ring", "all"],
)
def test_every_order_of_outcomes_in_one_tick(
    ticks: Ticks, pairs: list[tuple[Callable[[Ticks], None], Callable[[Ticks], None]]]
) -> None:
    """Pairs of outcomes meet in one tick, in both orders; the next tick finds nothing left."""
    for pair in pairs:
        ticks.forget()
        for happen in pair:
            happen(ticks)
        said = ticks.look()
        assert "2 failed runs looked at" in said, pair
        expected = {TOLD[one] for one in pair if one in TOLD}
        assert len(ticks.recorded) == len(expected), pair
        assert all(any(word in cause for cause in ticks.recorded) for word in expected), pair
        assert "No run has failed" in ticks.look()


def test_a_step_that_cannot_be_read_hides_no_run(ticks: Ticks) -> None:
    unreadable_step(ticks)
    unexplained(ticks)
    assert "2 failed runs looked at, 2 recorded in the alerts" in ticks.look()


def test_a_tick_looks_at_no_more_runs_than_it_may_however_many_cannot_be_read(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS_A_TICK", 4)
    for happen in (unexplained, unreadable_event, unexplained) * 3:
        happen(ticks)
    looks = [ticks.look().partition(" looked at")[0] for _ in range(4)]
    assert looks[:3] == ["4 failed runs", "4 failed runs", "1 failed run"]
    assert "No run has failed" in looks[3]


def test_a_database_that_is_away_loses_no_failure(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    unexplained(ticks)
    before = ticks.cursor
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Exception, match="cannot be used"):
        ticks.look()
    assert ticks.cursor == before
    monkeypatch.setenv("DATABASE_URL", ticks.database_url)
    assert "1 recorded in the alerts" in ticks.look()


def test_a_cursor_that_cannot_be_read_begins_anew(ticks: Ticks) -> None:
    for cursor in (None, "", "{", "[]", '{"record_id": null}', "later"):
        ticks.cursor = cursor
        assert "from now on" in ticks.look()
        unexplained(ticks)
        assert "1 recorded in the alerts" in ticks.look()


def test_the_cursor_of_the_version_before_is_gone_on_from(ticks: Ticks) -> None:
    ticks.cursor = f'{{"__class__": "RunStatusSensorCursor", "record_id": {ticks.cursor}}}'
    unexplained(ticks)
    assert "1 recorded in the alerts" in ticks.look()


TYPED: list[dict[str, object]] = [
    {"resources": None},
    {"resources": []},
    {"resources": {"accounts": None}},
    {"resources": {"accounts": {"config": None}}},
    {"resources": {"accounts": {"config": {"ids": None}}}},
    {"resources": {"accounts": {"config": {"ids": {"env": "HOME"}}}}},
    {"resources": {"accounts": {"config": {"ids": [{"env": "HOME"}, "act_1"]}}}},
]


def test_whatever_somebody_typed_the_rotation_goes_on() -> None:
    with stored_instance() as instance:
        for config in TYPED:
            instance.add_run(
                dg.DagsterRun(
                    job_name="sync_account", run_config=config, status=dg.DagsterRunStatus.STARTED
                )
            )
        assert in_flight(instance).accounts == {"act_1"}


def test_a_run_that_cannot_be_read_hides_no_other(ticks: Ticks) -> None:
    for body in ("good", "bad"):
        run = dg.DagsterRun(
            job_name="sync_account",
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": f"act_{body}"},
        )
        ticks.instance.add_run(run)
    change(ticks, "UPDATE runs SET run_body = '{' WHERE run_id = :run", run.run_id)
    assert in_flight(ticks.instance).accounts == {"act_good"}


def note_ticks(
    instance: dg.DagsterInstance, name: str, kind: InstigatorType, *outcomes: TickStatus
) -> None:
    """A sensor or schedule that is on, and its ticks, oldest first."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(), location_name="meta_pipeline")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    data = (
        SensorInstigatorData()
        if kind is InstigatorType.SENSOR
        else ScheduleInstigatorData("* * * * *")
    )
    state = InstigatorState(origin, kind, InstigatorStatus.DECLARED_IN_CODE, data)
    instance.add_instigator_state(state)
    for minute, status in enumerate(outcomes):
        error = SerializableErrorInfo("token=EAAsecretsecretsecret is gone", [], "ValueError")
        instance.create_tick(
            TickData(
                origin.get_id(),
                name,
                kind,
                status,
                (NOW - timedelta(minutes=len(outcomes) - minute)).timestamp(),
                error=error if status is TickStatus.FAILURE else None,
                run_ids=[],
                selector_id=state.selector_id,
            )
        )


FAIL, GOOD, SKIP, NOW_RUNNING = (
    TickStatus.FAILURE,
    TickStatus.SUCCESS,
    TickStatus.SKIPPED,
    TickStatus.STARTED,
)


OUTCOMES = [
    ((FAIL, FAIL), True),
    ((GOOD, FAIL, FAIL, NOW_RUNNING), True),
    ((SKIP, FAIL), False),
    ((FAIL, GOOD, FAIL), False),
    ((FAIL, FAIL, SKIP), False),
    ((FAIL,), False),
    ((), False),
]


def test_what_fails_twice_in_a_row_is_told() -> None:
    expected = set()
    with stored_instance() as instance:
        for kind, (number, (outcomes, is_told)) in itertools.product(
            (InstigatorType.SENSOR, InstigatorType.SCHEDULE), enumerate(OUTCOMES)
        ):
            name = f"{kind.name.lower()}_{number}"
            note_ticks(instance, name, kind, *outcomes)
            expected |= {f"{kind.name.lower()} {name}"} if is_told else set()
        found = failing_ticks(instance, NOW)
        assert {one.subject for one in found} == expected
        assert {one.kind for one in found} == {ConditionKind.TICK}
        assert not any("EAA" in one.cause for one in found)
        assert failing_ticks(instance, NOW + timedelta(days=3)) == []


def test_ticks_are_looked_at_the_same_in_postgres_however_many_were_kept(
    dagster_home: dg.DagsterInstance, database_url: str
) -> None:
    expected = set()
    several = [one for one in OUTCOMES if len(one[0]) > 1]
    for number, (outcomes, is_told) in enumerate(several):
        note_ticks(dagster_home, f"sensor_{number}", InstigatorType.SENSOR, *outcomes)
        expected |= {f"sensor sensor_{number}"} if is_told else set()
    of_dagster = dagster_url(database_url).replace("+psycopg2", "")
    with psycopg.connect(of_dagster) as connection:
        connection.execute(
            "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)"
            " SELECT job_origin_id, selector_id, status, type,"
            " timestamp - n * interval '1 hour', tick_body"
            " FROM job_ticks, generate_series(1, 500) AS n"
        )
        connection.execute("ANALYZE job_ticks")
        connection.commit()
        with statements(dagster_home) as asked:
            assert {one.subject for one in failing_ticks(dagster_home, NOW)} == expected
        of_ticks = [one for one in asked if "FROM job_ticks" in one[0]]
        touched = [rows_touched(connection, *one, table="job_ticks") for one in of_ticks]
        # Three of each, and no sensor is asked about by itself.
        assert sum(touched) <= 3 * len(several)
        assert len(touched) == 1


def test_every_sensor_of_ours_survives_a_world_of_nonsense(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_ALERT_LOG", "true")
    for happen in (*KINDS, unreadable_step):
        happen(ticks)
    note_ticks(ticks.instance, "next_stale_account", InstigatorType.SENSOR, FAIL, FAIL)
    with psycopg.connect(ticks.database_url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.alerts (alert_key, source, kind, subject, grade, cause,"
            " what_to_do, opened_at, changed_at)"
            " VALUES ('x', 'new', 'of a newer version', 's', 9, 'c', 'w', now(), now())"
        )
    repository = defs.get_repository_def()
    assert {one.name for one in repository.sensor_defs} == {
        *("next_stale_account", "failed_runs", "alerts", "overview", "sync_requests")
    }
    for sensor in repository.sensor_defs:
        with dg.build_sensor_context(
            instance=ticks.instance,
            cursor=ticks.cursor if sensor.name == "failed_runs" else None,
            repository_def=repository,
            resources={"warehouse": WarehouseResource(), "clock": utc_now},
        ) as context:
            done = sensor.evaluate_tick(context)
        assert done.skip_message or done.run_requests, sensor.name
        if sensor.name == "alerts":
            assert "log: told" in str(done.skip_message)
