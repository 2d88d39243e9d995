"""From what is wrong in the tables and in Dagster to a message in the channel, tick by tick."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from meta_pipeline.orchestration.defs.alerts import OFF, alerts, failed_runs
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline_tests.alerts.catchers import Hook, hook
from meta_pipeline_tests.orchestration.assets.test_metric_assets import run as sync
from meta_pipeline_tests.orchestration.conftest import TOKEN, Stand
from meta_pipeline_tests.orchestration.instances import instance

__all__ = ["instance"]


@dg.op
def break_down() -> None:
    raise ValueError(f"no route to https://graph.test/me?access_token={TOKEN}")


@dg.op
def go_well() -> None: ...


@dg.job(name="maintenance")
def broken_job() -> None:
    break_down()


@dg.job(name="maintenance")
def mended_job() -> None:
    go_well()


class Ticks:
    """The two sensors with a clock of their own; `tick` gives what the UI shows of the tick."""

    def __init__(self, instance: dg.DagsterInstance, database_url: str) -> None:
        self.instance = instance
        self.database_url = database_url
        self.now = datetime.now(UTC)
        self.cursor: str | None = None
        self.look()

    def tick(self, minutes: float = 0) -> str:
        self.now += timedelta(minutes=minutes)
        context = dg.build_sensor_context(instance=self.instance)
        skipped: Any = alerts(context, warehouse=WarehouseResource(), clock=lambda: self.now)
        assert isinstance(skipped, dg.SkipReason)
        return str(skipped.skip_message)

    def look(self) -> str:
        """A tick of sensor `failed_runs`, as the daemon evaluates it; gives what the UI shows."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"warehouse": WarehouseResource(), "clock": lambda: self.now},
        ) as context:
            done = failed_runs.evaluate_tick(context)
        assert done.cursor is not None
        self.cursor = done.cursor
        return str(done.skip_message)

    @property
    def recorded(self) -> list[str]:
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(
                "SELECT cause FROM meta_ads.alerts WHERE source = 'runs' ORDER BY cause"
            ).fetchall()
        return [str(row[0]) for row in rows]

    def forget(self) -> None:
        """No problem is open or was."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("DELETE FROM meta_ads.alerts")


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as caught:
        monkeypatch.setenv("META_ALERT_WEBHOOK_URL", caught.url)
        monkeypatch.setenv("META_DAGSTER_UI_URL", "http://dagster.test")
        yield caught


@pytest.fixture
def ticks(stand: Stand) -> Ticks:
    return Ticks(stand.instance, stand.database_url)


def test_without_a_channel_the_sensor_says_how_to_get_one(ticks: Ticks) -> None:
    assert ticks.tick() == OFF


def test_half_a_configuration_is_named(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_ALERT_EMAIL_TO", "ops@test")
    with pytest.raises(Exception, match="META_ALERT_EMAIL_SERVER is not"):
        ticks.tick()


def test_a_failing_account_is_told_and_told_again_when_it_is_well(
    ticks: Ticks, slack: Hook, stand: Stand
) -> None:
    assert ticks.tick() == "Nothing has changed."
    stand.read(stand.good)
    for _ in range(2):
        with sync(stand, stand.closed) as result:
            assert not result.success
        ticks.look()
        assert ticks.recorded == []
    with psycopg.connect(stand.database_url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts"
            " (account_id, name, last_listed_at, data_as_of, first_seen_at)"
            " VALUES (%s, 'Closed to us', now(), now(), now()) ON CONFLICT DO NOTHING",
            [stand.closed],
        )
    assert ticks.tick(minutes=1) == "webhook: told 1 new, 0 back to normal."
    (text,) = slack.texts
    assert "[simulated data]" in text
    assert f"Sync failing: Closed to us ({stand.closed})" in text
    assert (
        f"http://dagster.test/assets/meta/insights?view=partitions&amp;partition={stand.closed}"
        in (text.replace("&partition", "&amp;partition"))
    )
    assert ticks.tick(minutes=90) == "Nothing has changed."
    with psycopg.connect(stand.database_url) as connection:
        connection.execute(
            "UPDATE meta_ads.sync_runs SET status = 'success' WHERE account_id = %s",
            [stand.closed],
        )
    ticks.tick(minutes=1)
    assert ticks.tick(minutes=15) == "webhook: told 0 new, 1 back to normal."
    assert "Back to normal: Closed to us" in slack.texts[1]


def test_a_run_that_nothing_explains_is_told_with_its_link_and_ends_when_the_job_runs(
    ticks: Ticks, slack: Hook, stand: Stand
) -> None:
    result = broken_job.execute_in_process(instance=ticks.instance, raise_on_error=False)
    assert "1 failed run looked at, 1 recorded in the alerts" in ticks.look()
    ticks.tick()
    (text,) = slack.texts
    assert "Run failed: maintenance" in text
    assert "no route to" in text
    assert TOKEN not in text
    assert f"http://dagster.test/runs/{result.run_id}" in text
    ticks.tick(minutes=70)
    ticks.now = datetime.now(UTC)
    assert mended_job.execute_in_process(instance=ticks.instance).success
    ticks.tick(minutes=1)
    ticks.tick(minutes=90)
    assert "Back to normal: maintenance" in slack.texts[1]


def test_a_run_that_dagster_starts_again_is_not_told_yet(ticks: Ticks, slack: Hook) -> None:
    result = broken_job.execute_in_process(
        instance=ticks.instance, raise_on_error=False, tags={"dagster/will_retry": "true"}
    )
    assert result.run_id
    assert "1 failed run looked at, 0 recorded in the alerts" in ticks.look()
    ticks.tick()
    assert slack.posted == []


def test_a_sync_that_could_not_even_start_is_told(
    ticks: Ticks, slack: Hook, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_BACKFILL_DAYS", "many")
    with pytest.raises(Exception, match="resource_fn"), sync(stand, stand.good):
        pass
    monkeypatch.setenv("META_BACKFILL_DAYS", "3")
    ticks.look()
    ticks.tick()
    (text,) = slack.texts
    assert "Run failed: sync_account" in text
    assert "META_BACKFILL_DAYS" in text


def test_a_dead_webhook_is_said_in_the_tick(ticks: Ticks, slack: Hook) -> None:
    slack.status = 500
    result = broken_job.execute_in_process(instance=ticks.instance, raise_on_error=False)
    assert not result.success
    ticks.look()
    assert "not delivered, 127.0.0.1 answered HTTP 500" in ticks.tick()
    slack.status = 200
    assert ticks.tick(minutes=1) == "webhook: told 1 new, 0 back to normal."


def test_no_tick_asks_meta(ticks: Ticks, slack: Hook, stand: Stand) -> None:
    stand.read(stand.good)
    before = len(stand.sim.journal)
    ticks.tick()
    assert len(stand.sim.journal) == before
