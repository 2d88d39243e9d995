"""Databases as administrators leave them: each works, or is refused in one sentence everywhere."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import wait_until
from meta_pipeline_tests.warehouse.places import PASSWORD, Place, new_place, place
from meta_pipeline_tests.warehouse.pooler import pooler

from .database_shell import Shell, shell, sim

__all__ = ["place", "shell", "sim"]

HAS_ROWS = "SELECT count(*) > 0 FROM meta_ads.meta_ads"


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        (
            ("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",),
            "GRANT TEMPORARY ON DATABASE",
        ),
        (("ALTER ROLE {role} SET default_transaction_read_only = on",), "read-only"),
        (("ALTER DATABASE {database} SET default_transaction_read_only = on",), "read-only"),
        (
            (
                "ALTER DATABASE {database} OWNER TO CURRENT_USER",
                "REVOKE CREATE ON DATABASE {database} FROM PUBLIC",
            ),
            "CREATE SCHEMA meta_ads AUTHORIZATION",
        ),
        (
            (
                "ALTER DATABASE {database} OWNER TO CURRENT_USER",
                "CREATE SCHEMA meta_ads",
                "GRANT USAGE ON SCHEMA meta_ads TO {role}",
            ),
            "GRANT USAGE, CREATE ON SCHEMA meta_ads",
        ),
        (
            ("ALTER DATABASE {database} OWNER TO CURRENT_USER", "CREATE SCHEMA meta_ads"),
            "GRANT USAGE, CREATE ON SCHEMA meta_ads",
        ),
        (
            (
                "ALTER DATABASE {database} OWNER TO CURRENT_USER",
                "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC, {role}",
            ),
            "GRANT CONNECT ON DATABASE",
        ),
    ],
    ids=[
        "temporary",
        "role reads",
        "database reads",
        "no schema",
        "closed schema",
        "shut schema",
        "no way in",
    ],
)
def test_what_is_not_allowed_is_one_sentence_of_check_and_sync(
    shell: Shell, place: Place, statements: tuple[str, ...], sentence: str
) -> None:
    place.run(*statements)
    assert sentence in shell.refused(place.url, "check")
    assert sentence in shell.refused(place.url, "sync", "ACT")
    if "temporary" not in sentence.lower():
        assert sentence in shell.refused(place.url, "migrate")
    tables = "SELECT count(*) FROM pg_class WHERE relname = 'meta_ads' AND relkind = 'r'"
    if place.ask(tables) == [(1,)]:
        assert place.ask(HAS_ROWS) == [(False,)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_another_encoding_is_one_sentence_everywhere(
    shell: Shell, postgres: TestPostgres, encoding: str
) -> None:
    with new_place(postgres, encoding=encoding) as found:
        for command in (["check"], ["sync", "ACT"], ["migrate"], ["status"], ["report"]):
            assert f"keeps text as {encoding}" in shell.refused(found.url, *command)


def test_schemas_that_an_administrator_made_will_do(shell: Shell, place: Place) -> None:
    place.run(
        "ALTER DATABASE {database} OWNER TO CURRENT_USER",
        "REVOKE CREATE ON DATABASE {database} FROM PUBLIC",
        "CREATE SCHEMA meta_ads AUTHORIZATION {role}",
        "CREATE SCHEMA dagster AUTHORIZATION {role}",
    )
    assert shell.run(place.url, "check").exit_code == 0
    migrated = shell.run(place.url, "migrate")
    assert migrated.exit_code == 0, migrated.output
    assert shell.run(place.url, "sync", "ACT").exit_code == 0
    assert shell.run(place.url, "check").exit_code == 0


def test_tables_that_an_administrator_made_will_do_with_rights_on_rows(
    shell: Shell, place: Place
) -> None:
    place.run("ALTER DATABASE {database} OWNER TO CURRENT_USER")
    with Warehouse(place.admin_url) as warehouse:
        warehouse.migrate()
    place.run(
        "GRANT USAGE ON SCHEMA meta_ads TO {role}", "CREATE SCHEMA dagster AUTHORIZATION {role}"
    )
    for command in (["check"], ["sync", "ACT"]):
        assert "GRANT SELECT, INSERT, UPDATE" in shell.refused(place.url, *command)
    place.run(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA meta_ads TO {role}",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA meta_ads FROM PUBLIC",
    )
    for command in (["check"], ["sync", "ACT"]):
        assert "GRANT EXECUTE ON ALL FUNCTIONS" in shell.refused(place.url, *command)
    place.run("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA meta_ads TO {role}")
    synced = shell.run(place.url, "sync", "ACT")
    assert synced.exit_code == 0, synced.output
    assert shell.run(place.url, "check").exit_code == 0


@pytest.mark.parametrize("of", ["ROLE {role}", "DATABASE {database}"])
def test_fewer_connections_than_are_needed_are_said(shell: Shell, place: Place, of: str) -> None:
    for most in (1, 2):
        place.run(f"ALTER {of} CONNECTION LIMIT {most}")
        for command in (["check"], ["migrate"]):
            assert f"{most} connections at once" in shell.refused(place.url, *command)
    place.run(f"ALTER {of} CONNECTION LIMIT 3")
    for command in (["migrate"], ["sync", "ACT"], ["check"]):
        result = shell.run(place.url, *command)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("shares", [True, False], ids=["transaction mode", "session mode"])
def test_a_pooler_works_or_is_one_sentence(shell: Shell, place: Place, shares: bool) -> None:
    with Warehouse(place.url) as warehouse:
        warehouse.migrate()
    with pooler(place.url, shares=shares) as url:
        if shares:
            for command in (["check"], ["migrate"], ["sync", "ACT"]):
                assert "pooler in transaction mode" in shell.refused(url, *command)
        else:
            assert shell.run(url, "sync", "ACT").exit_code == 0
            assert shell.run(url, "check").exit_code == 0


PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(place: Place, folder: Path, mode: str) -> Iterator[str]:
    """PgBouncer itself before the place; its URL."""
    assert PGBOUNCER
    server = urlsplit(place.url)
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    folder.chmod(0o755)
    (folder / "users.txt").write_text(f'"{place.role}" "{PASSWORD}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{place.database} = host={server.hostname} port={server.port}\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = plain\nauth_file = {folder}/users.txt\n"
        f"pool_mode = {mode}\nlogfile = /dev/null\nunix_socket_dir =\n"
    )
    arguments = [PGBOUNCER, "-q", "-u", "nobody", str(folder / "pgbouncer.ini")]
    (folder / "users.txt").chmod(0o644)
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), "the pooler listens")
        yield place.url.replace(f":{server.port}/", f":{port}/")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_pgbouncer(shell: Shell, place: Place, mode: str) -> None:
    place.run(
        "ALTER ROLE {role} SET client_encoding = 'LATIN1'",
        "ALTER ROLE {role} SET datestyle = 'German'",
    )
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        with pgbouncer(place, folder, mode) as url:
            if mode != "session":
                for command in (["check"], ["migrate"], ["sync", "ACT"]):
                    assert f"pooler in {mode} mode" in shell.refused(url, *command)
                return
            assert "set DAGSTER_PG_URL to Postgres itself" in shell.refused(url, "migrate")
            synced = shell.run(url, "sync", "ACT")
            assert synced.exit_code == 0, synced.output
            assert "set DAGSTER_PG_URL to Postgres itself" in shell.refused(url, "check")
            shell.set("DAGSTER_PG_URL", place.url)
            assert shell.run(url, "check").exit_code == 0
            migrated = shell.run(url, "migrate")
            assert migrated.exit_code == 0, migrated.output
    finally:
        shutil.rmtree(folder)
