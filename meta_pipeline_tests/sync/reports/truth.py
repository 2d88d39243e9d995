"""Tables of custom reports against the world: what Meta would say, computed without the server."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline_tests.sync.lab import STATUSES, Lab


def expected(found: Lab, report: CustomReport, first: Any, last: Any) -> dict[Any, Any]:
    """Meta's own answer, computed without the server: key to row."""
    filters: list[Any] = [one.as_meta() for one in report.filters]
    if report.level != "account":
        filters.append({"field": "ad.effective_status", "operator": "IN", "value": STATUSES})
    windows = report.attribution_windows or ("1d_click", "7d_click", "1d_view")
    own_id = "account_id" if report.level == "account" else f"{report.level}_id"
    query = InsightsQuery(
        node_id=found.account_id,
        level=report.level,
        ranges=((first, last),),
        increment=report.time_increment,
        fields=(own_id, *report.fields),
        breakdowns=report.breakdowns,
        action_breakdowns=report.action_breakdowns,
        windows=windows,
        filtering=tuple(filters),
    )
    return {
        (
            *(() if report.level == "account" else (row[own_id],)),
            row["date_start"],
            *(_cell(row[name]) for name in report.breakdowns),
        ): row
        for row in rows(found.world, query)
    }


def _cell(value: Any) -> str:
    """The value of a breakdown as it is stored: assets by their id."""
    return str(value["id"] if isinstance(value, dict) else value)


def stored(found: Lab, report: CustomReport) -> dict[Any, Any]:
    own_id = () if report.level == "account" else (f"{report.level}_id",)
    listed = found.query(
        f"SELECT * FROM meta_ads.{report.table_name} WHERE account_id = %s", found.account_id
    )
    return {
        (
            *(row[name] for name in own_id),
            str(row["date_start"]),
            *(row[name] for name in report.breakdowns),
        ): row
        for row in listed
    }


def assert_equal(found: Lab, report: CustomReport) -> int:
    """Row by row, value by value; the number of rows."""
    listed = stored(found, report)
    ranges = found.query(
        f"SELECT min(date_start) AS first, max(date_stop) AS last FROM meta_ads.{report.table_name}"
    )
    wanted = expected(found, report, ranges[0]["first"], ranges[0]["last"])
    assert listed.keys() == wanted.keys()
    for key, given in wanted.items():
        row = listed[key]
        assert str(row["date_stop"]) == given["date_stop"], key
        for name in report.fields:
            value = given.get(name)
            if isinstance(value, str) and not isinstance(row[name], str):
                value = Decimal(value)
            assert row[name] == value, (key, name)
    return len(listed)
