"""How many questions of one tenant are answered at once, so that all others' are too."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MOST: Final = 8
"""At once: more would only wait for Postgres' cores."""
# A page that waits is one that its reader still waits for.
_PATIENCE_SECONDS: Final = 15.0


class TooManyAtOnce(Exception):
    """Too many of one's own are being answered; `seconds` is when to try again."""

    seconds: Final = 5

    def __init__(self) -> None:
        super().__init__(
            "As many of your questions as may be are being answered at this moment, and take "
            f"long: try again in {self.seconds} s, or ask for fewer days or accounts."
        )


class FairLimiter:
    """Those of one process, and of its event loop.

    Nobody holds more slots than are free: whoever is alone has half of them, however many wait, and
    who comes beside them finds one. Quick questions wait for each other for moments, whoever asks;
    only slow ones fill a half. Who waits holds no thread and no connection; a slot that is given
    back is the next one's of whoever holds the fewest.
    """

    def __init__(self, most: int = MOST, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._free, self._patience_seconds = most, patience_seconds
        self._held: Counter[str] = Counter()
        self._line: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def slot(self, whose: str) -> AsyncIterator[None]:
        """One slot; TooManyAtOnce where none is given back in time."""
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((whose, slot))
        self._hand_out()
        try:
            await asyncio.wait([slot], timeout=self._patience_seconds)
            if not slot.done():
                raise TooManyAtOnce
            yield
        finally:
            # Also where whoever waited is gone: what cannot be called off was handed out.
            if not slot.cancel():
                self._held[whose] -= 1
                self._free += 1
            self._hand_out()

    def _hand_out(self) -> None:
        self._line = [one for one in self._line if not one[1].done()]
        # The first of those that hold the fewest.
        for whose, slot in sorted(self._line, key=lambda one: self._held[one[0]]):
            if self._held[whose] < self._free:
                self._held[whose] += 1
                self._free -= 1
                slot.set_result(None)
