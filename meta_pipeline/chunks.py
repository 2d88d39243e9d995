"""A sequence in parts, as one call, one page or one run takes so much and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """The items in their order, `size` at a time; of no items none."""
    # Not itertools.batched, which Python 3.11 has not.
    return (items[start : start + size] for start in range(0, len(items), size))
