"""The embedded server as its users see it: start or attach, use, leave; the last one stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from .account import ServerAccount
from .binaries import Binaries, find_binaries
from .cluster import SUPERUSER, Cluster
from .connection import PortAnswer, Probe, create_database, probe
from .deadline import Deadline, Patience
from .errors import (
    ServerInUseError,
    ServerNotCreatedError,
    ServerStartError,
)
from .folder import ServerFolder, default_root
from .launch import Launch, stop
from .locks import User, Users, exclusive

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerStatus:
    """The server at one moment; `url` hides the password, `users` counts living uses."""

    running: bool
    url: str | None
    version: str
    data_folder: Path
    users: int
    kept: bool


class EmbeddedPostgres:
    """A Postgres of our own under `root`, shared by all processes that name the same `root`.

    `root` is a folder for the application's data, by default the user's own; `durable=False`
    gives up safety against power loss for speed, for tests; `database` is created on first use.
    """

    def __init__(
        self,
        root: Path | None = None,
        durable: bool = True,
        database: str = "meta_pipeline",
        *,
        patience: Patience | None = None,
        find: Callable[[], Binaries] = find_binaries,
    ) -> None:
        self._folder = ServerFolder(root or default_root())
        self._durable = durable
        self._database = database
        self._patience = patience or Patience()
        self._find = find
        self._users = Users(self._folder.users)
        self._own: list[User] = []

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self._folder.path)!r}, database={self._database!r})"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Use the server: start it or attach to it, and stop it again as its last user.

        Yields the URL. A process that is killed stops counting at once; a server that was left
        without users is taken over by the next one.
        """
        url, user = self._enter()
        try:
            yield url
        finally:
            with self._locked():
                # Under the lock: between leaving and looking somebody else may come.
                user.leave()
                self._users.forget_dead()
                if not self._users.pids() and not self._folder.is_kept:
                    self._stop_if_running()

    def start(self, keep: bool = True) -> str:
        """Start or attach and return the URL.

        With `keep` the server stays up, whoever leaves, until `stop`; without it this object is
        a user of it until `stop` or until the process ends.
        """
        if not keep:
            url, user = self._enter()
            self._own.append(user)
            return url
        with self._locked():
            running = self._ensure_running()
            self._folder.keep(True)
        return self._url(running.port)

    def stop(self, force: bool = False) -> None:
        """Stop the server and forget `keep`; raises ServerInUseError while others use it."""
        if not self._folder.path.exists():
            return
        with self._locked():
            self._leave_own()
            self._require_unused("stop", force)
            self._folder.keep(False)
            self._stop_if_running()

    def reset(self, force: bool = False) -> None:
        """Stop the server and remove its data for good; refuses while others use it."""
        if not self._folder.path.exists():
            return
        with self._locked():
            self._leave_own()
            self._require_unused("reset", force)
            self._stop_if_running()
            self._folder.remove_everything()

    def status(self) -> ServerStatus:
        """What is there now; changes nothing."""
        running = self._find_running()
        return ServerStatus(
            running=running is not None,
            url=None if self._folder.port is None else self._url(self._folder.port, "***"),
            version=(running.version if running else None) or self._binaries.version,
            data_folder=self._data,
            users=len(self._users.pids()),
            kept=self._folder.is_kept,
        )

    @property
    def url(self) -> str:
        """`postgresql://meta:PASSWORD@127.0.0.1:PORT/DATABASE`, whether or not it runs now."""
        if self._folder.port is None:
            raise ServerNotCreatedError(
                "There is no embedded Postgres yet: meta-pipeline db start makes one."
            )
        return self._url(self._folder.port)

    @property
    def psql_path(self) -> Path:
        """The psql of the same version as the server."""
        return self._binaries.tool("psql")

    def _url(self, port: int, password: str | None = None) -> str:
        secret = password or self._folder.password
        return f"postgresql://{SUPERUSER}:{secret}@127.0.0.1:{port}/{quote(self._database)}"

    @cached_property
    def _binaries(self) -> Binaries:
        return self._find()

    @property
    def _data(self) -> Path:
        return self._folder.data(self._binaries.major)

    def _locked(self) -> AbstractContextManager[None]:
        _ = self._binaries  # without any, not even a folder is made
        return exclusive(self._folder.lock, self._deadline(), self._folder.create)

    def _deadline(self) -> Deadline:
        return self._patience.deadline()

    def _enter(self) -> tuple[str, User]:
        with self._locked():
            running = self._ensure_running()
            return self._url(running.port), self._users.join()

    def _ensure_running(self) -> Probe:
        self._users.forget_dead()
        running = self._find_running() or self._launch()
        # One server has the databases of the demo, of tests and of the user's own.
        if self._database not in running.databases:
            create_database(running.port, self._folder.make_password(), self._database)
        return running

    def _find_running(self) -> Probe | None:
        """Our server, found by connecting to where it should be or says it is."""
        cluster, password = self._cluster(), self._folder.password
        if password is None or not cluster.was_left:
            return None
        # Where it should be, and where its own pid file says it is: it may have had to move.
        ports = (self._folder.port, cluster.last_port)
        for port in dict.fromkeys(port for port in ports if port is not None):
            probed = self._patient_probe(port, password, cluster)
            if probed.answer is PortAnswer.OURS:
                self._folder.remember_port(port)
                return probed
        return None

    def _patient_probe(self, port: int, password: str, cluster: Cluster) -> Probe:
        """An answer that is final: waits for a server that starts, stops, hangs or is full."""
        deadline = self._deadline()
        while True:
            probed = probe(port, password, cluster.data)
            hangs = probed.answer is PortAnswer.SILENT and cluster.last_pid_is_alive
            if not hangs and probed.answer not in (PortAnswer.NOT_YET, PortAnswer.FULL):
                return probed
            if not deadline.wait(0.1):
                reason = _WHY_NO_ANSWER[probed.answer]
                raise ServerStartError(reason.format(port=port, log=self._folder.log))

    def _launch(self) -> Probe:
        self._folder.sweep()
        password = self._folder.make_password()
        cluster = self._cluster(placed=True)
        if not cluster.data.exists():
            for other in self._folder.other_data(self._binaries.major):
                logger.warning(
                    "%s holds data of Postgres %s that Postgres %s cannot read; a new, empty data "
                    "folder is made beside it. To carry it over use pg_dump of that version.",
                    other,
                    other.name,
                    self._binaries.major,
                )
            cluster.create(password)
        started = Launch(cluster, password, self._deadline()).run(self._folder.port)
        logger.info("Postgres %s runs on port %s.", started.version, started.port)
        return started

    def _cluster(self, placed: bool = False) -> Cluster:
        """The data folder; `placed` makes sure that the account can reach the binaries."""
        account = ServerAccount.choose(self._data)
        binaries = self._binaries
        if placed:
            account.require_access(self._folder.path)
            binaries = binaries.for_account(account, self._folder)
        return Cluster(self._folder, self._data, binaries, account, self._durable)

    def _stop_if_running(self) -> None:
        if self._find_running() is not None:
            stop(self._cluster(placed=True))

    def _leave_own(self) -> None:
        while self._own:
            self._own.pop().leave()

    def _require_unused(self, action: str, force: bool) -> None:
        self._users.forget_dead()
        pids = self._users.pids()
        if pids and not force:
            raise ServerInUseError(action, pids)


_WHY_NO_ANSWER = {
    PortAnswer.SILENT: (
        "Port {port} of the embedded Postgres is open but nothing answers there: wait until the "
        "machine is less busy, or end what holds the port, then try again; its log is {log}."
    ),
    PortAnswer.NOT_YET: (
        "The embedded Postgres is still starting or stopping; after a crash it may be recovering. "
        "Try again in a minute; its log is {log}."
    ),
    PortAnswer.FULL: (
        "All connections of the embedded Postgres are in use: close some, then try again; "
        "its log is {log}."
    ),
}
