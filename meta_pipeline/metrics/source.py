"""Where rows are read from: rollup tables, insight rows, hourly rows, breakdown cells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from meta_pipeline.model.level import LEVELS

ROLLUP_COLUMNS = (
    "spend",
    "revenue",
    "impressions",
    "clicks",
    "inline_link_clicks",
    "link_clicks",
    "landing_page_views",
    "video_views",
    "thruplays",
    "post_engagements",
    "leads",
    "registrations",
    "purchases",
    "add_to_carts",
    "checkouts_initiated",
    "results",
)
"""Metrics with a typed column in the rollup tables; the others are in `other_metrics`."""

CELLS_OF = "breakdown:"
"""How the ledger's names of cells begin, before their breakdowns."""


class Rows(StrEnum):
    """What kind of rows a source has."""

    ROLLUP = "rollup"
    DAILY = "daily"
    HOURLY = "hourly"
    BREAKDOWN = "breakdown"


@dataclass(frozen=True, slots=True)
class Source:
    """One table read under the alias `f`, with the condition that picks its rows."""

    rows: Rows
    table: str
    condition: str = "true"
    dataset: str = "insights_ad"
    level: str = ""
    """Whose ids `f.entity_id` has, where the table's key begins with it."""

    @property
    def lists_actions(self) -> bool:
        """Whether conversions still have to be counted from Meta's action lists."""
        return self.rows is not Rows.ROLLUP


def rollup(level: str) -> Source:
    """The rollup table for `level`; the account is the sum of its campaigns."""
    # Rows for the account would be the fewest of all, and one sum more to keep right.
    name = {"account": "campaign"}.get(level, level)
    return Source(Rows.ROLLUP, f"meta_ads.{name}_rollups")


def daily(level: str = "ad") -> Source:
    """Daily insight rows of `level` as Meta sent them."""
    return Source(
        Rows.DAILY,
        "meta_ads.meta_insights",
        # Rows of longer ranges stand in the same table, and would count their days twice.
        f"f.entity_type = '{level}' AND f.date_stop = f.date_start",
        f"insights_{level}",
        level,
    )


def hourly() -> Source:
    return Source(Rows.HOURLY, "meta_ads.meta_insights_hourly", dataset="insights_hourly")


def breakdown(level: str, names: str) -> Source:
    """Cells of the breakdown `names` (sorted, with commas) at `level`."""
    return Source(
        Rows.BREAKDOWN,
        "meta_ads.meta_insights_breakdown",
        f"f.entity_type = '{level}' AND f.breakdown = '{names}'",
        f"{CELLS_OF}{names}",
        level,
    )


def finest(levels: list[str]) -> str:
    """The finest of `levels`; the account when there is none."""
    return max(levels, key=LEVELS.index, default="account")
