"""Database URLs: the spellings people use, those libpq and Dagster need, and none leaked."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg

from .errors import WarehouseError, WarehouseUnavailable

DAGSTER_SCHEMA = "dagster"
"""Schema of Dagster's own tables, beside ours in the same database."""

_SPELLINGS = ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")


def normalized(url: str) -> str:
    """The URL as libpq reads it, `postgresql://...`; what is no Postgres URL is refused."""
    parts = _split(url)
    return urlunsplit(parts._replace(scheme="postgresql"))


def dagster_url(url: str) -> str:
    """The URL for Dagster's storage: psycopg2's spelling, tables in schema `dagster`.

    dagster-postgres brings psycopg2 only, while SQLAlchemy 2.1 reads `postgresql://` as psycopg 3;
    and Dagster's own `alembic_version` must not meet another's in the search path. Its connections
    are named `dagster` in pg_stat_activity.
    """
    parts = _split(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    ours = f"-csearch_path={DAGSTER_SCHEMA}"
    query["options"] = f"{query['options']} {ours}" if query.get("options") else ours
    query.setdefault("application_name", DAGSTER_SCHEMA)
    return urlunsplit(
        parts._replace(scheme="postgresql+psycopg2", query=urlencode(query, quote_via=quote))
    )


def create_dagster_schema(url: str) -> None:
    """Make schema `dagster` where it is missing; Dagster makes its tables in it by itself."""
    try:
        with psycopg.connect(normalized(url), connect_timeout=10) as connection:
            # Two processes may both pass IF NOT EXISTS; the second then fails on the catalog.
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:dagster_schema', 0))"
            )
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise WarehouseError(
            f"The database user may not create schema {DAGSTER_SCHEMA}. As its owner run: "
            f"CREATE SCHEMA {DAGSTER_SCHEMA} AUTHORIZATION <user>; or GRANT CREATE ON DATABASE."
        ) from error
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from None


def redacted(url: str) -> str:
    """The URL without its password and without options, fit to be printed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a database URL that cannot be read"
    if not parts.scheme or "@" not in parts.netloc:
        return urlunsplit(parts._replace(query="", fragment=""))
    user, _, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return urlunsplit(
        parts._replace(netloc=f"{name}{colon and ':***'}@{host}", query="", fragment="")
    )


def unavailable(url: str, error: Exception) -> WarehouseUnavailable:
    """The error to raise when the server at `url` does not answer; keeps its words, not secrets."""
    reason = " ".join(str(error).split()) or type(error).__name__
    password = urlsplit(url).password
    if password:
        reason = reason.replace(password, "***")
    return WarehouseUnavailable(
        f"Postgres at {redacted(url)} cannot be used: {reason}. "
        "Check DATABASE_URL and that the server runs; without DATABASE_URL an embedded "
        "server is started (meta-pipeline db start)."
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:
        raise WarehouseError(f"DATABASE_URL cannot be read: {error}.") from None
    if parts.scheme not in _SPELLINGS:
        raise WarehouseError(
            f"DATABASE_URL begins with {parts.scheme or 'no scheme'!r}; it must look like "
            "postgresql://user:password@host:5432/database. Only Postgres is supported."
        )
    return parts
