"""Ports of this machine that nobody uses."""

from __future__ import annotations

import socket
from contextlib import closing

HOST = "127.0.0.1"


class PortsTaken(Exception):
    """No port near the wanted one is free; the message says what to do."""


def free_port() -> int:
    """A port the system says is free."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_port_from(wanted: int, tries: int = 20) -> int:
    """The wanted port, or the next one that is free; PortsTaken when none of them is."""
    for port in range(wanted, wanted + tries):
        if is_free(port):
            return port
    raise PortsTaken(
        f"Ports {wanted} to {wanted + tries - 1} are all in use: choose another with --port."
    )


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there now."""
    with closing(socket.socket()) as probe:
        # As servers do: a port that only waits for old connections to fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something listens there."""
    with closing(socket.socket()) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
