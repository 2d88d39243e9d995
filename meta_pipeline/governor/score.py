"""A score that drains evenly: Meta's ad-account score, whose header says when it is 0 again."""

from __future__ import annotations

import math


class DrainingScore:
    """The score as a percentage that falls at a steady rate (FACTS §2); times are seconds.

    Whatever is told or assumed is gone after `longest_seconds`.
    """

    def __init__(
        self, freeing_pct_per_second: float = 0.0, *, longest_seconds: float = math.inf
    ) -> None:
        self._longest_seconds = max(longest_seconds, 1.0)
        self._at = 0.0
        self._pct = 0.0
        self.freeing_pct_per_second = freeing_pct_per_second

    def observe(self, at: float, pct: float, zero_at: float) -> float:
        """Take a reading and its reset time; returns how far it is above the forecast."""
        moved = pct - self.pct_at(at)
        self._at, self._pct = at, pct
        self.freeing_pct_per_second = pct / min(max(zero_at - at, 1.0), self._longest_seconds)
        return moved

    def assume(self, at: float, pct: float) -> None:
        """Add usage that no reading has shown."""
        self._at, self._pct = at, self.pct_at(at) + pct
        # Told of next to nothing, the rate is next to nothing too: all of this would take days.
        least = self._pct / self._longest_seconds
        self.freeing_pct_per_second = max(self.freeing_pct_per_second, least)

    def pct_at(self, at: float) -> float:
        return max(0.0, self._pct - self.freeing_pct_per_second * (at - self._at))

    def falls_to(self, pct: float, since: float) -> float:
        """The first moment from `since` on at which no more than `pct` is left."""
        if self.pct_at(since) <= pct or self.freeing_pct_per_second <= 0:
            return since
        return max(since, self._at + (self._pct - pct) / self.freeing_pct_per_second)
