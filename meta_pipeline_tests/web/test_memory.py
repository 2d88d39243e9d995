"""Many people click for a while: the application's memory does not grow, and no page fails."""

from __future__ import annotations

import pytest

from benchmarks.metrics_queries import filled
from benchmarks.web_clicks import MOST_GROWTH_PCT, clicked
from meta_pipeline_tests.postgres import TestPostgres

ROWS, PEOPLE, SECONDS = 20_000, 20, 90


@pytest.mark.slow
def test_memory_stays_flat_while_people_click(postgres: TestPostgres) -> None:
    with filled(postgres.url, ROWS, keep=False) as warehouse:
        found = clicked(warehouse.url, people=PEOPLE, seconds=SECONDS)
    assert not [status for status in found.statuses if status >= 500]
    assert found.statuses[200] > PEOPLE
    assert found.growth_pct < MOST_GROWTH_PCT, found.thirds_mb
