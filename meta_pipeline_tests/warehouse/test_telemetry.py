"""Telemetry: on record whatever happens to the sync, and never in its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from meta_pipeline.warehouse import TelemetryWriter, Warehouse
from meta_pipeline_tests.processes import CHILDREN
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until

from .pooler import Pooler
from .rows import MORNING, select

LONG = 3600.0


def attempt(number: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "account_id": "act_1",
        "endpoint_key": "ads_list",
        "status_code": 200,
        "throttled": False,
        "latency_ms": 12.5,
        "retry_count": number,
        "usage_headers": {"X-App-Usage": '{"call_count":1}'},
        "timestamp": MORNING,
        "sync_run_id": "run1",
    } | values


def logged(warehouse: Warehouse, what: str = "retry_count") -> list[Any]:
    with warehouse.connection() as connection:
        return select(connection, f"SELECT {what} FROM meta_api_logs ORDER BY id")


def test_rows_are_written_when_asked_and_when_closed(warehouse: Warehouse) -> None:
    writer = TelemetryWriter(warehouse.url, flush_seconds=LONG)
    writer.log(attempt(1))
    writer.log(attempt(2))
    assert writer.flush()
    assert logged(warehouse) == [1, 2]
    writer.log(attempt(3))
    writer.close()
    assert logged(warehouse) == [1, 2, 3]
    assert (writer.lost, writer.waiting) == (0, 0)


def test_it_can_be_used_again_after_close(warehouse: Warehouse) -> None:
    writer = TelemetryWriter(warehouse.url, flush_seconds=LONG)
    for number in range(3):
        with writer:
            writer.log(attempt(number))
    assert logged(warehouse) == [0, 1, 2]


def test_every_column_arrives(warehouse: Warehouse) -> None:
    row = attempt(
        query_shape="level=ad days=7",
        params_hash="abc",
        method="GET",
        status_code=400,
        error_code=17,
        error_subcode=2446079,
        error_message="User request limit reached\x00",
        fbtrace_id="trace",
        throttled=True,
        response_size_bytes=2**40,
        rows=0,
        page_size=500,
        weighted_cost=3.5,
        no_such_column="ignored",
    )
    with TelemetryWriter(warehouse.url) as writer:
        writer.log(row)
    (found,) = logged(
        warehouse,
        "error_code, error_message, throttled, response_size_bytes, weighted_cost, usage_headers",
    )
    assert found == (
        *(17, "User request limit reached", True, 2**40, 3.5),
        {"x-app-usage": '{"call_count":1}'},
    )


def test_what_is_missing_gets_its_default(warehouse: Warehouse) -> None:
    before = datetime.now(UTC)
    with TelemetryWriter(warehouse.url) as writer:
        writer.log({"account_id": None})
        writer.log({"throttled": None, "endpoint_key": None, "timestamp": MORNING})
    first, second = logged(warehouse, "endpoint_key, throttled, timestamp")
    assert first[:2] == second[:2] == ("unknown", False)
    assert before <= first[2] <= datetime.now(UTC)


@pytest.mark.parametrize("header", ["not json", '{"cut": ', "", "\ud800", '"quo\x00te"', {"a": 1}])
def test_headers_can_always_be_read_as_json(warehouse: Warehouse, header: Any) -> None:
    with TelemetryWriter(warehouse.url) as writer:
        writer.log(attempt(usage_headers={"X-Ad-Account-Usage": header}))
    read = "(usage_headers ->> 'x-ad-account-usage')::jsonb ->> 'acc_id_util_pct'"
    assert logged(warehouse, read) == [None]
    assert writer.lost == 0


def test_a_rolled_back_sync_keeps_its_log(warehouse: Warehouse) -> None:
    def failing() -> None:
        with TelemetryWriter(warehouse.url) as writer, warehouse.connection() as connection:
            writer.log(attempt(1))
            connection.execute("DELETE FROM schema_views")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert logged(warehouse) == [1]


def test_a_full_batch_does_not_wait(warehouse: Warehouse) -> None:
    with TelemetryWriter(warehouse.url, flush_seconds=LONG, batch_rows=10) as writer:
        for number in range(10):
            writer.log(attempt(number))
        _eventually(lambda: len(logged(warehouse)) == 10)


def test_rows_go_out_by_themselves(warehouse: Warehouse) -> None:
    with TelemetryWriter(warehouse.url, flush_seconds=0.01) as writer:
        writer.log(attempt(1))
        _eventually(lambda: logged(warehouse) == [1])
        writer.log(attempt(2))
        _eventually(lambda: logged(warehouse) == [1, 2])


def test_many_threads(warehouse: Warehouse) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 200):
            writer.log(attempt(number))

    with TelemetryWriter(warehouse.url, batch_rows=50) as writer:
        threads = [threading.Thread(target=work, args=(1000 * one,)) for one in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = logged(warehouse)
    assert len(found) == len(set(found)) == 1600
    assert writer.lost == 0


@pytest.mark.parametrize(
    "bad", [{"status_code": "not a number"}, {"timestamp": "no time"}, {"rows": object()}]
)
def test_one_row_that_does_not_fit_costs_only_itself(
    warehouse: Warehouse, bad: dict[str, Any]
) -> None:
    with TelemetryWriter(warehouse.url, flush_seconds=LONG) as writer:
        for number in range(5):
            writer.log(attempt(number, **(bad if number == 2 else {})))
    assert logged(warehouse) == [0, 1, 3, 4]
    assert writer.lost == 1


def test_without_postgres_the_buffer_is_bounded_and_the_loss_is_counted() -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/db"
    writer = TelemetryWriter(url, flush_seconds=LONG, batch_rows=5, buffer_rows=20)
    for number in range(50):
        writer.log(attempt(number))
    assert not writer.flush()
    assert (writer.lost, writer.waiting) == (30, 20)
    writer.close()
    assert writer.lost == 50


def test_the_password_is_not_in_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    with TelemetryWriter("postgresql://u:hunter2@127.0.0.1:1/db", flush_seconds=LONG) as writer:
        writer.log(attempt())
    assert "API log" in caplog.text
    assert "hunter2" not in caplog.text


def test_it_comes_back_when_postgres_does(warehouse: Warehouse) -> None:
    with line_to(warehouse.url) as (url, cut, mend):
        writer = TelemetryWriter(url, flush_seconds=LONG)
        writer.log(attempt(1))
        assert writer.flush()
        cut()
        writer.log(attempt(2))
        assert not writer.flush()
        writer.log(attempt(3))
        mend()
        assert writer.flush()
        writer.close()
    assert logged(warehouse) == [1, 2, 3]
    assert writer.lost == 0


def test_kill_9_loses_nothing_that_was_flushed(warehouse: Warehouse) -> None:
    """Every interval what was logged is written, by a process that never closes or stops."""
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=_log_for_ever, args=(warehouse.url, 0.05, theirs))
    child.start()
    last = ours.recv()
    wait_until(lambda: last in logged(warehouse), "an interval passes")
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    kept = logged(warehouse)
    assert kept == list(range(len(kept)))
    assert last in kept


def _log_for_ever(url: str, interval_seconds: float, pipe: Connection) -> None:
    writer = TelemetryWriter(url, flush_seconds=interval_seconds)
    number = 0
    pause = threading.Event()
    while True:
        writer.log(attempt(number))
        if number == 20:
            pipe.send(number)
        number += 1
        pause.wait(0.005)


def test_a_process_that_forgets_to_close_loses_nothing(warehouse: Warehouse) -> None:
    script = (
        "import sys\n"
        "from meta_pipeline.warehouse import TelemetryWriter\n"
        "writer = TelemetryWriter(sys.argv[1], flush_seconds=3600)\n"
        "for number in range(3): writer.log({'retry_count': number})\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, warehouse.url], check=True, timeout=PATIENCE_SECONDS
    )
    assert logged(warehouse) == [0, 1, 2]


def _eventually(is_true: Any) -> None:
    wait_until(is_true, "the log is written")


@contextmanager
def line_to(url: str) -> Iterator[tuple[str, Any, Any]]:
    """A URL of the server that can be cut (nobody connects, open sessions die) and mended."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    target = (parts.hostname, parts.port)
    lines = [Pooler(target, shares=False)]
    port = lines[0].port
    netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"

    def cut() -> None:
        lines[-1].close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )

    def mend() -> None:
        lines.append(Pooler(target, shares=False, port=port))

    try:
        yield parts._replace(netloc=netloc).geturl(), cut, mend
    finally:
        lines[-1].close()


def test_the_interval_is_at_most_a_second_by_default() -> None:
    assert timedelta(seconds=TelemetryWriter("postgresql://h/db")._flush_seconds) <= timedelta(
        seconds=1
    )
