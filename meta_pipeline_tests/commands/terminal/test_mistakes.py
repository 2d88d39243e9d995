"""Plain mistakes: every command answers each with a sentence and an exit code, not a traceback."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from meta_pipeline.cli import app
from meta_pipeline.commands.profile import ELSEWHERE
from meta_pipeline.commands.terminal.mistakes import CANNOT_TELL, sentence
from meta_pipeline.graph.errors import GraphError
from meta_pipeline.settings import current
from meta_pipeline.simulator import AccountSpec, Simulator, WallClock, World
from meta_pipeline.warehouse.errors import CannotTell
from meta_pipeline_tests.commands.tree import UNENDING, arguments, commands, shares

TOKEN = "EAAVERYSECRETTOKEN"
PASSWORD = "n0-SECRET-word"
VALUES = {
    "account_id": "act_1",
    "account": "act_1",
    "names": "spend",
    "name": "spend",
    "metric": "spend",
    "entity": "act_1",
    "role": "nobody",
    "connection": "conn_1",
}
_NEEDLESS = [name for name, why in ELSEWHERE.items() if why == "needs no database"]
Mistake = Callable[[pytest.MonkeyPatch, Path, str], None]


def _env_of_another_encoding(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    patch.delenv("DATABASE_URL")
    (folder / ".env").write_bytes(f"DATABASE_URL={url}\n# gr\xfc\xdfe\n".encode("latin-1"))


def _database_url(text: str) -> Mistake:
    def mistake(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
        patch.setenv("DATABASE_URL", text)

    return mistake


def _role_without_rights(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    name = "without_rights"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "DO $$ BEGIN CREATE ROLE {} LOGIN PASSWORD {}; "
                "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            ).format(sql.Identifier(name), sql.Literal(PASSWORD))
        )
    rest = url.partition("@")[2]
    patch.setenv("DATABASE_URL", f"postgresql://{name}:{PASSWORD}@{rest}")


def _data_below_a_file(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    patch.delenv("DATABASE_URL")
    (folder / "file").touch()
    patch.setenv("META_PIPELINE_DATA", str(folder / "file" / "data"))


def _data_where_nothing_can_be_made(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    patch.delenv("DATABASE_URL")
    patch.setenv("META_PIPELINE_DATA", "/proc/none/data")


def _secret_of_another_encoding(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    patch.delenv("DATABASE_URL")
    (folder / "secret").write_bytes(b"\xff\xfe\xe9")
    patch.setenv("DATABASE_URL_FILE", str(folder / "secret"))


def _secret_that_is_a_folder(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    patch.delenv("DATABASE_URL")
    patch.setenv("DATABASE_URL_FILE", str(folder))


MISTAKES: dict[str, Mistake] = {
    "env_of_another_encoding": _env_of_another_encoding,
    "no_url": _database_url(f"host {PASSWORD}"),
    "another_database": _database_url(f"mysql://u:{PASSWORD}@h/x"),
    "half_an_address": _database_url(f"postgresql://u:{PASSWORD}@[::1/x"),
    "no_port": _database_url(f"postgresql://u:{PASSWORD}@h:99999999/x"),
    "nobody_listens": _database_url(f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"),
    "role_without_rights": _role_without_rights,
    "data_below_a_file": _data_below_a_file,
    "data_where_nothing_can_be_made": _data_where_nothing_can_be_made,
    "secret_of_another_encoding": _secret_of_another_encoding,
    "secret_that_is_a_folder": _secret_that_is_a_folder,
}


@pytest.fixture(scope="module")
def graph() -> Iterator[Simulator]:
    with Simulator(World(seed=5, clock=WallClock(), accounts=()), token=TOKEN) as sim:
        yield sim


@pytest.fixture
def world(
    database_url: str, graph: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("META_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("META_GRAPH_URL", graph.url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    yield monkeypatch
    current.cache_clear()


def run(*given: str, charset: str = "utf-8") -> Result:
    current.cache_clear()
    result = CliRunner(charset=charset).invoke(app, given, input="")
    assert result.exception is None or isinstance(result.exception, SystemExit), given
    for bad in ("Traceback", "Unexpected", PASSWORD):
        assert bad not in result.output, (given, result.output)
    return result


def _calls(folder: Path) -> Iterator[list[str]]:
    file = folder / "file.csv"
    file.write_text("date,base,quote,rate\n", encoding="utf-8")
    for name, command in commands().items():
        if name.partition(" ")[0] not in UNENDING and name not in (*_NEEDLESS, "db psql"):
            yield [*name.split(), *arguments(command, file=file, values=VALUES)]
    yield from (["dev"], ["exec", "no-such-program"], ["exporter"], ["migrate"])


@pytest.mark.parametrize(("name", "part"), shares(MISTAKES))
def test_every_command_answers_a_mistake_in_a_sentence(
    world: pytest.MonkeyPatch, database_url: str, tmp_path: Path, name: str, part: slice
) -> None:
    MISTAKES[name](world, tmp_path, database_url)
    codes = set()
    for given in [*_calls(tmp_path)][part]:
        result = run(*given)
        codes.add(result.exit_code)
        assert result.exit_code in (0, 1, 2), (given, result.output)
        if result.exit_code:
            assert result.output.strip(), given
    assert 1 in codes


FILES: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing",
    "folder": lambda folder: folder,
    "below_a_file": lambda folder: _file(folder, b"x") / "below",
    "another_encoding": lambda folder: _file(folder, b"\xff\xfe\xe9,\xfc\n"),
    "empty": lambda folder: _file(folder, b""),
    "nonsense": lambda folder: _file(folder, b"{[}: \x00 \n\t- ,,,\n"),
    "no_date": lambda folder: _file(folder, b"metrics: 2026-13-45\n"),
    "deep": lambda folder: _file(folder, b"[" * 2_000),
    "endless": lambda folder: Path("/proc/self/mem"),
}


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "given"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_none_is_named(world: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    path = FILES[kind](tmp_path)
    for given in (("check", str(path)), ("load", str(path)), ("rates", str(path))):
        result = run("metrics", *given)
        is_fine = kind in ("empty", "nonsense") and result.exit_code == 0
        assert is_fine or result.exit_code in (1, 2), (given, result.output)


@pytest.mark.parametrize("kind", ["folder", "below_a_file"])
def test_a_file_that_cannot_be_written_is_named(
    world: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    path = FILES[kind](tmp_path)
    result = run("report", "--html", str(path))
    assert result.exit_code in (1, 2)
    assert path.name in result.output


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_of_few_letters_gets_what_it_can_show(
    world: pytest.MonkeyPatch, tmp_path: Path, charset: str
) -> None:
    for given in (["check"], ["status"], ["metrics", "list"], ["report"], ["sync", "act_1"]):
        result = run(*given, charset=charset)
        assert result.exit_code in (0, 1)
        assert result.output.strip()


def shell(command: str, url: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command line as a person types it; `meta-pipeline` is ours."""
    beside = Path(sys.executable).with_name("meta-pipeline")
    return subprocess.run(
        ["bash", "-c", command.replace("meta-pipeline", str(beside))],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "DATABASE_URL": url, **more},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_closed_pipe_ends_the_printing_and_not_the_sync(
    database_url: str, tmp_path: Path
) -> None:
    account = AccountSpec("Shop", 2, 2, 3, (1, 1, 1), zone="Europe/Berlin", currency="EUR")
    with Simulator(World(seed=5, clock=WallClock(), accounts=(account,)), token=TOKEN) as sim:
        account_id = sim.world.accounts()[0].id
        done = shell(
            f"meta-pipeline sync {account_id} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
            database_url,
            tmp_path,
            META_ACCESS_TOKEN=TOKEN,
            META_GRAPH_URL=sim.url,
            META_BACKFILL_DAYS="3",
        )
    assert done.stdout == "0\n"
    assert done.stderr == ""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT status FROM meta_ads.sync_runs").fetchall()
    assert found == [("success",)]


