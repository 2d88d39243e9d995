"""What a sync tells the person who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward of one account; rows and calls count from the start of the sync.

    `account_rows` are those among `rows` that are the account's own, a proof of the others.
    """

    account_id: str
    step: str
    rows: int
    calls: int
    seconds: float
    message: str = ""
    account_rows: int = 0


ProgressListener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tell nobody."""
