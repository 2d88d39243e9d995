"""The time zone an ad account counts its days in."""

from datetime import date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str | None) -> ZoneInfo:
    """The zone of that name; UTC where Meta names none, or one that is not known here."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is that of a folder
        return ZoneInfo("UTC")


def begin_of(day: date, where: tzinfo) -> datetime:
    """The moment a day begins there: its midnight, also where days have 23 or 25 hours."""
    return datetime.combine(day, time.min, where)
