"""May we call now, how fast, and what will it cost? Pure decisions over readings and budgets."""

from .budget import BudgetState, DailyBudget, day_end, day_start
from .cost import QueryShape, Weights, blend, weight
from .decision import Action, Decision, Needs, decide, stops
from .effective_reading import EffectiveReading
from .meters import Meters
from .pace import Pace, pace_of
from .rate_limiter import Permit, RateLimiter
from .thresholds import Thresholds

__all__ = [
    "Action",
    "BudgetState",
    "DailyBudget",
    "Decision",
    "EffectiveReading",
    "Meters",
    "Needs",
    "Pace",
    "Permit",
    "QueryShape",
    "RateLimiter",
    "Thresholds",
    "Weights",
    "blend",
    "day_end",
    "day_start",
    "decide",
    "pace_of",
    "stops",
    "weight",
]
