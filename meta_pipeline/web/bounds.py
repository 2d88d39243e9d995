"""How much a request may send, whoever it is from: nobody fills the memory unknown."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1_048_576
"""One MiB: more than any form of ours, delivery of Meta's or batch of facts has."""
_TOO_LARGE = "A request has at most 1 MiB: send less at once."


class BodyLimit:
    """ASGI middleware: what is larger ends in 413 where it is read, before all of it is here.

    Counted as it arrives, since a request without Content-Length may go on for ever.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        is_told = told.isascii() and told.isdigit()
        arrived = 0

        async def bounded() -> Message:
            nonlocal arrived
            # By its length first: int() of a number without end takes its time.
            if is_told and (len(told) > 20 or int(told) > MOST_BYTES):
                raise HTTPException(413, _TOO_LARGE)
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > MOST_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, bounded, send)
