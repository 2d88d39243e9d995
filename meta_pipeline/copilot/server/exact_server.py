"""The SDK's server, which refuses what no tool has and says when the tables do not answer."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, Tool

from meta_pipeline.metrics.errors import UnknownName
from meta_pipeline.warehouse import CannotTell, WarehouseError

UNREADABLE = "Cannot tell: the tables cannot be read now. Ask again later."
"""What is said where Postgres does not answer: its own words name hosts and roles."""

_log = logging.getLogger(__name__)


class ExactServer(MCPServer[Any]):
    """Refuses an argument that a tool does not have.

    The SDK drops it: `account` for `accounts` would answer about all accounts and not say so.
    """

    async def list_tools(self) -> list[Tool]:
        """The tools, each with a schema that says that there are no other arguments."""
        tools = await super().list_tools()
        for tool in tools:
            tool.input_schema["additionalProperties"] = False
        return tools

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; ToolError names the argument that it does not have, and the closest ones.

        And it says so where the tables do not answer: the SDK would keep even that to itself.
        """
        known = {tool.name: tool.input_schema["properties"] for tool in await self.list_tools()}
        for argument in arguments:
            if name in known and argument not in known[name]:
                raise ToolError(str(UnknownName(f"argument of {name}", argument, known[name])))
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if (told := _of_tables(error.__cause__)) is None:
                raise
            _log.error("the tables do not answer: %s", error.__cause__)
            raise ToolError(told) from error


def _of_tables(error: BaseException | None) -> str | None:
    """What to say where Postgres was in the way; None where it was something else."""
    if isinstance(error, CannotTell):
        return str(error)
    return UNREADABLE if isinstance(error, WarehouseError | psycopg.Error) else None
