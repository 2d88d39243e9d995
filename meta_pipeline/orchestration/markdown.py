"""Text for the Markdown that Dagster shows as metadata."""

from __future__ import annotations


def cell(text: str | None) -> str:
    """Text inside a table: names of accounts are anything, also `|` and `<b>`."""
    return (text or "").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
