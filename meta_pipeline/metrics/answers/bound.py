"""How much one answer may have, where whoever asks shares the memory with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meta_pipeline.metrics.errors import TooMuch

from .period import Period


@dataclass(frozen=True, slots=True)
class Bound:
    """How much may be asked for at once, where whoever asks shares the memory with others.

    An answer is made whole. `days` are those of all accounts together.
    """

    rows: int = 50_000
    days: int = 400_000

    def check(self, periods: Sequence[Period], *, has_rows_by_day: bool = False) -> None:
        """TooMuch where the days of the accounts, or a row for each, are too many."""
        days, most = sum(map(len, periods)), self.rows if has_rows_by_day else self.days
        if days > most:
            raise TooMuch(
                f"{days:,} days, of {len(periods):,} ad accounts together, are too many at once: "
                f"ask for fewer days or accounts, {most:,} days at most."
            )

    def check_rows(self, rows: int) -> None:
        """TooMuch where the answer has, or would have, more than may be."""
        if rows > self.rows:
            raise TooMuch(
                f"The answer has more than {self.rows:,} rows: ask for fewer days or accounts, "
                "by less, or with a filter."
            )
