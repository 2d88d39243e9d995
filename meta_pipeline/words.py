"""Moments, durations and numbers as people read them, the same in log, terminal and Dagster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal


def clock(moment: datetime, now: datetime) -> str:
    """`14:32 UTC`, with its date when that is not today's."""
    utc = moment.astimezone(UTC)
    form = "%H:%M UTC" if utc.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M UTC"
    return format(utc, form)


def minute(moment: datetime) -> str:
    """`2026-03-01 14:32 UTC`: a moment with its date, whatever day it is read."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(span: timedelta) -> str:
    """`40 s`, `34 min`, `2 h`, `1 h 20 min`, `3 days`; below zero is none."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{hours // 24} days"


def as_typed(span: timedelta) -> str:
    """A duration as people type it for an option or a setting: `90m`, `6h`, `2d`."""
    for letter, unit in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if span >= unit and not span % unit:
            return f"{span // unit}{letter}"
    return f"{span / timedelta(minutes=1):g}m"


def times(count: int, noun: str) -> str:
    """`1 sync`, `12 syncs`, `1,200 syncs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def digits(number: float, separator: str = "") -> str:
    """Every digit of a number and no other: `4`, `12.5`, `1234567`, never `1.23457e+06`."""
    text = format(Decimal(str(number)), f"{separator}f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortened(text: str, length: int) -> str:
    """The text, its end given up for a `…` where it has more than `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def ago(seconds: float | None) -> str:
    """`just now`, `15m ago`, `3h ago`, `2d ago`; None is `never`."""
    if seconds is None:
        return "never"
    for unit_seconds, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= unit_seconds:
            return f"{int(seconds // unit_seconds)}{letter} ago"
    return "just now"


def markdown_cell(text: str) -> str:
    """Our own words inside a Markdown table; those of others pass `printable.markdown`."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
