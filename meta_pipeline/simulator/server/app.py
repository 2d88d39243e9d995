"""The ASGI application: Graph requests to the service, `/_sim` to the control plane.

Faults that must happen on the wire happen here: a connection dropped before the first byte, a
body cut short, silence, a TCP reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from meta_pipeline.simulator.api import errors, requests
from meta_pipeline.simulator.api.calls import Answer, document
from meta_pipeline.simulator.server import control, wire
from meta_pipeline.simulator.server.faults import Fault
from meta_pipeline.simulator.server.service import Outcome
from meta_pipeline.simulator.world.clock import VirtualClock

if TYPE_CHECKING:
    from meta_pipeline.simulator.server.simulator import Simulator

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """ASGI entry point of one simulator."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._control = control.routes(sim)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/_sim"):
            await self._control(scope, receive, send)
            return
        body = await _body(scope, receive)
        outcome = self._answer(scope, body)
        if outcome.latency_seconds:
            await self._wait(outcome.latency_seconds)
        await _reply(outcome, receive, send)

    def _answer(self, scope: Message, body: bytes) -> Outcome:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        base_url = f"http://{headers.get('host') or self._sim.address}"
        try:
            request = requests.parse(
                scope["method"], target, headers=headers, body=body, base_url=base_url
            )
        except errors.GraphError as error:
            return Outcome(
                Answer(
                    error.status,
                    document(error.body("A0000000000")),
                    {"content-type": "application/json; charset=UTF-8"},
                )
            )
        return self._sim.service.handle(request)

    async def _wait(self, seconds: float) -> None:
        clock = self._sim.clock
        if isinstance(clock, VirtualClock):
            clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)


async def _body(scope: Message, receive: Receive) -> bytes:
    if scope["method"] in {"GET", "HEAD"}:
        return b""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _reply(outcome: Outcome, receive: Receive, send: Send) -> None:
    fault = outcome.fault
    if fault is None or fault.wire in {None, "slow"}:
        await _send(outcome.answer, send)
    elif fault.wire == "drop":
        _transport(send).abort()
    elif fault.wire == "stall":
        await _stall(outcome.answer, fault, receive, send)
    elif fault.wire == "gzip":
        await _send(wire.compressed(outcome.answer), send)
    elif fault.wire == "bomb":
        await _send(wire.bomb(outcome.answer, fault), send)
    elif fault.wire == "huge":
        await _pour(outcome.answer, fault, send)
    elif fault.wire == "drip":
        await _drip(outcome.answer, fault, send)
    else:
        await _cut(outcome.answer, fault, send)


async def _send(answer: Answer, send: Send) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def _pour(answer: Answer, fault: Fault, send: Send) -> None:
    await send(_start(answer, wire.size_of(answer, fault)))
    for piece in wire.pieces(answer, fault):
        if _transport(send).is_closing():
            return
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _drip(answer: Answer, fault: Fault, send: Send) -> None:
    await send(_start(answer, 1 << 40))
    async for drop in wire.drops(fault):
        if _transport(send).is_closing():
            return
        await send({"type": "http.response.body", "body": drop, "more_body": True})


def _start(answer: Answer, size_bytes: int | None = None) -> Message:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in answer.all_headers().items()
    ]
    size = len(answer.body) if size_bytes is None else size_bytes
    headers.append((b"content-length", str(size).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _cut(answer: Answer, fault: Fault, send: Send) -> None:
    """Promise the whole body, send some of it, close (or reset) the connection."""
    await send(_start(answer))
    part = answer.body[: min(fault.after_bytes, max(0, len(answer.body) - 1))]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    transport = _transport(send)
    if fault.wire == "reset":
        _linger_zero(transport)
        transport.abort()
    else:
        transport.close()


async def _stall(answer: Answer, fault: Fault, receive: Receive, send: Send) -> None:
    """Be silent until the client gives up or the time is over, then answer after all."""
    sent = min(fault.after_bytes, max(0, len(answer.body) - 1))
    if sent:
        await send(_start(answer))
        await send({"type": "http.response.body", "body": answer.body[:sent], "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return
    if sent:
        await send({"type": "http.response.body", "body": answer.body[sent:]})
    else:
        await _send(answer, send)


def _transport(send: Send) -> asyncio.Transport:
    """The connection behind uvicorn's `send`: ASGI itself has no way to break one."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


def _linger_zero(transport: asyncio.Transport) -> None:
    """Closing now sends RST instead of FIN."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
