"""ETags: what a program has already is not sent again."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """ASGI middleware: GET answers that are 200 get an ETag, and are 304 to who knows it.

    Weak, as the same answer is sent with and without compression. The body of an answer is held:
    pages have a most number of rows.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None
        body = bytearray()

        async def held(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body") or start is None:
                return
            await self._send(start, bytes(body), known, send)

        await self._app(scope, receive, held)

    async def _send(self, start: Message, body: bytes, known: str, send: Send) -> None:
        headers = MutableHeaders(scope=start)
        if start["status"] == 200:
            tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers["ETag"] = tag
            # no-cache, not no-store: kept by whoever asked, and asked about each time.
            headers["Cache-Control"] = "private, no-cache"
            if known == "*" or tag in [one.strip() for one in known.split(",")]:
                del headers["content-length"]
                start, body = {**start, "status": 304}, b""
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})
