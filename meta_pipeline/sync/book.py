"""The ledger's side of a window: marked as fetched in the transaction of its last slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from meta_pipeline.warehouse import Connection, GapRow, Gaps, Ledger

from .days import is_final
from .mapping import Source
from .slices import Note
from .window import Window

# A window is written page by page, and each page notes how far it moved its days.
_ONE_CHANGE_PER_DAY = """
    WITH pages AS (
        DELETE FROM meta_ads.insights_changes
        WHERE account_id = %(account_id)s AND entity_type = %(level)s AND read_at = %(read_at)s
          AND date_start BETWEEN %(since)s AND %(until)s
        RETURNING *
    )
    INSERT INTO meta_ads.insights_changes
        (account_id, entity_type, date_start, read_at, age_days, rows_new, rows_changed,
         spend_before, spend_after, impressions_before, impressions_after,
         clicks_before, clicks_after, actions_before, actions_after, sync_run_id)
    SELECT account_id, entity_type, date_start, read_at, min(age_days),
           sum(rows_new), sum(rows_changed),
           (array_agg(spend_before ORDER BY change_id))[1],
           (array_agg(spend_after ORDER BY change_id DESC))[1],
           (array_agg(impressions_before ORDER BY change_id))[1],
           (array_agg(impressions_after ORDER BY change_id DESC))[1],
           (array_agg(clicks_before ORDER BY change_id))[1],
           (array_agg(clicks_after ORDER BY change_id DESC))[1],
           (array_agg(actions_before ORDER BY change_id))[1],
           (array_agg(actions_after ORDER BY change_id DESC))[1],
           min(sync_run_id)
    FROM pages
    GROUP BY account_id, entity_type, date_start, read_at
"""

_UNPROVEN = """
    SELECT min(date_start) FROM meta_ads.sync_windows
    WHERE account_id = %(account_id)s
      AND (%(proven_at)s::timestamptz IS NULL OR fetched_at > %(proven_at)s)
"""


def unproven_since(
    connection: Connection, account_id: str, proven_at: datetime | None
) -> date | None:
    """The first day read since `proven_at`, when all that rows mention was in the tables."""
    values = {"account_id": account_id, "proven_at": proven_at}
    row = connection.execute(_UNPROVEN, values).fetchone()
    return row[0] if row else None


class LedgerBook:
    """Marks the days of the windows of one sync."""

    def __init__(self, ledger: Ledger, gaps: Gaps, source: Source) -> None:
        self._ledger = ledger
        self._gaps = gaps
        self._source = source

    def closing(
        self,
        window: Window,
        rows_by_day: Mapping[date, int],
        incomplete: Mapping[date, str] | None = None,
        gaps: Sequence[GapRow] = (),
    ) -> Note:
        """What to write when the whole window has been written.

        `incomplete` says, for each day the reading had to leave without something, without what:
        such a day is not final and is read again, ever more seldom. `gaps` are the objects of
        these days that were not answered.
        """

        def note(connection: Connection) -> None:
            self._mark(connection, window, rows_by_day, incomplete or {})
            self._gaps.replace(
                connection, self._source.account_id, window.dataset.name, list(rows_by_day), gaps
            )
            if window.keeps_history:
                self._merge_changes(connection, window)

        return note

    def _mark(
        self,
        connection: Connection,
        window: Window,
        rows_by_day: Mapping[date, int],
        incomplete: Mapping[date, str],
    ) -> None:
        read_at = window.as_of or self._source.data_as_of
        timezone_name = self._source.timezone_name
        self._ledger.mark(
            connection,
            self._source.account_id,
            window.dataset.name,
            dict(rows_by_day),
            read_at,
            [day for day in rows_by_day if is_final(day, read_at, timezone_name)],
            self._source.sync_run_id,
            incomplete,
        )

    def _merge_changes(self, connection: Connection, window: Window) -> None:
        connection.execute(
            _ONE_CHANGE_PER_DAY,
            {
                "account_id": self._source.account_id,
                "level": window.dataset.level,
                "read_at": self._source.data_as_of,
                "since": window.since,
                "until": window.until,
            },
        )
