"""Finding: what one check found, the worst of it as rows, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How bad it is; a higher one is worse."""

    WARN = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    `count` is how many things are wrong (0: passed), `rows` the worst of them, each a mapping of
    column name to a text or number. `headline` is one sentence, `what_to_do` the next step; both
    are also there when the check passed, saying that and when to look again.
    """

    check: str
    count: int
    severity: Severity
    headline: str
    what_to_do: str
    rows: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.count == 0

    @property
    def accounts(self) -> list[str]:
        """The accounts named in the worst rows, each once."""
        return list(dict.fromkeys(str(r["account_id"]) for r in self.rows if r.get("account_id")))
