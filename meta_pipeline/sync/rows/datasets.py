"""The kinds of insights a sync can read: their level, breakdowns, table and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from meta_pipeline.model.insights_column import columns_named
from meta_pipeline.model.part import Part
from meta_pipeline.warehouse import RowScope, schema

HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"
CURRENCY = "account_currency"
"""What the amounts of a row are in, said with the row: the account's node may change later."""
_METRICS = (
    "spend",
    "impressions",
    "reach",
    "frequency",
    "clicks",
    "unique_clicks",
    "inline_link_clicks",
    "actions",
    "action_values",
    "video_thruplay_watched_actions",
)
# By hour they are 0, or are not given at all (FACTS section 5.3).
_NOT_BY_HOUR = frozenset(("reach", "frequency", "unique_clicks", "video_thruplay_watched_actions"))
_IDS = {"account": (), "campaign": ("campaign_id",), "adset": ("campaign_id", "adset_id")}


_PARTS_OF_A_WHOLE = frozenset(
    ("age", "country", "device_platform", "gender", "platform_position", "publisher_platform",
     "region")
)  # fmt: skip
"""Breakdowns whose cells add up to the whole and that need no opt-in (FACTS sections 5.3, 5.4)."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of insights; `name` is its key in the ledger `sync_windows`."""

    name: str
    part: Part
    level: str
    table: sa.Table
    breakdowns: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Columns of Ads Manager that are asked for beside the standard metrics."""

    @property
    def id_field(self) -> str:
        return f"{self.level}_id"

    @property
    def is_hourly(self) -> bool:
        return self.part is Part.HOURLY

    @property
    def is_proof(self) -> bool:
        """Whether it is the account's own daily row, which the other rows of a day add up to."""
        return self.part is Part.INSIGHTS and self.level == "account"

    @property
    def additive(self) -> tuple[str, ...]:
        """Metrics whose sums over a day are the account's own: `Totals` has them.

        None where cells do not add up. By hour and by cell a click may come without its cell, when
        it had no impression there (FACTS section 5.2).
        """
        if self.part is Part.INSIGHTS:
            return ("spend", "impressions", "clicks")
        if self.is_hourly or _PARTS_OF_A_WHOLE.issuperset(self.breakdowns):
            return ("spend", "impressions")
        return ()

    def scope(self, account_id: str) -> RowScope:
        """Which rows of its table are its own."""
        values = {} if self.is_hourly else {"entity_type": self.level}
        if self.breakdowns and not self.is_hourly:
            values["breakdown"] = ",".join(self.breakdowns)
        return RowScope(self.table, account_id, values)

    @property
    def fields(self) -> tuple[str, ...]:
        """What Meta is asked for; breakdown names come by themselves (FACTS section 5.2)."""
        ids = _IDS.get(self.level, ("campaign_id", "adset_id", "ad_id"))
        metrics = [name for name in _METRICS if not (self.is_hourly and name in _NOT_BY_HOUR)]
        return ("account_id", CURRENCY, *ids, *metrics, *self.columns)

    @property
    def endpoint_key(self) -> str:
        if self.is_hourly:
            return f"insights_{self.level}_hourly"
        return f"insights_{self.level}{'_breakdown' if self.breakdowns else ''}"


def daily(level: str, columns: Sequence[str] = ()) -> Dataset:
    """Daily rows of one level, with those of META_INSIGHTS_COLUMNS that the level has."""
    return Dataset(
        f"insights_{level}",
        Part.INSIGHTS,
        level,
        schema.meta_insights,
        columns=columns_named(columns, level),
    )


def hourly() -> Dataset:
    """Rows of every ad by hour of the account's day."""
    return Dataset(
        "insights_hourly", Part.HOURLY, "ad", schema.meta_insights_hourly, breakdowns=(HOUR,)
    )


def broken_down(breakdowns: Sequence[str], level: str = "ad") -> Dataset:
    """Daily rows of one level by the cells of some breakdowns, in alphabetical order."""
    names = tuple(sorted(breakdowns))
    return Dataset(
        f"breakdown:{','.join(names)}",
        Part.BREAKDOWNS,
        level,
        schema.meta_insights_breakdown,
        breakdowns=names,
    )
