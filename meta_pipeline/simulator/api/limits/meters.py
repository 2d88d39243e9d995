"""The meters behind the limits: a rolling hour and a score that decays."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# Use cases are metered over a rolling hour (FACTS section 2).
HOUR_SECONDS = 3600.0


@dataclass
class RollingHour:
    """Usage of the last sixty minutes; an entry holds one second and leaves an hour later."""

    entries: deque[list[float]] = field(default_factory=deque)  # [second, calls, cpu ms]
    calls: float = 0.0
    cpu_ms: float = 0.0

    def add(self, at: float, calls: float, cpu_ms: float) -> None:
        # A busy hour has 3,600 entries and not one for each call.
        if self.entries and int(self.entries[-1][0]) == int(at):
            self.entries[-1][1] += calls
            self.entries[-1][2] += cpu_ms
        else:
            # `exhaust` books into the past, so that the hour frees when a test wants it.
            index = len(self.entries)
            while index and self.entries[index - 1][0] > at:
                index -= 1
            self.entries.insert(index, [at, calls, cpu_ms])
        self.calls += calls
        self.cpu_ms += cpu_ms

    def forget(self, now: float) -> None:
        while self.entries and self.entries[0][0] + HOUR_SECONDS <= now:
            _, calls, cpu_ms = self.entries.popleft()
            self.calls -= calls
            self.cpu_ms -= cpu_ms

    def seconds_until_below(self, calls: float, cpu_ms: float, now: float) -> float:
        """Seconds until both amounts are under their limits, if nobody calls again."""
        left, left_cpu, free_at = self.calls, self.cpu_ms, now
        for at, entry_calls, entry_cpu in self.entries:
            if left < calls and left_cpu < cpu_ms:
                break
            left -= entry_calls
            left_cpu -= entry_cpu
            free_at = at + HOUR_SECONDS
        return max(0.0, free_at - now)


@dataclass
class Score:
    """Ad-account score: read 1, write 3, gone after `decay` seconds, a block beyond `limit`."""

    value: float = 0.0
    at: float = 0.0
    blocked_until: float = 0.0

    def decay(self, now: float, limit: float, decay_seconds: float) -> None:
        self.value = max(0.0, self.value - (now - self.at) * limit / decay_seconds)
        self.at = now
