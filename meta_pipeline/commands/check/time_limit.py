"""How long `meta-pipeline check` may ask Meta, over however many connections."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from meta_pipeline.graph import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """One end for all that is asked: after `seconds` no list and no account is asked any more.

    Accounts that were asked in time, and the settings, which come last, have as long again.
    """

    seconds: float
    _began: float = field(default_factory=time.monotonic)

    @property
    def used(self) -> float:
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds in which another question may be begun and answered; 0 when they are used."""
        return _rounded_up(self.seconds - self.used)

    @property
    def left_in_all(self) -> float:
        """Seconds after which no answer is waited for."""
        return _rounded_up(2 * self.seconds - self.used)

    def over(self) -> DeadlineExceeded:
        """Why something is not asked any more."""
        return DeadlineExceeded(f"not asked: the budget of {self.seconds:g} s is used")


def _rounded_up(seconds: float) -> float:
    # Told to people, who gave whole seconds: `within 1 s`, not 0.999417.
    return max(0.0, math.ceil(10 * seconds) / 10)
