"""The web application's own rows: links that were used, sessions that ended, who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class WebEvent:
    """One row of `web_events`."""

    at: datetime
    actor: str
    action: str
    detail: str


# In a tenant's session the setting names the tenant; after a transaction that set it, it is ''.
_NOTE = """
    INSERT INTO meta_ads.web_events (at, actor, action, detail, tenant)
    VALUES (clock_timestamp(), %s, %s, %s, coalesce(
        %s::text, nullif(current_setting('meta_ads.tenant', true), ''), 'default'
    ))
"""


class WebStore(Store):
    """`web_links`, `web_sign_outs`, `web_events`."""

    def use_link(self, link_hash: str, connection: Connection | None = None) -> bool:
        """Whether the link was not used before; it is now. Links of last month are forgotten."""
        # Longer than any link is good: forgotten it could not be used again.
        with self._using(connection) as using:
            using.execute(
                "DELETE FROM meta_ads.web_links WHERE used_at < now() - interval '30 days'"
            )
            used = using.execute(
                "INSERT INTO meta_ads.web_links VALUES (%s, clock_timestamp())"
                " ON CONFLICT (link_hash) DO NOTHING",
                (link_hash,),
            )
            return used.rowcount == 1

    def sign_out(self, session_hash: str, at: datetime, *, forget_after: timedelta) -> None:
        """End a session; those that ended so long ago, which nobody believes, are forgotten."""
        with self._using() as using:
            using.execute(
                "DELETE FROM meta_ads.web_sign_outs WHERE signed_out_at < %s", (at - forget_after,)
            )
            using.execute(
                "INSERT INTO meta_ads.web_sign_outs VALUES (%s, %s)"
                " ON CONFLICT (session_hash) DO NOTHING",
                (session_hash, at),
            )

    def is_signed_out(self, session_hash: str) -> bool:
        """Whether somebody ended the session."""
        with self._using() as using:
            found = using.execute(
                "SELECT FROM meta_ads.web_sign_outs WHERE session_hash = %s", (session_hash,)
            )
            return found.fetchone() is not None

    def note(
        self,
        actor: str,
        action: str,
        detail: str,
        connection: Connection | None = None,
        *,
        tenant: str | None = None,
    ) -> None:
        """Add to the audit who did what; for the tenant of the session unless one is named."""
        with self._using(connection) as using:
            using.execute(_NOTE, (actor, action, detail, tenant))

    def events(self, limit: int, connection: Connection | None = None) -> Sequence[WebEvent]:
        """What was changed, newest first."""
        with self._using(connection) as using:
            cursor = using.cursor(row_factory=class_row(WebEvent))
            return cursor.execute(
                # Tenant by tenant, of whom a visitor sees one: past what others did nobody walks.
                "SELECT at, actor, action, detail FROM meta_ads.tenants AS own CROSS JOIN LATERAL"
                " (SELECT * FROM meta_ads.web_events WHERE tenant = own.tenant"
                " ORDER BY at DESC, id DESC LIMIT %(limit)s) AS event"
                " ORDER BY at DESC, id DESC LIMIT %(limit)s",
                {"limit": limit},
            ).fetchall()
