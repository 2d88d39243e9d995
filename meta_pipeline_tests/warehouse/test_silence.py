"""A server that lets us in and then says nothing: no statement waits for it without end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from urllib.parse import urlsplit

import psycopg
import pytest

from meta_pipeline.warehouse import (
    CannotTell,
    DatabaseUnfit,
    Warehouse,
    WarehouseUnavailable,
    create_dagster_schema,
    dagster_schema,
    silence,
)
from meta_pipeline.warehouse.connect import Patience

# `warehouse.connect` is the function, too.
connecting = import_module("meta_pipeline.warehouse.connect")
warehouses = import_module("meta_pipeline.warehouse.warehouse")
SHORT = Patience(statement_seconds=0.3, lock_seconds=0.1)


class Frozen:
    """A way to Postgres that swallows what is sent from the moment `is_frozen` is set."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.is_frozen = threading.Event()
        port = self._listener.getsockname()[1]
        self.url = parts._replace(
            netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        ).geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self.is_frozen.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def frozen(database_url: str) -> Iterator[Frozen]:
    way = Frozen(database_url)
    yield way
    way.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(silence, "CONNECT_TIMEOUT_SECONDS", 0.2)
    # libpq takes no less.
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(warehouses, "POOL_TIMEOUT_SECONDS", 0.5)


def test_a_statement_waits_no_longer_than_it_may_run(frozen: Frozen) -> None:
    connection = connecting.connect(frozen.url, application_name="asks", patience=SHORT)
    with connection, connection.transaction():
        connection.execute("SELECT 1")
        frozen.is_frozen.set()
        with pytest.raises(psycopg.errors.QueryCanceled, match="nothing for"):
            connection.execute("SELECT 1")
        assert connection.closed


def test_whoever_asks_the_warehouse_cannot_tell(frozen: Frozen) -> None:
    def ask() -> None:
        with warehouse.connection() as connection:
            connection.execute("SELECT 1")
            frozen.is_frozen.set()
            connection.execute("SELECT 1")

    with Warehouse(frozen.url, patience=SHORT) as warehouse, pytest.raises(CannotTell):
        ask()


def test_a_connection_that_lay_in_the_pool_meanwhile_keeps_nobody(frozen: Frozen) -> None:
    with Warehouse(frozen.url, patience=SHORT) as warehouse:
        with warehouse.connection() as connection:
            connection.execute("SELECT 1")
        frozen.is_frozen.set()
        with pytest.raises(WarehouseUnavailable), warehouse.connection():
            pass


def test_many_statements_have_no_more_time_together(database_url: str) -> None:
    patience = Patience(statement_seconds=20, lock_seconds=1).within(0.8)
    began: list[int] = []

    def ask() -> None:
        with warehouse.connection() as connection:
            for number in range(30):
                began.append(number)
                connection.execute("SELECT pg_sleep(0.4)")

    with Warehouse(database_url, patience=patience) as warehouse:
        with pytest.raises(CannotTell):
            ask()
        assert len(began) < 5


def test_whoever_goes_on_after_that_cannot_tell_either(frozen: Frozen) -> None:
    def ask() -> None:
        with warehouse.connection() as connection:
            connection.execute("SELECT 1")
            frozen.is_frozen.set()
            with suppress(psycopg.Error):
                connection.execute("SELECT 1")
            connection.execute("SELECT 1")

    with Warehouse(frozen.url, patience=SHORT) as warehouse, pytest.raises(CannotTell):
        ask()


def test_an_answer_that_takes_its_time_is_waited_for(database_url: str) -> None:
    patience = Patience(statement_seconds=2, lock_seconds=1)
    with connecting.connect(database_url, application_name="asks", patience=patience) as connection:
        connection.execute("SELECT pg_sleep(0.3)")
        rows = connection.execute("SELECT * FROM generate_series(1, 20000)").fetchall()
        with connection.cursor().copy("COPY (SELECT generate_series(1, 9)) TO STDOUT") as copy:
            assert len(list(copy)) == 9
    assert len(rows) == 20_000


def test_where_dagsters_tables_go_is_not_asked_for_ever(
    frozen: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_dagster_schema(frozen.url)
    monkeypatch.setattr(dagster_schema, "_ANSWER_SECONDS", 0.2)
    frozen.is_frozen.set()
    with pytest.raises(DatabaseUnfit, match=r"schema dagster through .* said nothing for"):
        dagster_schema.refuse_unreachable_schema(frozen.url)
