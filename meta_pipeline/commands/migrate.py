"""`meta-pipeline migrate`: both schemas brought to what this version needs, before it starts."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from subprocess import DEVNULL, PIPE
from typing import Annotated

import psycopg
import typer
from psycopg import sql
from pydantic import SecretStr

from meta_pipeline.local.signals import ToldToEnd, termination_as_interrupt
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import WarehouseError, connect, create_dagster_schema, without_secrets
from meta_pipeline.warehouse.connect import READER, Connection
from meta_pipeline.warehouse.errors import CannotTell, MigrationBusy, WarehouseUnavailable
from meta_pipeline.warehouse.faults import explained
from meta_pipeline.warehouse.locks import named_lock_holder, refuse_shared_sessions
from meta_pipeline.warehouse.migrator import head, pending
from meta_pipeline.warehouse.migrator import migrate as migrate_ours

from .database import opened
from .processes.execute import beside_python, dagster_environment
from .terminal.console import say, warn
from .terminal.options import length

_APPLICATION_NAME = "meta_pipeline migrate"
_LOCK_NAME = "meta_ads:dagster_tables"
_LOCK = f"SELECT pg_advisory_lock(hashtextextended('{_LOCK_NAME}', 0))"
# Alembic's traceback ends with what is wrong; what stands before it are its frames.
_TAIL_LINES = 15
# Whoever read Dagster's tables and went home with the transaction open holds a lock that its
# migration needs, and behind a migration that waits everybody else does. It is tried again.
_LOCK_SECONDS = 10.0
# Ten minutes for whoever migrates already.
_MOST_WAITS = 60
# An index on a long history takes its time.
_LONGEST_SECONDS = 3_600.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 30.0
# Of a migration that was ended: Dagster's next one would take such an index for a finished one.
_HALF_BUILT = """
    SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I.%I', nspname, relname)
    FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'dagster' AND NOT indisvalid AND relname !~ '_cc(new|old)[0-9]*$'
        AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
"""
_HAS_DAGSTER = "SELECT to_regclass('dagster.alembic_version') IS NOT NULL"
# Its head alone would not say that the rows were brought along, which Dagster does after it.
_WORD_LEFT = "SELECT obj_description(to_regclass('dagster.alembic_version'), 'pg_class')"
_LEAVE_WORD = sql.SQL("COMMENT ON TABLE dagster.alembic_version IS {}")

Plan = Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")]


class DagsterNotMigrated(WarehouseError):
    """`dagster instance migrate` did not work; the message has the end of what it said."""


RetryFor = Annotated[
    str | None,
    typer.Option(
        "--retry-for",
        metavar="TIME",
        help="How long to try again while Postgres or a lock is not there yet, such as 90s or 5m.",
    ),
]


def migrate(plan: Plan = False, retry_for: RetryFor = None) -> None:
    """Bring the tables of meta_ads and of Dagster to this version; run it before an upgrade starts.

    Safe to run at any time and by several at once; older processes may go on meanwhile. A database
    that a newer version migrated is refused and left alone.
    """
    with opened() as (given, url):
        # The embedded server has Dagster's tables too.
        own = {"database_url": SecretStr(url), "dagster_database_url": None}
        settings = given if given.database_url else given.model_copy(update=own)
        storage_url = settings.require_dagster_database_url()
        if plan:
            _say_plan(url, storage_url)
            return
        try:
            with termination_as_interrupt():  # what was started ends with the command
                patient(lambda: _migrate(settings, url, storage_url), _seconds(retry_for))
        except ToldToEnd:
            raise typer.Exit(143) from None


def _say_plan(url: str, storage_url: str) -> None:
    waiting = pending(url)
    say(f"meta_ads: {', '.join(waiting) if waiting else f'at {head()}, nothing to do'}")
    with connect(storage_url, application_name=_APPLICATION_NAME, patience=READER) as asked:
        if _is_migrated(asked):
            todo = f"at {version('dagster')}, nothing to do"
        elif asked.execute(_HAS_DAGSTER).fetchone() == (True,):
            todo = "its own migrations would run"
        else:
            todo = "its tables would be made"
    say(f"dagster: {todo}")


def _seconds(typed: str | None) -> float:
    """A length of time; a number alone is seconds, as deployments have it."""
    if typed is None:
        return 0
    patience = length(f"{typed}s" if typed.strip().isdecimal() and int(typed) else typed)
    return patience.total_seconds() if patience else 0


def _migrate(settings: Settings, url: str, storage_url: str) -> None:
    with connect(url, application_name=_APPLICATION_NAME, autocommit=True) as connection:
        # Locks are the session's: behind a pooler that shares sessions they would lock nothing.
        refuse_shared_sessions(url, connection)
    done = migrate_ours(url)
    if not done.changed:
        outcome = f"at {done.after}, nothing to do"
    else:
        views = f", {len(done.views)} views" if done.views else ""
        outcome = f"{done.before or 'empty'} to {done.after}{views}"
    say(f"meta_ads: {outcome}")
    create_dagster_schema(storage_url)
    _migrate_dagster(settings, storage_url)
    say("dagster: up to date")


def patient(
    work: Callable[[], None],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do it, and again while it fails for what may pass, for so long at most; says why each time.

    At boot Postgres is often not there yet, or an older process still holds a lock. What does not
    pass, such as a database that a newer version migrated, ends at once.
    """
    end = clock() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            work()
            return
        except (WarehouseUnavailable, MigrationBusy, CannotTell, DagsterNotMigrated) as error:
            # No pause whose end is too late: the reason is told now.
            if clock() + pause > end:
                raise
            warn(f"{error} Again in {pause:.0f} s.")
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _migrate_dagster(settings: Settings, url: str) -> None:
    """Dagster's own migration, alone: two processes that make its tables at once trip over.

    Where it is done nobody waits: in a cluster every run of Dagster's begins with this command.
    """
    with (
        connect(url, application_name=_APPLICATION_NAME, autocommit=True) as connection,
        explained(url),
    ):
        if _is_migrated(connection):
            return
        take_turn(connection)
        # Whoever held the lock has done it, as a rule.
        if _is_migrated(connection):
            return
        for (statement,) in connection.execute(_HALF_BUILT).fetchall():
            connection.execute(statement)
        _run_dagsters(settings, url)
        # The owner of the tables alone may leave word; without it the next one looks again.
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(_LEAVE_WORD.format(sql.Literal(_word())))


