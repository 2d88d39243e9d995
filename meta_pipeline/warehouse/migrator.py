"""Migrator: brings schema `meta_ads` to this version of the code, once, however many ask.

Everything happens in one transaction under an advisory lock: revisions of `migrations/versions`,
then the views of `views/`; where tenants are kept apart (tenancy/), what is new is put under their
policies. A process killed inside leaves nothing behind. Revisions only expand
(new tables, new columns), so that older code keeps running beside newer code. Alembic and
SQLAlchemy are imported where a migration runs: every command asks whether one is due.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg

from . import views
from .connect import READER, Connection, Patience, connect
from .errors import (
    CannotTell,
    DatabaseNewer,
    DatabaseOutdated,
    MigrationBusy,
    RoleRefused,
    WarehouseError,
)
from .faults import explained
from .locks import refuse_shared_sessions
from .names import SCHEMA
from .redaction import redacted
from .rights import Problem, Rights, read_rights, refuse
from .tenancy import enforce, enforcement

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config

LOGGER = logging.getLogger(__name__)
VERSION_TABLE = "schema_version"
MIGRATE = "meta-pipeline migrate"
_MIGRATIONS = Path(__file__).parent / "migrations"
# While a migration waits for a lock, everybody who comes later waits behind it.
LOCK_TIMEOUT_SECONDS = 60
_APPLICATION_NAME = "meta_pipeline migrate"
_ONE_THREAD = threading.Lock()
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:migrate', 0))"
# Who holds our lock, or a table of ours; a role is told, as whom a program says it works is not
# enough. The view shows the locks of every database of the server.
_IN_USE_BY = f"""
    SELECT DISTINCT coalesce(nullif(application_name, ''), 'a program') || ' as role ' || usename
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE granted AND pid <> pg_backend_pid()
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND CASE locktype
            WHEN 'advisory' THEN objsubid = 1 AND (classid::bigint << 32) | objid::bigint
                = hashtextextended('meta_ads:migrate', 0)
            WHEN 'relation' THEN relation IN (
                SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('{SCHEMA}')
            )
        END
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What a migration did: revision before (None for an empty database) and after, what ran."""

    before: str | None
    after: str
    applied: tuple[str, ...]
    views: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.applied or self.views)


def migrate(
    url: str, *, with_views: bool = True, patience: Patience | None = None
) -> MigrationResult:
    """Bring the database to this code's schema; cheap (30 ms) when it is there already.

    Raises DatabaseNewer when a newer version of the code has been at it, MigrationBusy when another
    process holds the lock, or the tables, longer than a minute (CannotTell when `patience` is given
    and at its end), DatabaseUnfit when the user may not. `with_views` False leaves the views as
    they are.
    """
    waits = patience or Patience(LOCK_TIMEOUT_SECONDS, LOCK_TIMEOUT_SECONDS)
    try:
        with (
            explained(url),
            connect(
                url, application_name=_APPLICATION_NAME, autocommit=True, patience=waits
            ) as connection,
        ):
            before = _revision(connection)
            if not _to_apply(url, before) and not (with_views and views.changed(connection)):
                return MigrationResult(before, head(), (), ())
            # Before anything is locked: who may not, or comes through such a pooler, is told so.
            refuse(read_rights(connection).for_tables(SCHEMA))
            refuse_shared_sessions(url, connection)
        with explained(url):
            return _migrate_locked(url, waits, with_views=with_views)
    except CannotTell as error:
        if patience is not None:
            raise
        raise MigrationBusy(
            f"The tables of {redacted(url)} were in use for {LOCK_TIMEOUT_SECONDS} s and could "
            f"not be migrated. {_in_use_by(url)}Wait for the running syncs or queries and start "
            "again; SELECT * FROM pg_stat_activity shows who is connected."
        ) from error


def _in_use_by(url: str) -> str:
    """A sentence that names who is in the way of a migration; empty when that cannot be told."""
    with (
        suppress(WarehouseError),
        explained(url),
        connect(url, application_name=_APPLICATION_NAME, patience=READER) as connection,
    ):
        names = [str(name) for (name,) in connection.execute(_IN_USE_BY).fetchall()]
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            return f"They are used by {', '.join(names[:5])}{more}. "
    return ""


def pending(url: str) -> tuple[str, ...]:
    """What `migrate` would do now: revisions, then views (`view:<name>`). Changes nothing."""
    with (
        explained(url),
        connect(url, application_name=_APPLICATION_NAME, patience=READER) as connection,
    ):
        revisions = _to_apply(url, _revision(connection))
        return (*revisions, *(f"view:{name}" for name in views.changed(connection)))


def require_current(
    url: str, connection: Connection, command: str = MIGRATE, *, or_none: bool = False
) -> None:
    """Refuse a schema that is not this version's; needs no right but to read it.

    With `or_none` no tables at all will do. Raises DatabaseOutdated, which names the `command` to
    run, DatabaseNewer, or DatabaseUnfit when the user may not read the schema.
    """
    revision = _revision(connection, Rights.for_reads)
    if revision is None:
        if or_none:
            return
        raise DatabaseOutdated(
            f"The database {redacted(url)} has no tables of {SCHEMA} yet. Make them: {command}. "
            "The first sync makes them too."
        )
    missing = _to_apply(url, revision)
    outdated = views.changed(connection)
    if missing or outdated:
        what = f"revision {revision}, before {head()}" if missing else f"{len(outdated)} old views"
        raise DatabaseOutdated(
            f"The database {redacted(url)} is of an older version ({what}). Bring it up to date, "
            f"as the owner of its tables: {command}. Nothing was changed."
        )


def head() -> str:
    """The newest revision this code knows."""
    return revisions()[-1]


def differences(url: str) -> list[Any]:
    """What alembic would change to make the database equal to `schema/`; empty when it is."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from .schema import metadata

    with engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts=comparison_options())
        return list(compare_metadata(context, metadata))


