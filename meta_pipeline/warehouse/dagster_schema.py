"""Dagster's schema: where its own tables go, and whether its driver reaches it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from meta_pipeline.deadline import NoAnswerInTime, answer_within

from .connect import connect
from .errors import DatabaseUnfit
from .faults import explained
from .redaction import redacted, without_secrets
from .rights import read_rights, refuse
from .urls import CONNECT_TIMEOUT_SECONDS, DAGSTER_SCHEMA, dagster_url

_APPLICATION_NAME = "meta_pipeline migrate"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:dagster_schema', 0))"
# To be let in by one of several hosts, and told.
_ANSWER_SECONDS = 4.0 * CONNECT_TIMEOUT_SECONDS


def create_dagster_schema(url: str) -> None:
    """Make schema `dagster` where it is missing; Dagster makes its tables in it by itself.

    Raises DatabaseUnfit where that may not be done, or where a connection as Dagster opens it does
    not get there: behind a pooler.
    """
    with explained(url), connect(url, application_name=_APPLICATION_NAME) as connection:
        rights = read_rights(connection)
        refuse(rights.for_dagster())
        if DAGSTER_SCHEMA not in rights.schemas:
            connection.execute(_LOCK)  # two may get here; IF NOT EXISTS alone is not safe then
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}")
    refuse_unreachable_schema(url)


def refuse_unreachable_schema(url: str) -> None:
    """Raise DatabaseUnfit where Dagster's own connections do not end in its schema.

    They are given it as an option of the start-up, which poolers refuse or pass over.
    """
    try:
        path = answer_within(_ANSWER_SECONDS, lambda: _search_path(url), name="Dagster's schema")
        reason = f"its search_path is {path} there"
    except NoAnswerInTime:
        path, reason = "", f"it let us in, and then said nothing for {_ANSWER_SECONDS:.0f} s"
    except SQLAlchemyError as error:
        path = ""
        said = without_secrets(str(getattr(error, "orig", None) or error), url)
        reason = " ".join(said.split()).rstrip(".")
    if path != DAGSTER_SCHEMA:
        raise DatabaseUnfit(
            f"Dagster cannot keep its tables in schema {DAGSTER_SCHEMA} through {redacted(url)}: "
            f"{reason}. A connection pooler passes that option on to nobody: set DAGSTER_PG_URL to "
            "Postgres itself, for Dagster alone."
        )


def _search_path(url: str) -> str:
    """Where Dagster's driver ends, which has no deadline for an answer."""
    engine = sa.create_engine(
        dagster_url(url), poolclass=sa.NullPool, connect_args={"client_encoding": "UTF8"}
    )
    with engine.connect() as connection:
        return str(connection.execute(sa.text("SHOW search_path")).scalar_one())
