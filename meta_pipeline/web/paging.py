"""Pages of a long table, by number in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paging:
    """Page `number` (from 1) of `total` rows, `size` to a page."""

    number: int
    total: int
    size: int

    @property
    def last(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """Rows before this page."""
        return (self.number - 1) * self.size

    @property
    def after(self) -> int:
        """Rows up to the end of this page."""
        return min(self.first + self.size, self.total)


def paging(params: Mapping[str, str], total: int, size: int) -> Paging:
    """The page an address asks for; the nearest there is where it asks for none of them."""
    asked = params.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    wanted = Paging(max(1, number), total, size)
    return wanted if wanted.number <= wanted.last else Paging(wanted.last, total, size)
