"""The MCP server: the tools of this room for any client of the Model Context Protocol."""

from __future__ import annotations

from .application import Admits, http_application
from .server import mcp_server

__all__ = ["Admits", "http_application", "mcp_server"]
