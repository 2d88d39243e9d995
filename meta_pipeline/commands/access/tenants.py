"""`meta-pipeline tenants`: who sees which ad accounts, and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.commands.selection import ids_of
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    say,
    table,
    warn,
    write,
    write_json,
)
from meta_pipeline.commands.terminal.options import AsJson
from meta_pipeline.commands.terminal.person import actor
from meta_pipeline.commands.terminal.questions import insist, secret
from meta_pipeline.words import times

from .members import Tenant, invitations, members

if TYPE_CHECKING:
    from meta_pipeline.warehouse import Connection, Warehouse

app = typer.Typer(
    add_completion=False,
    name="tenants",
    no_args_is_help=True,
    help="Who sees which ad accounts, and no others.",
)


Harden = Annotated[
    bool,
    typer.Option(
        "--harden",
        help="Also take locks, temporary tables and large objects from all who may not use these "
        "tables, and from tenants.",
    ),
]
Theirs = Annotated[list[str], typer.Argument(metavar="ACCOUNT...", help="Ad accounts: id or name.")]


@app.callback()
def about() -> None:
    """Who sees which ad accounts, and no others.

    Every ad account belongs to the tenant default, and with it alone there is nothing to do. Each
    further tenant sees the accounts it is granted: in the web application through its members, in
    SQL through a login role. Postgres keeps them apart by row-level security.
    """


@app.command("list")
def list_tenants(as_json: AsJson = False) -> None:
    """List the tenants: how many ad accounts and members, which login roles see them."""
    from meta_pipeline.commands.database import opened_warehouse
    from meta_pipeline.warehouse.tenancy import dangers, enforcement

    with opened_warehouse() as (_, warehouse):
        rows = warehouse.tenants.all()
        unproven = warehouse.tenants.unproven()
        with warehouse.connection() as connection:
            state, found = enforcement(connection), dangers(connection)
    if as_json:
        write_json([asdict(row) | {"is_kept_apart": state.is_on} for row in rows])
        return
    shown = table("tenant", "name", "accounts", "members", "login roles", right=("accounts",))
    for row in rows:
        add_row(
            shown,
            row.tenant,
            row.name,
            str(len(row.account_ids)),
            str(row.member_count),
            ", ".join(row.sql_roles) or "-",
        )
    console.print(shown)
    for danger in found:
        warn(danger)
    for one in unproven:
        ids = ", ".join([*one.account_ids[:3], *(["..."] if len(one.account_ids) > 3 else [])])
        warn(
            f"{one.name} ({one.connection_id}) of {one.tenant} is {one.state}: whether it still "
            f"reaches {times(len(one.account_ids), 'ad account')} ({ids}) nobody can say, and "
            f"{one.tenant} goes on seeing what others read of them. Connect it again, or "
            f"meta-pipeline connections remove {one.connection_id}."
        )
    # With one tenant there is nobody to be kept apart from.
    if len(rows) > 1 and (not state.is_on or state.open_tables):
        what = ", ".join(state.open_tables[:3]) if state.is_on else "tenants"
        warn(f"Nothing keeps {what} apart yet: run meta-pipeline tenants enforce.")


@app.command()
def add(
    tenant: Tenant,
    name: Annotated[
        str | None, typer.Option("--name", help="Its name for people; without, the short one.")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", "-a", metavar="ACCOUNT", help="Ad account: id or name."),
    ] = None,
) -> None:
    """Add a tenant, with ad accounts or without, and keep tenants apart from then on.

    Where this user may not make roles of Postgres, it says what an administrator has to do; until
    then the tenant is there and served nothing, and default goes on as before.
    """
    from meta_pipeline.commands.database import opened_warehouse

    now = datetime.now(UTC)
    with opened_warehouse(writes=True) as (_, warehouse):
        ids = ids_of(warehouse, account or [])
        with warehouse.connection() as connection:
            warehouse.tenants.add(tenant, name or tenant, now, connection)
            warehouse.tenants.grant(tenant, ids, now, connection)
            _note(warehouse, tenant, "tenant added", ", ".join(ids), connection)
        say(f"Added tenant {tenant}, with {times(len(ids), 'ad account')}.")
        _keep_apart(warehouse)


@app.command()
def remove(
    tenant: Tenant, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Remove a tenant, its members, login roles, API keys and facts.

    Its ad accounts stay, with other tenants, and so does the record of what was done for it: its
    short name is not taken again as long as that is kept.
    """
    from meta_pipeline.commands.database import opened_warehouse

    with opened_warehouse(writes=True) as (_, warehouse):
        row = warehouse.tenants.removable(tenant)
        if not yes:
            has = f"{times(row.member_count, 'member')}, {times(len(row.sql_roles), 'role')}"
            insist(f"Remove tenant {tenant} ({row.name}; {has})?")
        with warehouse.connection() as connection:
            # Roles before the tenant: one that outlived it would be a login without any policy.
            _drop(warehouse, tenant, row.sql_roles, connection)
            warehouse.tenants.remove(tenant, connection)
            _note(warehouse, tenant, "tenant removed", row.name, connection)
    say(f"Removed tenant {tenant}.")


