"""`meta-pipeline mcp`: the tools of the copilot for a client of the Model Context Protocol."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Annotated

import typer

from .database import opened_warehouse
from .terminal.console import errors, fail, say

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings

Http = Annotated[bool, typer.Option("--http", help="Serve over HTTP instead of standard output.")]
Host = Annotated[str, typer.Option(help="Address to listen at, with --http.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at, with --http.")]

_CONNECTIONS = 8
_MOST_REQUESTS = 64


def mcp(http: Http = False, host: Host = "127.0.0.1", port: Port = 8787) -> None:
    """Serve the questions of `ask`, metrics and their explanation to an MCP client, read-only.

    Over standard input and output for a client that starts it; with --http at /mcp, where each
    request brings META_MCP_TOKEN as its bearer token. It never asks Meta. Ends with Ctrl-C.
    """
    from meta_pipeline.copilot.server import http_application, mcp_server

    with opened_warehouse(
        asks=True, application_name="meta_pipeline mcp", max_connections=_CONNECTIONS
    ) as (settings, warehouse):
        server = mcp_server(lambda _: warehouse)
        if not http:
            server.run("stdio")
            return
        import uvicorn

        token = _token(settings)
        application = http_application(
            server,
            lambda key: "" if hmac.compare_digest(key.encode(), token.encode()) else None,
            hosts=_hosts(host, port),
        )
        say(f"MCP server at http://{host}:{port}/mcp", to=errors)
        uvicorn.run(
            application,
            host=host,
            port=port,
            log_level="warning",
            limit_concurrency=_MOST_REQUESTS,
        )


def _token(settings: Settings) -> str:
    if settings.mcp_token is None:
        fail(
            "META_MCP_TOKEN is not set: over HTTP every request must bring it. Make one: "
            'python -c "import secrets; print(secrets.token_hex(32))"'
        )
    return settings.mcp_token.get_secret_value()


def _hosts(host: str, port: int) -> list[str]:
    names = dict.fromkeys([host, "127.0.0.1", "localhost"])
    return [f"{name}:{port}" for name in names]
