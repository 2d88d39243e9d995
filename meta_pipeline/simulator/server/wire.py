"""Bodies of requests, answers on the wire, and the faults that must happen there.

A connection dropped before the first byte, a body cut short, silence, a TCP reset; bodies
compressed, padded to any size, or a byte at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import GraphAnswer
from meta_pipeline.simulator.server.faults import Fault
from meta_pipeline.simulator.server.service import Served

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BYTES = 10 * 2**20
"""Of a request's body: a batch of 50 reads has some tens of kB."""
# So much of an answer without an end is in memory at a time.
_PIECE_BYTES = 1 << 20
# A gzip file may be many members one after the other: one is packed, and sent again and again.
_MEMBER_BYTES = 16_000_000
_ENDLESS_BYTES = 1 << 40  # a content-length that no drip ever reaches


async def body_of(receive: Receive) -> bytes:
    """The body of a request; GraphError (413) as soon as it is more than `MOST_BYTES`."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise errors.body_too_large(MOST_BYTES)
        more = message.get("more_body", False)
    return bytes(body)


async def reply(outcome: Served, receive: Receive, send: Send) -> None:
    """Send the answer as its fault spoils it."""
    answer, fault = outcome.answer, outcome.fault
    match fault.wire if fault else None:
        case "drop":
            _transport(send).abort()
        case "reset" | "truncate" if fault:
            await _cut(answer, fault, send)
        case "stall" if fault:
            await _stall(answer, fault, receive, send)
        case "gzip":
            await _whole(compressed(answer), send)
        case "bomb" if fault:
            await _whole(bomb(answer, fault.after_bytes), send)
        case "huge" if fault:
            await _padded(answer, fault.after_bytes, send)
        case "drip" if fault:
            # White space without an end, a byte each `seconds`: no read time-out ever strikes.
            await _start(answer, _ENDLESS_BYTES, send)
            while not _transport(send).is_closing():
                await _part(b" ", send)
                await asyncio.sleep(fault.seconds)
        case _:
            await _whole(answer, send)


def compressed(answer: GraphAnswer) -> GraphAnswer:
    """The answer as gzip, which is how Meta sends it to whoever accepts it."""
    headers = {**answer.headers, "content-encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers)


def bomb(answer: GraphAnswer, size_bytes: int) -> GraphAnswer:
    """Gzip a thousandth as large as what it unpacks to: the body, then white space."""
    # A gzip file may have many members: one is made and sent again and again.
    member = gzip.compress(b" " * _MEMBER_BYTES, mtime=0)
    small = compressed(answer)
    return replace(small, body=small.body + member * -(-size_bytes // _MEMBER_BYTES))


async def _whole(answer: GraphAnswer, send: Send) -> None:
    await _start(answer, len(answer.body), send)
    await send({"type": "http.response.body", "body": answer.body})


async def _padded(answer: GraphAnswer, more_bytes: int, send: Send) -> None:
    """The body, then white space up to the size of the fault: valid JSON, however large."""
    await _start(answer, len(answer.body) + more_bytes, send)
    piece = answer.body
    while not _transport(send).is_closing():
        await _part(piece, send)
        if more_bytes <= 0:
            await send({"type": "http.response.body", "body": b""})
            return
        piece = b" " * min(more_bytes, _PIECE_BYTES)
        more_bytes -= len(piece)


async def _cut(answer: GraphAnswer, fault: Fault, send: Send) -> None:
    """Promise the whole body, send some of it, close (or reset) the connection."""
    await _start(answer, len(answer.body), send)
    await _part(answer.body[: min(fault.after_bytes, max(0, len(answer.body) - 1))], send)
    transport = _transport(send)
    if fault.wire == "truncate":
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # No lingering: closing now sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _stall(answer: GraphAnswer, fault: Fault, receive: Receive, send: Send) -> None:
    """Be silent until the client gives up or the time is over, then answer after all."""
    sent = min(fault.after_bytes, max(0, len(answer.body) - 1))
    if sent:
        await _start(answer, len(answer.body), send)
        await _part(answer.body[:sent], send)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return
    if sent:
        await send({"type": "http.response.body", "body": answer.body[sent:]})
    else:
        await _whole(answer, send)


async def _start(answer: GraphAnswer, size_bytes: int, send: Send) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in answer.all_headers().items()
    ]
    headers.append((b"content-length", str(size_bytes).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _part(body: bytes, send: Send) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _transport(send: Send) -> asyncio.Transport:
    """The connection behind uvicorn's `send`: ASGI itself has no way to break one."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport
