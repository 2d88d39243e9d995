"""The one clock that drives data, reports, limits and tokens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; everything in the simulator asks it and nothing else."""

    def now(self) -> datetime: ...


class WallClock:
    """The machine's own time, for the demo and for `meta-pipeline simulate`; it can jump ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> datetime:
        """Jump `seconds` ahead (never back) and go on from there; returns the new time."""
        self._ahead += _forward(seconds)
        return self.now()


class VirtualClock:
    """A clock that moves only when told to; safe to share between threads.

    Hand `sleep` to the client under test: its waiting then moves the world on.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a virtual clock starts at an aware datetime, for example in UTC")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Move on by `seconds` (never back) and return the new time."""
        with self._lock:
            self._now += _forward(seconds)
            return self._now

    def sleep(self, seconds: float) -> None:
        """What a client under test calls instead of `time.sleep`."""
        self.advance(seconds)


def _forward(seconds: float) -> timedelta:
    # Numbers, meters and tokens only ever look back.
    if seconds < 0:
        raise ValueError("time does not run backwards here")
    return timedelta(seconds=seconds)
