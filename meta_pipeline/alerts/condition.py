"""Condition: one thing that is wrong right now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class ConditionKind(StrEnum):
    """What sort of thing; messages are grouped by it."""

    LOST = "lost"
    FAILING = "failing"
    THROTTLED = "throttled"
    STALE = "stale"
    ERROR_RATE = "error_rate"
    CHECK = "check"
    TOKEN = "token"  # noqa: S105  # the kind of alert, not a token
    RUN = "run"
    TICK = "tick"


class Grade(IntEnum):
    """How bad; people are told again when it rises. URGENT does not wait for the digest."""

    WARNING = 1
    ERROR = 2
    URGENT = 3
    HAPPENED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A problem as one tick finds it."""

    key: str
    """Names the problem for good: while it is open nobody is told of it twice."""
    kind: ConditionKind
    grade: Grade
    subject: str
    """Whom or what it is about, as people call it."""
    cause: str
    """Without account, number or age, so that a thousand accounts with one cause are one line."""
    what_to_do: str
    since: datetime
    """When it began, as far as the tables say."""
    account_id: str | None = None
    link: str | None = None
    """A path in Dagster's UI."""
