"""The columns of a report's table: names, types, meanings; pure, as no table is made here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .contract import FIELDS, FieldKind, adds_up, kind_of
from .report import LEVELS, CustomReport


class ColumnType(StrEnum):
    """A type of Postgres."""

    TEXT = "text"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    DATE = "date"
    JSONB = "jsonb"
    MOMENT = "timestamp with time zone"


_TYPES: Final = {
    FieldKind.COUNT: ColumnType.BIGINT,
    FieldKind.DECIMAL: ColumnType.NUMERIC,
    FieldKind.ACTIONS: ColumnType.JSONB,
    FieldKind.JSON: ColumnType.JSONB,
    FieldKind.TEXT: ColumnType.TEXT,
}
_OF_LEVEL: Final = {"campaign": "Campaign", "adset": "Ad set", "ad": "Ad"}
_WORDS: Final = {
    "spend": "Amount spent in major units of currency",
    "impressions": "Times shown",
    "reach": "People reached",
    "frequency": "impressions / reach of this very row",
    "clicks": "All clicks",
    "unique_clicks": "People who clicked",
    "inline_link_clicks": "Clicks on links in the ad",
    "actions": "Actions by type as Meta sends them, with the windows asked for",
    "action_values": "Value of actions by type in major units",
}


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column; those of the key are never null."""

    name: str
    type: ColumnType
    comment: str
    is_key: bool = False


def columns_of(report: CustomReport) -> tuple[ReportColumn, ...]:
    """All columns of a report's table, those of its natural key first."""
    ids = LEVELS[1 : LEVELS.index(report.level) + 1]
    cell = "as Meta names it; assets by their id, empty where Meta names none"
    return (
        ReportColumn("account_id", ColumnType.TEXT, "Ad account, as act_<number>", is_key=True),
        *(
            ReportColumn(f"{level}_id", ColumnType.TEXT, _OF_LEVEL[level], is_key=True)
            for level in ids[-1:]
        ),
        ReportColumn(
            "date_start",
            ColumnType.DATE,
            "First day that the row is about, in the account's time zone",
            is_key=True,
        ),
        # Key columns are never null: a cell which Meta names nothing for is the empty text.
        *(
            ReportColumn(name, ColumnType.TEXT, f"Breakdown {name} {cell}", is_key=True)
            for name in report.breakdowns
        ),
        ReportColumn("date_stop", ColumnType.DATE, "Last day that the row is about, inclusive"),
        *(ReportColumn(f"{level}_id", ColumnType.TEXT, _OF_LEVEL[level]) for level in ids[:-1]),
        ReportColumn("currency", ColumnType.TEXT, "Currency of the amounts"),
        *map(field_column, report.fields),
        ReportColumn(
            "data_as_of",
            ColumnType.MOMENT,
            "When Meta gave these very values; reads that found the same are in sync_windows",
        ),
    )


def field_column(field: str) -> ReportColumn:
    """The column of a field of insights."""
    kind = kind_of(field)
    words = _WORDS.get(field, f"Insights field {field}, {FIELDS.get(field, 'string')} in the SDK")
    if kind.is_number and not adds_up(field):
        words += "; never add up"
    return ReportColumn(field, _TYPES[kind], words)
