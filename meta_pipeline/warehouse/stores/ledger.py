"""Ledger: which day of which dataset was fetched, when, and whether it may still move."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One fetched day. `rows` is what Meta returned for it, zero included.

    `incomplete` says what is missing of it or contradicts it, None when nothing is known to;
    `unproven_reads` how many readings in a row left it so. `kept_rows` did not come again in the
    last reading and stay, for the account's own row counts them.
    """

    fetched_at: datetime
    rows: int
    is_final: bool
    incomplete: str | None = None
    unproven_reads: int = 0
    kept_rows: int = 0


_FETCHED = """
    SELECT date_start, fetched_at, rows, coalesce(is_final, false), incomplete, unproven_reads,
           kept_rows
    FROM meta_ads.sync_windows
    WHERE account_id = %s AND dataset = %s AND date_start BETWEEN %s AND %s
    ORDER BY date_start
"""
_MARK = """
    INSERT INTO meta_ads.sync_windows AS known
        (account_id, dataset, date_start, fetched_at, rows, is_final, sync_run_id,
         first_fetched_at, incomplete, unproven_reads)
    SELECT %(account_id)s, %(dataset)s, given.day, %(fetched_at)s, given.rows,
           given.incomplete IS NULL AND given.day = ANY (%(final_days)s::date[]),
           %(sync_run_id)s, %(fetched_at)s, given.incomplete,
           CASE WHEN given.incomplete IS NULL THEN 0 ELSE 1 END
    FROM unnest(%(days)s::date[], %(rows)s::bigint[], %(incomplete)s::text[])
        AS given (day, rows, incomplete)
    ON CONFLICT (account_id, dataset, date_start) DO UPDATE SET
        fetched_at = excluded.fetched_at, rows = excluded.rows,
        is_final = excluded.is_final, sync_run_id = excluded.sync_run_id,
        first_fetched_at = least(known.first_fetched_at, excluded.first_fetched_at),
        incomplete = excluded.incomplete,
        unproven_reads = CASE WHEN excluded.incomplete IS NULL THEN 0
                              ELSE known.unproven_reads + 1 END
"""
_JUDGE = """
    UPDATE meta_ads.sync_windows AS known
    SET is_final = given.final, incomplete = given.incomplete,
        unproven_reads = given.unproven_reads, kept_rows = given.kept_rows
    FROM unnest(%(days)s::date[], %(final)s::boolean[], %(incomplete)s::text[],
                %(unproven_reads)s::int[], %(kept_rows)s::bigint[])
        AS given (day, final, incomplete, unproven_reads, kept_rows)
    WHERE known.account_id = %(account_id)s AND known.dataset = %(dataset)s
      AND known.date_start = given.day
"""
# Back to before the day began: what is read so early counts as unread, and is due at once.
_REOPEN = """
    UPDATE meta_ads.sync_windows SET
        fetched_at = least(fetched_at, date_start::timestamp AT TIME ZONE 'UTC'),
        is_final = false, incomplete = NULL, unproven_reads = 0, kept_rows = 0
    WHERE account_id = %s
"""
# One entry of an index for each account, however many days it has.
_BEGUN = """
    SELECT account_id FROM unnest(%s::text[]) AS wanted (account_id)
    WHERE (
        SELECT true FROM meta_ads.sync_windows AS done
        WHERE done.account_id = wanted.account_id AND done.dataset = %s LIMIT 1
    )
"""
# Days in no row, grouped into ranges: consecutive days share (day - running number).
_GAPS = """
    SELECT min(day), max(day)
    FROM (
        SELECT day, day - row_number() OVER (ORDER BY day)::int AS island
        FROM (
            SELECT %(since)s::date + offset_days AS day
            FROM generate_series(0, %(until)s::date - %(since)s::date) AS offset_days
        ) AS wanted
        WHERE NOT EXISTS (
            SELECT FROM meta_ads.sync_windows AS done
            WHERE done.account_id = %(account_id)s AND done.dataset = %(dataset)s
              AND done.date_start = wanted.day
        )
    ) AS missing
    GROUP BY island
    ORDER BY 1
"""


class Ledger(Store):
    """`sync_windows`. Days are days in the account's time zone, ranges inclusive."""

    def fetched(
        self,
        account_id: str,
        dataset: str,
        since: date,
        until: date,
        connection: Connection | None = None,
    ) -> dict[date, WindowRow]:
        """The days of the range that were fetched; a day without an entry never was."""
        with self._using(connection) as used:
            rows = used.execute(_FETCHED, (account_id, dataset, since, until))
            return {day: WindowRow(*rest) for day, *rest in rows}

    def begun(self, account_ids: Collection[str], dataset: str) -> set[str]:
        """Those of the accounts of which at least one day was fetched."""
        with self._using() as used:
            return {row[0] for row in used.execute(_BEGUN, (list(account_ids), dataset))}

    def mark(  # noqa: PLR0917 (the order its callers know)
        self,
        connection: Connection,
        account_id: str,
        dataset: str,
        days: Mapping[date, int],
        fetched_at: datetime,
        final_days: Collection[date],
        sync_run_id: str | None,
        incomplete: Mapping[date, str] | None = None,
    ) -> None:
        """Note days as fetched, in the transaction that writes their rows.

        `days` says how many rows Meta returned for each day of the window: give zero for the days
        without delivery, or they look as if they were never asked for. `final_days` are those that
        Meta will not restate any more. `incomplete` gives the reason for each day that the reading
        left without something: such a day is not final, and each reading that leaves it so counts.
        """
        reasons = incomplete or {}
        connection.execute(
            _MARK,
            {
                "account_id": account_id,
                "dataset": dataset,
                "fetched_at": fetched_at,
                "days": list(days.keys()),
                "rows": list(days.values()),
                "incomplete": [reasons.get(day) for day in days],
                "final_days": list(final_days),
                "sync_run_id": sync_run_id,
            },
        )

    def judge(
        self,
        connection: Connection,
        account_id: str,
        dataset: str,
        verdicts: Mapping[date, WindowRow],
    ) -> None:
        """Replace what is said of days that are marked: final or not, incomplete, how often."""
        rows = list(verdicts.values())
        connection.execute(
            _JUDGE,
            {
                "account_id": account_id,
                "dataset": dataset,
                "days": list(verdicts),
                "final": [row.is_final for row in rows],
                "incomplete": [row.incomplete for row in rows],
                "unproven_reads": [row.unproven_reads for row in rows],
                "kept_rows": [row.kept_rows for row in rows],
            },
        )

    def gaps(
        self, account_id: str, dataset: str, since: date, until: date
    ) -> list[tuple[date, date]]:
        """Ranges of the days that were never fetched, oldest first."""
        values = {"account_id": account_id, "dataset": dataset, "since": since, "until": until}
        with self._using() as connection:
            return list(connection.execute(_GAPS, values))

    def reopen(self, connection: Connection, account_id: str) -> int:
        """Make every stored day due again, as if it had been read before it began; how many.

        For an account whose time zone changed: its days are cut otherwise. Rows stay until they are
        replaced.
        """
        done = connection.execute(_REOPEN, (account_id,))
        days = connection.execute(
            "SELECT count(DISTINCT date_start) FROM meta_ads.sync_windows WHERE account_id = %s",
            (account_id,),
        ).fetchone()
        return int(days[0]) if done.rowcount and days else 0
