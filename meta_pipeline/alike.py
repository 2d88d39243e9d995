"""Names that look like one that nobody has: for the question whether that one was meant."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable

MOST_COMPARED = 100
"""Names that are compared letter by letter, which takes a tenth of a millisecond each."""


def alike(wanted: str, names: Iterable[str], *, cutoff: float, most: int = 3) -> list[str]:
    """Up to `most` of `names` whose likeness to `wanted` (0 to 1) is `cutoff` or more, best first.

    As `difflib.get_close_matches`, which compares with each of them: of many names here those alone
    that share the most pairs of letters, as there may be thousands, and anybody asks.
    """
    known = list(names)
    if len(known) > MOST_COMPARED:
        pairs = _pairs(wanted)
        known = heapq.nlargest(MOST_COMPARED, known, key=lambda name: _share(pairs, _pairs(name)))
    return difflib.get_close_matches(wanted, known, n=most, cutoff=cutoff)


def _pairs(name: str) -> set[str]:
    return {name[at : at + 2] for at in range(len(name))}


def _share(wanted: set[str], pairs: set[str]) -> float:
    # Of both together: a long name has many pairs, and is none the likelier for it.
    return len(wanted & pairs) / (len(wanted) + len(pairs) or 1)
