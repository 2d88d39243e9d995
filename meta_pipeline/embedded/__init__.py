"""A Postgres server that comes with the package: no root, no Docker, no set-up.

It is an ordinary Postgres reached over TCP on 127.0.0.1 with a password, so that Dagster, psycopg
and psql all use the same URL. Its data survives the processes that use it; the server itself lives
as long as somebody uses it.
"""

import sys

if sys.platform == "win32":
    raise ImportError(
        "The embedded Postgres runs on Linux and macOS: set DATABASE_URL to a Postgres of yours."
    )

from .connection import told_to_nobody
from .errors import (
    BinariesNotFoundError,
    EmbeddedPostgresError,
    ServerFolderError,
    ServerInUseError,
    ServerNotCreatedError,
    ServerStartError,
    ServerStopError,
)
from .folder import default_root
from .processes import is_alive
from .server import EmbeddedPostgres, ServerStatus

__all__ = [
    "BinariesNotFoundError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "ServerFolderError",
    "ServerInUseError",
    "ServerNotCreatedError",
    "ServerStartError",
    "ServerStatus",
    "ServerStopError",
    "default_root",
    "is_alive",
    "told_to_nobody",
]
