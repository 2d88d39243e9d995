"""One Postgres for the whole test session, and a database of its own for each test.

Import the fixtures in conftest.py; a room that needs its tables overrides `build_template`.
All xdist workers share one server (one start instead of one each); it is durable against nothing,
lives in a folder of its own, never the user's, and is removed by the last worker. What a killed
session left behind is removed by the next one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from meta_pipeline.embedded import EmbeddedPostgres, EmbeddedPostgresError

TEMPLATE = "app"
_PREFIX = f"meta-pipeline-tests-{os.geteuid()}-"
_BUILDING_LOCK = 7_306_001
_PLENTY_BYTES = 4 * 1024**3
_END_SESSIONS = """
    DO $$ BEGIN
        FOR looked IN 1..1000 LOOP
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {};
            EXIT WHEN NOT FOUND;
            PERFORM pg_sleep(0.001), pg_stat_clear_snapshot();
        END LOOP;
    END $$
"""


@dataclass(frozen=True)
class TestPostgres:
    """The session's server. `url` is that of its maintenance database."""

    __test__ = False

    url: str

    @contextmanager
    def fresh_database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The URL of a new database made from `template` (31 ms), dropped afterwards."""
        name = f"t_{os.getpid()}_{secrets.token_hex(4)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield self.url_of(name)
        finally:
            # DROP ... WITH (FORCE) alone sleeps 100 ms when it finds anybody still on the way out.
            self.execute(
                sql.SQL(_END_SESSIONS).format(sql.Literal(name)),
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)),
            )

    @contextmanager
    def template(self, fill: Callable[[str], None]) -> Iterator[str]:
        """The name of a template of the caller's own: all tables, and what `fill` puts in."""
        with self.fresh_database() as url:
            fill(url)
            name = url.rpartition("/")[2]
            self.execute(sql.SQL(_END_SESSIONS).format(sql.Literal(name)))
            yield name

    def url_of(self, database: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{database}"

    def execute(self, *statements: sql.Composed | sql.SQL) -> None:
        """Run statements outside a transaction in the maintenance database."""
        connection = _maintenance(self.url)
        for statement in statements:
            connection.execute(statement)

    def ensure_template(self, build: Callable[[str], None], name: str = TEMPLATE) -> None:
        """Make the template `name` once for all workers; half-built it is never seen."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_BUILDING_LOCK])
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                self._build(build, name)

    def _build(self, build: Callable[[str], None], name: str) -> None:
        draft = f"{name}_draft"
        building, finished = sql.Identifier(draft), sql.Identifier(name)
        self.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(building),
            sql.SQL("CREATE DATABASE {}").format(building),
        )
        build(self.url_of(draft))
        self.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(building),
            sql.SQL(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}"
            ).format(draft),
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(building, finished),
        )


def rows_read(connection: psycopg.Connection, *tables: str) -> int:
    """How many rows of these tables the session has looked at so far, by whatever plan.

    What a query costs, where seconds would say how busy the machine is: the difference of two calls
    within one transaction. At its end Postgres may begin anew.
    """
    row = connection.execute(
        "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint"
        " FROM pg_stat_xact_user_tables WHERE relname = ANY (%s)",
        [list(tables)],
    ).fetchone()
    assert row is not None
    return int(row[0])


def rows_touched(
    connection: psycopg.Connection, query: str, values: Any = None, *, table: str | None = None
) -> int:
    """How many rows came out of the nodes of a query's plan, or were left out there.

    With `table` those of its own scans alone. The query is run.
    """
    explain = f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {query}".encode()
    row = connection.execute(explain, values).fetchone()
    assert row is not None
    return _touched(row[0][0]["Plan"], table)


def _touched(node: dict[str, Any], table: str | None) -> int:
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    is_meant = table is None or node.get("Relation Name") == table
    own = (node["Actual Rows"] + removed) * node["Actual Loops"] if is_meant else 0
    return int(own) + sum(_touched(one, table) for one in node.get("Plans", ()))


@cache
def _kept(url: str, _thread: int, _process: int) -> list[psycopg.Connection]:
    return []


def _maintenance(url: str) -> psycopg.Connection:
    """A connection to the maintenance database; kept, since every test asks twice."""
    kept = _kept(url, threading.get_ident(), os.getpid())
    if not kept or kept[0].closed:
        kept[:] = [psycopg.connect(url, autocommit=True)]
    return kept[0]


@pytest.fixture(scope="session")
def build_template() -> Callable[[str], None]:
    """What makes the template's tables, given the URL of an empty database; override it."""
    return lambda url: None


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[TestPostgres]:
    """The server, shared by all workers of this run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(8)
    _remove_leftovers()
    server = EmbeddedPostgres(_folder_of(run), durable=False, database="tests")
    with server.running() as url:
        yield TestPostgres(url)
        _kept.cache_clear()
    _remove(_folder_of(run))


@pytest.fixture(scope="session")
def postgres(postgres_server: TestPostgres, build_template: Callable[[str], None]) -> TestPostgres:
    """The server with its template."""
    postgres_server.ensure_template(build_template)
    return postgres_server


@pytest.fixture
def database_url(postgres: TestPostgres) -> Iterator[str]:
    """A database of this test's own with all tables; `postgresql://`, dropped afterwards."""
    with postgres.fresh_database() as url:
        yield url


def scratch_folder() -> Path:
    """Where tests keep servers: in memory where there is plenty, which is ten times faster.

    Never pytest's tmp_path: as root the server's account cannot enter that.
    """
    memory = Path("/dev/shm")
    with suppress(OSError):
        runs_programs = not os.statvfs(memory).f_flag & os.ST_NOEXEC
        plenty = shutil.disk_usage(memory).free >= _PLENTY_BYTES
        if runs_programs and plenty and os.access(memory, os.W_OK):
            return memory
    return Path(tempfile.gettempdir())


def _folder_of(run: str) -> Path:
    return scratch_folder() / f"{_PREFIX}{run}"


def _remove_leftovers() -> None:
    """Stop and remove the servers of sessions that were killed."""
    for folder in scratch_folder().glob(f"{_PREFIX}*"):
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a server that nobody uses; another worker may still do."""
    with suppress(EmbeddedPostgresError, OSError):
        EmbeddedPostgres(folder, durable=False, database="tests").reset()
        folder.rmdir()
