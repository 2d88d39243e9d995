"""Which account next, and why not: pure policies, their replay, and the look at the tables."""

from __future__ import annotations

from meta_pipeline.model.account_state import AccountState

from .batch import Batch, batches
from .candidate import DuePart
from .choice import FIRST_SYNC, Choice, Pick, choose
from .next_runs import NextRuns, next_runs
from .policy import Policy, Tier, tier_of
from .rules import RotationRules
from .skipped import Skipped

__all__ = [
    "FIRST_SYNC",
    "AccountState",
    "Batch",
    "Choice",
    "DuePart",
    "NextRuns",
    "Pick",
    "Policy",
    "RotationRules",
    "Skipped",
    "Tier",
    "batches",
    "choose",
    "next_runs",
    "tier_of",
]
