"""Words: values as people read them, the same in the terminal, on the page and in the docs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

UNITS = {"pct": "%", "ms": "ms", "seconds": "s", "minutes": "min", "hours": "h"}
NOTHING = "–"  # noqa: RUF001  # a dash for people


def cell(value: Any) -> str:
    """A value of an answer; a dash where it is not known."""
    if value is None:
        return NOTHING
    # Before numbers: a bool is an int, and `yes` would be 1.
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return number(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def number(value: int | float | Decimal, places: int = 2) -> str:
    """Thousands separated; no more than `places` digits after the point, and no idle zeros."""
    if isinstance(value, int):
        return f"{value:,}"
    # Zeros go only after a point: of 100 they are the number.
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def heading(column: str) -> str:
    """`usage_pct` as `usage %`, `started_at` as `started (UTC)`."""
    stem, _, last = column.rpartition("_")
    if stem and last in UNITS:
        return f"{stem.replace('_', ' ')} {UNITS[last]}"
    if stem and last == "at":
        return f"{stem.replace('_', ' ')} (UTC)"
    return column.replace("_", " ")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
