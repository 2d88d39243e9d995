"""What the audit of connections keeps: what changed, and nothing of the person whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meta_pipeline.warehouse import ConnectionRow

from .state import ConnectionKind

_SHORTEST = 2
"""Names of a letter or two are in every word."""


def impersonal(said: Any, row: ConnectionRow) -> Any:
    """`said` without the name and the id of the person a connection belongs to."""
    if row.kind != ConnectionKind.USER:
        return said
    if isinstance(said, str):
        for personal in (row.user_id, row.name):
            if len(personal) > _SHORTEST:
                said = said.replace(personal, "[person]")
        return said
    if isinstance(said, Mapping):
        return {name: impersonal(value, row) for name, value in said.items()}
    return [impersonal(one, row) for one in said] if isinstance(said, list | tuple) else said


def changes(before: ConnectionRow, after: ConnectionRow) -> dict[str, Any]:
    """What is different of what the audit keeps: from and to."""
    names = ("state", "scopes", "problem")
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: {"from": old, "to": new} for name, (old, new) in pairs.items() if old != new}
