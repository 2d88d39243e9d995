"""`meta-pipeline migrate` waits for nobody's open transaction, and for its child not for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from meta_pipeline.commands import migrate
from meta_pipeline.commands.migrate import DagsterNotMigrated, ended, take_turn
from meta_pipeline.warehouse import MigrationBusy
from meta_pipeline_tests.commands.databases.database_shell import Shell, shell, sim
from meta_pipeline_tests.orchestration.instances import dagster_template
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import wait_until

__all__ = ["dagster_template", "shell", "sim"]

# As an older Dagster left it: the next migration alters the table of runs.
_OLDER = (
    "ALTER TABLE dagster.runs DROP COLUMN backfill_id",
    "UPDATE dagster.alembic_version SET version_num = '284a732df317'",
)
_MIGRATED = """
    SELECT count(*) FROM information_schema.columns
    WHERE table_schema = 'dagster' AND table_name = 'runs' AND column_name = 'backfill_id'
"""


def test_a_session_that_read_dagsters_runs_and_sleeps_is_not_waited_for(
    shell: Shell, postgres: TestPostgres, dagster_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 0.2)
    with postgres.fresh_database(dagster_template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _OLDER:
                connection.execute(statement)
        with psycopg.connect(url) as idle:
            idle.execute("SELECT count(*) FROM dagster.runs")
            assert "lock timeout" in shell.refused(url, "migrate")
        done = shell.run(url, "migrate")
        assert done.exit_code == 0, done.output
        with psycopg.connect(url) as connection:
            assert connection.execute(_MIGRATED).fetchone() == (1,)


def test_where_it_is_done_nobody_waits(
    shell: Shell, postgres: TestPostgres, dagster_template: str
) -> None:
    """Each run of Dagster's in a cluster begins with a migration, a hundred of them at once."""
    with postgres.fresh_database(dagster_template) as url:
        assert "dagster: its own migrations would run" in shell.run(url, "migrate", "--plan").output
        assert shell.run(url, "migrate").exit_code == 0
        assert f"dagster: at {version('dagster')}, nothing to do" in (
            shell.run(url, "migrate", "--plan").output
        )
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(migrate._LOCK)
            done = shell.run(url, "migrate")
            assert done.exit_code == 0, done.output
            # Of another version of Dagster it is not done.
            other.execute("COMMENT ON TABLE dagster.alembic_version IS 'Migrated by Dagster 1.0'")
        assert "its own migrations would run" in shell.run(url, "migrate", "--plan").output
        assert shell.run(url, "migrate").exit_code == 0
        assert "nothing to do" in shell.run(url, "migrate", "--plan").output.splitlines()[-1]


def test_who_migrates_already_is_named_and_not_waited_for_without_an_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(migrate, "_MOST_WAITS", 2)
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        psycopg.connect(database_url, autocommit=True, application_name="web-1") as other,
    ):
        other.execute(migrate._LOCK)
        with pytest.raises(MigrationBusy, match=r"by web-1, connected since .*let it"):
            take_turn(connection)
        assert capsys.readouterr().err.count("being migrated by web-1") == 1
        other.execute("SELECT pg_advisory_unlock_all()")
        take_turn(connection)
        assert capsys.readouterr().err == ""


def test_a_child_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    code = """if True:
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
    """
    with pytest.raises(DagsterNotMigrated, match="was ended after"):
        # Its own child has the pipe as well: reading that to its end waits for both.
        ended([sys.executable, "-c", code], {}, str(tmp_path), seconds=0.5)
    assert ended([sys.executable, "-c", "raise SystemExit('no')"], {}, str(tmp_path)) == (1, "no\n")


def test_an_index_that_was_half_built_is_not_waited_for_either(
    shell: Shell, postgres: TestPostgres, dagster_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 0.2)
    half_built = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    with postgres.fresh_database(dagster_template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE INDEX half_built ON dagster.runs (id)")
            connection.execute(
                "UPDATE pg_index SET indisvalid = false "
                "WHERE indexrelid = 'dagster.half_built'::regclass"
            )
        with psycopg.connect(url) as idle:
            idle.execute("SELECT count(*) FROM dagster.runs")
            # In the words of what passes: with --retry-for it is tried again.
            refused = shell.run(url, "migrate")
            assert refused.exit_code != 0
            assert "Cannot tell" in refused.output
            assert idle.execute(half_built).fetchone() == (1,)
        done = shell.run(url, "migrate")
        assert done.exit_code == 0, done.output
        with psycopg.connect(url) as connection:
            assert connection.execute(half_built).fetchone() == (0,)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_the_command_ends_what_it_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    child = tmp_path / "child"
    code = f"""if True:
        import signal, sys
        from meta_pipeline.commands.migrate import ended
        from meta_pipeline.local.signals import termination_as_interrupt
        child = "import os, pathlib as p, signal; "
        child += "p.Path({str(child)!r}).write_text(str(os.getpid())); signal.pause()"
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the tests ignore it
        with termination_as_interrupt():
            ended([sys.executable, "-c", child], {{}}, {str(tmp_path)!r})
    """
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as command:
        wait_until(lambda: child.exists() and child.read_text(), "the child runs")
        command.send_signal(number)
    assert command.returncode
    with pytest.raises(ProcessLookupError):
        os.kill(int(child.read_text()), 0)
