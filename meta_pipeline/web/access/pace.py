"""How often one address may try to get in."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

# Enough for an office behind one address, too few to guess anything.
_TRIES = RateLimitItemPerMinute(20)


class TooManyTries(Exception):
    """An address tries to get in too often; `seconds` is how long it has to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many attempts to sign in from this address. Try again in {seconds} s."
        )
        self.seconds = seconds


class SignInAttempts:
    """Counts attempts to sign in by address, within one process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, address: str) -> None:
        """Count one attempt; TooManyTries when it is one too many."""
        if not self._limiter.hit(_TRIES, address):
            end = self._limiter.get_window_stats(_TRIES, address).reset_time
            raise TooManyTries(max(1, round(end - time.time())))
