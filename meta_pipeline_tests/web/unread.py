"""Clients that take their time: they send no body, or read no answer, and say when it matters."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from uvicorn.protocols.http.flow_control import FlowControl

from meta_pipeline.serving import BoundedHttp
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until

# More than what the kernel keeps of small answers where it may keep little.
_REQUESTS = 500


class _NotedFlow(FlowControl):
    stuck = False

    async def drain(self) -> None:
        self.stuck = True
        await super().drain()


class Noted(BoundedHttp):
    """Knows of each connection whether an answer that is made waits for its reader."""

    flows: list[_NotedFlow]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _NotedFlow(transport)
        self.flows.append(self.flow)
        transport.set_write_buffer_limits(0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def noted() -> type[Noted]:
    """The protocol for one server."""
    return type("NotedHere", (Noted,), {"flows": []})


@contextmanager
def unread(url: str, request: bytes, served: type[Noted], clients: int) -> Iterator[None]:
    """So many clients ask again and again and read nothing, until an answer to each is stuck."""
    with _connected(url, clients) as connections:
        for one in connections:
            one.sendall(request * _REQUESTS)
        wait_until(lambda: sum(one.stuck for one in served.flows) == clients, "answers are stuck")
        yield


@contextmanager
def bodiless(url: str, head: bytes, clients: int) -> Iterator[None]:
    """So many clients sent a head and no body, which is read for by now."""
    with _connected(url, clients) as connections:
        for one in connections:
            one.sendall(head + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        for one in connections:
            # Said as soon as somebody reads the body, and no sooner.
            assert one.recv(65_536).startswith(b"HTTP/1.1 100")
        yield


@contextmanager
def _connected(url: str, clients: int) -> Iterator[list[socket.socket]]:
    address = urlsplit(url)
    assert address.hostname
    with ExitStack() as until:
        connections = []
        for _ in range(clients):
            one = until.enter_context(socket.socket())
            one.settimeout(PATIENCE_SECONDS)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect((address.hostname, address.port or 80))
            connections.append(one)
        yield connections
