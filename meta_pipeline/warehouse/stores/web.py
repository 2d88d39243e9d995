"""The web application's own rows: members, links that were used, who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from meta_pipeline.warehouse.connect import Connection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One row of `web_members`."""

    subject: str
    role: str
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebEvent:
    """One row of `web_events`."""

    at: datetime
    actor: str
    action: str
    detail: str


class WebStore(Store):
    """`web_members`, `web_links`, `web_events`."""

    def use_link(self, link_hash: str, connection: Connection | None = None) -> bool:
        """Whether the link was not used before; it is now. Links of last month are forgotten."""
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

    def role_of(self, subject: str, connection: Connection | None = None) -> str | None:
        """The member's role; None for a stranger."""
        with self._using(connection) as using:
            found = using.execute(
                "SELECT role FROM meta_ads.web_members WHERE subject = %s", (subject,)
            ).fetchone()
            return None if found is None else str(found[0])

    def members(self, connection: Connection | None = None) -> Sequence[Member]:
        """Everybody who is let in, by name."""
        with self._using(connection) as using:
            cursor = using.cursor(row_factory=class_row(Member))
            return cursor.execute(
                "SELECT subject, role, added_by, added_at FROM meta_ads.web_members"
                " ORDER BY subject"
            ).fetchall()

    def save_member(
        self, subject: str, role: str, added_by: str, connection: Connection | None = None
    ) -> None:
        """Let somebody in, or give a member another role."""
        with self._using(connection) as using:
            using.execute(
                "INSERT INTO meta_ads.web_members VALUES (%s, %s, %s, clock_timestamp())"
                " ON CONFLICT (subject) DO UPDATE SET role = excluded.role",
                (subject, role, added_by),
            )

    def remove_member(self, subject: str, connection: Connection | None = None) -> bool:
        """Let a member in no more; whether there was one."""
        with self._using(connection) as using:
            return (
                using.execute(
                    "DELETE FROM meta_ads.web_members WHERE subject = %s", (subject,)
                ).rowcount
                == 1
            )

    def note(
        self, actor: str, action: str, detail: str, connection: Connection | None = None
    ) -> None:
        """Add to the audit who did what."""
        with self._using(connection) as using:
            using.execute(
                "INSERT INTO meta_ads.web_events (at, actor, action, detail)"
                " VALUES (clock_timestamp(), %s, %s, %s)",
                (actor, action, detail),
            )

    def events(self, limit: int, connection: Connection | None = None) -> Sequence[WebEvent]:
        """What was changed, newest first."""
        with self._using(connection) as using:
            cursor = using.cursor(row_factory=class_row(WebEvent))
            return cursor.execute(
                "SELECT at, actor, action, detail FROM meta_ads.web_events"
                " ORDER BY at DESC, id DESC LIMIT %s",
                (limit,),
            ).fetchall()
