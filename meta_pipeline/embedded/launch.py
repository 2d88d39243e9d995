"""Starting and stopping the server process, once it is known that none runs."""

from __future__ import annotations

import logging
import signal
import subprocess
from dataclasses import dataclass

from .cluster import Cluster, last_lines
from .connection import PortAnswer, Probe, free_port, is_free, probe
from .deadline import Deadline
from .errors import ServerStartError, ServerStopError

logger = logging.getLogger(__name__)

# A fast shutdown writes a checkpoint first, which a slow disk takes its time for.
_STOP_TIMEOUT_SECONDS = 120
# Also to a server that is started with no time left: so long it has to fail, and to say why.
_LEAST_SECONDS = 5
_PORT_TAKEN = ("could not bind", "could not create any TCP/IP sockets")
# What a killed server left behind is still ending; its last processes hold the shared memory.
_STILL_ENDING = ("pre-existing shared memory block", "lock file", "is still in use")

# Servers that are children of this process, by data folder: kept so that they are reaped.
_children: dict[str, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Launch:
    """One try after another to start `cluster` until it runs or the deadline passes."""

    cluster: Cluster
    password: str
    deadline: Deadline

    def run(self, port: int | None) -> Probe:
        """Start on `port` if it is free, else on another one that is then remembered."""
        while True:
            port = self._settle_on(port)
            self.cluster.configure(port)
            self.cluster.disarm_pid_file()
            outcome = self._attempt(port)
            if isinstance(outcome, Probe):
                return outcome
            port = self._port_after(outcome, port)

    def _settle_on(self, port: int | None) -> int:
        if port is not None and is_free(port):
            return port
        chosen = free_port()
        if port is not None:
            logger.warning("Port %s is taken: the embedded Postgres moves to %s.", port, chosen)
        self.cluster.folder.remember_port(chosen)
        return chosen

    def _port_after(self, failure: str, port: int) -> int | None:
        """The port of the next try; raises when another try would end the same way."""
        if any(sign in failure for sign in _PORT_TAKEN) and self.deadline.wait(0.0):
            return None
        if any(sign in failure for sign in _STILL_ENDING) and self.deadline.wait(0.2):
            return port
        raise ServerStartError(
            f"The embedded Postgres did not start: {last_lines(failure)}. "
            f"Its log is {self.cluster.folder.log}."
        )

    def _attempt(self, port: int) -> Probe | str:
        """The running server, or what it said before it ended."""
        folder = self.cluster.folder
        folder.rotate_log()
        folder.log.touch(mode=0o600)
        with folder.log.open("ab") as log:
            begin = log.tell()
            process = self.cluster.account.start(
                [str(self.cluster.binaries.tool("postgres")), "-D", str(self.cluster.data)],
                folder.path,
                log,
            )
        try:
            probed = self._wait(process, port)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # for Postgres a fast, clean shutdown
            process.wait()
            raise
        if probed is None:
            return folder.log.read_bytes()[begin:].decode("utf-8", errors="replace")
        return probed

    def _wait(self, process: subprocess.Popen[bytes], port: int) -> Probe | None:
        """The server once it answers; None when it ended instead."""
        _children[str(self.cluster.data)] = process
        least = self.deadline.patience.deadline(_LEAST_SECONDS)  # to fail, and to say why
        while process.poll() is None:
            probed = probe(port, self.password, self.cluster.data)
            if probed.answer is PortAnswer.OURS:
                return probed
            if not self.deadline.wait(0.02) and not least.wait(0.02):
                raise ServerStartError(
                    "The embedded Postgres is still starting; after a crash it may be recovering. "
                    f"Try again in a minute; its log is {self.cluster.folder.log}."
                )
        return None


def stop(cluster: Cluster) -> None:
    """Stop the server that is known to run on `cluster`, ending its connections."""
    pg_ctl = [cluster.binaries.tool("pg_ctl"), "stop", "--pgdata", cluster.data]
    result = cluster.account.run(
        [*pg_ctl, "--mode=fast", "--wait", f"--timeout={_STOP_TIMEOUT_SECONDS}"],
        cluster.folder.path,
    )
    if result.returncode != 0:
        raise ServerStopError(
            f"The embedded Postgres did not stop ({last_lines(result.stdout)}): "
            f"try again; its log is {cluster.folder.log}."
        )
    child = _children.pop(str(cluster.data), None)
    if child is not None:
        child.wait()
