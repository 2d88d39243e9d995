"""What every answer tells a browser: run nothing that is not ours, be framed by nobody."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    # No script, style or picture from anywhere else; pictures of creatives lie on Meta's own hosts.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; img-src 'self' https://*.fbcdn.net",
    "X-Content-Type-Options": "nosniff",
    # What frame-ancestors says above, for browsers that do not know it.
    "X-Frame-Options": "DENY",
    # Addresses here have names and ids of accounts in them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# A year: the least that browsers' own lists take.
_HSTS = "max-age=31536000; includeSubDomains"


class SecurityHeaders:
    """ASGI middleware; a header that a route has set itself stays. HSTS only where TLS is."""

    def __init__(self, app: ASGIApp, *, is_secure: bool) -> None:
        self._app = app
        self._headers = _HEADERS | ({"Strict-Transport-Security": _HSTS} if is_secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    # Numbers of a client do not stay in the cache of a shared machine; style and
                    # icons may.
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, receive, with_headers)
        else:
            await self._app(scope, receive, send)
