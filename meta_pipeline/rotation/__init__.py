"""Which account next: pure policies over a snapshot of the fleet, and their replay."""

from __future__ import annotations

from .batch import Batch, batches
from .choice import FIRST_SYNC, Choice, Pick, choose
from .next_runs import NextRuns, next_runs
from .policy import Policy, Tier, tier_of
from .settings import RotationSettings
from .skipped import Skipped
from .state import DuePart, SyncState

__all__ = [
    "FIRST_SYNC",
    "Batch",
    "Choice",
    "DuePart",
    "NextRuns",
    "Pick",
    "Policy",
    "RotationSettings",
    "Skipped",
    "SyncState",
    "Tier",
    "batches",
    "choose",
    "next_runs",
    "tier_of",
]