def comparison_options() -> dict[str, Any]:
    """Options of alembic's context: our schema only, or it would want to drop everybody else's."""
    from .schema import metadata

    return {
        "target_metadata": metadata,
        "version_table": VERSION_TABLE,
        "version_table_schema": SCHEMA,
        "include_schemas": True,
        "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
        "compare_server_default": True,
    }


def _migrate_locked(url: str, waits: Patience, *, with_views: bool) -> MigrationResult:
    from alembic import command

    # Alembic speaks SQLAlchemy; lock, revisions and views share its one transaction. Its `op` and
    # `context` belong to the process, so threads take turns before they ask Postgres.
    with _ONE_THREAD, engine(url).begin() as alembic_connection:
        connection = cast("Connection", alembic_connection.connection.driver_connection)
        connection.execute("SET LOCAL statement_timeout = 0")  # an index may take its time
        connection.execute(f"SET LOCAL lock_timeout = '{waits.lock_seconds * 1000:.0f}ms'")
        connection.execute(_LOCK)
        # Only now: who waited for the lock finds done what it came for.
        if SCHEMA not in read_rights(connection).schemas:
            # IF NOT EXISTS needs the right to create also where the schema exists.
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
        before = _revision(connection)
        applied = tuple(_to_apply(url, before))
        if applied:
            config = _config()
            config.attributes["connection"] = alembic_connection
            command.upgrade(config, "head")
        # After the revisions: views read their new columns. Before the policies, which grant them.
        made = views.refresh(connection) if with_views else ()
        _keep_apart(connection)
        return MigrationResult(before, head(), applied, made)


def _keep_apart(connection: Connection) -> None:
    """Put what is new under the tenants' policies; who may not leaves it closed to them."""
    if not enforcement(connection).is_on:
        return
    try:
        enforce(connection)
    except RoleRefused as error:
        LOGGER.warning("New tables and views are closed to tenants. %s", error)


def engine(url: str) -> sa.Engine:
    """An SQLAlchemy engine without a pool, for alembic."""
    import sqlalchemy as sa

    return sa.create_engine(
        "postgresql+psycopg://", creator=partial(_connect_plainly, url), poolclass=sa.NullPool
    )


def _connect_plainly(url: str) -> Connection:
    """A connection whose default schema is not ours: alembic calls the default one None."""
    connection = connect(url, application_name=_APPLICATION_NAME)
    with connection.transaction():
        connection.execute("SET search_path = pg_catalog")
    return connection


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


@lru_cache(maxsize=1)
def revisions() -> tuple[str, ...]:
    """Every revision this code knows, oldest first: a chain in the order of its file names."""
    files = sorted((_MIGRATIONS / "versions").glob("[0-9]*.py"))
    return tuple(path.stem.partition("_")[0] for path in files)


def _revision(
    connection: Connection, needed: Callable[[Rights], list[Problem]] = Rights.for_syncs
) -> str | None:
    table = f"{SCHEMA}.{VERSION_TABLE}"
    try:
        answer = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
        if answer is None or answer[0] is None:
            return None
        row = connection.execute(f"SELECT version_num FROM {table}").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        connection.rollback()  # in an aborted transaction nothing can be asked
        rights = read_rights(connection)
        refuse([*needed(rights), *rights.for_tables(SCHEMA)])  # names the GRANT
        raise
    return None if row is None else str(row[0])


def _to_apply(url: str, revision: str | None) -> Sequence[str]:
    chain = revisions()
    if revision is None:
        return chain
    if revision not in chain:
        raise DatabaseNewer(
            f"The database {redacted(url)} is at revision {revision!r}, which this version of "
            f"meta_pipeline does not know (its newest is {chain[-1]!r}). A newer version migrated "
            "it: upgrade this installation, or use another database."
        )
    return chain[chain.index(revision) + 1 :]
