"""Text for the Markdown that Dagster shows as metadata."""

from __future__ import annotations

from meta_pipeline.printable import markdown


def cell(text: str | None) -> str:
    """Text inside a table: names of accounts are anything, also `|` and `<b>`."""
    return markdown(text or "")
