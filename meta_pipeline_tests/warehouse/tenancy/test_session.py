"""A tenant's session lasts one transaction, also where connections are shared."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors

from meta_pipeline.warehouse import TenantsNotApart, TenantUnknown, Warehouse
from meta_pipeline.warehouse.tenancy import begin_session
from meta_pipeline_tests.postgres import TestPostgres, scratch_folder
from meta_pipeline_tests.waiting import wait_until
from meta_pipeline_tests.warehouse.pooler import Pooler

from .two import ACCOUNTS, ALPHA, BETA, NOW, Two, two_tenants

_ROWS = "SELECT array_agg(DISTINCT account_id) FROM meta_ads.meta_insights"


@pytest.fixture(scope="module")
def two(postgres: TestPostgres) -> Iterator[Two]:
    with two_tenants(postgres) as made:
        yield made


def seen(warehouse: Warehouse) -> list[str] | None:
    with warehouse.connection() as connection:
        row = connection.execute(_ROWS).fetchone()
    assert row is not None
    found: list[str] | None = row[0]
    return found


def assert_sessions_last_one_transaction(warehouse: Warehouse) -> None:
    """One shared connection serves everybody in turn, after success and after failure."""
    for tenant, account_id in (*ACCOUNTS.items(), *ACCOUNTS.items()):
        assert seen(warehouse.of_tenant(tenant)) == [account_id]
        with (
            pytest.raises(errors.DivisionByZero),
            warehouse.of_tenant(tenant).connection() as connection,
        ):
            connection.execute("SELECT 1 / 0")
        assert sorted(seen(warehouse) or []) == sorted(ACCOUNTS.values())
        with warehouse.connection() as connection:
            row = connection.execute(
                "SELECT current_setting('meta_ads.tenant', true), current_user = session_user"
            ).fetchone()
        assert row in {("", True), (None, True)}


def test_a_session_of_a_pooled_connection_ends_with_its_transaction(two: Two) -> None:
    with Warehouse(two.warehouse.url, max_connections=1) as warehouse:
        assert_sessions_last_one_transaction(warehouse)


def test_a_session_ends_with_its_transaction_behind_a_pooler(two: Two) -> None:
    server = urlsplit(two.warehouse.url)
    pooler = Pooler((str(server.hostname), int(server.port or 0)), shares=True)
    try:
        netloc = f"{server.netloc.rpartition('@')[0]}@127.0.0.1:{pooler.port}"
        with Warehouse(server._replace(netloc=netloc).geturl(), max_connections=2) as warehouse:
            assert_sessions_last_one_transaction(warehouse)
    finally:
        pooler.close()


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="PgBouncer is not installed")
def test_a_session_ends_with_its_transaction_behind_pgbouncer(two: Two) -> None:
    with pgbouncer(two.warehouse.url) as url, Warehouse(url, max_connections=2) as warehouse:
        assert_sessions_last_one_transaction(warehouse)


def test_a_session_cannot_be_ended_from_inside(two: Two) -> None:
    with two.warehouse.of_tenant(BETA).connection() as connection:
        for end in (connection.commit, connection.rollback):
            with pytest.raises(psycopg.ProgrammingError):
                end()
        with pytest.raises(errors.UndefinedTable), connection.transaction():
            connection.execute("SELECT FROM nothing_of_that_name")
        assert connection.execute(_ROWS).fetchone() == ([ACCOUNTS[BETA]],)


def test_no_session_begins_inside_a_transaction(two: Two) -> None:
    with two.warehouse.connection() as connection:
        connection.execute("SELECT 1")
        with pytest.raises(RuntimeError, match="end the one"), begin_session(connection, BETA):
            pytest.fail("it began")


def test_a_session_that_only_reads_writes_nothing(two: Two) -> None:
    with (
        pytest.raises(errors.ReadOnlySqlTransaction),
        two.warehouse.of_tenant(BETA, read_only=True).connection() as connection,
    ):
        connection.execute("UPDATE meta_ads.account_kpis SET note = 'x'")
    with two.warehouse.of_tenant(BETA).connection() as connection:
        connection.execute("UPDATE meta_ads.account_kpis SET note = 'x'")


@settings(max_examples=25)
@given(
    st.one_of(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        st.sampled_from(["", " ", "alpha ", "ALPHA", "alpha,beta", "%", "alpha'; --", "*", "null"]),
    )
)
def test_whatever_is_no_tenants_name_is_served_nothing(two: Two, name: str) -> None:
    with pytest.raises(TenantUnknown), two.warehouse.tenant_session(name):
        pytest.fail("it was served")


def test_without_a_second_tenant_nothing_is_changed(warehouse: Warehouse) -> None:
    with warehouse.tenant_session("default") as session:
        row = session.connection.execute("SELECT current_user = session_user").fetchone()
    assert row == (True,)
    assert not session.is_enforced
    with warehouse.connection() as connection:
        secured = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relrowsecurity"
        ).fetchone()
    assert secured == (0,)


def test_a_tenant_is_served_nothing_before_tenants_are_kept_apart(warehouse: Warehouse) -> None:
    warehouse.tenants.add("acme", "Acme", NOW)
    with (
        pytest.raises(TenantsNotApart, match="tenants enforce"),
        warehouse.tenant_session("acme"),
    ):
        pytest.fail("it was served")
    with warehouse.tenant_session("default") as session:
        assert not session.is_enforced


def test_a_tenants_warehouse_opens_no_connection_of_its_own(two: Two) -> None:
    with pytest.raises(TypeError):
        _ = two.warehouse.of_tenant(ALPHA).url
    with two.warehouse.of_tenant(ALPHA) as one:
        assert [row.tenant for row in one.tenants.all()] == [ALPHA]
        assert one.tenants.members(BETA) == []
    assert [row.tenant for row in two.warehouse.tenants.all()] == ["default", ALPHA, BETA]


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """A PgBouncer in transaction mode before the server; the URL that leads through it."""
    server = urlsplit(url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(scratch_folder()) / f"pgbouncer-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        (folder / "users").write_text(f'"{server.username}" "{server.password}"\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host={server.hostname} port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
            f"default_pool_size = 1\nlogfile = {folder / 'log'}\n"
        )
        who = "nobody" if os.geteuid() == 0 else None  # root is refused
        for path in (folder, *folder.iterdir()):
            if who is not None:
                shutil.chown(path, who)
        started = subprocess.Popen(
            ["pgbouncer", folder / "ini"], stderr=subprocess.DEVNULL, user=who
        )
        try:
            wait_until(lambda: _answers(port), "PgBouncer listens")
            yield server._replace(
                netloc=f"{server.username}:{server.password}@127.0.0.1:{port}"
            ).geturl()
        finally:
            started.terminate()
            started.wait()
    finally:
        shutil.rmtree(folder)
