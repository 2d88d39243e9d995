"""Tenancy: row-level security by which a tenant reads and writes its own rows and no others.

Two ways in, a group of Postgres for each, both under the same policies:

- **the API's group**: our own code takes it for a transaction and says for whom (`session`),
- **the SQL group**: login roles for people with SQL are in it (`sql_roles`), told apart by their
  name.

Whoever owns the tables is under no policy, and without a second tenant nothing of this exists:
a single-tenant installation pays nothing.
"""

from __future__ import annotations

from .enforcement import Enforcement, enforce, enforcement
from .logins import dangers, harden
from .renamed import roles_left
from .session import DEFAULT_TENANT, TenantSession, begin_session
from .sql_roles import add_sql_role, drop_sql_roles

__all__ = [
    "DEFAULT_TENANT",
    "Enforcement",
    "TenantSession",
    "add_sql_role",
    "begin_session",
    "dangers",
    "drop_sql_roles",
    "enforce",
    "enforcement",
    "harden",
    "roles_left",
]
