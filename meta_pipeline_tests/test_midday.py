"""The zone that tests with the machine's clock give their ad accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meta_pipeline_tests.midday import zone_at_midday


@pytest.mark.parametrize("hour", range(24))
def test_it_is_midday_there_at_every_hour_of_utc(hour: int) -> None:
    at = datetime(2026, 12, 31, hour, 59, tzinfo=UTC)
    there = at.astimezone(ZoneInfo(zone_at_midday(at)))
    assert there.hour == 12
    assert there.date() == (there + timedelta(hours=11)).date()
