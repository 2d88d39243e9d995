"""Ports of this machine that nobody uses, and sockets that nobody else reaches."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import TextIO

from meta_pipeline.settings.secret_files import private_folder

HOST = "127.0.0.1"
_LOCALHOST = (HOST, "::1")
"""What browsers take `localhost` for, the second first, whatever the machine's own files say."""
# `sun_path` of Linux has 108 bytes, and ends in a zero.
_SOCKET_PATH_BYTES = 107


_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


# Open for as long as the process lives: a lock goes with its file.
_CHOSEN: dict[int, TextIO] = {}


class PortsTaken(Exception):
    """No port near the wanted one is free; the message says what to do."""


def free_port() -> int:
    """A port the system says is free."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_port_from(wanted: int, tries: int = 20) -> int:
    """The wanted port, or the next one that is free; PortsTaken when none of them is.

    It is this process's until it ends: servers listen seconds after their port was chosen, and
    another `demo` or `dev` of the same user that starts meanwhile takes the next one.
    """
    for port in range(wanted, wanted + tries):
        if all(is_free(port, host) for host in _LOCALHOST) and _is_ours(port):
            return port
    raise PortsTaken(
        f"Ports {wanted} to {wanted + tries - 1} are all in use: choose another with --port."
    )


def _is_ours(port: int) -> bool:
    if port in _CHOSEN:
        return True
    lock = (private_folder() / f"port-{port}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _CHOSEN[port] = lock
    return True


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there now, or nobody can: a machine without IPv6."""
    try:
        _bound(host, port).close()
    except OSError as error:
        return error.errno in _NO_SUCH_ADDRESS
    return True


def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at an address of this machine, and wherever else `localhost` leads.

    PortsTaken where somebody listens at one of them: a browser may go there with what was meant for
    this server.
    """
    sockets: list[socket.socket] = []
    for address in dict.fromkeys((HOST if host == "localhost" else host, *_LOCALHOST)):
        try:
            sockets.append(_bound(address, port))
        except OSError as error:
            if error.errno in _NO_SUCH_ADDRESS and address != host:
                continue
            for one in sockets:
                one.close()
            raise PortsTaken(
                f"Port {port} of {address} cannot be used ({error.strerror}), and a browser may go "
                "there for localhost: end what listens there, or choose another with --port."
            ) from None
    for one in sockets:
        one.listen()
    return sockets


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY on those that say they are TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # As servers do: a port that only waits for old connections to fade counts as free.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def answers(port: int) -> bool:
    """Whether something listens there."""
    with closing(socket.socket()) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0


def answers_at(path: Path) -> bool:
    """Whether something listens on the socket."""
    with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
        probe.settimeout(0.2)
        probe.connect(str(path))
        return True
    return False


def socket_in(home: Path) -> Path:
    """Where a server of this home listens: a name in a folder of mode 0700, used by nobody.

    A socket's path has 107 bytes at most; for a home that lies too deep there is the system's
    folder for temporary files.
    """
    path = private_folder(home) / "code.sock"
    if home not in path.parents or len(str(path).encode()) > _SOCKET_PATH_BYTES:
        name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
        path = private_folder() / f"{name}.sock"
    path.unlink(missing_ok=True)
    return path
