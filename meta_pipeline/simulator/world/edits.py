"""What edits leave behind over the generated world, and why one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meta_pipeline.simulator.world.activities import Logged


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""As the value of a patched key: the key is not there."""


class EditRefusedError(Exception):
    """Meta would refuse this edit; `code` and `subcode` are what it would answer (FACTS §8)."""

    code = 100

    def __init__(self, message: str, *, subcode: int) -> None:
        super().__init__(message)
        self.subcode = subcode


@dataclass
class Overlay:
    """What edits laid over the generated world.

    The server may be reading while a test edits, so a mapping that reads go through is replaced by
    a new one and never changed.
    """

    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By object id: values that differ from the generated ones."""
    edited_at: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """By (account, level, index): the epoch second of the last edit that Meta reviews."""
    log: dict[int, list[Logged]] = field(default_factory=dict)
    """By account: the change log since the world began."""
    gone: frozenset[tuple[int, int, int]] = frozenset()
    """What vanished; (account, -1, 0) is a whole account."""
    kept: dict[tuple[int, int], dict[int, float]] = field(default_factory=dict)
    """Of an ad (account, ad), by day: the share of its delivery that Meta did not take back."""
    withheld: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    """Of an ad, the days whose rows are missing though the account's total has them."""

    tired: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)
    """Of an ad, the day from which people click it less, and the share that goes each day."""
    deaf: dict[int, range] = field(default_factory=dict)
    """Of an account, the days whose conversions nobody reported to Meta."""

    def applied(self, object_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with this object's overrides on top, ABSENT keys taken out."""
        over = self.fields.get(object_id)
        if not over:
            return values
        return {k: v for k, v in {**values, **over}.items() if v is not ABSENT}

    def put(self, object_id: str, values: Mapping[str, Any]) -> None:
        self.fields = {**self.fields, object_id: {**self.fields.get(object_id, {}), **values}}
