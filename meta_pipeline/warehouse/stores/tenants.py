"""Tenants: who there is, which ad accounts are theirs, and who may sign in for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from psycopg import errors
from psycopg.rows import class_row

from meta_pipeline.model.subject import as_subject
from meta_pipeline.warehouse.connect import Connection, Store
from meta_pipeline.warehouse.errors import TenantUnknown, WarehouseError
from meta_pipeline.warehouse.tenancy import DEFAULT_TENANT

MemberRole: TypeAlias = Literal["viewer", "analyst", "admin"]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_ALL = """
    SELECT tenant, name, added_at,
        array(
            SELECT account_id FROM meta_ads.tenant_accounts AS held
            WHERE held.tenant = tenants.tenant ORDER BY account_id
        ) AS account_ids,
        array(
            SELECT role_name FROM meta_ads.tenant_roles AS held
            WHERE held.tenant = tenants.tenant ORDER BY role_name
        ) AS sql_roles,
        (SELECT count(*) FROM meta_ads.members AS held WHERE held.tenant = tenants.tenant)
            AS member_count
    FROM meta_ads.tenants
    ORDER BY tenant <> 'default', tenant
"""
# Of a tenant's own connections: what those reach is noted as the tenant's at every look.
_OWN = """
    SELECT account_id, connection_id
    FROM meta_ads.connection_accounts JOIN meta_ads.connections USING (connection_id)
    WHERE tenant = %s AND tenant <> %s AND account_id = ANY (%s)
    ORDER BY account_id LIMIT 1
"""
_BY_HAND = """
    UPDATE meta_ads.tenant_accounts SET is_by_connection = false
    WHERE tenant = %(tenant)s AND account_id = ANY (%(given)s) AND is_by_connection
"""
# Of an account `held`: whether its rows go on being written for somebody else.
_READ_BY_OTHERS = """(
    EXISTS (
        SELECT FROM meta_ads.connection_accounts JOIN meta_ads.connections AS other
            USING (connection_id)
        WHERE account_id = held.account_id AND other.tenant <> held.tenant
            AND other.state IN ('active', 'expiring')
    ) OR EXISTS (
        SELECT FROM meta_ads.meta_ad_accounts
        WHERE account_id = held.account_id AND environment_listed_at IS NOT NULL
    )
)"""
_OWN_CONNECTIONS = """
    SELECT FROM meta_ads.connection_accounts JOIN meta_ads.connections AS own
        USING (connection_id)
    WHERE account_id = held.account_id AND own.tenant = held.tenant
"""
# A dead connection counts with what it listed last: nobody knows better.
_TAKEN_BACK = f"""
    WITH taken AS (
        DELETE FROM meta_ads.tenant_accounts AS held
        WHERE is_by_connection AND NOT EXISTS ({_OWN_CONNECTIONS}) AND {_READ_BY_OTHERS}
        RETURNING tenant, account_id
    )
    INSERT INTO meta_ads.web_events (at, actor, action, detail, tenant)
    SELECT clock_timestamp(), %(actor)s, 'accounts taken back',
        string_agg(account_id, ', ' ORDER BY account_id), tenant
    FROM taken GROUP BY tenant
"""
_UNPROVEN = f"""
    SELECT dead.tenant, dead.connection_id, dead.name, dead.state,
        array_agg(held.account_id ORDER BY held.account_id) AS account_ids
    FROM meta_ads.connections AS dead
    JOIN meta_ads.connection_accounts USING (connection_id)
    JOIN meta_ads.tenant_accounts AS held USING (tenant, account_id)
    WHERE is_by_connection AND {_READ_BY_OTHERS}
        AND NOT EXISTS ({_OWN_CONNECTIONS} AND own.state IN ('active', 'expiring'))
    GROUP BY dead.connection_id ORDER BY dead.tenant, dead.connection_id
"""
_GRANT = """
    INSERT INTO meta_ads.tenant_accounts (tenant, account_id, granted_at)
    SELECT %(tenant)s, account_id, %(at)s FROM unnest(%(given)s::text[]) AS given (account_id)
    ON CONFLICT DO NOTHING
"""
_MEMBERSHIPS = """
    SELECT tenant, name, role, members.added_at, members.added_by
    FROM meta_ads.members JOIN meta_ads.tenants USING (tenant)
    WHERE subject = %s ORDER BY members.added_at, tenant
"""
_NAMES = "SELECT tenant, name FROM meta_ads.tenants ORDER BY tenant <> 'default', tenant"
_MEMBERS = "SELECT tenant, subject, role, added_at, added_by FROM meta_ads.members"
_SET_MEMBER = """
    INSERT INTO meta_ads.members (tenant, subject, role, added_at, added_by)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (tenant, subject) DO UPDATE SET role = excluded.role
