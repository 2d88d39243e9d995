"""The kinds of insights a sync can read: their level, breakdowns, table and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import sqlalchemy as sa

from meta_pipeline.custom_reports import CustomReport, periods
from meta_pipeline.custom_reports.combinations import PARTS_OF_A_WHOLE
from meta_pipeline.model.insights_column import columns_named
from meta_pipeline.model.part import Part
from meta_pipeline.warehouse import RowScope, schema

from .report_table import table_of

HOUR = "hourly_stats_aggregated_by_advertiser_time_zone"
CURRENCY = "account_currency"
"""What the amounts of a row are in, said with the row: the account's node may change later."""
# Asked of every kind of rows but custom reports, which name their own.
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
REPORT = "report:"
"""How the names of custom reports begin in the ledger."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of insights."""

    name: str
    """Its key in the ledger `sync_windows`."""
    part: Part
    level: str
    table: sa.Table
    breakdowns: tuple[str, ...] = ()
    """As Meta is asked for them, in alphabetical order."""
    columns: tuple[str, ...] = ()
    """Columns of Ads Manager that are asked for beside the standard metrics."""
    report: CustomReport | None = None
    """The custom report it is; its days may be periods, of which the ledger has the first day."""
    only: str | None = None
    """The one field of the report that is read, later than the others."""

    @property
    def whole(self) -> Dataset:
        """The dataset that it is a field of; itself where it is no single field."""
        return custom(self.report) if self.report and self.only else self

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
        if not (self.has_all_delivery and self.is_daily):
            return ()
        # Only a report of whole days can be compared with the account's own row of the day.
        if self.report is not None and not {"spend", "impressions"} <= {*self.report.fields}:
            return ()
        if not self.breakdowns and "clicks" in self.fields:
            return ("spend", "impressions", "clicks")
        return ("spend", "impressions")

    @property
    def has_all_delivery(self) -> bool:
        """Whether all that the account delivered is in some row: nothing is filtered, nor hidden.

        Cells of other breakdowns may be none at all, for want of an opt-in or of a catalog.
        """
        if self.report is not None and (self.report.filters or self.only is not None):
            return False
        return self.is_hourly or PARTS_OF_A_WHOLE.issuperset(self.breakdowns)

    # -- periods ----------------------------------------------------------------------------------

    @property
    def increment(self) -> periods.Increment:
        """Days of a row, as Meta's `time_increment`."""
        return self.report.time_increment if self.report else 1

    @property
    def is_daily(self) -> bool:
        return self.increment == 1

    @property
    def _covered_days(self) -> int | None:
        return self.report.covered_days if self.report else None

    def starts(self, since: date, until: date) -> list[date]:
        """First days of the rows of a range of days, newest first."""
        return periods.starts(self.increment, since, until, self._covered_days)

    def last_of(self, start: date) -> date:
        """Last day that a row of `start` is about, be it in the future."""
        return periods.last_of(self.increment, start, self._covered_days)

    def boundary(self, day: date) -> date:
        """The first day of a row at `day` or after it; `day` itself where rows roll."""
        start = periods.start_of(self.increment, day)
        return day if start == day else self.last_of(start) + timedelta(days=1)

    def scope(self, account_id: str) -> RowScope:
        """Which rows of its table are its own."""
        if self.is_hourly or self.report is not None:
            return RowScope(self.table, account_id, is_daily=self.is_daily)
        values = {"entity_type": self.level}
        if self.breakdowns:
            values["breakdown"] = ",".join(self.breakdowns)
        return RowScope(self.table, account_id, values, is_daily=self.is_daily)

    @property
    def fields(self) -> tuple[str, ...]:
        """What Meta is asked for; breakdown names come by themselves (FACTS section 5.2)."""
        ids = _IDS.get(self.level, ("campaign_id", "adset_id", "ad_id"))
        if self.report is not None:
            own = self.report.fields if self.only is None else (self.only,)
            return ("account_id", CURRENCY, *ids, *own)
        metrics = [name for name in _METRICS if not (self.is_hourly and name in _NOT_BY_HOUR)]
        return ("account_id", CURRENCY, *ids, *metrics, *self.columns)

    @property
    def endpoint_key(self) -> str:
        if self.is_hourly:
            return f"insights_{self.level}_hourly"
        if self.report is not None:
            return f"insights_{self.level}_custom"
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


@lru_cache(maxsize=256)
def custom(report: CustomReport, only: str | None = None) -> Dataset:
    """Rows of a custom report; of one field of it, under a name of its own in the ledger."""
    return Dataset(
        f"{REPORT}{report.name}" if only is None else f"{REPORT}{report.name}/{only}",
        Part.REPORTS,
        report.level,
        table_of(report),
        report.breakdowns,
        report=report,
        only=only,
    )