@app.command()
def grant(tenant: Tenant, account: Theirs) -> None:
    """Let a tenant see ad accounts; others that see them go on doing so."""
    from meta_pipeline.commands.database import opened_warehouse

    with opened_warehouse(writes=True) as (_, warehouse):
        ids = ids_of(warehouse, account)
        with warehouse.connection() as connection:
            new = warehouse.tenants.grant(tenant, ids, datetime.now(UTC), connection)
            _note(warehouse, tenant, "accounts granted", ", ".join(ids), connection)
        row = warehouse.tenants.get(tenant)
        say(f"{times(new, 'ad account')} more: {tenant} sees {len(row.account_ids)}.")
        _keep_apart(warehouse)


@app.command()
def revoke(tenant: Tenant, account: Theirs) -> None:
    """Let a tenant see ad accounts no more; what is stored of them stays."""
    from meta_pipeline.commands.database import opened_warehouse

    with opened_warehouse(writes=True) as (_, warehouse):
        ids = ids_of(warehouse, account)
        with warehouse.connection() as connection:
            warehouse.tenants.get(tenant, connection)
            taken = warehouse.tenants.revoke(tenant, ids, connection)
            _note(warehouse, tenant, "accounts taken", ", ".join(ids), connection)
        row = warehouse.tenants.get(tenant)
    say(f"{times(taken, 'ad account')} fewer: {tenant} sees {len(row.account_ids)}.")


@app.command("sql-role")
def sql_role(
    tenant: Tenant,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ROLE", help="Name of the role; without, TENANT_sql."),
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Its password comes on standard input."),
    ] = False,
    existing: Annotated[
        bool,
        typer.Option("--existing", help="An administrator has made the role, with its password."),
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Take the role away again.")] = False,
) -> None:
    """Make a login of Postgres that reads one tenant's rows, for Grafana, BI and notebooks.

    The password is made up and shown this once, or read from standard input; it is never an
    argument, and Postgres gets no more than its SCRAM verifier. Again for the same role: a new one.
    """
    from meta_pipeline.commands.database import opened_warehouse
    from meta_pipeline.warehouse.tenancy import add_sql_role

    if sum((password_stdin, existing, drop)) > 1:
        raise typer.BadParameter("--password-stdin, --existing and --drop exclude each other")
    name = role or f"{tenant}_sql"
    with opened_warehouse(writes=True) as (_, warehouse):
        if tenant not in {row.tenant for row in warehouse.tenants.all()}:
            warehouse.tenants.get(tenant)
        with warehouse.connection() as connection:
            if drop:
                password = None
                _drop(warehouse, tenant, [name], connection)
            else:
                password = add_sql_role(
                    connection,
                    tenant,
                    name,
                    datetime.now(UTC),
                    # The line's end that echo adds; spaces belong to the password.
                    password=secret("Password").removesuffix("\n") if password_stdin else None,
                    is_there=existing,
                )
                how = "SQL login taken" if existing else "SQL login given a password"
                _note(warehouse, tenant, how, name, connection)
        if not drop:
            _warn_of_logins(warehouse)
    if drop:
        return
    say(f"Role {name} reads the rows of tenant {tenant}, and no others.")
    if password is not None and not password_stdin:
        say("Its password is shown this once:")
        write(f"{password}\n")