"""


# They let in, or are nobody else's. Members, invitations and grants go with the tenant's row.
_GOES_TOO = ("api_keys", "facts", "login_states", "pending_connections")
_RECORDS = ("connection_events", "sync_requests", "web_events")
"""They say what was done for a tenant, and stay when it goes."""
_LEFT = " UNION ALL ".join(
    f"(SELECT '{table}' FROM meta_ads.{table} WHERE tenant = %(tenant)s LIMIT 1)"
    for table in (*_GOES_TOO, *_RECORDS)
)


class TenantRefused(WarehouseError):
    """A tenant, or a change of one, that cannot be; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A tenant, its ad accounts, the roles of Postgres that see it, and how many members it has."""

    tenant: str
    name: str
    added_at: datetime
    account_ids: list[str]
    sql_roles: list[str]
    member_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One row of `members`: a person in one tenant."""

    tenant: str
    subject: str
    role: MemberRole
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A tenant that a person may open, by its short name and its name for people, and as what."""

    tenant: str
    name: str
    role: MemberRole
    added_at: datetime | None = None
    """None for whoever opens it without being a member."""
    added_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A tenant's dead connection, and the ad accounts that are the tenant's by it alone.

    Whether it would still reach them only a new login can show.
    """

    tenant: str
    connection_id: str
    name: str
    state: str
    account_ids: list[str]


