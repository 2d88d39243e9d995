"""How often days are read again, as people write it: `0:1h,28:7d`, by the age of a day."""

from __future__ import annotations

import re
from datetime import timedelta

_STEP = re.compile(r"\s*(\d+)\s*:\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def steps_of(text: str) -> tuple[tuple[int, timedelta], ...]:
    """Age in days and interval of each step; ValueError says what is wrong with them.

    The one reader of META_RESTATEMENT and of a custom report's `restatement`: what the check of a
    file lets pass, a plan takes.
    """
    steps = []
    for part in text.split(","):
        match = _STEP.fullmatch(part)
        try:
            age, count, unit = match.groups() if match else ("", "", "")
            steps.append((int(age), timedelta(**{_UNITS[unit]: float(count)})))
        except (KeyError, ValueError, OverflowError):
            raise ValueError(f"{part!r} is not <age in days>:<interval>, as in 3:6h") from None
    ages = [age for age, _ in steps]
    if ages != sorted(set(ages)):
        raise ValueError(f"the ages in {text!r} must rise, as in 0:1h,3:6h,7:1d,28:7d")
    return tuple(steps)
