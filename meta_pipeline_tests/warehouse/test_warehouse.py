"""The pool: lazy, bounded, transactional, and back after Postgres was away."""

from __future__ import annotations

import threading
from datetime import UTC

import psycopg
import pytest

import meta_pipeline.warehouse
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

from .rows import insert, select


def test_it_connects_when_first_used() -> None:
    Warehouse("postgresql://nobody@127.0.0.1:1/none").close()


def test_success_commits_and_an_error_rolls_back(warehouse: Warehouse) -> None:
    def broken() -> None:
        with warehouse.connection() as connection:
            insert(connection, "schema_views", view_name="b", digest="x")
            raise RuntimeError

    with warehouse.connection() as connection:
        insert(connection, "schema_views", view_name="a", digest="x")
    with pytest.raises(RuntimeError):
        broken()
    with warehouse.connection() as connection:
        query = "SELECT view_name FROM schema_views WHERE digest = 'x'"
        assert select(connection, query) == ["a"]


def test_times_are_utc_and_the_connection_is_named(database_url: str) -> None:
    with (
        Warehouse(database_url, application_name="x" * 99) as warehouse,
        warehouse.connection() as connection,
    ):
        ((now, name),) = select(connection, "SELECT now(), current_setting('application_name')")
    assert now.tzinfo is UTC or str(now.tzinfo) == "UTC"
    assert name == "x" * 63


def test_many_threads_share_few_connections(database_url: str) -> None:
    with Warehouse(database_url, application_name="few", max_connections=2) as warehouse:
        barrier = threading.Barrier(2, timeout=PATIENCE_SECONDS)
        seen: list[int] = []

        def work() -> None:
            with warehouse.connection() as connection:
                barrier.wait()
                seen.extend(select(connection, "SELECT pg_backend_pid()"))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == 6
    assert len(set(seen)) == 2


def test_a_connection_that_died_is_replaced(warehouse: Warehouse, database_url: str) -> None:
    with warehouse.connection() as connection:
        (pid,) = select(connection, "SELECT pg_backend_pid()")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with warehouse.connection() as connection:
        assert select(connection, "SELECT pg_backend_pid()") != [pid]


def test_it_opens_again_after_close(warehouse: Warehouse) -> None:
    for _ in range(2):
        with warehouse.connection() as connection:
            assert select(connection, "SELECT 1") == [1]
        warehouse.close()


def test_the_public_names_are_sorted_and_there() -> None:
    names = meta_pipeline.warehouse.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(meta_pipeline.warehouse, name) for name in names)
