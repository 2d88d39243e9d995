"""The schedule and the job that take care of connections, as Dagster runs them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.build import build_defs
from meta_pipeline.orchestration.defs import schedules
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline_tests.connections.place import KEY, Place, place_of


@pytest.fixture
def place(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place_of(database_url) as found:
        settings = found.book.access.settings
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("META_GRAPH_URL", found.sim.url)
        monkeypatch.setenv("META_ACCESS_TOKEN", found.sim.token)
        monkeypatch.setenv("META_APP_ID", str(settings.app_id))
        monkeypatch.setenv("META_APP_SECRET", found.sim.tokens.app.secret)
        monkeypatch.setenv("META_TOKEN_KEYS", KEY)
        yield found


def tick(place: Place, instance: dg.DagsterInstance) -> Any:
    context = dg.build_schedule_context(instance=instance)
    return schedules.connection_care(context, warehouse=WarehouseResource(), clock=place.clock.now)


def run(place: Place, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    def clock() -> datetime:
        return place.clock.now()

    job = build_defs({"clock": clock}).resolve_job_def("connection_care")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def facts(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [one for one in result.all_events if one.is_successful_output]
    return {name: one.value for name, one in output.step_output_data.metadata.items()}


def test_a_token_is_renewed_by_the_schedule_and_what_failed_is_said(place: Place) -> None:
    with dg.instance_for_test() as instance:
        assert tick(place, instance).skip_message == "No connection needs anything now."
        row = place.book.add(token := place.issue())
        assert isinstance(tick(place, instance), dg.SkipReason)
        place.pass_days(45)
        assert isinstance(tick(place, instance), dg.RunRequest)
        unfinished = instance.create_run_for_job(build_defs().resolve_job_def("connection_care"))
        assert "still at it" in tick(place, instance).skip_message
        instance.report_run_failed(unfinished)
        result = run(place, instance)
        assert result.success
        assert facts(result)["renewed"] == 1
        renewed = place.row(row.connection_id)
        assert renewed.renewed_at == place.clock.now()
        assert not place.works(token)
        assert isinstance(tick(place, instance), dg.SkipReason)
        place.sim.tokens.expire(place.book.token(renewed))
        place.pass_days(1)
        found = facts(run(place, instance))
        assert (found["looked_at"], found["not_renewed"]) == (1, 0)
        assert place.row(row.connection_id).state == "expired"
        said = repr(instance.all_logs(result.run_id))
    for secret in (token, KEY.partition(":")[2], place.sim.tokens.app.secret):
        assert secret not in said


def test_accounts_that_a_deletion_took_lose_their_partition(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = place.book.add(place.issue(user_id="4711", accounts=place.ids[:1]))
    with psycopg.connect(place.warehouse.url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_callbacks (confirmation_code, kind, request_hash, app_id, "
            "user_id, issued_at, received_at, attempts) "
            "VALUES ('c', 'data_deletion', 'h', %s, '4711', %s, %s, 0)",
            (row.app_id, place.clock.now(), place.clock.now()),
        )
    monkeypatch.delenv("META_ACCESS_TOKEN")
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("ad_account", place.ids)
        assert isinstance(tick(place, instance), dg.RunRequest)
        assert facts(run(place, instance))["requests_carried_out"] == 1
        assert sorted(instance.get_dynamic_partitions("ad_account")) == sorted(place.ids[1:])


def test_a_key_that_is_wrong_fails_the_run_with_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_TOKEN_KEYS", "nonsense")
    with dg.instance_for_test() as instance:
        result = run(place, instance)
        assert not result.success
        assert "META_TOKEN_KEYS" in repr(instance.all_logs(result.run_id))
