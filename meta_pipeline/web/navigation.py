"""The pages of the navigation, in its order."""

from __future__ import annotations

from .access.role import Role

NAVIGATION = (
    ("/", "Overview", Role.VIEWER),
    ("/campaigns", "Campaigns", Role.VIEWER),
    ("/creatives", "Creatives", Role.VIEWER),
    ("/advice", "Advice", Role.VIEWER),
    ("/ask", "Ask", Role.VIEWER),
    ("/sync", "Sync", Role.VIEWER),
    ("/health", "Data health", Role.VIEWER),
    ("/connections", "Connections", Role.VIEWER),
    ("/members", "Members", Role.ADMIN),
)
"""Address, name, and the role it takes."""
