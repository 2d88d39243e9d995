"""A proxy before Dagster's webserver, which has no login and checks neither Host nor Origin.

Without it any web page that somebody opens can drive a Dagster on their machine: by a name that it
lets point to 127.0.0.1 (DNS rebinding), by a form, or by an image whose address is a mutation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = ("localhost",)
_GRAPHQL = "/graphql"
_SAFE = ("GET", "HEAD", "OPTIONS")
_PLAIN_FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""What a page may send anywhere without the browser asking first."""
FOREIGN_HOST = (
    "This Dagster does not answer to that name. Open it by localhost or 127.0.0.1, or name the "
    "host in META_DAGSTER_UI_URL or META_DAGSTER_HOSTS and start it again.\n"
)
FOREIGN_PAGE = "This request comes from another web page; Dagster takes none from there.\n"
CHANGES_BY_GET = "A GET changes nothing: send a mutation by POST.\n"


class Doorkeeper:
    """ASGI middleware: refuses foreign hosts (421), foreign pages and mutations by GET (403).

    `hosts` are the names Dagster may be opened by, besides those of this machine: each `name`, or
    `name:port`. The address a request came in on is known too, so that probes of an orchestrator
    pass; another address in its place is as foreign as a name.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it at the door; a WebSocket is closed before it opens."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Policy violation (RFC 6455, 7.4.1).
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, reason = refusal
            await PlainTextResponse(reason, status_code=status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        # Of two a proxy before us may have believed the other one.
        if len(hosts) != 1 or not self._is_ours(hosts[0].lower(), scope):
            return 421, FOREIGN_HOST
        if not self._is_own_page(headers, hosts[0].lower(), scope):
            return 403, FOREIGN_PAGE
        if changes_by_get(scope):
            return 403, CHANGES_BY_GET
        return None

    def _is_ours(self, host: str, scope: Scope) -> bool:
        name = _name(host)
        if name is None:
            return False
        if {host, name} & self._hosts or name in _LOOPBACK:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        came_in_on = (scope.get("server") or ("",))[0]
        return address.is_loopback or name == came_in_on

    def _is_own_page(self, headers: Headers, host: str, scope: Scope) -> bool:
        """Browsers say where a request comes from; who says nothing is a program."""
        origins = headers.getlist("origin")
        if origins:
            # A proxy may put its own name in place of the host that was asked for.
            ours = {_site(f"//{one}") for one in (host, *self._hosts)}
            return len(origins) == 1 and _site(origins[0]) in ours - {None}
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # A page that somebody opens from elsewhere, such as the link of an alert.
            return (
                scope["type"] == "http"
                and scope["method"] == "GET"
                and headers.get("sec-fetch-mode") == "navigate"
                and headers.get("sec-fetch-dest") == "document"
                and not _is_graphql(scope)
            )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return not (
            scope["type"] == "http" and scope["method"] not in _SAFE and kind in _PLAIN_FORMS
        )


def changes_by_get(scope: Scope) -> bool:
    """Whether the request is a GET with anything but queries in it."""
    if scope["type"] != "http" or scope["method"] not in _SAFE or not _is_graphql(scope):
        return False
    asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return not all(_only_asks(text) for text in asked.get("query", ()))


def _only_asks(text: str) -> bool:
    if not text.strip():
        return True
    try:
        # No query of the UI has so many tokens; a longer one would only keep the parser busy.
        document = parse(text, no_location=True, max_tokens=10_000)
    # What we cannot read is refused: Dagster might read something into it.
    except (GraphQLError, RecursionError):
        return False
    return all(
        one.operation is OperationType.QUERY
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode)
    )


def _is_graphql(scope: Scope) -> bool:
    return str(scope["path"]).rstrip("/").endswith(_GRAPHQL)


def _name(host: str) -> str | None:
    """The name without its port; None when it is no host at all."""
    try:
        parts = urlsplit(f"//{host}")
        # Raises where it is no number.
        _ = parts.port
    except ValueError:
        return None
    # A user, a path or a query has no place in a Host header.
    is_bare = parts.netloc == host and "@" not in host and not (parts.path or parts.query)
    return parts.hostname.rstrip(".") if is_bare and parts.hostname else None


def _site(url: str) -> tuple[str, int | None] | None:
    """Name and port; that of http and https is none. The scheme is the proxy's affair."""
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, None if port in (80, 443) else port
