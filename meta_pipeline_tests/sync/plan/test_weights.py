"""Plans are priced by what calls turned out to cost, once there are enough of them."""

from __future__ import annotations

import pytest

from meta_pipeline.governor import QueryShape, Weights
from meta_pipeline.settings import Settings
from meta_pipeline.sync.limits.weights import Prices
from meta_pipeline.warehouse import ObservedWeight
from meta_pipeline_tests.sync.lab import Lab

DAILY = QueryShape(insights=True, level="ad", daily=True, days=7)
SHAPE = "level=ad increment=1 days=7 fields=12"


def test_a_setting_changes_the_guess() -> None:
    settings = Settings.load(env_file=None, cost_weights="daily=3,breakdowns=2")
    weights = Weights(**settings.weights)
    assert weights == Weights(daily=3, breakdowns=2)
    assert Prices(weights).of(DAILY) == 3


def test_the_setting_as_it_stands_is_the_governors_guess() -> None:
    assert Weights(**Settings.load(env_file=None).weights) == Weights()


def test_few_observations_leave_the_guess_and_many_replace_it() -> None:
    few = Prices.learned(Weights(), [ObservedWeight("insights_ad", SHAPE, 1.0, 9)])
    many = Prices.learned(Weights(), [ObservedWeight("insights_ad", SHAPE, 1.0, 10_000)])
    assert few.of(DAILY) == 5
    assert many.of(DAILY) == pytest.approx(1.0, abs=0.02)


def test_rows_of_one_shape_are_averaged_by_their_observations() -> None:
    longer = "level=ad increment=1 days=28 fields=12"
    prices = Prices.learned(
        Weights(),
        [
            ObservedWeight("insights_ad", SHAPE, 2.0, 30_000),
            ObservedWeight("insights_ad", longer, 6.0, 10_000),
        ],
    )
    assert prices.of(DAILY) == pytest.approx(3.0, abs=0.01)


def test_a_sync_asks_for_what_was_observed(small: Lab) -> None:
    small.sync()
    assert small.warehouse.costs.observed() == []
