"""Columns of Ads Manager: asked for where the setting names them, and kept as Meta gives them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.model.insights_column import ALL, INSIGHTS_COLUMNS, columns_named
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.sync import Part, PlanPolicy, Status, SyncEngine
from meta_pipeline_tests.sync.lab import SMALL, STATUSES, Lab, lab
from meta_pipeline_tests.sync.rows.test_action_lists import answer_day

LEVELS = ("ad", "adset", "campaign")
STANDARD = PlanPolicy(backfill_days=5, levels=LEVELS)
NOT_IN_THIS_WORLD = {"conversions", "conversion_values", "instagram_profile_visits"}
ODD: list[tuple[str, Any]] = [
    ("attribution_setting", ["7d_click"]),
    ("quality_ranking", 7),
    ("instagram_profile_visits", "many"),
    ("purchase_roas", "4"),
    ("outbound_clicks", [{"action_type": "outbound_click", "value": "1,5"}]),
    ("results", "4"),
    ("results", [4]),
]


def with_columns(lab: Lab, *names: str) -> None:
    """From now on syncs ask for these columns, too."""
    context = lab.engine._context
    lab.engine = SyncEngine(replace(context, policy=replace(context.policy, columns=names)))


def given(lab: Lab, level: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What the world says of each entity and day, by the columns of the level."""
    today, names = lab.today(), columns_named((ALL,), level)
    query = InsightsQuery(
        node_id=lab.account_id,
        level=level,
        ranges=((today - timedelta(days=4), today),),
        increment=1,
        fields=(f"{level}_id", *names),
        windows=lab.engine._context.attribution_windows,
        filtering=({"field": "ad.effective_status", "operator": "IN", "value": STATUSES},),
    )
    return {
        (row[f"{level}_id"], row["date_start"]): {name: row.get(name) for name in names}
        for row in rows(lab.world, query)
    }


def stored(lab: Lab, level: str) -> dict[tuple[str, str], dict[str, Any]]:
    names = columns_named((ALL,), level)
    found = lab.query(f"SELECT * FROM meta_ads.{level}_insights")
    return {
        (row[f"{level}_id"], str(row["date_start"])): {name: row[name] for name in names}
        for row in found
    }


def test_each_column_is_what_meta_says_at_its_level_and_costs_no_call(database_url: str) -> None:
    with lab(database_url, SMALL, policy=STANDARD) as found:
        found.sync()
        standard = found.calls()
        assert all(value is None for row in stored(found, "ad").values() for value in row.values())
        with_columns(found, ALL)
        assert found.sync(force=True).status is Status.SUCCESS
        again = found.calls() - standard
        seen = set[str]()
        for level in LEVELS:
            said = given(found, level)
            assert stored(found, level) == said
            seen |= {name for row in said.values() for name, value in row.items() if value}
        assert seen == {one.name for one in INSIGHTS_COLUMNS} - NOT_IN_THIS_WORLD
        with_columns(found)
        found.sync(force=True)
        assert found.calls() - standard - again == again, "as many calls as without them"
        assert stored(found, "ad") == given(found, "ad"), "what is not asked for stays"


@pytest.mark.parametrize(("column", "odd"), ODD)
def test_a_value_of_another_shape_is_recorded_and_the_row_counts(
    small: Lab, column: str, odd: Any
) -> None:
    with_columns(small, column)
    day = small.today() - timedelta(days=1)
    answer_day(small, day, **{column: odd})
    small.sync(parts=frozenset({Part.INSIGHTS}), since=day, until=day, force=True)
    noted = small.query(
        "SELECT field, reason FROM meta_ads.unrecognized_values WHERE source = 'insights_ad'"
    )
    assert noted == [{"field": column, "reason": "wrong_type"}]
    assert small.scalar("SELECT sum(spend) FROM meta_ads.ad_insights") == 5
