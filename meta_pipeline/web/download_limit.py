"""How many tables are downloaded at once: each keeps a connection for as long as it is read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

# Of the eight connections of a process: five are left for pages.
MOST = 3
_PATIENCE_SECONDS = 3.0
"""A table takes a second or less: who comes when three are read mostly has the next one's place."""
_LONGEST_SECONDS = 600.0
"""A table that is read goes out in a minute on the slowest line; who reads nothing would stay."""


class Downloads:
    """Those of one process; a slow reader must not keep the pages of all others waiting.

    Nobody holds more than are free: a tenant that is alone has two of three, and who comes beside
    it finds one. `longest_seconds` is how long one may take; what is not read by then is broken
    off.
    """

    def __init__(
        self,
        most: int = MOST,
        patience_seconds: float = _PATIENCE_SECONDS,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._most, self._patience_seconds = most, patience_seconds
        self.longest_seconds = longest_seconds
        self._held: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def one_more(self, whose: str) -> Iterator[None]:
        """One download; HTTPException (503) while as many as may be are under way.

        Waits a little for one of them, and no longer: the thread that waits is one of those that
        answer pages, and a browser that waits long for a file asks for it again.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_one(whose), self._patience_seconds):
                raise HTTPException(
                    503,
                    "As many tables as may be are being downloaded at this moment: try again when "
                    "one of them is done.",
                )
            self._held[whose] += 1
        try:
            yield
        finally:
            with self._changed:
                self._held[whose] -= 1
                self._changed.notify_all()

    def _has_one(self, whose: str) -> bool:
        return self._held[whose] < self._most - self._held.total()
