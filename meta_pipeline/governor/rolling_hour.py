"""A rolling hour seen through percentages: what was used when, and so when it is free again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# Meta's use cases and apps are metered over a rolling hour (FACTS section 2).
HOUR_SECONDS = 3600.0
# Calls of a minute leave the hour as one: 61 lumps remember what thousands of calls did.
_LUMP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Lump:
    """Percentage points used evenly from `start` to `end`; they leave the window an hour later."""

    start: float
    end: float
    pct: float

    def left(self, at: float) -> float:
        if at >= self.end + HOUR_SECONDS:
            return 0.0
        if at <= self.start + HOUR_SECONDS:
            return self.pct
        return self.pct * (self.end + HOUR_SECONDS - at) / (self.end - self.start)

    def rest(self, at: float) -> _Lump:
        return _Lump(max(self.start, at - HOUR_SECONDS), self.end, self.left(at))


class RollingHour:
    """Reconstructs from readings when the allowance of the last hour was used.

    Meta counts a rolling hour and tells its sum only (FACTS §2). The rise between two readings
    was used between them; what the first reading showed is taken as used evenly over the hour
    before it, which is plain linear decay where nothing else is known. Times are seconds.
    """

    freeing_pct_per_second = 0.0  # nobody knows it for sure: when it was used is a guess

    def __init__(self) -> None:
        self._lumps: deque[_Lump] = deque()  # in order of time, without overlap
        self._known_to: float | None = None

    def observe(self, at: float, pct: float) -> float:
        """Take a reading; returns by how many points it is above what was forecast."""
        if self._known_to is None:
            self._lumps.append(_Lump(at - HOUR_SECONDS, at, pct))
            self._known_to = at
            return 0.0
        moved = pct - self.pct_at(at)
        self._lumps = deque(lump.rest(at) for lump in self._lumps if lump.left(at) > 0)
        if moved > 0:
            self._add(at, moved)
        else:
            self._forget(-moved)
        self._known_to = at
        return moved

    def assume(self, at: float, pct: float) -> None:
        """Add usage up to `at` that no reading has shown; the next reading puts it right."""
        self._add(at, pct)
        self._known_to = at

    def used(self, at: float, pct: float) -> None:
        """Add usage of a known moment, and forget what has left the hour; for who counts calls."""
        self._known_to = at
        while self._lumps and not self._lumps[0].left(at):
            self._lumps.popleft()
        self.assume(at, pct)

    def pct_at(self, at: float) -> float:
        """What is left of the known usage at a moment after the last reading."""
        return sum(lump.left(at) for lump in self._lumps)

    def falls_to(self, pct: float, since: float) -> float:
        """The first moment from `since` on at which no more than `pct` is left."""
        after = 0.0
        for lump in reversed(self._lumps):  # what was used last leaves last
            left = lump.left(since)
            if after + left > pct:
                start = max(lump.start, since - HOUR_SECONDS)
                share = (after + left - pct) / left
                return start + (lump.end - start) * share + HOUR_SECONDS
            after += left
        return since

    def _add(self, end: float, pct: float) -> None:
        """Minutes, not calls, are kept: an hour of readings is some sixty lumps."""
        start = end if self._known_to is None else min(self._known_to, end)
        if self._lumps:
            last = self._lumps[-1]
            if last.end >= start and end - last.start <= _LUMP_SECONDS:
                self._lumps[-1] = _Lump(last.start, max(end, last.end), last.pct + pct)
                return
        self._lumps.append(_Lump(start, end, pct))

    def _forget(self, pct: float) -> None:
        """Less is used than we thought: the oldest part must have left the window already."""
        while pct > 0 and self._lumps:
            oldest = self._lumps.popleft()
            if oldest.pct > pct:
                start = oldest.start + (oldest.end - oldest.start) * pct / oldest.pct
                self._lumps.appendleft(_Lump(start, oldest.end, oldest.pct - pct))
                return
            pct -= oldest.pct
