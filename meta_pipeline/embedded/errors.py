"""What can go wrong with the embedded server; every message says what to do next."""

from __future__ import annotations

from collections.abc import Sequence


class EmbeddedPostgresError(Exception):
    """Base of all errors of the embedded server."""


class BinariesNotFoundError(EmbeddedPostgresError):
    """No Postgres that can be run was found: install one or set DATABASE_URL."""


class ServerFolderError(EmbeddedPostgresError):
    """The folder of the server cannot be used: choose another with META_PIPELINE_DATA."""


class ServerStartError(EmbeddedPostgresError):
    """The server did not start: the message ends with what its log says."""


class ServerStopError(EmbeddedPostgresError):
    """The server did not stop in time: end its connections and try again."""


class ServerNotCreatedError(EmbeddedPostgresError):
    """There is no server yet: start it once."""


class ServerInUseError(EmbeddedPostgresError):
    """Other processes use the server; `pids` are theirs."""

    def __init__(self, action: str, pids: Sequence[int]) -> None:
        self.pids = tuple(pids)
        who = ", ".join(str(pid) for pid in self.pids)
        noun = "process uses" if len(self.pids) == 1 else "processes use"
        super().__init__(
            f"{len(self.pids)} other {noun} the embedded Postgres (pid {who}): "
            f"stop them first, or {action} all the same with --force."
        )
