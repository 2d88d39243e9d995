"""Invitations: who may become a member by signing in, as what, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import errors
from psycopg.rows import class_row

from meta_pipeline.model.subject import as_subject
from meta_pipeline.warehouse.connect import Connection, Store
from meta_pipeline.warehouse.errors import TenantUnknown, WarehouseError

from .tenants import MemberRole

DAYS = 14
"""How long an invitation is good, unless somebody says otherwise."""
MOST_DAYS = 90
_LONGEST = 254
"""Characters of an e-mail address (RFC 5321)."""
# So long one that has ended still explains why somebody could not come in.
_FORGOTTEN_AFTER = timedelta(days=30)
_OF_TENANT = """
    SELECT tenant, subject, role, invited_at, invited_by, ends_at FROM meta_ads.invitations
    WHERE tenant = %s ORDER BY invited_at DESC, subject
"""
_INVITE = """
    INSERT INTO meta_ads.invitations (tenant, subject, role, invited_at, invited_by, ends_at)
    VALUES (%(tenant)s, %(subject)s, %(role)s, %(invited_at)s, %(invited_by)s, %(ends_at)s)
    ON CONFLICT (tenant, subject) DO UPDATE SET role = excluded.role,
        invited_at = excluded.invited_at, invited_by = excluded.invited_by,
        ends_at = excluded.ends_at
"""
# One statement: of two processes that see the same person come, one takes the row.
_ACCEPT = """
    WITH taken AS (
        DELETE FROM meta_ads.invitations WHERE subject = %(subject)s AND ends_at > %(at)s
        RETURNING tenant, subject, role, invited_by
    ), joined AS (
        INSERT INTO meta_ads.members (tenant, subject, role, added_at, added_by)
        SELECT tenant, subject, role, %(at)s, invited_by FROM taken
        ON CONFLICT (tenant, subject) DO NOTHING
    )
    INSERT INTO meta_ads.web_events (at, actor, action, detail, tenant)
    SELECT clock_timestamp(), subject, 'invitation accepted',
        'as ' || role || ', invited by ' || invited_by, tenant
    FROM taken
"""


class InvitationRefused(WarehouseError):
    """An invitation that cannot be; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """One row of `invitations`; open until `ends_at`."""

    tenant: str
    subject: str
    role: MemberRole
    invited_at: datetime
    invited_by: str
    ends_at: datetime


class InvitationStore(Store):
    """`invitations`: a row goes when it is accepted or revoked; `web_events` keeps what became."""

    def of(self, tenant: str, connection: Connection | None = None) -> list[InvitationRow]:
        """The tenant's, newest first; those that have ended too."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(InvitationRow))
            return cursor.execute(_OF_TENANT, (tenant,)).fetchall()

    def invite(
        self,
        tenant: str,
        subject: str,
        role: MemberRole,
        *,
        days: int = DAYS,
        at: datetime,
        invited_by: str,
        connection: Connection | None = None,
    ) -> InvitationRow:
        """Invite a person, or anew with another role and end. TenantUnknown; InvitationRefused."""
        name = _subject(subject)
        if not 1 <= days <= MOST_DAYS:
            raise InvitationRefused(f"An invitation is good for 1 to {MOST_DAYS} days, not {days}.")
        row = InvitationRow(
            tenant=tenant,
            subject=name,
            role=role,
            invited_at=at,
            invited_by=invited_by,
            ends_at=at + timedelta(days=days),
        )
        with self._using(connection) as used:
            is_member = used.execute(
                "SELECT FROM meta_ads.members WHERE tenant = %s AND subject = %s",
                (tenant, row.subject),
            ).fetchone()
            if is_member is not None:
                raise InvitationRefused(
                    f"{row.subject} is a member already: change their role instead."
                )
            used.execute(
                "DELETE FROM meta_ads.invitations WHERE tenant = %s AND ends_at < %s",
                (tenant, at - _FORGOTTEN_AFTER),
            )
            given = {name: getattr(row, name) for name in InvitationRow.__slots__}
            try:
                # A savepoint: a refusal leaves the caller's transaction usable.
                with used.transaction():
                    used.execute(_INVITE, given)
            except errors.ForeignKeyViolation as error:
                raise TenantUnknown(tenant) from error
        return row

    def revoke(self, tenant: str, subject: str, connection: Connection | None = None) -> bool:
        """Take an invitation back; False when there was none."""
        with self._using(connection) as used:
            removed = used.execute(
                "DELETE FROM meta_ads.invitations WHERE tenant = %s AND subject = %s",
                (tenant, as_subject(subject)),
            )
            return removed.rowcount > 0

    def accept(self, subject: str, at: datetime, connection: Connection | None = None) -> int:
        """Make a person who has proved who they are a member wherever they are invited; how often.

        What has ended counts for nothing, and who is a member already keeps their role.
        """
        with self._using(connection) as used:
            return used.execute(_ACCEPT, {"subject": subject, "at": at}).rowcount


def _subject(given: str) -> str:
    """The name as it is stored. InvitationRefused for what is none."""
    subject = as_subject(given)
    if not subject or len(subject) > _LONGEST or not subject.isprintable() or " " in subject:
        raise InvitationRefused(
            "An invitation needs the e-mail address or user name that the person signs in with."
        )
    return subject
