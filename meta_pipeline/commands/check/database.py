"""The database's part of `meta-pipeline check`: encoding, rights, pooler, both schemas."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from meta_pipeline.embedded import EmbeddedPostgresError
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import (
    CannotTell,
    DatabaseNewer,
    DatabaseUnfit,
    PoolerUnsupported,
    Warehouse,
    WarehouseError,
    connect,
    redacted,
)
from meta_pipeline.warehouse.connect import READER
from meta_pipeline.warehouse.faults import explained
from meta_pipeline.warehouse.locks import is_pooled, refuse_shared_sessions
from meta_pipeline.warehouse.names import SCHEMA
from meta_pipeline.warehouse.notifications import MOST_QUEUED, full_queue
from meta_pipeline.warehouse.rights import Problem, Rights, read_rights
from meta_pipeline.warehouse.urls import DAGSTER_SCHEMA
from meta_pipeline.words import times

from .finding import CheckFinding

_APPLICATION_NAME = "meta_pipeline check"
_FIX = "Check DATABASE_URL and that the server runs; leave it out for the embedded server."


def database_findings(
    its_url: AbstractContextManager[str], settings: Settings, *, most_queued: float = MOST_QUEUED
) -> Iterator[CheckFinding]:
    """What is wrong with the database, or that nothing is; changes nothing in it."""
    try:
        with its_url as url:
            yield from _of(url, settings)
            yield from _queue(url, settings, most_queued)
    except CannotTell as error:
        yield CheckFinding("Postgres", "DATABASE_URL", ok=False, text=str(error), is_known=False)
    except DatabaseNewer as error:
        yield CheckFinding("Schema", SCHEMA, ok=False, text=str(error))
    except (DatabaseUnfit, PoolerUnsupported) as error:  # its sentence says what mends it
        yield CheckFinding("Postgres", "DATABASE_URL", ok=False, text=str(error))
    except (WarehouseError, EmbeddedPostgresError) as error:
        yield CheckFinding("Postgres", "DATABASE_URL", ok=False, text=str(error), fix=_FIX)


def _of(url: str, settings: Settings) -> Iterator[CheckFinding]:
    shown = redacted(url)
    with (
        explained(url),
        connect(
            url, application_name=_APPLICATION_NAME, autocommit=True, patience=READER
        ) as connection,
    ):
        rights = read_rights(connection)
        pooled = is_pooled(connection)
        refuse_shared_sessions(url, connection)
    # Without the right to read them, what is pending cannot be told.
    if rights.closed_tables or rights.closed_functions:
        yield from _told("Postgres", shown, rights.for_syncs())
        return
    with Warehouse(url, max_connections=1, patience=READER) as warehouse:
        pending = warehouse.pending()
    # The right to make tables matters only while there are some to make.
    problems = [*rights.for_syncs(), *(rights.for_tables(SCHEMA) if pending else [])]
    version = f"Postgres {rights.version}{', through a pooler' if pooled else ''}"
    if not problems:
        yield CheckFinding("Postgres", shown, ok=True, text=f"{version}, UTF-8, may write")
    yield from _told("Postgres", shown, problems)
    views = sum(name.startswith("view:") for name in pending)
    runs = [f"runs {times(len(pending) - views, 'migration')}"] if len(pending) > views else []
    makes = [f"makes {times(views, 'view')}"] if views else []
    text = f"the next sync {' and '.join(runs + makes)}" if pending else "up to date"
    yield CheckFinding("Schema", SCHEMA, ok=True, text=text)
    yield from _dagster(rights, url, settings)


def _dagster(rights: Rights, url: str, settings: Settings) -> Iterator[CheckFinding]:
    """Whether Dagster's own connections get to their schema, or may make it."""
    # Not at the top: it brings SQLAlchemy, which is most of a start.
    from meta_pipeline.warehouse.dagster_schema import refuse_unreachable_schema

    if settings.dagster_database_url is not None:
        url = settings.dagster_database_url.get_secret_value()
        with (
            explained(url),
            connect(url, application_name=_APPLICATION_NAME, patience=READER) as connection,
        ):
            rights = read_rights(connection)
    problems = rights.for_dagster()
    yield from _told("Schema", DAGSTER_SCHEMA, problems)
    if problems:
        return
    try:
        refuse_unreachable_schema(url)
    except WarehouseError as error:
        yield CheckFinding("Schema", DAGSTER_SCHEMA, ok=False, text=str(error))
        return
    is_made = DAGSTER_SCHEMA in rights.made_schemas
    text = "Dagster's tables are there" if is_made else "made when Dagster first starts"
    yield CheckFinding("Schema", DAGSTER_SCHEMA, ok=True, text=text)


def _queue(url: str, settings: Settings, most: float) -> Iterator[CheckFinding]:
    """Whether notifications pile up on the server of Dagster's tables, by which its runs fail."""
    if settings.dagster_database_url is not None:
        url = settings.dagster_database_url.get_secret_value()
    with (
        explained(url),
        connect(url, application_name=_APPLICATION_NAME, patience=READER) as connection,
    ):
        problems = full_queue(connection, most=most)
    yield from _told("Postgres", redacted(url), problems)


def _told(what: str, subject: str, problems: list[Problem]) -> Iterator[CheckFinding]:
    seen: set[str] = set()
    for problem in problems:
        if problem.text not in seen:
            seen.add(problem.text)
            yield CheckFinding(what, subject, ok=False, text=problem.text, fix=problem.fix)
