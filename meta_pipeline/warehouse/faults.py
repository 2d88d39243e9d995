"""Faults: what Postgres, or the way to it, refused; one sentence each that says what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from .errors import (
    CannotTell,
    DatabaseUnfit,
    DiskFull,
    PoolerUnsupported,
    WarehouseError,
    WarehouseUnavailable,
)
from .redaction import redacted, without_secrets

_TRY_AGAIN = "What was committed is kept: run it again"
# The SQLSTATE's error, and what to do. https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE: dict[str, tuple[type[WarehouseError], str]] = {
    "25006": (
        DatabaseUnfit,
        (
            "Nothing may be written here: point DATABASE_URL at the primary server, or "
            "ALTER ROLE <user> SET default_transaction_read_only = off (also per database)"
        ),
    ),
    "40001": (WarehouseError, f"Another process wrote the same rows. {_TRY_AGAIN}"),
    "40P01": (WarehouseError, f"Another process held the same rows. {_TRY_AGAIN}"),
    "42501": (
        DatabaseUnfit,
        (
            "GRANT the right to the user of DATABASE_URL, or let the owner of the tables run it; "
            "meta-pipeline check names what is missing"
        ),
    ),
    "42703": (WarehouseError, "The tables are of another version: run meta-pipeline migrate"),
    "42P01": (WarehouseError, "Tables are missing: run meta-pipeline migrate, or sync an account"),
    "3F000": (WarehouseError, "Tables are missing: run meta-pipeline migrate, or sync an account"),
    "53100": (
        DiskFull,
        (
            "The disk of the Postgres server is full: what was being written is undone, nothing is "
            "half-written. Make room on the server, then run it again"
        ),
    ),
    "53200": (
        WarehouseUnavailable,
        f"The Postgres server is out of memory. {_TRY_AGAIN} when it has some",
    ),
    "53300": (
        WarehouseUnavailable,
        (
            "Every connection of the server, of the role or of the database is taken: close some, "
            "lower META_MAX_SYNCS, or raise max_connections"
        ),
    ),
    "55P03": (
        CannotTell,
        (
            "Another session holds a lock on it, such as a migration or a VACUUM FULL: try again "
            "when it is done; SELECT * FROM pg_stat_activity shows who"
        ),
    ),
    "57014": (
        CannotTell,
        (
            "The statement took longer than it may, or somebody cancelled it: try again when the "
            "server is less busy; SELECT * FROM pg_stat_activity shows what it does"
        ),
    ),
    "58030": (DiskFull, f"The disk of the Postgres server fails. {_TRY_AGAIN} when it is mended"),
}
_SHUT_DOWN = f"The server was shut down. {_TRY_AGAIN} when it answers"
_STARTING = "It is starting, stopping or recovering: try again in a moment"
_BY_STATE |= dict.fromkeys(("57P01", "57P02"), (WarehouseUnavailable, _SHUT_DOWN))
_BY_STATE |= dict.fromkeys(("57P03",), (WarehouseUnavailable, _STARTING))

_CROWDED = (
    r"too many clients|connection slots|too many connections|no more connections allowed"
    r"|max_client_conn|query_wait_timeout"
)
# What refuses a connection has no SQLSTATE in libpq, so the words decide; in a server that speaks
# another language none matches and the general advice is given.
_BY_WORDS: tuple[tuple[str, str], ...] = (
    (
        r"password authentication failed|no password supplied|SASL|auth failed|wrong password",
        "Check user and password in DATABASE_URL; odd characters in them are written %XX",
    ),
    (r'role "[^"]*" does not exist|no such user', "Check the user in DATABASE_URL, or CREATE ROLE"),
    (
        r'database "[^"]*" does not exist|no such database',
        "Check the database's name in DATABASE_URL, or CREATE DATABASE <name> ENCODING 'UTF8'",
    ),
    (
        r"could not translate host name|failed to resolve host|Name or service not known",
        "Check the host in DATABASE_URL: this machine knows none of that name",
    ),
    (_CROWDED, _BY_STATE["53300"][1]),
    (r"the database system is|pgbouncer (cannot|is)|server_login_retry", _STARTING),
    (
        r"CONNECT privilege|permission denied for database",
        "GRANT CONNECT ON DATABASE <name> TO <user>, both as DATABASE_URL names them",
    ),
    (r"No space left on device", _BY_STATE["53100"][1]),
    (r"no pg_hba.conf entry", "Let pg_hba.conf of the server admit this machine, user, database"),
    (r"\bSSL\b|certificate", "Check sslmode and the certificates named in DATABASE_URL"),
    (
        r"unsupported startup parameter",
        (
            "The connection pooler refuses an option of DATABASE_URL: leave it out, or name "
            "Postgres itself"
        ),
    ),
    (r"read-write|hot standby|read-only", _BY_STATE["25006"][1]),
)
_GENERAL = (
    "Check DATABASE_URL and that the server runs; without DATABASE_URL an embedded server is "
    "started (meta-pipeline db start)"
)
_STATEMENTS = re.compile("statement pooling", re.IGNORECASE)
_TEMPORARY = re.compile("temporary tables? in database|pg_temp", re.IGNORECASE)


def unavailable(url: str, error: Exception) -> WarehouseUnavailable:
    """The error to raise when the server at `url` does not let us in; its words, no secrets."""
    reason = _said(error, url)
    advice = next((told for words, told in _BY_WORDS if re.search(words, reason)), _GENERAL)
    if isinstance(error, psycopg.Error) and error.sqlstate in _BY_STATE:
        advice = _BY_STATE[error.sqlstate][1]
    return WarehouseUnavailable(f"Postgres at {redacted(url)} cannot be used: {reason}. {advice}.")


def is_crowded(error: psycopg.OperationalError) -> bool:
    """Whether no connection was had because all of the server, role or database are taken."""
    return error.sqlstate == "53300" or re.search(_CROWDED, str(error)) is not None


def fault(error: psycopg.Error, url: str = "") -> WarehouseError:
    """What a statement's error means, as the error to raise from it."""
    state = error.sqlstate
    said = _said(error, url)
    if state is None and isinstance(error, psycopg.OperationalError):
        return WarehouseUnavailable(
            f"The connection to Postgres was lost: {said}. {_TRY_AGAIN} when the database answers."
        )
    if state == "42501" and _TEMPORARY.search(said):
        return DatabaseUnfit(
            f"Postgres: {said}. GRANT TEMPORARY ON DATABASE <name> TO <user>: rows are staged in "
            "temporary tables."
        )
    if _STATEMENTS.search(said):
        return PoolerUnsupported(
            f"Postgres is reached through a connection pooler in statement mode: {said}. Point "
            "DATABASE_URL at Postgres itself, or at the pooler's session mode."
        )
    kind, advice = _BY_STATE.get(
        state or "", (WarehouseError, "This was not expected: report it with these words")
    )
    lead = "Cannot tell: Postgres" if kind is CannotTell else "Postgres"
    return kind(f"{lead} says {said}. {advice}.")


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Errors of psycopg, also within SQLAlchemy's, become what `fault` makes of them."""
    try:
        yield
    except Exception as error:
        original = error if isinstance(error, psycopg.Error) else getattr(error, "orig", None)
        if not isinstance(original, psycopg.Error):
            raise
        raise fault(original, url) from error


def _said(error: Exception, url: str) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    said = " ".join((primary or str(error)).split()) or type(error).__name__
    return without_secrets(said, url).rstrip(".")
