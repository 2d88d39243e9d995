"""Notifications: Postgres's queue for NOTIFY, one for all databases of a server.

Dagster sends a notification with each event of a run, so that every run fails once the queue is
full. It empties as those who LISTEN read on, which nobody does within a transaction; Postgres lets
every login listen, notify and stay in one, and nothing takes that from it.
"""

from __future__ import annotations

from .connect import Connection
from .rights import Problem

MOST_QUEUED = 0.1
"""The part of the queue, 8 GB unless set otherwise, from which on somebody is to be told."""

_USAGE = "SELECT pg_notification_queue_usage()"
# Who listens is shown to nobody else, and since when a transaction is open only to members of the
# role: of all others it may be anyone, and of our own the oldest. Tenants' logins come first, those
# of this database before those of others: what else connects to the server is its operator's.
_HOLDERS = """
    SELECT format('%s (process %s)', usename, pid) FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usename IS NOT NULL AND pid <> pg_backend_pid()
        AND (state IS NULL OR xact_start IS NOT NULL)
    ORDER BY
        (
            SELECT min((held.rolname <> ('meta_ads_tenant_' || current_database())::name)::int)
            FROM pg_auth_members JOIN pg_roles AS held ON held.oid = roleid
            WHERE member = usesysid AND starts_with(held.rolname, 'meta_ads_tenant_')
        ) NULLS LAST,
        xact_start NULLS FIRST,
        pid
    LIMIT 5
"""


def full_queue(connection: Connection, *, most: float = MOST_QUEUED) -> list[Problem]:
    """Whether more than that part of the queue is taken, and by whom most likely."""
    (row,) = connection.execute(_USAGE).fetchall()
    if row[0] <= most:
        return []
    holders = [name for (name,) in connection.execute(_HOLDERS).fetchall()]
    named = f", most likely one of {', '.join(holders)}" if holders else ""
    return [
        Problem(
            f"Postgres's queue of notifications is {row[0]:.0%} full, and every run of Dagster "
            "fails once it is full. A session that listens and keeps a transaction open holds it"
            f"{named}",
            "end it as a superuser with SELECT pg_terminate_backend(process); where it is a "
            "tenant's, meta-pipeline tenants sql-role TENANT --role ROLE --drop keeps it out too",
        )
    ]
