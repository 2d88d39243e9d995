"""Usage: the newest reading of every meter, shared by all processes through Postgres."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from psycopg.rows import class_row

from .connect import Connection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One row of `usage_readings`: `usage_pct` of one meter as read at `read_at`."""

    scope: str
    key: str
    use_case: str = ""
    usage_pct: float
    read_at: datetime
    regain_at: datetime | None = None
    access_tier: str | None = None
    source: str | None = None

    @property
    def meter(self) -> tuple[str, str, str]:
        return (self.scope, self.key, self.use_case)


_COLUMNS = tuple(field.name for field in fields(UsageRow))
_CURRENT = f"""
    SELECT {", ".join(_COLUMNS).replace("usage_pct", "usage_pct::float8 AS usage_pct")}
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
        -- Written under a clock far ahead, it would shut out all that are read until then.
        OR known.read_at > excluded.read_at + interval '1 day'
        -- A clock that was a day ahead must not keep everybody's readings out until that day.
        OR known.read_at > excluded.read_at + interval '1 day'
"""


def newest(readings: Iterable[UsageRow]) -> list[UsageRow]:
    """One reading per meter, the newest, in the order of the meters."""
    found: dict[tuple[str, str, str], UsageRow] = {}
    for reading in readings:
        known = found.get(reading.meter)
        if known is None or reading.read_at >= known.read_at:
            found[reading.meter] = reading
    return [found[meter] for meter in sorted(found)]


def remember(connection: Connection, readings: Iterable[UsageRow]) -> None:
    """Keep the readings that are newer than what is known; order and repeats do not matter."""
    # Written in one order by everybody: two processes cannot wait for each other.
    rows = [asdict(reading) for reading in newest(readings)]
    if rows:
        connection.cursor().executemany(_REMEMBER, rows)


class UsageStore(Store):
    """`usage_readings`."""

    def remember(self, readings: Iterable[UsageRow], connection: Connection | None = None) -> None:
        """See `remember`; without a connection it is a transaction of its own."""
        with self._using(connection) as used:
            remember(used, readings)

    def current(self, keys: Collection[str] | None = None) -> list[UsageRow]:
        """The newest reading of every meter of these keys (accounts, the app); all when None."""
        with self._using() as connection:
            cursor = connection.cursor(row_factory=class_row(UsageRow))
            wanted = {"keys": None if keys is None else list(keys)}
            return cursor.execute(_CURRENT, wanted).fetchall()
