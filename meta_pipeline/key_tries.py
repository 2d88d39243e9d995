"""How many wrong keys an address may bring before those from there are looked for one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from threading import Lock
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
        self._turn = Lock()

    def look_up(self, address: str, text: str, found: Callable[[], _Found | None]) -> _Found | None:
        """Whose key `found` says that the text is; None for a wrong one, which counts.

        After too many of an address only keys that let somebody in before are looked for as they
        come, and others one at a time, so that wrong ones without end take one connection: many
        programs may share an address, and all do behind a proxy that is not named. TooManyKeys for
        a wrong one then, and for one that comes while another is looked for.
        """
        digest = sha256(text.encode()).digest()
        if digest in self._let_in or self._limiter.test(_WRONG, address):
            whose = found()
        else:
            whose = self._in_turn(found)
        if whose is not None:
            self._let_in.add(digest)
            return whose
        # Else one that was revoked would be looked for as it comes for ever.
        self._let_in.discard(digest)
        if not self._limiter.hit(_WRONG, address):
            raise self._too_many(address)
        return None

    def _in_turn(self, found: Callable[[], _Found | None]) -> _Found | None:
        # Whoever waited here would hold a thread that others need.
        if not self._turn.acquire(blocking=False):
            raise TooManyKeys(1)
        try:
            return found()
        finally:
            self._turn.release()

    def _too_many(self, address: str) -> TooManyKeys:
        end = self._limiter.get_window_stats(_WRONG, address).reset_time
        return TooManyKeys(max(1, round(end - time.time())))
