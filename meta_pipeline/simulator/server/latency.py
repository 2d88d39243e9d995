"""How long an answer takes: nothing in tests, lognormal and seeded in the demo."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field


@dataclass
class Latency:
    """`median_ms` with spread `sigma` (0: always the median), plus `row_ms` for each row.

    On a wall clock the server really waits; on a virtual clock the clock moves instead.
    """

    median_ms: float = 0.0
    sigma: float = 0.5
    row_ms: float = 0.0
    seed: int = 7
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a repeatable delay, no secret

    def seconds(self, rows: int) -> float:
        if self.median_ms <= 0 and self.row_ms <= 0:
            return 0.0
        # Lognormal: never negative, mostly near the median, now and then far above.
        spread = math.exp(self._random.gauss(0.0, self.sigma)) if self.sigma else 1.0
        return (self.median_ms * spread + self.row_ms * rows) / 1000