def take_turn(connection: Connection) -> None:
    """Wait for whoever else migrates Dagster's tables, and say who; MigrationBusy after a while.

    From then on the connection waits as long for any other lock as it did between two looks.
    """
    connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS * 1000:.0f}ms'")
    for turn in range(_MOST_WAITS):
        with suppress(psycopg.errors.LockNotAvailable):
            connection.execute(_LOCK)
            return
        name, role, since = named_lock_holder(connection, _LOCK_NAME)
        who = f"{name or 'another process'}{f' as role {role}' if role else ''}"
        who += f", connected since {since:%Y-%m-%d %H:%M:%S %Z}" if since else ""
        if turn == 0:
            warn(f"Dagster's tables are being migrated by {who}: waiting for it.")
    raise MigrationBusy(
        f"Dagster's tables are being migrated by {who}. It did not finish in "
        f"{_MOST_WAITS * _LOCK_SECONDS:.0f} s: let it, or end it, and start again."
    )


def _is_migrated(connection: Connection) -> bool:
    """Whether this version of Dagster has migrated its tables, and nothing is half done there."""
    is_told = connection.execute(_WORD_LEFT).fetchone() == (_word(),)
    return is_told and not connection.execute(_HALF_BUILT).fetchall()


def _word() -> str:
    return f"Migrated by Dagster {version('dagster')}"


def _run_dagsters(settings: Settings, url: str) -> None:
    # A home of its own: Dagster reads its dagster.yaml, which names the storage to migrate.
    with tempfile.TemporaryDirectory() as home:
        given = {**os.environ, "DAGSTER_HOME": home}
        environment = dagster_environment(settings, given, lock_seconds=_LOCK_SECONDS)
        command = [beside_python("dagster"), "instance", "migrate"]
        code, said = ended(command, environment, home)
    if code:
        tail = without_secrets("\n".join(said.strip().splitlines()[-_TAIL_LINES:]), url)
        raise DagsterNotMigrated(f"dagster instance migrate failed: {tail}")


def ended(
    command: Sequence[str], env: Mapping[str, str], cwd: str, seconds: float = _LONGEST_SECONDS
) -> tuple[int, str]:
    """The exit code of a command and what it said to stderr; DagsterNotMigrated when it took
    longer. Whatever ends the wait ends the command, with the processes it started.
    """
    with subprocess.Popen(
        command, env=env, cwd=cwd, stdout=DEVNULL, stderr=PIPE, text=True, process_group=0
    ) as child:
        try:
            _, said = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise DagsterNotMigrated(
                f"dagster instance migrate was ended after {seconds:.0f} s."
            ) from None
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, said
