"""Database URLs: every spelling is understood, and no password is shown."""

from __future__ import annotations

import socket

import psycopg
import pytest
import sqlalchemy as sa

from meta_pipeline.warehouse import (
    Warehouse,
    WarehouseError,
    WarehouseUnavailable,
    create_dagster_schema,
    dagster_url,
    normalized,
    redacted,
)
from meta_pipeline.warehouse.urls import options_of


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"]
)
def test_every_spelling_is_one(scheme: str) -> None:
    assert normalized(f" {scheme}://u:p%40@h:5433/db?sslmode=require\n") == (
        "postgresql://u:p%40@h:5433/db?sslmode=require"
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:secret@h/db", "begins with 'mysql'"),
        ("sqlite:///file.db", "Only Postgres is supported"),
        ("localhost", "begins with 'no scheme'"),
        ("", "postgresql://user:password@host:5432/database"),
        ("postgresql://[::1", "cannot be read"),
    ],
)
def test_another_database_is_refused(url: str, words: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        normalized(url)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h/db",
        "postgresql://u@h/db?sslmode=require&options=-cjit%3Doff",
        "postgresql://u@h/db?application_name=ours",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://u:p@h1:5432,h2:5433/db",
    ],
)
def test_dagsters_url(url: str) -> None:
    given = sa.make_url(dagster_url(url))
    options = str(given.query["options"]).split()
    assert given.drivername == "postgresql+psycopg2"
    assert {"-csearch_path=dagster", "-ctimezone=UTC", "-cstatement_timeout=0"} <= set(options)
    assert ("-cjit=off" in options) == ("jit" in url)
    assert given.query["client_encoding"] == "UTF8"
    assert given.query["application_name"] == ("ours" if "ours" in url else "dagster")
    assert options_of(dagster_url(dagster_url(url))) == options_of(dagster_url(url))


def test_dagster_notices_a_server_that_is_gone_within_a_minute(postgres_url: str) -> None:
    engine = sa.create_engine(dagster_url(postgres_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        held = connection.connection.driver_connection
        assert held is not None
        used = held.get_dsn_parameters()
        with socket.fromfd(held.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire:
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            each = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            times = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert idle + each * times <= 60
    assert int(used["tcp_user_timeout"]) <= 60_000
    assert int(used["connect_timeout"]) <= 10
    given = options_of(dagster_url(f"{postgres_url}?keepalives_idle=5"))
    assert given["keepalives_idle"] == "5"


def test_dagster_lives_in_its_own_schema(postgres_url: str) -> None:
    create_dagster_schema(postgres_url)
    create_dagster_schema(postgres_url)
    engine = sa.create_engine(dagster_url(postgres_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE runs (a int)"))
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT to_regclass('dagster.runs')").fetchone()
        assert found == ("dagster.runs",)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("postgresql://u:se@cret@h/db?password=secret", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://h/db?password=secret", "postgresql://h/db"),
        ("postgresql://[u:secret", "postgresql://***"),
        ("postgresql://u:p@ss:w@h1:1,h2:2/d", "postgresql://u:***@h1:1,h2:2/d"),
        ("postgresql:///d?host=/run&user=u&password=p", "postgresql:///d?host=/run"),
        ("postgresql://u:Secr3t/db", "postgresql://***/db"),
        ("host=h password=secret", "password=*** host=h"),
        ("host=h password=sec ret", "a database URL that cannot be read"),
        ("u:secret", "a database URL that cannot be read"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_an_unreachable_server_is_told_at_once_and_without_the_password() -> None:
    warehouse = Warehouse("postgresql://u:hunter2@127.0.0.1:1/db?password=hunter2")
    with pytest.raises(WarehouseUnavailable) as raised, warehouse.connection():
        pass
    assert "127.0.0.1:1" in str(raised.value)
    assert "meta-pipeline db start" in str(raised.value)
    assert "hunter2" not in f"{raised.value}{raised.value!r}{warehouse!r}"


def test_a_wrong_password_is_not_repeated(postgres_url: str) -> None:
    user, _, rest = postgres_url.partition("@")
    wrong = f"{user.rpartition(':')[0]}:hunter2@{rest}"
    with pytest.raises(WarehouseUnavailable, match="password authentication failed") as raised:
        Warehouse(wrong).migrate()
    assert "hunter2" not in str(raised.value)
