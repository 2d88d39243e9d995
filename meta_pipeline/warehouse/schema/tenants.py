"""Who sees what: tenants, the ad accounts that belong to them, their members and roles of SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from meta_pipeline.warehouse.names import SCHEMA

from .columns import account_id, flag, moment, table, text


def _tenant(**options: Any) -> sa.Column[Any]:
    return text("tenant", "Tenant it belongs to", **options)


def _of_tenant() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant"], [f"{SCHEMA}.tenants.tenant"], ondelete="CASCADE")


tenants = table(
    "tenants",
    "One row per tenant: one client of an agency, say; default is the house itself",
    text("tenant", "Short name it is addressed by", primary_key=True),
    text("name", "Its name for people", nullable=False),
    moment("added_at", "When it was added", nullable=False),
    # Safe in an address, in a setting and in the name of a file.
    sa.CheckConstraint("tenant ~ '^[a-z0-9][a-z0-9_-]{0,31}$'", name="tenant"),
)

tenant_accounts = table(
    "tenant_accounts",
    "One row per tenant and ad account that belongs to it; every new account belongs to default",
    _tenant(primary_key=True),
    account_id(primary_key=True),
    moment("granted_at", "When it became the tenant's", nullable=False),
    flag(
        "is_by_connection",
        "True when the tenant's own connection gave it, and not somebody by hand",
        nullable=False,
        server_default=sa.false(),
    ),
    _of_tenant(),
    sa.Index(None, "account_id"),
)

members = table(
    "members",
    "One row per tenant and person who may sign in for it",
    _tenant(primary_key=True),
    text("subject", "E-mail address or user name, case folded", primary_key=True),
    text("role", "viewer looks, analyst also asks for syncs, admin also decides", nullable=False),
    moment("added_at", "When the person got in", nullable=False),
    text("added_by", "Who let them in", nullable=False),
    sa.CheckConstraint("role IN ('viewer','analyst','admin')", name="role"),
    sa.CheckConstraint("subject <> ''", name="subject"),
    _of_tenant(),
    sa.Index(None, "subject"),
)

invitations = table(
    "invitations",
    "One row per tenant and person who becomes a member by signing in before it ends",
    _tenant(primary_key=True),
    text("subject", "E-mail address or user name, case folded", primary_key=True),
    text("role", "What the person will be: viewer, analyst or admin", nullable=False),
    moment("invited_at", "When, the last time", nullable=False),
    text("invited_by", "Who invited them", nullable=False),
    moment("ends_at", "When it can no longer be accepted", nullable=False),
    sa.CheckConstraint("role IN ('viewer','analyst','admin')", name="role"),
    sa.CheckConstraint("subject <> ''", name="subject"),
    _of_tenant(),
    sa.Index(None, "subject"),
)

tenant_roles = table(
    "tenant_roles",
    "One row per login role of Postgres that sees one tenant's rows and no others",
    text("role_name", "Name of the role", primary_key=True),
    _tenant(nullable=False),
    flag("is_ours", "True when it was made here and goes with its tenant", nullable=False),
    moment("added_at", "When it was added", nullable=False),
    _of_tenant(),
    sa.Index(None, "tenant"),
)

__all__ = ["invitations", "members", "tenant_accounts", "tenant_roles", "tenants"]
