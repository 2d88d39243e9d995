"""Moments that were stored. One in the future was written under a wrong clock and says nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

SKEW = timedelta(minutes=5)
"""So far may the clocks of two machines lie apart without either being called wrong."""


LONGEST_WAIT = timedelta(days=2)
"""No limit, neither Meta's nor ours, lasts longer."""


def past(at: datetime | None, now: datetime) -> datetime | None:
    """`at` if it can have been, at most now; None where it is later than `now` and `SKEW`.

    What was done in the future was not done: who asks how fresh something is gets "never".
    """
    if at is None or at > now + SKEW:
        return None
    return min(at, now)


def awaited(at: datetime | None, now: datetime) -> datetime | None:
    """`at` if somebody may wait for it; None where it is further off than any limit lasts."""
    return None if at is None or at > now + LONGEST_WAIT else at
