"""What a reading is worth now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.model.usage import UsageReading


@dataclass(frozen=True, slots=True)
class EffectiveReading:
    """A reading and what it is worth now.

    `effective_pct` is the newest percentage, less what Meta has freed since, plus our own calls
    that no reading has shown yet. From `stops_mattering_at` on it says nothing any more.
    `resumes_at` is set while no call may be made: a block until Meta's own time, or usage at or
    above its stop until it is forecast to have fallen enough. `is_guess`: it was stopped when
    last seen, so one call has to look before many follow. `eases_at` is set on an insights meter
    over its skip threshold: when it is forecast below. `freeing_pct_per_second` is what Meta
    surely frees; `cost_pct` is what one of our calls was seen to move it by.
    """

    reading: UsageReading
    effective_pct: float
    stops_mattering_at: datetime
    resumes_at: datetime | None = None
    is_guess: bool = False
    eases_at: datetime | None = None
    freeing_pct_per_second: float = 0.0
    cost_pct: float = 0.0
