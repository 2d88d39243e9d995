"""Asking a port whether our server answers there: the only test of "is it running"."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq, sql

from .cluster import SUPERUSER
from .errors import ServerStartError

_HOST = "127.0.0.1"
_PORTS = range(20_000, 30_000)  # below the range from which systems give outgoing connections
# Older ones refuse an option they do not know.
_REQUIRE_AUTH_SINCE_LIBPQ = 160_000


class PortAnswer(Enum):
    """What answered."""

    OURS = auto()
    NOTHING = auto()
    NOT_YET = auto()  # a Postgres that is starting, recovering or stopping
    FULL = auto()
    SILENT = auto()  # something listens but says nothing
    OTHER = auto()


@dataclass(frozen=True)
class Probe:
    """The answer of a port; `version` and `databases` only of our own server."""

    answer: PortAnswer
    port: int
    version: str | None = None
    databases: frozenset[str] = frozenset()


def probe(port: int, password: str, data: Path, timeout_seconds: int = 5) -> Probe:
    """Connect and compare `data_directory`. A pid says nothing: numbers are used again."""
    if not _is_open(port, timeout_seconds):
        return Probe(PortAnswer.NOTHING, port)
    try:
        with connect(port, password, timeout_seconds) as connection:
            row = connection.execute(
                "SELECT current_setting('data_directory'), current_setting('server_version'), "
                "array(SELECT datname::text FROM pg_database)"
            ).fetchone()
    except psycopg.Error as error:
        return Probe(_refusal(port, error, timeout_seconds), port)
    if row is None or Path(row[0]).resolve() != data.resolve():
        return Probe(PortAnswer.OTHER, port)
    return Probe(PortAnswer.OURS, port, str(row[1]), frozenset(row[2]))


def _is_open(port: int, timeout_seconds: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout_seconds):
            return True
    except OSError:
        return False


def _refusal(port: int, error: psycopg.Error, timeout_seconds: int) -> PortAnswer:
    """Why it did not let us in. libpq keeps the SQLSTATE of that to itself, so the words decide.

    They are always English: we set `lc_messages`. (PQping knows, but holds the GIL meanwhile.)
    """
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return PortAnswer.SILENT
    message = str(error)
    if "the database system is" in message:  # starting up, shutting down, in recovery mode, ...
        return PortAnswer.NOT_YET
    if "too many clients" in message or "connection slots" in message:
        return PortAnswer.FULL
    return PortAnswer.OTHER if _is_open(port, timeout_seconds) else PortAnswer.NOTHING


def connect(
    port: int, password: str, timeout_seconds: int = 5
) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommit connection to the maintenance database, deaf to PG* variables."""
    options: dict[str, Any] = {
        "options": "",
        "client_encoding": "UTF8",
        "gssencmode": "disable",
        "sslmode": "disable",
    }
    if pq.version() >= _REQUIRE_AUTH_SINCE_LIBPQ:
        # Whatever took our port must not get the password by asking for it in clear.
        options["require_auth"] = "scram-sha-256"
    return psycopg.connect(
        host=_HOST,
        hostaddr=_HOST,
        port=port,
        user=SUPERUSER,
        password=password,
        dbname="postgres",
        application_name="meta-pipeline embedded",
        connect_timeout=timeout_seconds,
        autocommit=True,
        **options,
    )


def told_to_nobody(url: str) -> str:
    """The server's URL for a client that gives its password to nobody who asks for it in clear.

    While the server is down, whoever else is on this machine may listen on its port.
    """
    if pq.version() < _REQUIRE_AUTH_SINCE_LIBPQ:
        return url
    return f"{url}?require_auth=scram-sha-256"


def create_database(port: int, password: str, name: str) -> None:
    """Create the database; another process that just did so is no error."""
    try:
        with connect(port, password) as connection, suppress(psycopg.errors.DuplicateDatabase):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise ServerStartError(
            f"The database {name} cannot be made in the embedded Postgres: {error}"
        ) from error


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A free port, at random so that two servers seldom want the same."""
    for _ in range(100):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        return int(listener.getsockname()[1])
