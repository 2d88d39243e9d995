"""`meta-pipeline api-keys`: the keys by which programs come in."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    fail,
    say,
    styled,
    table,
    write_json,
)
from meta_pipeline.commands.terminal.options import AsJson, length
from meta_pipeline.commands.terminal.person import user_name
from meta_pipeline.printable import one_line

if TYPE_CHECKING:
    from meta_pipeline.warehouse.stores.api_keys import ApiKeyRow

app = typer.Typer(add_completion=False, name="api-keys", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", help="Whose rows the key sees.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="What it may do: read, sync, facts; repeatable. read without."),
]


@app.callback()
def about() -> None:
    """Create, list, rotate and revoke the keys of programs that use /v1 of the web application."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Scopes = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="SPAN", help="Ends after so long, as 90d.")
    ] = None,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Create a key and print it once: only its SHA-256 is kept.

    Two keys of one name may live at a time: make the second, give it to the program, then revoke
    the first.
    """
    from meta_pipeline.web.access.api_keys import KeyRefused, Scope, new_key

    for one in scope or ():
        if one not in list(Scope):
            # A list of an enum would have typer print the enum's own names.
            raise typer.BadParameter(f"{one!r} is no scope: read, sync or facts")
    lasts = length(expires)
    with opened_warehouse(writes=True) as (_, warehouse):
        try:
            row, text = new_key(
                warehouse,
                name,
                tenant=tenant,
                scopes=[Scope(one) for one in scope or ["read"]],
                created_by=user_name(),
                now=datetime.now(UTC),
                lasts=lasts,
            )
        except KeyRefused as error:
            fail(f"{str(error)[:1].upper()}{str(error)[1:]}.")
    if as_json:
        write_json(_facts(row) | {"key": text})
        return
    # Alone on the first line, so that a script can take it.
    say(text)
    ends = f"until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else "until revoked"
    say(
        f"Key {row.key_id} ({one_line(row.name)}) of tenant {row.tenant}: {', '.join(row.scopes)}, "
        f"{ends}. It is not shown again."
    )


@app.command("list")
def list_keys(
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only this tenant's; all without.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, dead ones included: what for, whose, until when, last used."""
    with opened_warehouse() as (_, warehouse):
        rows = warehouse.api_keys.all(tenant)
    if as_json:
        write_json([_facts(row) for row in rows])
        return
    if not rows:
        say("There is no key yet: meta-pipeline api-keys create NAME makes one.")
        return
    now = datetime.now(UTC)
    shown = table(
        "key", "name", "tenant", "scopes", "expires", "last used", "state", whole=("key", "expires")
    )
    for row in rows:
        live = row.is_live(now)
        add_row(
            shown,
            row.key_id,
            one_line(row.name),
            row.tenant,
            ", ".join(row.scopes),
            f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "never",
            f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never",
            styled("live" if live else "dead", "green" if live else "red"),
        )
    console.print(shown)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as list shows it.")],
) -> None:
    """Revoke a key, at once and for good."""
    with opened_warehouse(writes=True) as (_, warehouse):
        row = warehouse.api_keys.get(key)
        if row is None:
            raise typer.BadParameter(
                f"there is no key {key!r}; meta-pipeline api-keys list shows "
                "them, by the id between mp_ and the secret"
            )
        done = warehouse.api_keys.revoke(row.key_id, datetime.now(UTC))
    was = "was revoked" if done else "had been revoked before"
    say(f"Key {row.key_id} ({one_line(row.name)}) {was}.")


def _facts(row: "ApiKeyRow") -> dict[str, Any]:
    """The row without what would let nobody in, and is nobody's business either."""
    return {name: value for name, value in asdict(row).items() if name != "secret_sha256"}
