"""The ledger's side of a window: marked as fetched in the transaction of its last slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from meta_pipeline.sync.days import is_final
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.warehouse import (
    Connection,
    GapRow,
    Gaps,
    Ledger,
    ReturnedRows,
    one_change_per_day,
)

from .proving import Proofs, Reading, read_of
from .slices import Note

_UNPROVEN = """
    SELECT min(date_start) FROM meta_ads.sync_windows
    WHERE account_id = %(account_id)s
      AND NOT starts_with(dataset, 'report:')
      AND (%(proven_at)s::timestamptz IS NULL OR fetched_at > %(proven_at)s)
"""


def unproven_since(
    connection: Connection, account_id: str, proven_at: datetime | None
) -> date | None:
    """The first day read since `proven_at`, when all that rows mention was in the tables."""
    values = {"account_id": account_id, "proven_at": proven_at}
    row = connection.execute(_UNPROVEN, values).fetchone()
    return row[0] if row else None


class DayMarks:
    """Marks the days of the windows of one sync, and what they prove, as each window closes."""

    def __init__(
        self,
        ledger: Ledger,
        gaps: Gaps,
        source: Source,
        returned: ReturnedRows,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._gaps = gaps
        self._source = source
        self.clock = clock
        self.proofs = Proofs(ledger, source, returned)

    def closing(
        self,
        window: Window,
        rows_by_day: Mapping[date, int],
        incomplete: Mapping[date, str] | None = None,
        gaps: Sequence[GapRow] = (),
        *,
        walks: Sequence[int] | None = None,
        began_at: datetime | None = None,
    ) -> Note:
        """What to write when the whole window has been written.

        `incomplete` says, for each day the reading had to leave without something, without what:
        such a day is not final and is read again, ever more seldom. `gaps` are the objects of
        these days that were not answered. `walks` are those over pages that brought the rows: of a
        day that is complete and proven, others are removed. Without any nothing was read.
        `began_at` is when the first page was asked for.
        """
        reasons, ended_at = incomplete or {}, window.as_of or self.clock()
        times = window.as_of or began_at or ended_at, ended_at
        is_silent = not any(rows_by_day.values())

        def note(connection: Connection) -> None:
            account_id, name = self._source.account_id, window.dataset.name
            # Read before the marks overwrite it: the verdict weighs what the ledger said so far.
            before = self._ledger.fetched(account_id, name, window.since, window.until, connection)
            self._mark(connection, window, rows_by_day, reasons, is_read=walks is not None)
            self._gaps.replace(connection, account_id, name, list(rows_by_day), gaps)
            if walks is None or window.dataset.only is not None:
                return  # one field tells nothing of what the others are
            self.proofs.closed(
                connection,
                {
                    day: Reading(
                        window, walks, rows, is_silent, times, reasons.get(day), before.get(day)
                    )
                    for day, rows in rows_by_day.items()
                },
            )
            if window.keeps_history:
                reading = read_of(window.dataset, self._source)
                one_change_per_day(connection, reading, list(rows_by_day))

        return note

    def _mark(
        self,
        connection: Connection,
        window: Window,
        rows_by_day: Mapping[date, int],
        incomplete: Mapping[date, str],
        *,
        is_read: bool,
    ) -> None:
        source, dataset = self._source, window.dataset
        read_at = window.as_of or source.data_as_of
        # Rows that another row proves are final when they are proven, and not before.
        final = [
            day
            for day in rows_by_day
            if (dataset.is_proof or not is_read)
            and is_final(dataset.last_of(day), read_at, source.timezone_name)
        ]
        rows, run_id = dict(rows_by_day), source.sync_run_id
        self._ledger.mark(
            connection, source.account_id, dataset.name, rows, read_at, final, run_id, incomplete
        )
