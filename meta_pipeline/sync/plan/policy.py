"""What the settings say about a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.model.part import ENTITIES, Part
from meta_pipeline.sync.days import Restatement

DEFAULT_RESTATEMENT = Restatement.parse("0:1h,3:6h,7:1d,28:7d")


@dataclass(frozen=True, slots=True)
class PageSizes:
    """Rows of one page at most; below that a page adapts to what Meta gives.

    Meta names no maximum (FACTS section 4.2). Larger pages are fewer calls, and refused more
    often; a page is also what is held in memory and committed at once.
    """

    entities: int = 500
    extras: int = 100
    insights: int = 1500

    def of(self, part: Part) -> int:
        """The size for an edge of entities."""
        return self.entities if part in ENTITIES else self.extras


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """What the settings say about how much is read and how often."""

    backfill_days: int = 90
    """How far back the first sync of an account reads."""
    window_days: int = 7
    """The newest days, which are read first where nobody knows how many rows a day has."""
    fresh: timedelta = timedelta(hours=1)
    """What was read within this time is not read again."""
    scan_every: timedelta = timedelta(hours=6)
    """How often an edge is listed for what its delta does not tell (FACTS section 8)."""
    extras_every: timedelta = timedelta(days=1)
    """Edges that are always listed whole: creatives, custom conversions, audiences, images."""
    account_rows_every: timedelta = timedelta(days=1)
    """How often the account's own row is read as a proof of the others."""
    recommendations_every: timedelta = timedelta(days=1)
    score_history_every: timedelta = timedelta(days=7)
    """The score of each day that is read comes with the list: the history fills what is between."""
    restatement: Restatement = DEFAULT_RESTATEMENT
    levels: tuple[str, ...] = ("ad",)
    """Of daily insights, beside the account's own."""
    columns: tuple[str, ...] = ()
    """Of Ads Manager, beside the standard ones; `all` is every one."""
    breakdowns: tuple[tuple[str, ...], ...] = ()
    """Those of each breakdown table."""
    reports: tuple[CustomReport, ...] = ()
    page_sizes: PageSizes = field(default_factory=PageSizes)
