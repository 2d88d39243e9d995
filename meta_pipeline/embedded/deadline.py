"""A deadline to poll against, with the clock and sleep as parameters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to wait for the server, and by which clock."""

    timeout_seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def deadline(self, timeout_seconds: float | None = None) -> Deadline:
        """A deadline that starts now, by default after `timeout_seconds` of this object."""
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        return Deadline(self, self.clock() + seconds)


@dataclass(frozen=True)
class Deadline:
    """A moment; `wait` sleeps towards it."""

    patience: Patience
    at: float

    def wait(self, seconds: float) -> bool:
        """Sleep `seconds`; False, at once, when the deadline has passed."""
        if self.patience.clock() >= self.at:
            return False
        self.patience.sleep(seconds)
        return True
