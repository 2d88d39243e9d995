"""Moments that were stored. One in the future was written under a wrong clock and says nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SKEW = timedelta(minutes=5)
"""So far may the clocks of two machines lie apart without either being called wrong."""


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for a time nobody noted."""
LONGEST_WAIT = timedelta(days=2)
"""No limit, neither Meta's nor ours, lasts longer."""


def past(at: datetime | None, now: datetime) -> datetime | None:
    """`at` if it can have been, at most now; None where it is later than `now` and `SKEW`.

    What was done in the future was not done: who asks how fresh something is gets "never".
    """
    if at is None or at > now + SKEW:
        return None
    return min(at, now)


def is_over(last: datetime | None, pause: timedelta, now: datetime) -> bool:
    """Whether a pause since `last` is over; there is none since what was done in the future."""
    done_at = past(last, now)
    return done_at is None or now - done_at >= pause


def awaited(at: datetime | None, now: datetime) -> datetime | None:
    """`at` if somebody may wait for it; None where it is further off than any limit lasts."""
    return None if at is None or at > now + LONGEST_WAIT else at


_SPAN = re.compile(r"(?P<count>\d+(\.\d+)?)\s*(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """`30s`, `90m`, `6h`, `2d` as a length of time; ValueError says what is allowed."""
    match = _SPAN.fullmatch(text.strip().lower())
    try:
        length = timedelta(**{_UNITS[match["unit"]]: float(match["count"])}) if match else None
    except OverflowError:
        length = None
    if not length:
        raise ValueError(f"{text!r} is not a length of time such as 30s, 90m, 6h or 2d")
    return length
