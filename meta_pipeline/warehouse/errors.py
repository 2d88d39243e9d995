"""What can go wrong between us and Postgres, named by what to do next.

WarehouseError
├── WarehouseUnavailable   the server does not answer: start it, check DATABASE_URL
├── DatabaseNewer          a newer meta_pipeline migrated this database: upgrade this one
├── DatabaseOutdated       its tables are missing or old: run meta-pipeline migrate
├── MigrationBusy          another process is migrating and does not finish: look at it
├── ViewInUse              a view must change but yours is built on it: drop yours, start again
├── AccountBusy            another sync holds the ad account: let it finish
├── AccountUnknown         no ad account is called that (account_names): pick a near one
├── AccountAmbiguous       several are called that (account_names): give an id
├── PoolerUnsupported      a pooler that shares sessions is in between: connect past it
├── RoleRefused            a role is unknown or may not be given rights: ask the administrator
├── TenantUnknown          there is no such tenant: add it, or correct its name
├── TenantsNotApart        tenants are not kept apart yet: run meta-pipeline tenants enforce
├── DatabaseUnfit          its encoding, or the user's rights, do not do: change what is named
├── DiskFull               the server's disk is full or broken: make room there
├── CannotTell             a lock or the time limit was in the way of an answer: ask later
└── RowsRefused            a row does not fit its table: the mapping or the schema is wrong
"""

from __future__ import annotations

from datetime import datetime


class WarehouseError(Exception):
    """Something of ours in Postgres did not work; the message says what to do next."""


class WarehouseUnavailable(WarehouseError):
    """The server does not answer or refuses us."""


class DatabaseNewer(WarehouseError):
    """The database was migrated by a newer version of this package."""


class DatabaseOutdated(WarehouseError):
    """The tables or views are missing, or of an older version than this one reads."""


class MigrationBusy(WarehouseError):
    """Another process holds the migration lock, or the tables, for longer than we wait."""


class ViewInUse(WarehouseError):
    """A view of ours has to be dropped to change, and something else is built on it."""


class AccountBusy(WarehouseError):
    """Another sync holds the ad account.

    `holder` is the application name of its connection, `role` as whom it is connected, where that
    is not the user who asks, `since` the time it connected, where that user may know it; all are
    None when the holder left while we looked.
    """

    def __init__(
        self, account_id: str, holder: str | None, role: str | None, since: datetime | None
    ) -> None:
        self.account_id = account_id
        self.holder = holder
        self.role = role
        self.since = since
        super().__init__(
            f"Ad account {account_id} is being synced by {holder or 'another process'}"
            f"{f' as role {role}' if role else ''}"
            f"{f' since {since:%Y-%m-%d %H:%M:%S %Z}' if since else ''}. Nothing was done; "
            "one sync runs per account at a time. Try again when it has finished."
        )


class PoolerUnsupported(WarehouseError):
    """A connection pooler hands our session to others between transactions."""


class RoleRefused(WarehouseError):
    """A role does not exist, or this user may not give it rights."""


class RoleShutOut(RoleRefused):
    """A login cannot be dropped, for what it owns mostly, and is let in no more all the same.

    `shut_out` are the logins that are let in no more; nothing was dropped. `fix` is what an
    administrator has to run.
    """

    def __init__(self, role: str, why: str, fix: str, shut_out: list[str]) -> None:
        self.shut_out = shut_out
        super().__init__(
            f"Role {role} cannot be dropped: {why}. It is let in no more, and nothing was dropped. "
            f"Let an administrator run {fix}; in that database (first REASSIGN OWNED, where "
            "something that it owns is to be kept), then do this again."
        )


class TenantUnknown(WarehouseError):
    """There is no tenant of that name."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(
            f"There is no tenant {tenant!r}: meta-pipeline tenants list shows them all, "
            "meta-pipeline tenants add makes one."
        )


class TenantsNotApart(WarehouseError):
    """Nothing keeps tenants apart yet, so that none but the default one is served."""


class DatabaseUnfit(WarehouseError):
    """The database is not made for us, or its user may not do what is needed."""


class DiskFull(WarehouseError):
    """The server cannot write any more; what was being written is undone."""


class CannotTell(WarehouseError):
    """A question was not answered in time: another session's lock, or the time limit."""


class RowsRefused(WarehouseError):
    """Postgres refused a batch of rows; nothing of the batch was written.

    `is_of_content` where it was for a value, and not for what the table demands of every row.
    """

    def __init__(self, message: str, *, is_of_content: bool = False) -> None:
        super().__init__(message)
        self.is_of_content = is_of_content
