"""One answer off the wire: within a deadline and a size, whatever the other side does.

A server that sends a byte a second, in the status line or in the body, passes every read timeout;
a megabyte of gzip unpacks to gigabytes. So each read of the socket looks at what is left of the
call's time and bytes, and the body is unpacked piece by piece. A redirect is an answer like others:
requests would read its body whole, and its `Location`, to prepare what nobody follows.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from socket import socket
from typing import Any

from requests import Response, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

# An answer is unpacked in pieces of 256 KiB: a bomb is noticed before it fills the memory.
_PIECE_BYTES = 1 << 18
# zlib's own code: 15 is the largest window, and 16 more says that a gzip header stands before it.
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class TooLate(Exception):
    """The call's time is over and its answer is not complete."""


class TooLarge(Exception):
    """The answer is larger than allowed, on the wire or unpacked."""


class Undecodable(Exception):
    """The body's compression is damaged, cut short or one nobody asked for."""


class Allowance:
    """What is left of one call: seconds until its deadline, bytes of its answer."""

    def __init__(
        self, timer: Callable[[], float], seconds: float, read_seconds: float, most_bytes: int
    ) -> None:
        self._timer = timer
        self._ends = timer() + seconds
        self._read_seconds = read_seconds
        self._bytes_left = most_bytes
        self.most_bytes = most_bytes

    def seconds(self) -> float:
        """How long the next read may take; raises TooLate when no time is left."""
        left = self._ends - self._timer()
        if left <= 0:
            raise TooLate
        return min(left, self._read_seconds)

    def take(self, count: int) -> None:
        """Count bytes that came; raises TooLarge when they were too many."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise TooLarge


_CURRENT: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def within(allowance: Allowance) -> Iterator[None]:
    """Answers that arrive in this thread meanwhile are held to `allowance`."""
    token = _CURRENT.set(allowance)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class MeteredAdapter(HTTPAdapter):
    """An adapter whose connections read under the allowance of the call they serve."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _meter(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(proxy, **options)
        _meter(manager)
        return manager


class DirectSession(Session):
    """A session under an allowance that follows no redirect, nor looks where one leads.

    `pool` are options of requests' HTTPAdapter.
    """

    def __init__(self, **pool: Any) -> None:
        super().__init__()
        # Retries belong to a policy: urllib3's own would be calls that nobody counts.
        adapter = MeteredAdapter(max_retries=0, **pool)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: Response) -> str | None:
        return None


def read_body(response: Response, allowance: Allowance) -> bytes:
    """The unpacked body; raises TooLate, TooLarge, Undecodable, or what urllib3 does."""
    encoding = (response.headers.get("content-encoding") or "identity").strip().lower()
    if encoding not in {"identity", *_WINDOW_BITS}:
        raise Undecodable
    pieces: Iterator[bytes] = iter(
        lambda: response.raw.read1(_PIECE_BYTES, decode_content=False), b""
    )
    unpacked = pieces if encoding == "identity" else _unpacked(pieces, _WINDOW_BITS[encoding])
    body, size = io.BytesIO(), 0
    for piece in unpacked:
        size += len(piece)
        if size > allowance.most_bytes:
            raise TooLarge
        body.write(piece)
    return body.getvalue()


def _unpacked(pieces: Iterator[bytes], window_bits: int) -> Iterator[bytes]:
    """Small pieces of the unpacked body: a bomb is noticed before it is in memory."""
    decoder: Any = None
    try:
        for piece in pieces:
            packed = piece
            while packed:
                decoder = decoder or zlib.decompressobj(window_bits)
                while True:
                    out = decoder.decompress(packed, _PIECE_BYTES)
                    yield out
                    packed = decoder.unconsumed_tail
                    if decoder.eof or (not packed and len(out) < _PIECE_BYTES):
                        break
                if decoder.eof:  # gzip may consist of several members, one after the other
                    packed, decoder = decoder.unused_data, None
    except zlib.error:
        raise Undecodable from None
    if decoder is not None:
        raise Undecodable


class _MeteredStream(io.RawIOBase):
    """A socket's bytes, each read of them within what the call has left."""

    def __init__(self, raw: Any, connection: socket, allowance: Allowance) -> None:
        self._raw = raw
        self._connection = connection
        self._allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(self._allowance.seconds())
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            # Too late where the call's time is over with it; else the socket's own silence.
            self._allowance.seconds()
            raise
        self._allowance.take(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def metered(raw: Any, connection: socket) -> io.BufferedReader:
    """The bytes of `raw`, which reads from `connection`, under the allowance that is in force."""
    allowance = _CURRENT.get()
    return io.BufferedReader(
        raw if allowance is None else _MeteredStream(raw, connection, allowance)
    )


class _MeteredResponse(HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = metered(self.fp.detach(), sock)


class _Connection(HTTPConnection):
    response_class = _MeteredResponse


class _TlsConnection(HTTPSConnection):
    response_class = _MeteredResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _meter(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
