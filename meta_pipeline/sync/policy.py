"""What the settings say about a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .days import Restatement
from .page_sizes import PageSizes

DEFAULT_RESTATEMENT = Restatement.parse("0:1h,3:6h,7:1d,28:7d")


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """What the settings say about how much is read and how often."""

    backfill_days: int = 90
    window_days: int = 7
    fresh: timedelta = timedelta(hours=1)
    scan_every: timedelta = timedelta(hours=6)
    creatives_every: timedelta = timedelta(days=1)
    account_rows_every: timedelta = timedelta(days=1)
    restatement: Restatement = DEFAULT_RESTATEMENT
    levels: tuple[str, ...] = ("ad",)
    breakdowns: tuple[tuple[str, ...], ...] = ()
    page_sizes: PageSizes = field(default_factory=PageSizes)
