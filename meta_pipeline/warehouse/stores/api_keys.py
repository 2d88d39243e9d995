"""API keys: who programs are; the secret itself is never kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRow:
    """One row of `api_keys`; the columns' comments say what each field means."""

    key_id: str
    tenant: str
    name: str
    secret_sha256: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it lets anybody in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_COLUMNS = tuple(field.name for field in fields(ApiKeyRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM meta_ads.api_keys"
_ADD = f"""
    INSERT INTO meta_ads.api_keys ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f"%({name})s" for name in _COLUMNS)})
"""
# Of two that make a key at once both would count one too few.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('meta_ads:api_keys:' || %s, 0))"


class ApiKeyStore(Store):
    """`api_keys`."""

    def add(self, row: ApiKeyRow, connection: Connection | None = None) -> None:
        with self._using(connection) as used:
            used.execute(_ADD, asdict(row) | {"scopes": Jsonb(row.scopes)})

    def get(self, key_id: str) -> ApiKeyRow | None:
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(ApiKeyRow))
            return cursor.execute(f"{_SELECT} WHERE key_id = %s", (key_id,)).fetchone()

    def all(
        self, tenant: str | None = None, connection: Connection | None = None
    ) -> list[ApiKeyRow]:
        """Every key of a tenant, or of all, also those that are dead; the oldest first."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(ApiKeyRow))
            return cursor.execute(
                f"{_SELECT} WHERE %s::text IS NULL OR tenant = %s ORDER BY created_at, key_id",
                (tenant, tenant),
            ).fetchall()

    def lock(self, tenant: str, connection: Connection) -> None:
        """Let no other transaction make a key for the tenant before this one ends."""
        connection.execute(_LOCK, (tenant,))

    def used(self, key_id: str, at: datetime) -> None:
        with self._using() as used:
            used.execute(
                "UPDATE meta_ads.api_keys SET last_used_at = %s WHERE key_id = %s", (at, key_id)
            )

    def revoke(self, key_id: str, at: datetime) -> bool:
        """End a key at once; False where it was ended already."""
        with self._using() as used:
            done = used.execute(
                "UPDATE meta_ads.api_keys SET revoked_at = %s "
                "WHERE key_id = %s AND revoked_at IS NULL",
                (at, key_id),
            )
            return bool(done.rowcount)
