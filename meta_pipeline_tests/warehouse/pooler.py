"""A connection pooler: real sockets, Postgres's wire protocol, sessions shared like PgBouncer's."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_FAKE_PID = 4_000_000


class Pooler:
    """Clients authenticate through a server session each; then transactions take any idle one.

    With `shares` False every client keeps its own session, as in PgBouncer's session mode. In both
    modes clients are told a process id that is not the server's, as PgBouncer does.
    """

    def __init__(self, server: tuple[str, int], *, shares: bool, port: int = 0) -> None:
        self._server = server
        self._shares = shares
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a thread waits in accept
        self._listener.close()
        with self._lock:
            for session in self._idle:
                session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        session = socket.create_connection(self._server)
        for end in (client, session):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), client:
            session.sendall(_startup(client))
            self._answer(session, client, client_may_speak=True)
            if self._shares:
                self._relay(client, session)
            else:
                threading.Thread(target=_pipe, args=(session, client), daemon=True).start()
                _pipe(client, session)

    def _relay(self, client: socket.socket, own: socket.socket) -> None:
        """Pass questions and answers on; COPY is not among them."""
        session: socket.socket | None = None
        with self._lock:
            self._idle.append(own)
        while True:
            kind, message = _message(client)
            if kind == b"X":
                break
            session = session or self._take()
            session.sendall(message)
            if kind in (b"Q", b"S") and self._answer(session, client) == b"I":
                with self._lock:
                    self._idle.insert(0, session)  # the last one used is the next one given
                session = None
        if session is not None:
            session.close()

    def _answer(
        self, session: socket.socket, client: socket.socket, *, client_may_speak: bool = False
    ) -> bytes:
        """Pass the server's answer on up to ReadyForQuery; give the transaction status."""
        while True:
            kind, message = _message(session)
            if kind == b"K":
                message = message[:5] + struct.pack("!I", _FAKE_PID) + message[9:]
            client.sendall(message)
            if kind == b"Z":
                return message[5:6]
            is_question = kind == b"R" and struct.unpack("!I", message[5:9])[0] in (3, 5, 10, 11)
            if client_may_speak and is_question:
                session.sendall(_message(client)[1])

    def _take(self) -> socket.socket:
        with self._lock:
            return self._idle.pop(0)


def _pipe(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until one end closes, then close both."""
    with suppress(OSError), source, target:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


def _startup(client: socket.socket) -> bytes:
    while True:
        head = _exactly(client, 8)
        length, code = struct.unpack("!II", head)
        if code not in (_SSL_REQUEST, _GSS_REQUEST):
            return head + _exactly(client, length - 8)
        client.sendall(b"N")


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(source, 5)
    return head[:1], head + _exactly(source, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := source.recv(count - len(data))):
            raise ConnectionError
        data += more
    return data


@contextmanager
def pooler(url: str, *, shares: bool) -> Iterator[str]:
    """The URL of a pooler in front of the server of `url`."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    running = Pooler((parts.hostname, parts.port), shares=shares)
    try:
        user = parts.netloc.rpartition("@")[0]
        yield parts._replace(netloc=f"{user}@127.0.0.1:{running.port}").geturl()
    finally:
        running.close()
