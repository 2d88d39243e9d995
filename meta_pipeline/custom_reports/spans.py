"""How often days are read again, as people write it: `0:1h,28:7d`, by the age of a day."""

from __future__ import annotations

from datetime import timedelta

from meta_pipeline.moments import span


def steps_of(text: str) -> tuple[tuple[int, timedelta], ...]:
    """Age in days and interval of each step; ValueError says what is wrong with them."""
    steps = []
    for part in text.split(","):
        age, colon, every = part.partition(":")
        if not colon or not age.strip().isdigit():
            raise ValueError(f"{part!r} is not <age in days>:<interval>, as in 3:6h")
        steps.append((int(age), span(every)))
    ages = [age for age, _ in steps]
    if ages != sorted(set(ages)):
        raise ValueError(f"the ages in {text!r} must rise, as in 0:1h,3:6h,7:1d,28:7d")
    return tuple(steps)
