"""Custom reports synced like everything else: tables equal to what Meta says, ledger, restatement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline.custom_reports import CustomReport, parse
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.sync import Part, PlanPolicy, Status
from meta_pipeline_tests.sync.lab import STATUSES, Lab, lab

REPORTS = frozenset({Part.REPORTS})
ALL = parse("""
reports:
  - preset: age_gender
  - {preset: reactions, level: adset, fields: [spend, impressions, actions]}
  - preset: video
    fields: [ad_name, spend, impressions, video_play_actions]
  - {preset: account_monthly, backfill_days: 60}
  - {preset: campaign_weekly_reach, backfill_days: 20}
  - {preset: campaign_reach_28d, span_days: 7}
  - name: brand
    level: campaign
    fields: [campaign_name, spend, impressions, actions]
    filters: [{field: campaign.name, operator: CONTAIN, value: e}]
    attribution_windows: [28d_click]
""")
NAMED = {one.name: one for one in ALL}


@pytest.fixture
def reporting(database_url: str) -> Iterator[Lab]:
    with lab(database_url, policy=PlanPolicy(backfill_days=8, reports=ALL)) as found:
        found.warehouse.migrate()
        yield found
        found.sim.check()


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
            *(str(row[name]) for name in report.breakdowns),
        ): row
        for row in rows(found.world, query)
    }


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


def test_every_report_equals_what_meta_says(reporting: Lab) -> None:
    record = reporting.sync(parts=REPORTS)
    assert record.status is Status.SUCCESS, record.missing
    assert record.insights_rows_read == sum(assert_equal(reporting, one) for one in ALL)
    ledger = reporting.query(
        "SELECT dataset, count(*) AS days FROM meta_ads.sync_windows GROUP BY dataset"
    )
    assert {one["dataset"] for one in ledger} >= {f"report:{name}" for name in NAMED}
    days = {one["dataset"]: one["days"] for one in ledger}
    assert days["report:campaign_reach_28d"] == 1
    assert days["report:age_gender"] == 8
    assert days["report:account_monthly"] in (2, 3)
    assert not [one for one in reporting.sync(parts=REPORTS).missing]
    assert reporting.sync(parts=REPORTS).meta_call_count_total == 0, "nothing is due"
