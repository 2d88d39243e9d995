"""What a reading is worth now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meta_pipeline.model.usage import UsageReading


@dataclass(frozen=True, slots=True)
class EffectiveReading:
    """A reading and what it is worth now."""

    reading: UsageReading
    # The newest percentage, less what Meta has freed since, plus our own calls that no reading has
    # shown yet.
    effective_pct: float
    # From here on it says nothing any more.
    stops_mattering_at: datetime
    # Set while no call may be made: a block until Meta's own time, or usage at its stop until it
    # is forecast to have fallen enough.
    resumes_at: datetime | None
    # It was stopped when last seen: one call has to look before many follow.
    is_guess: bool
    # Set on an insights meter over its skip threshold: when it is forecast below.
    eases_at: datetime | None
    # What Meta surely frees; 0 where nobody can know.
    freeing_pct_per_second: float
    # What one of our calls was seen to move it by.
    cost_pct: float