class TenantStore(Store):
    """`tenants`, `tenant_accounts` and `members`.

    A new ad account belongs to the tenant `default` by itself. In a tenant's session the rows are
    that tenant's, and which accounts it has is not its own to change.
    """

    def all(self, connection: Connection | None = None) -> list[TenantRow]:
        """Every tenant, default first, then by name."""
        with self._using(connection) as used:
            return used.cursor(row_factory=class_row(TenantRow)).execute(_ALL).fetchall()

    def get(self, tenant: str, connection: Connection | None = None) -> TenantRow:
        """The tenant; TenantUnknown when there is none of that name."""
        for row in self.all(connection):
            if row.tenant == tenant:
                return row
        raise TenantUnknown(tenant)

    def add(
        self, tenant: str, name: str, at: datetime, connection: Connection | None = None
    ) -> None:
        """Add a tenant without accounts. Raises TenantRefused for a name that is taken or no name.

        A name stays taken while anything names the tenant that had it: what is kept of one client
        must not become another's. It is served once `tenancy.enforce` has run.
        """
        if not _NAME.fullmatch(tenant):
            raise TenantRefused(
                f"{tenant!r} is no short name: up to 32 of a-z, 0-9, - and _, and first a letter "
                "or a digit. --name takes any name for people. Nothing was changed."
            )
        # A savepoint: a refusal leaves the caller's transaction usable. So below.
        with self._using(connection) as used, used.transaction():
            made = used.execute(
                "INSERT INTO meta_ads.tenants (tenant, name, added_at) VALUES (%s, %s, %s) "
                "ON CONFLICT (tenant) DO NOTHING",
                (tenant, name, at),
            )
            if not made.rowcount:
                raise TenantRefused(f"There is a tenant {tenant} already. Nothing was changed.")
            left = [table for (table,) in used.execute(_LEFT, {"tenant": tenant})]
            if left:
                raise TenantRefused(
                    f"There was a tenant {tenant} before, and {', '.join(left)} still name it: "
                    "the new one would be shown its rows. Take another short name. "
                    "Nothing was changed."
                )

    def removable(self, tenant: str) -> TenantRow:
        """A tenant that `remove` takes as it is now; what it would raise is raised here.

        For whoever first does what is not undone, as shutting out its logins is.
        """
        with self._using(None) as used, used.transaction(force_rollback=True):
            self.remove(tenant, used)
        return self.get(tenant)

    def remove(self, tenant: str, connection: Connection | None = None) -> None:
        """Remove a tenant, its members, API keys and facts, and what it was granted.

        The accounts' rows stay, and so does the record of what was done for it. Raises
        TenantRefused for default, and for one that connections belong to.
        """
        if tenant == DEFAULT_TENANT:
            raise TenantRefused("The tenant default stays: it is the installation's own.")
        with self._using(connection) as used:
            try:
                with used.transaction():
                    for table in (*_GOES_TOO, "tenants"):
                        removed = used.execute(
                            f"DELETE FROM meta_ads.{table} WHERE tenant = %s", (tenant,)
                        )
            except errors.ForeignKeyViolation as error:
                raise TenantRefused(
                    f"Connections belong to tenant {tenant}: remove them first "
                    "(meta-pipeline connections remove). Nothing was changed."
                ) from error
            if not removed.rowcount:
                raise TenantUnknown(tenant)

    def grant(
        self,
        tenant: str,
        account_ids: Iterable[str],
        at: datetime,
        connection: Connection | None = None,
    ) -> int:
        """Make ad accounts the tenant's too; how many were not before. TenantUnknown.

        They stay whatever the tenant's connections reach.
        """
        given = {"tenant": tenant, "at": at, "given": sorted(set(account_ids))}
        with self._using(connection) as used:
            try:
                with used.transaction():
                    used.execute(_BY_HAND, given)
                    return used.execute(_GRANT, given).rowcount
            except errors.ForeignKeyViolation as error:
                raise TenantUnknown(tenant) from error

    def revoke(
        self, tenant: str, account_ids: Iterable[str], connection: Connection | None = None
    ) -> int:
        """Take ad accounts from the tenant; how many were its. Others keep them.

        Raises TenantRefused for what the tenant's own connection reaches: it would come back.
        """
        given = list(account_ids)
        with self._using(connection) as used:
            own = used.execute(_OWN, (tenant, DEFAULT_TENANT, given)).fetchone()
            if own is not None:
                raise TenantRefused(
                    f"Ad account {own[0]} is reached by the tenant's own connection {own[1]}: "
                    "remove that, or choose its accounts anew, first. Nothing was changed."
                )
            return used.execute(
                "DELETE FROM meta_ads.tenant_accounts WHERE tenant = %s AND account_id = ANY (%s)",
                (tenant, given),
            ).rowcount

    def take_back(self, actor: str, connection: Connection) -> None:
        """Take from tenants the accounts that only their connections gave them, and lost since.

        As soon as others go on reading such an account, its new rows are theirs; one that nobody
        else reaches stays, with what was read of it. What was granted by hand stays. Each tenant's
        audit says which went, by `actor`.
        """
        connection.execute(_TAKEN_BACK, {"actor": actor})

    def unproven(self) -> list[Unproven]:
        """The dead connections by which tenants go on seeing accounts that others read."""
        with self._using() as used:
            cursor = used.cursor(row_factory=class_row(Unproven))
            return cursor.execute(_UNPROVEN).fetchall()

    def members(
        self, tenant: str | None = None, connection: Connection | None = None
    ) -> list[MemberRow]:
        """The members of a tenant, or of all."""
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(MemberRow))
            return cursor.execute(
                f"{_MEMBERS} WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s "
                "ORDER BY tenant, subject",
                {"tenant": tenant},
            ).fetchall()

    def memberships(self, subject: str, connection: Connection | None = None) -> list[Membership]:
        """What a person may open, the oldest membership first. Empty for a stranger.

        Others add memberships, unasked: the oldest need not be the one that the person means.
        """
        with self._using(connection) as used:
            cursor = used.cursor(row_factory=class_row(Membership))
            return cursor.execute(_MEMBERSHIPS, (as_subject(subject),)).fetchall()

    def names(self, connection: Connection | None = None) -> dict[str, str]:
        """Every tenant's name for people by its short one, in the order of `all`."""
        with self._using(connection) as used:
            return dict(used.execute(_NAMES).fetchall())

    def set_member(
        self,
        tenant: str,
        subject: str,
        role: MemberRole,
        *,
        at: datetime,
        added_by: str,
        connection: Connection | None = None,
    ) -> None:
        """Let a person in, or change what they may. TenantUnknown; TenantRefused for no name."""
        if not as_subject(subject):
            raise TenantRefused("A member needs an e-mail address or a user name.")
        with self._using(connection) as used:
            try:
                with used.transaction():
                    used.execute(_SET_MEMBER, (tenant, as_subject(subject), role, at, added_by))
            except errors.ForeignKeyViolation as error:
                raise TenantUnknown(tenant) from error

    def remove_member(
        self, tenant: str, subject: str, connection: Connection | None = None
    ) -> bool:
        """Let a person in no more, also not by an invitation; False when they were no member."""
        whose = (tenant, as_subject(subject))
        with self._using(connection) as used:
            # One from before they were a member would make them one again as they come.
            used.execute(
                "DELETE FROM meta_ads.invitations WHERE tenant = %s AND subject = %s", whose
            )
            removed = used.execute(
                "DELETE FROM meta_ads.members WHERE tenant = %s AND subject = %s", whose
            )
            return removed.rowcount > 0