app.command()(members)
app.command()(invitations)


@app.command()
def enforce(harden: Harden = False) -> None:
    """Keep tenants apart: roles, policies and rights for every table and view. Safe to repeat.

    `tenants add` and every migration do it too; needed after an administrator made the roles that
    this user may not make, or after the database was renamed, copied or restored. `--harden` keeps
    tenants' logins from holding up syncs by locks and from filling the disk; it takes a superuser,
    and a database that is for this alone.
    """
    from meta_pipeline.commands.database import opened_warehouse
    from meta_pipeline.warehouse import tenancy

    with opened_warehouse(writes=True) as (_, warehouse):
        warehouse.keep_tenants_apart()
        say("Every table and view is under row-level security: each tenant sees its own rows.")
        if harden:
            with warehouse.connection() as connection:
                keepers = ", ".join(["superusers", *tenancy.harden(connection)])
            what = "Advisory locks, temporary tables and large objects"
            say(f"{what} of this database are for {keepers}, and nobody else.")
        _warn_of_logins(warehouse)


def _warn_of_logins(warehouse: "Warehouse") -> None:
    """Say what tenants' logins could do to everybody else, and what keeps them from it."""
    from meta_pipeline.warehouse.tenancy import dangers

    with warehouse.connection() as connection:
        for danger in dangers(connection):
            warn(danger)


def _drop(
    warehouse: "Warehouse", tenant: str, roles: Sequence[str], connection: "Connection"
) -> None:
    """Drop a tenant's logins, and say what became of each."""
    from meta_pipeline.warehouse.errors import RoleShutOut
    from meta_pipeline.warehouse.tenancy import drop_sql_roles, roles_left

    try:
        open_sessions = drop_sql_roles(connection, tenant, roles)
    except RoleShutOut as error:
        for role in error.shut_out:
            _note(warehouse, tenant, "SQL login shut out", role, connection)
        connection.commit()
        raise
    left = roles_left(connection, roles)
    for role in roles:
        how = "SQL login let go" if role in left else "SQL login dropped"
        _note(warehouse, tenant, how, role, connection)
    _say_what_became(roles, left, open_sessions)


def _say_what_became(
    roles: Sequence[str], left: Mapping[str, bool], open_sessions: Mapping[str, int]
) -> None:
    for role in roles:
        if role not in left:
            say(f"Role {role} sees nothing any more.")
        elif left[role]:
            warn(
                f"Role {role} was not made here and stays, and reads every tenant's rows: take "
                f"its rights, with meta-pipeline db grant-reader {role} --revoke or as given."
            )
        else:
            say(
                f"Role {role} sees no tenant's rows of this database any more. It was not made "
                "here and stays: whoever made it drops it."
            )
    for role, count in open_sessions.items():
        warn(
            f"{times(count, 'session')} of {role} could not be ended, and keeps what it locks: let "
            "a superuser of Postgres run SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usesysid IS NOT NULL AND usename IS NULL;"
        )


def _keep_apart(warehouse: "Warehouse") -> None:
    """Keep tenants apart, or say why not: what was asked for is done all the same."""
    from meta_pipeline.warehouse import WarehouseError

    try:
        warehouse.keep_tenants_apart()
    except WarehouseError as error:
        warn(str(error))


def _note(
    warehouse: "Warehouse", tenant: str, action: str, detail: str, connection: "Connection"
) -> None:
    """Add to the tenant's audit what is done, in the transaction that does it."""
    warehouse.web.note(actor(), action, detail, connection, tenant=tenant)