def test_a_full_disk_behind_standard_output_is_said(database_url: str, tmp_path: Path) -> None:
    done = shell("meta-pipeline metrics list >/dev/full", database_url, tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Standard output cannot be written: No space left on device.\n"


def test_a_terminal_without_utf8_gets_question_marks(database_url: str, tmp_path: Path) -> None:
    done = shell("meta-pipeline check", database_url, tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "META_ACCESS_TOKEN" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_that_was_removed_is_told(database_url: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = shell(f"cd {gone} && rmdir {gone} && meta-pipeline sync 1", database_url, tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("✗ ")


def test_an_unforeseen_error_is_a_sentence_too(
    world: pytest.MonkeyPatch, database_url: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    world.setattr("meta_pipeline.reports.status.read_status", broken)
    current.cache_clear()
    told = CliRunner().invoke(app, ["status"])
    traced = CliRunner().invoke(app, ["--traceback", "status"])
    assert told.exit_code == 1
    assert "Unexpected ZeroDivisionError: division by zero." in told.stderr
    assert traced.exit_code == 1
    assert traced.stderr.startswith("Traceback (most recent call last):\n  File ")
    assert traced.stderr.endswith("\nZeroDivisionError: division by zero\n")


def told_with_traceback(
    world: pytest.MonkeyPatch, error: Exception, cause: BaseException | None = None
) -> Result:
    """What `--traceback status` says of the error."""

    def broken(*_: object, **__: object) -> None:
        raise error from cause

    world.setattr("meta_pipeline.reports.status.read_status", broken)
    current.cache_clear()
    return CliRunner().invoke(app, ["--traceback", "status"])


@pytest.mark.parametrize("kind", [RuntimeError, ImportError, OSError, ValueError])
def test_a_traceback_repeats_no_secret_of_the_error_nor_of_its_cause(
    kind: type[Exception], world: pytest.MonkeyPatch, database_url: str
) -> None:
    url = f"https://graph.facebook.com/me?access_token={TOKEN}"
    cause = kind(f"connection to postgresql://meta:{PASSWORD}@db/meta failed")
    result = told_with_traceback(world, kind(f"{url} did not answer"), cause)
    assert "graph.facebook.com" in result.stderr
    assert "connection to postgresql://meta:" in result.stderr
    assert TOKEN not in result.output
    assert PASSWORD not in result.output


def test_a_terminal_obeys_nothing_of_metas_in_a_traceback(
    world: pytest.MonkeyPatch, database_url: str
) -> None:
    said = "\x1b[2J\x1b]8;;http://evil.example\x1b\\x\x9b31m\u202egnp.exe"
    result = told_with_traceback(world, GraphError(said, code=100))
    assert result.exit_code == 1
    assert "gnp.exe" in result.stderr
    assert result.stderr.count("\n") > 4, "it stands in lines"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.output)


def test_a_traceback_leaves_the_exit_code_what_it_is(
    world: pytest.MonkeyPatch, database_url: str
) -> None:
    assert told_with_traceback(world, CannotTell("No answer in time.")).exit_code == CANNOT_TELL


def test_a_full_disk_is_called_what_it_is() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/x")
    assert sentence(error) == "The disk is full: /data/x."


@pytest.mark.parametrize("kind", [RuntimeError, ImportError, OSError, UnicodeError])
def test_what_is_not_foreseen_is_told_without_the_secrets_it_repeats(
    kind: type[Exception],
) -> None:
    url = f"https://graph.facebook.com/me?access_token={TOKEN}"
    said = sentence(kind(f"{url} by postgresql://meta:{PASSWORD}@db/meta"))
    assert "graph.facebook.com" in said
    assert TOKEN not in said
    assert PASSWORD not in said


def test_wrong_usage_does_not_repeat_a_key(world: pytest.MonkeyPatch) -> None:
    key = "mp_0123456789ab_" + "c" * 64
    result = run("api-keys", "revoke", key)
    assert result.exit_code == 2, result.output
    assert "mp_0123456789ab_" in result.output
    assert "c" * 9 not in result.output
