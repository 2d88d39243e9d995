"""Dagster's connections to Postgres in the process of a run: held, not opened for each statement.

Dagster opens a connection for every statement outside its webserver: 14 for each account of a
batch, each a backend to fork and a login. A run uses its storages from one thread, so one
connection for each storage is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance

from meta_pipeline.orchestration.dagster_internals import ENGINE, engines_of

STATEMENT_TIMEOUT_MS = 600_000
"""Nothing Dagster asks in a run takes a second; what takes this long hangs."""

RECYCLE_SECONDS = 30
"""After a restart of Postgres a held connection is dead for no longer than this."""

NO_LIMIT = -1
"""One is held, and what is open beside it is closed when it comes back. A limit would be waited at:
Dagster 1.12 leaves the connection it looks for tables with to the garbage collector.
"""


@contextmanager
def held_connections(instance: DagsterInstance) -> Iterator[None]:
    """Let the storages keep their connection; no effect on those that are not in Postgres.

    What the webserver does for itself is all Dagster offers for it
    (https://github.com/dagster-io/dagster/issues/33935 asks for a setting). It has no way back, and
    in the warm process of a Celery worker the connections of one run would outlive it.
    """
    before = engines_of(instance)
    instance.optimize_for_webserver(
        statement_timeout=STATEMENT_TIMEOUT_MS,
        pool_recycle=RECYCLE_SECONDS,
        max_overflow=NO_LIMIT,
    )
    try:
        yield
    finally:
        for storage, engine in before:
            held, storage[ENGINE] = storage[ENGINE], engine
            if held is not engine:
                held.dispose()
