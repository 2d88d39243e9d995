"""The exporter over a real socket, and the dashboard that reads it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import uvicorn
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from meta_pipeline.reports import exporter
from meta_pipeline.reports.exporter import (
    KEEP_SECONDS,
    THIS_MACHINE,
    WarehouseCollector,
    exporter_app,
)
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import TokenRow, Warehouse
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .conftest import Morning

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(warehouse: Warehouse, **options: Any) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # from here on a request waits for the server instead of failing
        config = uvicorn.Config(
            exporter_app(warehouse, **options), log_level="warning", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def scraped(morning: Morning) -> dict[str, Metric]:
    with Warehouse(morning.url) as warehouse, serving(warehouse) as url:
        answer = requests.get(f"{url}/metrics", timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(metric: Metric, label: str) -> dict[str, float]:
    return {one.labels[label]: one.value for one in metric.samples}


def test_requests_are_counted_by_code(scraped: dict[str, Metric], morning: Morning) -> None:
    found = values(scraped["metaads_api_requests"], "code")
    assert sum(found.values()) == morning.scalar("SELECT count(*) FROM meta_ads.meta_api_logs")
    refused = morning.scalar("SELECT count(*) FROM meta_ads.meta_api_logs WHERE throttled")
    assert sum(count for code, count in found.items() if code.endswith("/2446079")) == refused == 2


def test_runs_rows_and_waits(scraped: dict[str, Metric], morning: Morning) -> None:
    assert values(scraped["metaads_sync_runs"], "status") == {
        "success": len(morning.records) - len(morning.throttled),
        "throttled": len(morning.throttled),
    }
    loaded = values(scraped["metaads_rows_loaded"], "kind")
    assert loaded["insights"] == sum(one.insights_rows_written for one in morning.records)
    assert loaded["entities"] == sum(one.entity_rows_written for one in morning.records)
    waited = sum(values(scraped["metaads_wait_seconds"], "reason").values())
    told = [one.not_before - one.finished_at for one in morning.throttled
            if one.not_before and one.finished_at]  # fmt: skip
    assert waited == pytest.approx(sum(one.total_seconds() for one in told), abs=0.01)


def test_ages_of_every_account(scraped: dict[str, Metric]) -> None:
    samples = scraped["metaads_data_age_seconds"].samples
    assert len(samples) == 3 * 2
    assert {one.labels["table"] for one in samples} == {"entities", "insights"}
    assert all(0 < one.value < float("inf") for one in samples)


def test_never_synced_is_infinitely_old(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, is_accessible, last_listed_at, "
            "is_simulated, first_seen_at, data_as_of) "
            "VALUES ('act_1', true, now(), false, now(), now())"
        )
        connection.execute(
            "INSERT INTO meta_ads.usage_readings (scope, key, use_case, usage_pct, read_at) "
            "VALUES ('account', 'act_1', 'ads_insights', 97, now()), "
            "('app', 'app', '', 12, now() - interval '2 hours')"
        )
    found = {one.name: one for one in WarehouseCollector(warehouse).collect()}
    ages = {one.labels["table"]: one.value for one in found["metaads_data_age_seconds"].samples}
    assert ages == {"entities": float("inf"), "insights": float("inf")}
    (quota,) = found["metaads_quota_usage_ratio"].samples  # readings older than an hour are nothing
    assert quota.labels == {"account": "act_1", "kind": "account:ads_insights"}
    assert quota.value == pytest.approx(0.97)


def test_of_an_account_that_is_left_out_no_age_is_told(warehouse: Warehouse) -> None:
    """Its age would be an alarm for ever."""
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, is_accessible, last_listed_at, "
            "is_simulated, first_seen_at, data_as_of) "
            "SELECT 'act_' || n, true, now(), false, now(), now() FROM generate_series(1, 3) AS n"
        )
    settings = Settings.load(
        env_file=None, include_accounts="act_1,act_2", exclude_accounts="act_2"
    )
    collector = WarehouseCollector(warehouse, leaves_out=settings.leaves_out)
    labels = {
        sample.labels["account"]
        for metric in collector.collect()
        for sample in metric.samples
        if "account" in sample.labels
    }
    assert labels == {"act_1"}


def token(**given: Any) -> TokenRow:
    known: dict[str, Any] = {
        "token_key": "0123456789abcdef",
        "app_id": "900",
        "is_valid": True,
        "scopes": ["ads_read"],
        "missing_scopes": [],
        "checked_at": datetime(2026, 11, 22, 14, 20, tzinfo=UTC),
    }
    return TokenRow(**(known | given))


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({}, {"token": float("inf"), "data_access": float("inf")}),
        (
            {"expires_at": datetime(2026, 12, 1, tzinfo=UTC)},
            {"token": 1796083200.0, "data_access": float("inf")},
        ),
        (
            {"expires_at": datetime(2026, 12, 1, tzinfo=UTC), "is_valid": False},
            {"token": 0, "data_access": 0},
        ),
    ],
)
def test_the_end_of_the_token(
    warehouse: Warehouse, given: dict[str, Any], ends: dict[str, float]
) -> None:
    warehouse.tokens.save(token(**given))
    found = {one.name: one for one in WarehouseCollector(warehouse).collect()}
    metric = found["metaads_token_expires_timestamp_seconds"]
    assert values(metric, "kind") == ends
    labels = [{name: one.labels[name] for name in ("app", "token")} for one in metric.samples]
    assert labels == [{"app": "900", "token": "0123456789abcdef"}] * 2


def test_names_follow_the_conventions(scraped: dict[str, Metric]) -> None:
    for name, family in scraped.items():
        assert name.startswith("metaads_")
        assert not re.search(r"_(ms|pct|minutes|hours)$", name)
        if family.type == "counter":
            assert all(one.name.endswith("_total") for one in family.samples)
        assert family.documentation


def test_scrapes_within_seconds_cost_one_read(warehouse: Warehouse) -> None:
    now = 100.0
    collector = WarehouseCollector(warehouse, clock=lambda: now)

    def runs() -> float:
        return sum(
            sample.value
            for one in collector.collect()
            if one.name == "metaads_sync_runs"
            for sample in one.samples
        )

    assert runs() == 0
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.sync_runs (sync_run_id, account_id, scope, started_at, status) "
            "VALUES ('a', 'act_1', 'ads', now(), 'success')"
        )
    assert runs() == 0
    now += KEEP_SECONDS
    assert runs() == 1


class Counting(Warehouse):
    """Counts how often it is looked at."""

    looks = 0

    def connection(self) -> Any:
        self.looks += 1
        return super().connection()


def test_a_look_that_fails_is_not_made_again_by_everybody_who_waited_for_it(
    database_url: str,
) -> None:
    """And the process lives meanwhile, however many wait: else it would be restarted."""
    asked = 60
    quick = Patience(statement_seconds=60, lock_seconds=0.5)
    with (
        psycopg.connect(database_url) as other,
        Counting(database_url, patience=quick) as warehouse,
        serving(warehouse) as url,
        ThreadPoolExecutor(asked) as scrapers,
    ):
        other.execute("LOCK meta_ads.meta_ad_accounts IN ACCESS EXCLUSIVE MODE")
        scrapes = [
            scrapers.submit(requests.get, f"{url}/metrics", timeout=PATIENCE_SECONDS)
            for _ in range(asked)
        ]
        assert requests.get(f"{url}/healthy", timeout=PATIENCE_SECONDS).text == "ok\n"
        assert {one.result().status_code for one in scrapes} == {503}
    assert warehouse.looks <= 3, "each of them would have waited for the lock in turn"


def test_all_statements_of_a_look_have_five_seconds_together(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_TIMEOUT_SECONDS", 0.3)
    with Warehouse(database_url) as warehouse, warehouse.connection() as connection:
        look = exporter._Look(connection)
        look.connection.execute("SELECT pg_sleep(0.2)")
        with pytest.raises(psycopg.errors.QueryCanceled):
            look.connection.execute("SELECT pg_sleep(0.2)")
        connection.rollback()


def test_without_a_database_the_target_is_down() -> None:
    with Warehouse("postgresql://nobody@127.0.0.1:9/none") as warehouse, serving(warehouse) as url:
        answer = requests.get(f"{url}/metrics", timeout=PATIENCE_SECONDS)
        alive = requests.get(f"{url}/healthy", timeout=PATIENCE_SECONDS)
    assert answer.status_code == 503
    assert answer.text.startswith("The database does not answer:")
    assert "nobody" not in answer.text, "whom we log in as is not for everybody who may scrape"
    assert alive.text == "ok\n"


def test_the_docs_name_every_metric(scraped: dict[str, Metric]) -> None:
    page = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    exported = {sample.name for one in scraped.values() for sample in one.samples}
    exported |= {name for name, one in scraped.items() if one.type == "gauge"}
    assert {name for name in exported if f"`{name}" not in page} == set()


def test_on_this_machine_no_name_of_anybody_elses_is_answered(morning: Morning) -> None:
    """A web page may let a name of its own lead here, and read what comes back."""
    with Warehouse(morning.url) as warehouse, serving(warehouse, hosts=THIS_MACHINE) as url:
        for name in ("localhost:9108", "127.0.0.1", url.removeprefix("http://")):
            asked = requests.get(f"{url}/healthy", headers={"Host": name}, timeout=PATIENCE_SECONDS)
            assert asked.status_code == 200, name
        for name in ("evil.example", "evil.example:9108", "127.0.0.1.evil.example", "localhost.x"):
            for path in ("/metrics", "/healthy"):
                asked = requests.get(
                    f"{url}{path}", headers={"Host": name}, timeout=PATIENCE_SECONDS
                )
                assert asked.status_code == 400, name
                assert "act_" not in asked.text
