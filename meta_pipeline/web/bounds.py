"""How much a request may send, whoever it is from: nobody fills the memory without a sign-in."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1_048_576
"""One MiB: more than any form of ours, delivery of Meta's or batch of facts has."""
MOST_OF_A_QUESTION_BYTES = 262_144
"""A quarter of one: twice what the longest question of `/v1` has, a sync of 5,000 ids."""


class BodyLimit:
    """ASGI middleware: what is larger ends in 413 where it is read, before all of it is here.

    Counted as it arrives, since a request without Content-Length may go on for ever. Not at the
    paths `but`, which have another limit.
    """

    def __init__(
        self, app: ASGIApp, most_bytes: int = MOST_BYTES, but: Collection[str] = ()
    ) -> None:
        self._app, self._most_bytes, self._but = app, most_bytes, frozenset(but)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._but:
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        is_told = told.isascii() and told.isdigit()
        arrived = 0

        async def bounded() -> Message:
            nonlocal arrived
            # By its length first: int() of a number without end takes its time.
            if is_told and (len(told) > 20 or int(told) > self._most_bytes):
                raise self._too_large()
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._most_bytes:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413, f"A request has at most {self._most_bytes // 1024:,} KiB here: send less at once."
        )
