"""The door: no web page that somebody opens drives a simulator on their machine.

A page can send a form or a `fetch` to any port of the machine it is shown on, and one whose name
leads there (DNS rebinding) reads the answers too. `/_sim` takes no token, and some of it has the
simulator call other addresses.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Whoever lets Meta's own name lead here, to test a client as it is, finds the Graph API under it.
_NAMES = ("localhost", "graph.facebook.com")
FOREIGN_HOST = "This simulator does not answer to that name: ask it by localhost or 127.0.0.1.\n"
FOREIGN_PAGE = "This request comes from another web page; the simulator takes none from there.\n"


class Door:
    """ASGI middleware: requests of other web pages are refused (403), foreign names too (421).

    The second where `host`, which it listens at, is this machine's own address: elsewhere nobody
    here knows by what names it is reached. Who asks without a Host (HTTP/1.0), an Origin and
    Sec-Fetch-Site is a program.
    """

    def __init__(self, app: ASGIApp, *, host: str) -> None:
        self._app = app
        self._is_local = _is_ours(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it at the door."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers({})
        hosts = headers.getlist("host")
        if len(hosts) > 1 or (self._is_local and not all(map(_is_served, hosts))):
            await PlainTextResponse(FOREIGN_HOST, 421)(scope, receive, send)
        elif not _is_own_page(headers, scope):
            await PlainTextResponse(FOREIGN_PAGE, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_own_page(headers: Headers, scope: Scope) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        # Not parsed: what has another form than a browser's is nobody's own page.
        return origin.lower().partition("://")[2] == headers.get("host", "").lower() != ""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    # The login dialog: an application leads its people there, and opens nothing of `/_sim`.
    is_opened = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    return is_opened and not scope["path"].startswith("/_sim")


def _is_served(host: str) -> bool:
    try:
        return _is_ours(urlsplit(f"//{host}").hostname or "")
    except ValueError:  # brackets that are no address of IPv6
        return False


def _is_ours(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name in _NAMES
