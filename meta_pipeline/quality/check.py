"""Check: one question to the whole warehouse, asked with SQL from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline.warehouse import Connection

from .finding import Finding, Severity

_SQL = Path(__file__).parent / "sql"
_LATE = "/* late */"
WORST = 20
"""Rows a finding shows; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is worth saying."""

    stale: timedelta = timedelta(hours=6)
    """An account is late after so long without new numbers."""
    stale_quiet: timedelta = timedelta(hours=36)
    """The same of one that hardly spends: it is read more rarely on purpose."""
    quiet_spend: float = 10.0
    """What such a one spends in a week at most, in major units of `currency`."""
    currency: str = "USD"
    very_late: float = 4.0
    """After so many times that, lateness is an error."""
    include: Sequence[str] = ()
    """Accounts that are meant to be synced; all where it is empty."""
    exclude: Sequence[str] = ()
    """Those that are not."""
    days: int = 35
    """How far back days are looked at."""
    drift_days: int = 7
    """How long a value that was not understood counts as new."""
    tolerance_pct: float = 5.0
    """By how much a day's spend may differ before it is an error."""

    def parameters(self) -> dict[str, Any]:
        """The limits as SQL parameters of the same names."""
        return asdict(self) | {"include": list(self.include), "exclude": list(self.exclude)}


def read_query(path: Path) -> str:
    """The query of a file; where it says `/* late */` stands the one rule of who is late."""
    query = path.read_text(encoding="utf-8")
    return query.replace(_LATE, (_SQL.parent / "late.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Check:
    """A check of the catalogue.

    Its SQL (`sql/<name>.sql`) returns one row for each thing that is wrong, worst first, with
    `is_error` (whether it is worse than a warning) and `total` (how many rows there are in all, as
    only the worst are read). `table` is the table it is about, `title` what is counted, in the
    plural, `what_to_do` the next step of whoever reads it.
    """

    name: str
    table: str
    title: str
    description: str
    what_to_do: str

    @cached_property
    def query(self) -> str:
        return read_query(_SQL / f"{self.name}.sql")

    def run(self, connection: Connection, limits: Limits | None = None) -> Finding:
        """Ask the question; reads only."""
        cursor = connection.cursor(row_factory=dict_row)
        asked = (limits or Limits()).parameters() | {"worst": WORST}
        rows = cursor.execute(self.query, asked).fetchall()
        # Each row has the number of all of them: only the worst are read.
        count = int(rows[0]["total"]) if rows else 0
        shown = [
            {name: value for name, value in row.items() if name not in ("total", "is_error")}
            for row in rows
        ]
        return Finding(
            check=self.name,
            count=count,
            severity=Severity.ERROR if any(row["is_error"] for row in rows) else Severity.WARN,
            headline=self._headline(count, shown),
            what_to_do=self.what_to_do,
            rows=shown,
        )

    def _headline(self, count: int, rows: list[dict[str, Any]]) -> str:
        if not count:
            return f"No {self.title}."
        accounts = len({row.get("account_id") for row in rows})
        # Only the worst rows were read: of more than those the accounts are not all known.
        within = f" in {accounts} accounts" if accounts > 1 and count <= WORST else ""
        return f"{count:,} {self.title}{within}."
