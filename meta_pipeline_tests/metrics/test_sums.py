"""The sum of the parts is the whole, however an additive metric is cut."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_pipeline import metrics
from meta_pipeline.metrics import read_dictionary
from meta_pipeline.metrics.definitions.definition import MetricKind

from .world import BACKFILL_DAYS, SPLIT_DAYS, World

SUMS = sorted(
    key for key, metric in read_dictionary().metrics.items() if metric.kind is MetricKind.SUM
)
ON_META = ("spend", "impressions", "clicks", "link_clicks", "post_engagements", "video_views")
CUTS = (
    ["day"],
    ["week"],
    ["month"],
    ["campaign"],
    ["adset"],
    ["ad"],
    ["account"],
    ["day", "campaign"],
    ["week", "adset"],
    ["campaign", "adset", "ad"],
    ["objective"],
    ["goal", "optimization_goal"],
    ["day", "ad", "ad_status"],
)
ONCE = settings(max_examples=40, suppress_health_check=list(HealthCheck))
SPANS = st.tuples(st.integers(0, BACKFILL_DAYS - 1), st.integers(0, BACKFILL_DAYS - 1)).map(sorted)


def ask(world: World, back: Any, **options: Any) -> dict[str, Any]:
    last, first = back
    days = (world.today - timedelta(days=first), world.today - timedelta(days=last))
    now = world.lab.clock.now()
    frame = metrics.query(world.lab.warehouse, date_range=days, now=now, **options)
    return {name: frame[name].sum() for name in options["metrics"]}


@ONCE
@given(SPANS, st.lists(st.sampled_from(SUMS), min_size=1, unique=True), st.sampled_from(CUTS))
def test_parts_add_up(world: World, back: Any, names: list[str], cut: list[str]) -> None:
    whole = ask(world, back, metrics=names)

    assert ask(world, back, metrics=names, by=cut) == pytest.approx(whole)


@ONCE
@given(SPANS, st.sampled_from(SUMS), st.integers(0, BACKFILL_DAYS - 1))
def test_a_range_is_the_sum_of_its_halves(world: World, back: Any, name: str, between: int) -> None:
    last, first = back
    middle = min(max(between, last), first)
    halves = [ask(world, (middle, first), metrics=[name])[name]]
    if middle > last:
        halves.append(ask(world, (last, middle - 1), metrics=[name])[name])

    assert sum(halves) == pytest.approx(ask(world, back, metrics=[name])[name])


@pytest.mark.each_value
@pytest.mark.parametrize("cut", [["age"], ["gender"], ["age", "gender"], ["day", "age"], ["hour"]])
@pytest.mark.parametrize("name", ON_META)
def test_cells_and_hours_add_up_to_the_day(world: World, name: str, cut: list[str]) -> None:
    back = (1, SPLIT_DAYS)
    whole = ask(world, back, metrics=[name])
    assert whole[name] > 0

    assert ask(world, back, metrics=[name], by=cut) == pytest.approx(whole)


def test_rollup_and_insight_rows_say_the_same(world: World) -> None:
    back = (0, BACKFILL_DAYS - 1)
    rolled_up = ask(world, back, metrics=SUMS, level="ad")
    with world.lab.warehouse.connection() as connection:
        connection.execute("UPDATE meta_ads.metric_rollups SET definition_version = 'other'")
    try:
        assert ask(world, back, metrics=SUMS, level="ad") == pytest.approx(rolled_up)
    finally:
        with world.lab.warehouse.connection() as connection:
            metrics.rollup(connection, world.lab.account_id)
