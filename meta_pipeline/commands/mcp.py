"""`meta-pipeline mcp`: the tools of the copilot for a client of the Model Context Protocol."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .database import opened_warehouse
from .terminal.console import errors, say

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import Warehouse

Http = Annotated[bool, typer.Option("--http", help="Serve over HTTP instead of standard output.")]
Host = Annotated[str, typer.Option(help="Address to listen at, with --http.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at, with --http.")]

# Each question holds one while Postgres answers; more would only wait for its cores.
_CONNECTIONS = 8
# Those beyond wait at the connections above and would only be answered late: they get a 503.
_MOST_REQUESTS = 64


def mcp(http: Http = False, host: Host = "127.0.0.1", port: Port = 8787) -> None:
    """Serve the questions of `ask`, metrics and their explanation to an MCP client, read-only.

    Over standard input and output for a client that starts it; with --http at /mcp, where each
    request brings a key of meta-pipeline api-keys that may read, and sees what its tenant may, or
    META_MCP_TOKEN, which sees all. It never asks Meta. Ends with Ctrl-C.
    """
    from meta_pipeline.copilot.server import http_application, mcp_server

    with opened_warehouse(
        asks=True, application_name="meta_pipeline mcp", max_connections=_CONNECTIONS
    ) as (settings, warehouse):
        server = mcp_server(
            lambda tenant: warehouse.of_tenant(tenant, read_only=True) if tenant else warehouse
        )
        if not http:
            server.run("stdio")
            return
        import uvicorn

        from meta_pipeline.serving import BoundedHttp
        from meta_pipeline.warehouse import Warehouse
        from meta_pipeline.warehouse.connect import ASKER

        # That a key was used is written down: a connection that may write, for that alone.
        with Warehouse(
            warehouse.url,
            application_name="meta_pipeline mcp keys",
            patience=replace(ASKER, is_read_only=False),
        ) as keys:
            # By these names alone: a page in somebody's browser may lead a name of its own here.
            names = dict.fromkeys([host, "127.0.0.1", "localhost"])
            application = http_application(
                server,
                lambda key: _admitted(keys, settings, key),
                hosts=[f"{name}:{port}" for name in names],
            )
            say(f"MCP server at http://{host}:{port}/mcp", to=errors)
            uvicorn.run(
                application,
                host=host,
                port=port,
                http=BoundedHttp,
                # Whoever looks for a hole is not told which version to look up.
                server_header=False,
                log_level="warning",
                log_config=None,  # its lines are ours, without secrets
                limit_concurrency=_MOST_REQUESTS,
            )


def _admitted(warehouse: Warehouse, settings: Settings, key: str) -> str | None:
    """The tenant of a key that may read, "" for the token that sees all, None for neither."""
    from meta_pipeline.web.access.api_keys import Scope, key_of

    token = settings.mcp_token
    # In constant time: the token is a secret that somebody may try to guess by the clock.
    if token and hmac.compare_digest(key.encode(), token.get_secret_value().encode()):
        return ""
    row = key_of(warehouse, key, datetime.now(UTC))
    return row.tenant if row is not None and str(Scope.READ) in row.scopes else None
