"""The table of a custom report: declared from its columns, made in Postgres by the warehouse."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.custom_reports.columns import ColumnType, columns_of
from meta_pipeline.warehouse import schema
from meta_pipeline.warehouse.stores.report_tables import ReportTable

_TYPES: Final[dict[ColumnType, Any]] = {
    ColumnType.TEXT: sa.Text(),
    ColumnType.BIGINT: sa.BigInteger(),
    ColumnType.NUMERIC: sa.Numeric(),
    ColumnType.DATE: sa.Date(),
    ColumnType.JSONB: JSONB(none_as_null=True),
    ColumnType.MOMENT: sa.DateTime(timezone=True),
}
_ROWS: Final = {1: "day", 7: "week, Monday to Sunday", "monthly": "calendar month"}
# The key's columns cannot be null anyway.
_NEVER_NULL: Final = frozenset(("date_stop", "data_as_of"))


@lru_cache(maxsize=256)
def table_of(report: CustomReport) -> sa.Table:
    """The table of a report, of a catalog of its own; one and the same for equal reports."""
    period = _ROWS.get(report.time_increment, f"day and the {report.covered_days} days before it")
    cell = f" and cell of {', '.join(report.breakdowns)}" if report.breakdowns else ""
    words = f". {report.description}" if report.description else ""
    return sa.Table(
        report.table_name,
        sa.MetaData(schema=schema.SCHEMA),
        *(
            sa.Column(
                column.name,
                _TYPES[column.type],
                primary_key=column.is_key,
                nullable=not (column.is_key or column.name in _NEVER_NULL),
                comment=column.comment,
            )
            for column in columns_of(report)
        ),
        sa.Index(f"{report.table_name}_account_day_idx", "account_id", "date_start"),
        comment=f"One row per {report.level}, {period}{cell} that had delivery{words}",
        postgresql_with={"fillfactor": 90},
    )


def wanted_table(report: CustomReport, attribution_windows: tuple[str, ...]) -> ReportTable:
    """What the warehouse has to make of a report; windows are those of the settings."""
    return ReportTable(
        report=report.name,
        table=table_of(report),
        grain=report.model_dump(
            mode="json", include={"level", "breakdowns", "time_increment", "span_days"}
        ),
        definition=report.model_dump(mode="json"),
        fields=report.fields,
        action_fields=report.action_fields,
        action_breakdowns=report.action_breakdowns,
        attribution_windows=report.attribution_windows or attribution_windows,
    )
