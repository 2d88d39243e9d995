"""Usage: the newest reading of every meter, shared by all processes through Postgres."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, fields
from datetime import datetime

from psycopg.rows import class_row

from meta_pipeline.model.usage import Meter, UsageReading
from meta_pipeline.warehouse.connect import Connection, Store

_COLUMNS = tuple(field.name for field in fields(UsageReading))
_CURRENT = """
    SELECT scope, key, use_case, usage_pct::float8 AS usage_pct, read_at, regain_at, access_tier,
        coalesce(source, '') AS source
    FROM meta_ads.usage_readings
    WHERE %(keys)s::text[] IS NULL OR key = ANY (%(keys)s)
    ORDER BY scope, key, use_case
"""
_REMEMBER = f"""
    INSERT INTO meta_ads.usage_readings AS known ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (scope, key, use_case) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[3:])}
    WHERE excluded.read_at >= known.read_at
        -- A clock that was ahead must not keep everybody's readings out until then.
        OR meta_ads.past(known.read_at, coalesce(%(now)s, now())) IS NULL
"""


class UsageStore(Store):
    """`usage_readings`."""

    def remember(
        self,
        readings: Iterable[UsageReading],
        connection: Connection | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Keep the readings that are newer than what is known; order and repeats do not matter.

        What is known of a time after `now` (default: Postgres' own clock) gives way to any. Without
        a connection it is a transaction of its own.
        """
        newest: dict[Meter, UsageReading] = {}
        for reading in readings:
            known = newest.get(reading.meter)
            # One statement may not touch a row twice: of a meter only the newest is sent.
            if known is None or reading.read_at >= known.read_at:
                newest[reading.meter] = reading
        # Written in one order by everybody: two processes cannot wait for each other.
        rows = [
            asdict(newest[meter]) | {"scope": str(meter.scope), "now": now}
            for meter in sorted(newest)
        ]
        if rows:
            with self._using(connection) as used:
                used.cursor().executemany(_REMEMBER, rows)

    def current(self, keys: Collection[str] | None = None) -> list[UsageReading]:
        """The newest reading of every meter of these keys (accounts, the app); all when None."""
        with self._using() as connection:
            cursor = connection.cursor(row_factory=class_row(UsageReading))
            wanted = {"keys": None if keys is None else list(keys)}
            return cursor.execute(_CURRENT, wanted).fetchall()
