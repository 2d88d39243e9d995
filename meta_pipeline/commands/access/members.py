"""`meta-pipeline tenants members` and `invitations`: who may sign in for a tenant."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from meta_pipeline.commands.terminal.console import add_row, console, fail, table, write_json
from meta_pipeline.commands.terminal.options import AsJson
from meta_pipeline.commands.terminal.person import actor


class MemberRole(StrEnum):
    """What a member may do; each may do what the ones before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    ADMIN = "admin"


Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Short name of the tenant.")]


def members(
    tenant: Tenant,
    add: Annotated[
        str | None, typer.Option("--add", metavar="WHO", help="E-mail address or user name.")
    ] = None,
    role: Annotated[
        MemberRole, typer.Option("--role", help="What who is added may do.")
    ] = MemberRole.VIEWER,
    remove_: Annotated[
        str | None, typer.Option("--remove", metavar="WHO", help="Who is let in no more.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List who may sign in for a tenant; --add lets one in or changes their role."""
    from meta_pipeline.commands.database import opened_warehouse

    with opened_warehouse(writes=bool(add or remove_)) as (_, warehouse):
        store = warehouse.tenants
        store.get(tenant)
        with warehouse.connection() as connection:
            note = partial(warehouse.web.note, actor(), connection=connection, tenant=tenant)
            if add is not None:
                store.set_member(
                    tenant,
                    add,
                    role.value,
                    at=datetime.now(UTC),
                    added_by=actor(),
                    connection=connection,
                )
                note("member set", f"{add} as {role.value}")
            if remove_ is not None:
                if not store.remove_member(tenant, remove_, connection):
                    fail(f"{remove_} is no member of {tenant}. Nothing was changed.")
                note("member removed", remove_)
        rows = store.members(tenant)
    if as_json:
        write_json([asdict(row) for row in rows])
        return
    shown = table("member", "role", "since", "added by", whole=("role", "since"))
    for row in rows:
        add_row(shown, row.subject, row.role, f"{row.added_at:%Y-%m-%d}", row.added_by)
    console.print(shown)


def invitations(
    tenant: Tenant,
    invite: Annotated[
        str | None, typer.Option("--invite", metavar="WHO", help="E-mail address or user name.")
    ] = None,
    role: Annotated[
        MemberRole, typer.Option("--role", help="What who is invited will be.")
    ] = MemberRole.VIEWER,
    days: Annotated[
        int, typer.Option("--days", min=1, max=90, help="For how many days it is good.")
    ] = 14,
    revoke_: Annotated[
        str | None, typer.Option("--revoke", metavar="WHO", help="Whose invitation is revoked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List who is invited to a tenant; --invite lets one become a member by signing in."""
    from meta_pipeline.commands.database import opened_warehouse

    now = datetime.now(UTC)
    with opened_warehouse(writes=bool(invite or revoke_)) as (_, warehouse):
        store = warehouse.invitations
        warehouse.tenants.get(tenant)
        with warehouse.connection() as connection:
            note = partial(warehouse.web.note, actor(), connection=connection, tenant=tenant)
            if invite is not None:
                row = store.invite(
                    tenant,
                    invite,
                    role.value,
                    days=days,
                    at=now,
                    invited_by=actor(),
                    connection=connection,
                )
                note("invited", f"{row.subject} as {role.value}, until {row.ends_at:%Y-%m-%d}")
            if revoke_ is not None:
                if not store.revoke(tenant, revoke_, connection):
                    fail(f"{revoke_} is not invited to {tenant}. Nothing was changed.")
                note("invitation revoked", revoke_)
        rows = store.of(tenant)
    if as_json:
        write_json([asdict(row) | {"is_open": row.ends_at > now} for row in rows])
        return
    shown = table("invited", "role", "until", "invited by", whole=("role", "until"))
    for row in rows:
        until = f"{row.ends_at:%Y-%m-%d}{'' if row.ends_at > now else ', over'}"
        add_row(shown, row.subject, row.role, until, row.invited_by)
    console.print(shown)
