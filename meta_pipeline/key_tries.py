"""How many wrong keys an address may bring before none from there is looked for any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

# As for signing in: more than slips, too few to guess with.
_WRONG: Final = RateLimitItemPerMinute(20)
_Found = TypeVar("_Found")


class TooManyKeys(Exception):
    """An address brings wrong keys too often; `seconds` is how long it has to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"this address tries keys more than {_WRONG.amount} times a minute: try again in "
            f"{seconds} s"
        )
        self.seconds = seconds


class KeyTries:
    """Counts wrong keys by address, within one process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._let_in: set[bytes] = set()

    def look_up(self, address: str, text: str, found: Callable[[], _Found | None]) -> _Found | None:
        """Whose key `found` says that the text is; None for a wrong one, which counts.

        TooManyKeys where too many came from the address, and nothing is looked for: only keys that
        let somebody in before, as many programs may share an address.
        """
        digest = sha256(text.encode()).digest()
        if digest not in self._let_in and not self._limiter.test(_WRONG, address):
            raise self._too_many(address)
        whose = found()
        if whose is not None:
            self._let_in.add(digest)
        elif not self._limiter.hit(_WRONG, address):
            raise self._too_many(address)
        return whose

    def _too_many(self, address: str) -> TooManyKeys:
        end = self._limiter.get_window_stats(_WRONG, address).reset_time
        return TooManyKeys(max(1, round(end - time.time())))
