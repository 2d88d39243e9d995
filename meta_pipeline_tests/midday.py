"""A time zone in which no day ends while tests run that have the machine's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from meta_pipeline_tests.sync.lab import SMALL


def zone_at_midday(now: datetime | None = None) -> str:
    """The name of the zone, without summer time, in which it is between 12:00 and 13:00 at `now`.

    A day of an ad account ends at midnight of its own zone: a test that reads today's rows twice,
    or counts days back, would fail in the minutes around it.
    """
    ahead_hours = 12 - (now or datetime.now(UTC)).astimezone(UTC).hour
    # The names of tzdata say how far UTC is ahead, hence the sign.
    return f"Etc/GMT{-ahead_hours:+d}" if ahead_hours else "Etc/UTC"


MIDDAY_SHOP = replace(SMALL, zone=zone_at_midday())
"""The account of 60 entities, where it is midday."""
