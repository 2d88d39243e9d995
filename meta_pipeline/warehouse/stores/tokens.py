"""Tokens: what Meta last said of each access token, without the token."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connection, Store

IN_USE = timedelta(hours=2)
"""A token looked at this long before the newest look, or longer, was replaced: looks are hourly."""
# Of tokens that nobody uses any more: long enough to see when one was replaced.
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One row of `token_health`; the columns' comments say what each field means."""

    token_key: str
    app_id: str | None = None
    token_type: str | None = None
    is_valid: bool
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: list[str]
    missing_scopes: list[str]
    problem: str | None = None
    checked_at: datetime

    @property
    def type(self) -> str | None:
        return self.token_type

    @property
    def error(self) -> str | None:
        return self.problem


_COLUMNS = tuple(field.name for field in fields(TokenRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.token_health"
_IN_USE = f"""
    {_SELECT}
    WHERE meta_ads.past(checked_at) > (
        SELECT max(meta_ads.past(checked_at)) FROM meta_ads.token_health
    ) - %s
    ORDER BY app_id, token_key
"""
# Two processes may ask at once: the older answer does not take the place of the newer, but for one
# that a clock ahead dated.
_SAVE = f"""
    INSERT INTO meta_ads.token_health AS known ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
    ON CONFLICT (token_key) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
    WHERE excluded.checked_at >= known.checked_at
        OR meta_ads.past(known.checked_at, excluded.checked_at) IS NULL
"""


def tokens_in_use(connection: Connection) -> list[TokenRow]:
    """The tokens Meta was last asked about; one that was replaced drops out within hours."""
    return connection.cursor(row_factory=class_row(TokenRow)).execute(_IN_USE, (IN_USE,)).fetchall()


class TokenStore(Store):
    """`token_health`."""

    def save(self, row: TokenRow) -> None:
        """Keep the newest answer about a token; those not asked about for a month are dropped."""
        lists = {name: Jsonb(getattr(row, name)) for name in ("scopes", "missing_scopes")}
        with self._using() as connection:
            connection.execute(_SAVE, asdict(row) | lists)
            connection.execute(
                "DELETE FROM meta_ads.token_health WHERE checked_at < %s", (row.checked_at - KEPT,)
            )

    def refused(self, token_key: str, problem: str, now: datetime) -> None:
        """Keep that Meta refused the token, and what was known of it besides."""
        known = self.get(token_key) or TokenRow(
            token_key=token_key, is_valid=False, scopes=[], missing_scopes=[], checked_at=now
        )
        self.save(replace(known, is_valid=False, problem=problem, checked_at=now))

    def get(self, token_key: str) -> TokenRow | None:
        with self._using() as connection:
            cursor = connection.cursor(row_factory=class_row(TokenRow))
            return cursor.execute(f"{_SELECT} WHERE token_key = %s", (token_key,)).fetchone()

    def in_use(self) -> list[TokenRow]:
        """See `tokens_in_use`."""
        with self._using() as connection:
            return tokens_in_use(connection)
