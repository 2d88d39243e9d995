"""Days as ranges: how many of them one window holds, and which gaps are cheaper read than left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from meta_pipeline.sync.rows.datasets import Dataset
from meta_pipeline.warehouse import WindowRow

# A window is marked in the ledger as a whole: a longer one is more to read again when it breaks.
LONGEST_WINDOW_DAYS = 93
# Enough to fill pages, few enough that a sync that ends early has lost little.
_PAGES_PER_WINDOW = 4


def bridged(
    ranges: Iterable[tuple[date, date]], per_day: float, page_size: int
) -> list[tuple[date, date]]:
    """Ranges (newest first) with the gaps closed where reading the gap too takes fewer calls."""
    closed: list[tuple[date, date]] = []
    for since, until in ranges:
        if closed:
            newer_since, newer_until = closed[-1]
            together = pages_of(since, newer_until, per_day, page_size)
            # A gap costs rows, and no call where its sides share a page that neither would fill.
            apart = pages_of(since, until, per_day, page_size) + pages_of(
                newer_since, newer_until, per_day, page_size
            )
            if together < apart and (newer_until - since).days < longest(per_day, page_size):
                closed[-1] = (since, newer_until)
                continue
        closed.append((since, until))
    return closed


def pages_of(since: date, until: date, per_day: float, page_size: int) -> int:
    return max(1, math.ceil(per_day * ((until - since).days + 1) / page_size))


def rows_per_day(dataset: Dataset, ledger: Mapping[date, WindowRow]) -> float | None:
    """What the newest days of the ledger had, one row for an account; None where unknown."""
    if dataset.is_proof:
        return 1.0
    # Two weeks have every weekday twice, and little of what ended long ago.
    newest = [ledger[day].rows for day in sorted(ledger)[-14:]]
    return sum(newest) / len(newest) if newest else None


def longest(per_day: float, page_size: int) -> int:
    """How many days a window may have so that a slice stays small and its pages full."""
    return max(1, min(LONGEST_WINDOW_DAYS, int(_PAGES_PER_WINDOW * page_size / max(per_day, 1.0))))


def proof_ranges(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Days (newest first) of the account's own rows as ranges; the days between cost no call."""
    together: list[date] = []
    for day in days:
        if together and (together[0] - day).days >= LONGEST_WINDOW_DAYS:
            yield together[-1], together[0]
            together = []
        together.append(day)
    if together:
        yield together[-1], together[0]
