"""Unrecognized: values and fields that were not understood, counted instead of lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meta_pipeline.warehouse.connect import Connection, Store

# To recognise it by; whole values of whole accounts would fill the table.
VALUE_LENGTH = 200
VERSION_SOURCE = "api_version"
"""The source of what Meta says of the API version, which belongs to no account."""


@dataclass(frozen=True, slots=True)
class UnrecognizedRow:
    """One thing that was not understood. `seen_at` is when, `count` how many times."""

    account_id: str
    source: str
    field: str
    value: str
    reason: str
    seen_at: datetime
    sample_id: str | None = None
    count: int = 1


_RECORD = """
    INSERT INTO meta_ads.unrecognized_values AS known
        (account_id, source, field, value, reason, sample_id, first_seen_at, last_seen_at,
         seen_count)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (account_id, source, field, value) DO UPDATE SET
        reason = excluded.reason,
        sample_id = coalesce(excluded.sample_id, known.sample_id),
        last_seen_at = excluded.last_seen_at,
        seen_count = known.seen_count + excluded.seen_count
"""
_NOTED = """
    SELECT source, field, value FROM meta_ads.unrecognized_values
    WHERE account_id = %s AND reason = %s AND meta_ads.past(last_seen_at, %s) > %s
"""


_RECORD_ONCE_A_DAY = f"""{_RECORD}
    WHERE coalesce(
        meta_ads.past(known.last_seen_at, excluded.last_seen_at)
            < date_trunc('day', excluded.last_seen_at, 'UTC'), true)
    RETURNING 1
"""
# The source is no parameter: by it the planner knows the index of these few.
_RECENT = f"""
    SELECT value FROM meta_ads.unrecognized_values
    WHERE source = '{VERSION_SOURCE}' AND meta_ads.past(last_seen_at, %s) > %s
    ORDER BY last_seen_at DESC, value
"""


class UnrecognizedStore(Store):
    """`unrecognized_values`."""

    def record_once_a_day(self, row: UnrecognizedRow) -> bool:
        """Keep the row; whether it is the first of its day (UTC) among all processes."""
        with self._using() as connection:
            return connection.execute(_RECORD_ONCE_A_DAY, _values(row)).fetchone() is not None

    def version_notices(self, since: datetime, now: datetime) -> list[str]:
        """What Meta said of the API version from `since` to `now`, the newest first."""
        with self._using() as connection:
            rows = connection.execute(_RECENT, (now, since))
            return [str(value) for (value,) in rows]

    def noted(
        self, account_id: str, reason: str, since: datetime, now: datetime
    ) -> list[tuple[str, str, str]]:
        """Source, field and value of what was noted for this reason from `since` to `now`."""
        with self._using() as connection:
            return list(connection.execute(_NOTED, (account_id, reason, now, since)))

    def record(self, connection: Connection, rows: Iterable[UnrecognizedRow]) -> None:
        """Add the rows to what is known: a new one appears, a known one counts up."""
        values = [_values(row) for row in rows]
        if values:
            values.sort(
                key=lambda value: value[:4]
            )  # one order for all: no two wait for each other
            connection.cursor().executemany(_RECORD, values)


def _values(row: UnrecognizedRow) -> tuple[Any, ...]:
    return (
        row.account_id,
        clean(row.source),
        clean(row.field),
        clean(row.value)[:VALUE_LENGTH],
        row.reason,
        None if row.sample_id is None else clean(row.sample_id),
        row.seen_at,
        row.seen_at,
        row.count,
    )


def clean(text: str) -> str:
    """The text without what Postgres cannot hold: NUL shown as a picture of it, half surrogates."""
    shown = text.replace("\x00", "\N{SYMBOL FOR NULL}")
    return shown.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
