"""The account's lock: one holder, told who, free the moment the holder is gone."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

import psycopg
import pytest

from meta_pipeline.warehouse import (
    AccountBusy,
    PoolerUnsupported,
    Warehouse,
    WarehouseUnavailable,
    account_lock,
)
from meta_pipeline.warehouse.locks import lock_holder
from meta_pipeline_tests.processes import CHILDREN
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .pooler import pooler
from .rows import insert, select

NOBODY = (None, None, None)


def test_the_second_is_told_who_holds_it(warehouse: Warehouse) -> None:
    with account_lock(warehouse.url, "act_1", holder="sync run7 on web-1"):
        with (
            pytest.raises(AccountBusy) as raised,
            account_lock(warehouse.url, "act_1", holder="another"),
        ):
            pass
        with warehouse.connection() as connection:
            found = lock_holder(connection, "act_1")
    assert raised.value.account_id == "act_1"
    assert raised.value.holder == "sync run7 on web-1"
    assert raised.value.since is not None
    assert timedelta() <= datetime.now(UTC) - raised.value.since < timedelta(minutes=1)
    assert "is being synced by sync run7 on web-1 since" in str(raised.value)
    assert found == (raised.value.holder, None, raised.value.since)


def test_other_accounts_are_free(warehouse: Warehouse) -> None:
    with (
        account_lock(warehouse.url, "act_1", holder="one"),
        account_lock(warehouse.url, "act_2", holder="two"),
        warehouse.connection() as connection,
    ):
        assert lock_holder(connection, "act_3") == NOBODY


def test_it_is_free_again_afterwards_and_after_an_error(warehouse: Warehouse) -> None:
    def broken() -> None:
        with account_lock(warehouse.url, "act_1", holder="one") as connection:
            with connection.transaction():
                insert(connection, "schema_views", view_name="a", digest="x")
            connection.execute("BEGIN")
            connection.execute("SELECT 1/0")

    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            broken()
        with warehouse.connection() as connection:
            assert lock_holder(connection, "act_1") == NOBODY
            connection.execute("DELETE FROM schema_views WHERE view_name = 'a'")


def test_slices_are_committed_through_the_holding_connection(warehouse: Warehouse) -> None:
    with account_lock(warehouse.url, "act_1", holder="one") as connection:
        for name in ("a", "b"):
            with connection.transaction():
                insert(connection, "schema_views", view_name=name, digest="x")
        with warehouse.connection() as other:
            query = "SELECT count(*) FROM schema_views WHERE digest = 'x'"
            assert select(other, query) == [2]
            assert select(connection, "SHOW timezone") == ["UTC"]


def test_ten_at_once(warehouse: Warehouse) -> None:
    start, end = threading.Barrier(10, timeout=PATIENCE_SECONDS), threading.Barrier(10)
    outcomes: list[str] = []

    def work(number: int) -> None:
        start.wait()
        try:
            with account_lock(warehouse.url, "act_1", holder=f"thread {number}"):
                outcomes.append("held")
                end.wait()
        except AccountBusy:
            outcomes.append("busy")
            end.wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 9 + ["held"]


@pytest.mark.parametrize("query", [None, "SELECT pg_sleep(100)"])
def test_a_killed_holder_frees_it(warehouse: Warehouse, query: str | None) -> None:
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=_hold, args=(warehouse.url, query, theirs))
    child.start()
    assert ours.recv() == "held"
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        # The server looks for its client every two seconds; it may be late on a busy machine.
        connection.execute("SET lock_timeout = '60s'")
        connection.execute("SELECT pg_advisory_lock(hashtextextended('meta_ads:sync:act_1', 0))")
        assert lock_holder(connection, "act_1") != NOBODY


def _hold(url: str, query: str | None, pipe: Connection) -> None:
    with account_lock(url, "act_1", holder="doomed") as connection:
        pipe.send("held")
        if query:
            connection.execute(query)
        pipe.recv()


def test_a_lost_connection_loses_lock_and_writes_together(warehouse: Warehouse) -> None:
    def cut_off() -> None:
        with (
            account_lock(warehouse.url, "act_1", holder="cut off") as connection,
            connection.transaction(),
        ):
            insert(connection, "schema_views", view_name="a", digest="x")
            with warehouse.connection() as other:
                pid = connection.info.backend_pid
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            connection.execute("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        cut_off()
    with warehouse.connection() as connection:
        assert lock_holder(connection, "act_1") == NOBODY
        assert select(connection, "SELECT * FROM schema_views WHERE digest = 'x'") == []


def test_a_pooler_that_shares_sessions_is_refused(warehouse: Warehouse) -> None:
    with (
        pooler(warehouse.url, shares=True) as url,
        pytest.raises(PoolerUnsupported, match="transaction mode") as raised,
        account_lock(url, "act_1", holder="one"),
    ):
        pass
    assert "session mode" in str(raised.value)


def test_a_pooler_in_session_mode_will_do(warehouse: Warehouse) -> None:
    with (
        pooler(warehouse.url, shares=False) as url,
        account_lock(url, "act_1", holder="one"),
        pytest.raises(AccountBusy, match="by one since"),
        account_lock(warehouse.url, "act_1", holder="two"),
    ):
        pass


def test_no_server_at_all() -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/db"
    with pytest.raises(WarehouseUnavailable), account_lock(url, "act_1", holder="one"):
        pass
