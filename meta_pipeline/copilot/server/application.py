"""The HTTP door of the MCP server: nobody comes in without a key, nobody from another host."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meta_pipeline.concurrency import FairLimiter, TooManyAtOnce
from meta_pipeline.key_tries import KeyTries, TooManyKeys
from meta_pipeline.warehouse import WarehouseError

from .exact_server import UNREADABLE
from .server import TENANT

Admits = Callable[[str], str | None]
"""The tenant whose rows the bearer of a key may see; None for a key that lets nobody in.

WarehouseError or psycopg.Error where the tables do not say: the request is answered 503.
"""
# A question with its arguments is a few kB; what is longer is no call of a tool.
MAX_BODY_BYTES = 1_048_576

_KEY_NEEDED = JSONResponse(
    {"error": "A key is needed: Authorization: Bearer KEY."},
    status_code=401,
    headers={"WWW-Authenticate": "Bearer"},
)
# The transport would answer a GET with a stream that nothing is ever sent on, and that holds one of
# the places until its client leaves; a DELETE ends a session, and none is kept.
_POST_ALONE = JSONResponse(
    {"error": "This server is asked by POST alone."}, status_code=405, headers={"Allow": "POST"}
)
_CANNOT_TELL = JSONResponse({"error": UNREADABLE}, status_code=503)

_log = logging.getLogger(__name__)


class _Door:
    """Lets a request in with `Authorization: Bearer KEY`, and notes whose rows it may see."""

    def __init__(self, inner: ASGIApp, admits: Admits, limiter: FairLimiter) -> None:
        self._inner = inner
        self._admits = admits
        self._limiter = limiter
        self._tries = KeyTries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope}  # the server's own, which it may use again
        # Lifespan events have no headers, and start the transport.
        answer = await self._answer(scope) if scope["type"] == "http" else self._inner
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> ASGIApp:
        """The server, for a request that is let in, or what is said instead."""
        if scope["method"] != "POST":
            return _POST_ALONE
        if (key := _key(scope)) is None:
            return _KEY_NEEDED
        address, _ = scope["client"] or ("", 0)
        look_up = partial(self._tries.look_up, address, key, partial(self._admits, key))
        # A key is looked up in the tables: on the event loop a slow one would hold up all others.
        try:
            tenant = await run_in_threadpool(look_up)
        except TooManyKeys as error:
            return _later(error)
        except (WarehouseError, psycopg.Error) as error:
            _log.error("no key can be looked up: %s", error)
            return _CANNOT_TELL
        if tenant is None:
            return _KEY_NEEDED
        scope[TENANT] = tenant or None
        return partial(self._in_slot, tenant)

    async def _in_slot(self, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it answered in a slot of the tenant, which is held for the work alone.

        How long a question takes to arrive, and its answer to be taken, is up to its client.
        """
        arrived, answer = await _arrived(receive), deque[Message]()

        async def note(message: Message) -> None:
            answer.append(message)

        try:
            async with self._limiter.slot(tenant):
                # Answers are one JSON document each: none of it is sent before it is whole anyhow.
                await self._inner(scope, arrived, note)
        except TooManyAtOnce as error:
            await _later(error)(scope, receive, note)
        while answer:
            await send(answer.popleft())


def _later(error: TooManyAtOnce | TooManyKeys) -> JSONResponse:
    headers = {"Retry-After": str(error.seconds)}
    return JSONResponse({"error": str(error)}, status_code=429, headers=headers)


async def _arrived(receive: Receive) -> Receive:
    """What has the request once its body is here, or more of it than the transport takes."""
    messages, size = deque[Message](), 0
    while not messages or (messages[-1].get("more_body") and size <= MAX_BODY_BYTES):
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again


def _key(scope: Scope) -> str | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == b"authorization":
            kind, _, key = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer" and key.strip():
                return key.strip()
    return None


def http_application(
    server: MCPServer[Any],
    admits: Admits,
    *,
    hosts: list[str],
    path: str = "/mcp",
    limiter: FairLimiter | None = None,
) -> Starlette:
    """The streamable HTTP transport behind the door; `hosts` are those it is reached at.

    `admits` gives "" for a key without a tenant of its own. Requests stand alone: no session is
    kept, so that any number of processes can serve. Tenants take slots of `limiter`: those of one
    leave room for the others'.
    """
    application = server.streamable_http_app(
        streamable_http_path=path,
        stateless_http=True,
        json_response=True,
        max_request_body_size=MAX_BODY_BYTES,
        transport_security=TransportSecuritySettings(
            # Against DNS rebinding: a page in somebody's browser may not reach a server on their
            # machine.
            allowed_hosts=hosts,
            allowed_origins=[
                f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")
            ],
        ),
    )
    application.add_middleware(_Door, admits=admits, limiter=limiter or FairLimiter())
    return application


__all__ = ["Admits", "http_application"]
