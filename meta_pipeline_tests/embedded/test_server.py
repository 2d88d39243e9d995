"""The embedded server: start, attach, share, keep, stop, forget."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg2
import pytest
from sqlalchemy import create_engine, text

from meta_pipeline.embedded import (
    EmbeddedPostgres,
    ServerInUseError,
    ServerNotCreatedError,
    default_root,
)
from meta_pipeline_tests.embedded.fixtures import (
    Child,
    answers,
    ask,
    empty_root,
    root,
    seed,
    temporary_root,
    use_server,
)

__all__ = ["empty_root", "root", "seed"]

START_TIME = "SELECT pg_postmaster_start_time()"


def test_data_survive_the_server_and_the_url_stays(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        ask(url, "CREATE TABLE kept AS SELECT 'ä🙂' AS letters")
    assert not answers(url)
    with EmbeddedPostgres(root).running() as again:
        assert again == url
        assert ask(again, "SELECT letters FROM kept") == "ä🙂"


def test_a_second_user_attaches_and_the_last_one_out_stops_it(root: Path) -> None:
    first, second = EmbeddedPostgres(root), EmbeddedPostgres(root)
    with first.running() as url:
        began = ask(url, START_TIME)
        with second.running() as attached:
            assert attached == url
            assert ask(attached, START_TIME) == began
            assert first.status().users == 2
        assert answers(url)
    assert not answers(url)


def test_an_exception_in_the_user_still_stops_it(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), EmbeddedPostgres(root).running() as url:
        _ = 1 / 0
    assert not answers(url)


def test_another_process_shares_it_and_may_be_the_last(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        child = Child(use_server, root)
        assert child.hear() == str(ask(url, START_TIME))
    assert answers(url)
    child.tell()
    child.end()
    assert not answers(url)


def test_a_killed_user_counts_no_longer(root: Path) -> None:
    server = EmbeddedPostgres(root)
    with server.running() as url:
        child = Child(use_server, root)
        child.hear()
        assert server.status().users == 2
        child.kill()
        assert server.status().users == 1
    assert not answers(url)


def test_a_server_without_users_is_taken_over(root: Path) -> None:
    child = Child(use_server, root)
    began = child.hear()
    child.kill()
    server = EmbeddedPostgres(root)
    assert server.status().running
    assert server.status().users == 0
    with server.running() as url:
        assert str(ask(url, START_TIME)) == began
    assert not answers(url)


def test_kept_it_stays_until_stopped(root: Path) -> None:
    server = EmbeddedPostgres(root)
    url = server.start(keep=True)
    with EmbeddedPostgres(root).running():
        assert server.status().kept
    assert answers(url)
    server.stop()
    assert not answers(url)
    assert not server.status().kept


def test_started_without_keep_it_belongs_to_its_starter(root: Path) -> None:
    server = EmbeddedPostgres(root)
    url = server.start(keep=False)
    with EmbeddedPostgres(root).running():
        pass
    assert answers(url)
    server.stop()
    assert not answers(url)


def test_stop_and_reset_refuse_while_others_use_it(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        for act in (EmbeddedPostgres(root).stop, EmbeddedPostgres(root).reset):
            with pytest.raises(ServerInUseError, match=rf"pid {os.getpid()}.*--force") as refusal:
                act()
            assert refusal.value.pids == (os.getpid(),)
        assert answers(url)
        EmbeddedPostgres(root).stop(force=True)
        assert not answers(url)


def test_reset_removes_its_own_files_only(empty_root: Path) -> None:
    folder = empty_root / "postgres"
    folder.mkdir(mode=0o755)
    (folder / "notes.txt").write_text("mine")
    server = EmbeddedPostgres(empty_root)
    first_url = server.start()
    server.reset()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert not answers(first_url)
    (folder / "notes.txt").unlink()
    with server.running() as url:
        assert _password(url) != _password(first_url)
    server.reset()
    assert not folder.exists()


def test_reset_and_stop_of_nothing_make_nothing(empty_root: Path) -> None:
    EmbeddedPostgres(empty_root).stop()
    EmbeddedPostgres(empty_root).reset()
    assert list(empty_root.iterdir()) == []


def test_status_changes_nothing_and_hides_the_password(empty_root: Path) -> None:
    server = EmbeddedPostgres(empty_root)
    before = server.status()
    assert (before.running, before.url, before.users) == (False, None, 0)
    assert list(empty_root.iterdir()) == []
    with pytest.raises(ServerNotCreatedError, match="db start"):
        _ = server.url
    with server.running() as url:
        now = server.status()
        assert now.running
        assert now.version.startswith("18.")
        assert now.data_folder == empty_root / "postgres" / "18"
        assert now.url == url.replace(_password(url), "***")
        assert server.url == url


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("wal_compression", "off"),
        ("shared_buffers", "256MB"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "15min"),
        ("work_mem", "32MB"),
        ("timezone", "UTC"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("scram_iterations", "1"),
        ("data_checksums", "on"),
    ],
)
def test_settings(running_url: str, setting: str, value: str) -> None:
    assert ask(running_url, "SELECT current_setting(%s)", setting) == value


def test_text_is_compared_alike_on_every_machine(running_url: str) -> None:
    locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = %s"
    assert ask(running_url, locale, "meta_pipeline") == "b C.UTF-8"
    assert ask(running_url, "SELECT upper('äß')") == "Äß"


def test_the_url_serves_every_client(running_url: str) -> None:
    with psycopg2.connect(running_url) as old_driver, old_driver.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("meta",)
    old_driver.close()
    for driver in ("postgresql+psycopg://", "postgresql+psycopg2://"):
        engine = create_engine(running_url.replace("postgresql://", driver))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_database()")) == "meta_pipeline"
        engine.dispose()


def test_psql_comes_along(running_url: str, module_root: Path) -> None:
    answer = subprocess.run(
        [EmbeddedPostgres(module_root).psql_path, "--csv", "-t", "-c", "SELECT 6 * 7", running_url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "42\n"


def test_only_this_machine_and_only_with_the_password(running_url: str) -> None:
    port = _port(running_url)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(running_url.replace(_password(running_url), "wrong"))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 1)
    rules = "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules"
    assert ask(running_url, rules) == ["scram-sha-256"]


def test_the_password_lies_in_a_private_file(running_url: str, module_root: Path) -> None:
    file = module_root / "postgres" / "password"
    assert file.read_text().strip() == _password(running_url)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(_password(running_url)) >= 32


def test_a_setting_of_the_users_own_wins_and_is_kept(root: Path) -> None:
    with EmbeddedPostgres(root).running() as url:
        ask(url, "ALTER SYSTEM SET work_mem = '64MB'")
    with EmbeddedPostgres(root).running() as url:
        assert ask(url, "SHOW work_mem") == "64MB"


def test_a_database_of_another_name_is_made_on_the_running_server(root: Path) -> None:
    with (
        EmbeddedPostgres(root).running() as url,
        EmbeddedPostgres(root, database='Odd "name"').running() as odd,
    ):
        assert ask(url, "SELECT current_database()") == "meta_pipeline"
        assert ask(odd, "SELECT current_database()") == 'Odd "name"'


def test_variables_of_libpq_do_not_lead_it_astray(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody-knows",
        "PGPASSWORD": "wrong",
        "PGDATABASE": "nowhere",
        "PGOPTIONS": "-c no.such=1 -c work_mem=wrong",
        "PGSSLMODE": "verify-full",
        "PGDATA": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedPostgres(root)
    with server.running():
        assert server.status().running


def test_root_default_is_never_in_a_home_that_others_cannot_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not default_root().is_relative_to("/root")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if os.uname().sysname == "Linux":
        assert default_root() == tmp_path / "meta-pipeline"


def _password(url: str) -> str:
    return url.split(":")[2].split("@", maxsplit=1)[0]


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


@pytest.fixture(scope="module")
def module_root() -> Iterator[Path]:
    with temporary_root() as folder:
        yield folder


@pytest.fixture(scope="module")
def running_url(module_root: Path) -> Iterator[str]:
    with EmbeddedPostgres(module_root).running() as url:
        yield url
