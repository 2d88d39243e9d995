"""`meta-pipeline db`, as a person types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meta_pipeline import settings
from meta_pipeline.cli import app
from meta_pipeline.embedded import EmbeddedPostgres, binaries
from meta_pipeline_tests.embedded.fixtures import (
    answers,
    ask,
    empty_root,
    root,
    seed,
)

__all__ = ["empty_root", "root", "seed"]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.fixture
def data(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("META_PIPELINE_DATA", str(root))
    return root


def db(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["db", *arguments], input=typed)


def db_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with real standard streams, which psql writes to."""
    program = "from meta_pipeline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "db", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_start_use_stop(data: Path) -> None:
    started = db("start")
    assert started.exit_code == 0
    assert "meta:***@127.0.0.1" in started.stdout
    url = db("url").stdout.strip()
    assert ask(url, "SELECT current_database()") == "meta_pipeline"
    assert "running       yes, until meta-pipeline db stop" in db("status").stdout
    assert db("stop").exit_code == 0
    assert not answers(url)
    stopped = db("status")
    assert "running       no" in stopped.stdout
    assert str(data / "postgres" / "18") in stopped.stdout


def test_only_url_shows_the_password(data: Path) -> None:
    db("start")
    password = EmbeddedPostgres(data).url.split(":")[2].split("@")[0]
    assert password in db("url").stdout
    for command in ("start", "status", "stop", "status"):
        assert password not in db(command).output


def test_url_of_a_stopped_server_is_still_clean_for_scripts(data: Path) -> None:
    db("start")
    db("stop")
    told = db("url")
    assert told.exit_code == 0
    assert told.stdout.strip() == EmbeddedPostgres(data).url
    assert "db start" in told.stderr


def test_url_before_the_first_start(empty_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_PIPELINE_DATA", str(empty_root))
    told = db("url")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "meta-pipeline db start makes one" in told.stderr
    assert list(empty_root.iterdir()) == []


def test_stop_and_reset_in_use_name_the_users_and_force_wins(data: Path) -> None:
    with EmbeddedPostgres(data).running() as url:
        for refused in (db("stop"), db("reset", "--yes")):
            assert refused.exit_code == 1
            assert str(os.getpid()) in refused.stderr
            assert len(refused.stderr.strip().splitlines()) == 1
        assert answers(url)
        assert db("stop", "--force").exit_code == 0
        assert not answers(url)


def test_reset_asks_first(data: Path) -> None:
    folder = data / "postgres" / "18"
    assert db("reset", typed="n\n").exit_code == 1
    assert folder.exists()
    assert db("reset", typed="y\n").exit_code == 0
    assert not folder.exists()
    again = db("reset")
    assert (again.exit_code, "nothing to remove" in again.stdout) == (0, True)


def test_psql_runs_on_the_embedded_server_and_leaves_it_as_it_was(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    told = db_process("psql", "--csv", "-tc", "SELECT current_database(), 6 * 7")
    assert (told.returncode, told.stdout) == (0, "meta_pipeline,42\n"), told.stderr
    assert not EmbeddedPostgres(data).status().running
    assert db_process("psql", "-c", "SELECT 1 / 0", "-v", "ON_ERROR_STOP=1").returncode == 1


def test_psql_gets_no_password_by_argv(data: Path) -> None:
    show = r"\! tr '\000' ' ' < /proc/$PPID/cmdline; tr '\000' '\n' < /proc/$PPID/environ"
    told = db_process("psql", "-c", show)
    command_line = told.stdout.splitlines()[0]
    password = EmbeddedPostgres(data).url.split(":")[2].split("@")[0]
    assert "psql" in command_line
    assert password not in command_line
    assert f"PGPASSWORD={password}" in told.stdout


OTHER = "postgresql+psycopg2://me:s3cr%40t@127.0.0.1:1/mine?sslmode=disable"


@pytest.fixture
def _database_url(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", OTHER)


@pytest.mark.usefixtures("_database_url")
@pytest.mark.parametrize("command", ["start", "stop", "reset"])
def test_with_database_url_the_embedded_server_is_not_touched(command: str, data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (data / "postgres").iterdir()}
    refused = db(command)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("✗ DATABASE_URL is set")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in (data / "postgres").iterdir()}


@pytest.mark.usefixtures("_database_url")
def test_with_database_url_its_password_is_shown_on_request_only() -> None:
    hidden = "postgresql://me:***@127.0.0.1:1/mine?sslmode=disable"
    assert db("url").stdout.strip() == hidden
    assert hidden in db("status").stdout
    assert db("url", "--show-password").stdout.strip() == OTHER.replace("+psycopg2", "")


@pytest.mark.usefixtures("_database_url")
def test_as_variables_it_is_for_what_reads_pghost() -> None:
    """`eval` takes every character of a password, and none is tried that was hidden."""
    hidden = db("url", "--as-variables").stdout
    assert "PGHOST=127.0.0.1" in hidden
    assert "PGPASSWORD" not in hidden
    shown = db("url", "--as-variables", "--show-password").stdout
    told = subprocess.run(
        ["sh", "-c", f'{shown} echo "$PGUSER $PGPASSWORD $PGPORT $PGDATABASE $PGSSLMODE"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "me s3cr@t 1 mine disable\n"


def test_with_database_url_psql_opens_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedPostgres(data).running() as url:
        monkeypatch.setenv("DATABASE_URL", url.replace("meta_pipeline", "postgres"))
        monkeypatch.setenv("META_PIPELINE_DATA", "/nowhere/that/can/be/made")
        told = db_process("psql", "--csv", "-tc", "SELECT current_database()")
        assert told.stdout == "postgres\n", told.stderr


def test_a_database_url_that_is_none_is_named_without_showing_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "user secret words")
    told = db("psql")
    assert told.exit_code == 1
    assert told.stderr.startswith("✗ DATABASE_URL")
    assert "secret" not in told.output


def test_without_binaries_one_sentence_says_what_to_install(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(binaries, "_WHEELS", ())
        patched.setattr(binaries, "_USUAL_PLACES", ())
        patched.setenv("PATH", str(tmp_path))
        told = db("start")
    assert told.exit_code == 1
    assert "pip install" in told.stderr
    assert "Traceback" not in told.output
