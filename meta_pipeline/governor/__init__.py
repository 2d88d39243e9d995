"""May we call now, how fast, and what will it cost? Pure decisions over readings and budgets."""

from .budget import Allowance, BudgetState, day_end, day_start
from .decision import Action, Decision, Needs, clock_text, decide
from .meters import Meters
from .pacing import Pace, pace_of
from .reading import ADS_INSIGHTS, ADS_MANAGEMENT, APP, EffectiveReading, Meter, Reading, Scope
from .thresholds import Thresholds

__all__ = [
    "ADS_INSIGHTS",
    "ADS_MANAGEMENT",
    "APP",
    "Action",
    "Allowance",
    "BudgetState",
    "Decision",
    "EffectiveReading",
    "Meter",
    "Meters",
    "Needs",
    "Pace",
    "Reading",
    "Scope",
    "Thresholds",
    "clock_text",
    "day_end",
    "day_start",
    "decide",
    "pace_of",
]
