"""Async reports that did not move while a sync waited: the next one looks at them again."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import date, datetime

from meta_pipeline.warehouse.connect import Store


@dataclass(frozen=True, slots=True)
class PendingReport:
    """One report run of Meta's."""

    account_id: str
    report_run_id: str
    dataset: str
    since: date
    until: date
    query_hash: str
    """Tells the question: with other fields or windows it is another report."""
    created_at: datetime
    """By Meta; its numbers may be as old as that."""
    progress_pct: int = 0


_OF = """
    SELECT account_id, report_run_id, dataset, since, until, query_hash, created_at, progress_pct
    FROM meta_ads.pending_reports
    WHERE account_id = %s AND meta_ads.past(created_at, %s) > %s
    ORDER BY created_at
"""
_KEEP = """
    INSERT INTO meta_ads.pending_reports
        (account_id, report_run_id, dataset, since, until, query_hash, created_at, progress_pct)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (account_id, report_run_id) DO UPDATE SET progress_pct = excluded.progress_pct
"""
_FORGET = "DELETE FROM meta_ads.pending_reports WHERE account_id = %s AND report_run_id = %s"


class PendingReports(Store):
    """`pending_reports`."""

    def of(self, account_id: str, created_after: datetime, now: datetime) -> list[PendingReport]:
        """The account's reports that Meta still keeps at `now`, oldest first."""
        with self._using() as connection:
            rows = connection.execute(_OF, (account_id, now, created_after))
            return [PendingReport(*row) for row in rows]

    def keep(self, report: PendingReport) -> None:
        with self._using() as connection:
            connection.execute(_KEEP, astuple(report))

    def forget(self, account_id: str, report_run_id: str) -> None:
        with self._using() as connection:
            connection.execute(_FORGET, (account_id, report_run_id))
