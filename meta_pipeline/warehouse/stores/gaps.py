"""Gaps: what Meta could not answer of a day, so that it is not asked in vain at every sync."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True)
class GapRow:
    """One object of one day that was not answered: these fields of it, all when there are none.

    `tries` is how often the whole was asked for in vain, the last time at `tried_at`.
    """

    day: date
    entity_type: str
    entity_id: str
    fields: tuple[str, ...]
    reason: str
    tried_at: datetime
    tries: int = 1

    def __str__(self) -> str:
        what = f"without {', '.join(self.fields)}" if self.fields else "left out"
        return f"{self.entity_type} {self.entity_id} {what} ({self.reason})"


_OF = """
    SELECT dataset, date_start, entity_type, entity_id, fields, reason, tried_at, tries
    FROM meta_ads.insights_gaps WHERE account_id = %s ORDER BY date_start, entity_id
"""
_FORGET = """
    DELETE FROM meta_ads.insights_gaps
    WHERE account_id = %s AND dataset = %s AND date_start = ANY (%s::date[])
"""
_KEEP = """
    INSERT INTO meta_ads.insights_gaps
        (account_id, dataset, date_start, entity_type, entity_id, fields, reason, tried_at, tries)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


class Gaps(Store):
    """`insights_gaps`. Days are days in the account's time zone."""

    def of(self, account_id: str) -> Mapping[str, Mapping[date, list[GapRow]]]:
        """Every gap of an account: by dataset, then by day."""
        gaps: dict[str, dict[date, list[GapRow]]] = defaultdict(lambda: defaultdict(list))
        with self._using() as connection:
            for dataset, day, kind, one, fields, *rest in connection.execute(_OF, (account_id,)):
                names = tuple(fields.split(",")) if fields else ()
                gaps[dataset][day].append(GapRow(day, kind, one, names, *rest))
        return gaps

    def replace(
        self,
        connection: Connection,
        account_id: str,
        dataset: str,
        days: Collection[date],
        gaps: Iterable[GapRow],
    ) -> None:
        """Make these the gaps of the days, in the transaction that writes their rows."""
        # Also of days without one now: what was answered this time is no gap any more.
        connection.execute(_FORGET, (account_id, dataset, list(days)))
        rows = [
            (account_id, dataset, gap.day, gap.entity_type, gap.entity_id, ",".join(gap.fields),
             gap.reason, gap.tried_at, gap.tries)
            for gap in gaps
        ]  # fmt: skip
        if rows:
            connection.cursor().executemany(_KEEP, rows)
