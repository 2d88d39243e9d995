"""May we call now, how fast, and what will it cost? Pure decisions over readings and budgets."""

from .budget import Allowance, BudgetState, day_end, day_start
from .cost import QueryShape, Weights, blend, weight
from .decision import Action, Decision, Needs, clock_text, decide
from .meters import Meters
from .pacer import Pacer, Turn
from .pacing import Pace, pace_of
from .reading import (
    ADS_INSIGHTS,
    ADS_MANAGEMENT,
    APP,
    UNNAMED,
    EffectiveReading,
    Meter,
    Reading,
    Scope,
)
from .thresholds import Thresholds
from .throttle import meter_of_throttle, reading_from_throttle

__all__ = [
    "ADS_INSIGHTS",
    "ADS_MANAGEMENT",
    "APP",
    "UNNAMED",
    "Action",
    "Allowance",
    "BudgetState",
    "Decision",
    "EffectiveReading",
    "Meter",
    "Meters",
    "Needs",
    "Pace",
    "Pacer",
    "QueryShape",
    "Reading",
    "Scope",
    "Thresholds",
    "Turn",
    "Weights",
    "blend",
    "clock_text",
    "day_end",
    "day_start",
    "decide",
    "meter_of_throttle",
    "pace_of",
    "reading_from_throttle",
    "weight",
]
