"""`meta-pipeline connections`: the tokens that let us in, whose they are, how long they live."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    errors,
    say,
    styled,
    table,
    warn,
    write,
    write_json,
)
from meta_pipeline.commands.terminal.options import AsJson
from meta_pipeline.commands.terminal.person import actor
from meta_pipeline.commands.terminal.questions import insist, secret, token_in
from meta_pipeline.words import times

from .connect import choose, connect

if TYPE_CHECKING:
    from meta_pipeline.connections import Connections, Listed, Renewal
    from meta_pipeline.warehouse import ConnectionRow

app = typer.Typer(
    add_completion=False,
    name="connections",
    invoke_without_command=True,
    help="The tokens that let us in: whose, which accounts, until when.",
)
_STYLES = {"active": "green", "expiring": "yellow", "expired": "red", "revoked": "red"}

Given = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONNECTION", help="Only these: id or name; all without."),
]


@app.callback()
def connections(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tokens that let us in: whose, which accounts, until when, and what to do.

    META_ACCESS_TOKEN is the connection `environment`: it works alone and is never stored. Those
    that were added are stored sealed (META_TOKEN_KEYS), checked and renewed. An ad account is read
    through the best that reaches it. Asks Meta nothing: `connections check` does.
    """
    # The list is for `connections` alone: typer calls this before each command below it, too.
    if context.invoked_subcommand is not None:
        return
    from meta_pipeline.commands.database import opened_warehouse
    from meta_pipeline.connections import listed

    with opened_warehouse() as (settings, warehouse):
        rows = listed(warehouse, settings, datetime.now(UTC))
    if as_json:
        write_json([asdict(one) for one in rows])
        return
    if not rows:
        say("There is no connection: set META_ACCESS_TOKEN, or meta-pipeline connections add.")
        return
    _show(rows)


@app.command()
def add(
    paste: Annotated[
        bool,
        typer.Option("--paste", help="The token comes from a prompt or from standard input."),
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name for it; without, that of its user at Meta.")
    ] = None,
    tenant: Annotated[
        str, typer.Option("--tenant", help="Whose it is, and the ad accounts it reaches.")
    ] = "default",
    as_json: AsJson = False,
) -> None:
    """Store the token of a system user or a person, after asking Meta what it may do and reach.

    The token is never an argument: others on the machine could read it. A connection of the same
    user and app is replaced.
    """
    if not paste:
        raise typer.BadParameter("say --paste: the token is asked for, or read from standard input")
    with opened_connections(writes=True) as connections:
        _ = connections.keyring.first  # before a secret is asked for that could not be kept
        connections.warehouse.tenants.get(tenant)
        text = secret("Access token")
        # Nobody who pastes has set META_ACCESS_TOKEN, which the sentence would name.
        token = token_in(text, empty="no token came on standard input", called="What was pasted")
        row = connections.add(token, name=name, tenant=tenant)
        accounts = connections.warehouse.connections.accounts(row.connection_id)
    if as_json:
        write_json(asdict(row) | {"accounts": accounts})
        return
    say(f"Added {row.connection_id}: {row.kind} {row.name} of app {row.app_id}, {_until(row)}.")
    say(f"It reaches {times(len(accounts), 'ad account')}.")


app.command()(connect)
app.command()(choose)


@app.command()
def remove(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Its id or name.")],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End its token at Meta too, for everybody who uses it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a connection and its token; what was synced over it stays."""
    with opened_connections(writes=True) as connections:
        row = connections.find(connection)
        if not yes:
            ends = " and end its token at Meta" if revoke else ""
            insist(f"Remove {row.connection_id} ({row.name}){ends}?")
        connections.remove(row, revoke=revoke)
    say(f"Removed {row.connection_id} ({row.name}).")


@app.command()
def check(given: Given = None, as_json: AsJson = False) -> None:
    """Ask Meta about stored tokens: valid, until when, which scopes, which accounts.

    Exit code 1 when one cannot be used or asked about. The answer is kept for `connections`.
    """
    from meta_pipeline.connections import ConnectionsError, listed
    from meta_pipeline.graph import GraphError

    problems: dict[str, str] = {}
    with opened_connections(writes=True) as connections:
        for row in _chosen(connections, given):
            try:
                connections.check(row)
            except (ConnectionsError, GraphError) as error:
                problems[row.connection_id] = str(error)
        # Read again: asking has written down what Meta said.
        ids = {row.connection_id for row in _chosen(connections, given)}
        stored = listed(connections.warehouse, connections.access.settings, datetime.now(UTC))
    rows = [one for one in stored if one.connection_id in ids]
    if as_json:
        write_json([asdict(one) | {"error": problems.get(str(one.connection_id))} for one in rows])
    elif rows:
        _show(rows)
    else:
        say("No connection is stored: META_ACCESS_TOKEN is checked by meta-pipeline check.")
    for connection_id, problem in problems.items():
        say(styled("✗", "red"), f" {connection_id}: {problem}", to=errors)
    if problems or any(one.problem or not (one.state and one.state.is_usable) for one in rows):
        raise typer.Exit(1)


@app.command()
def renew(
    given: Given = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also those with more than 20 days left.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Renew stored tokens that end within 20 days: exchange, check, swap, revoke the old one.

    Exit code 1 when one could not be renewed: the old token stays in use, and why is kept with
    the connection. A process that dies in between is taken up by the next `renew`.
    """
    from meta_pipeline.connections import ConnectionsError
    from meta_pipeline.connections import renew as renew_one

    renewals: list[Renewal] = []
    problems: dict[str, str] = {}
    with opened_connections(writes=True) as connections:
        for row in _chosen(connections, given):
            try:
                renewals.append(renew_one(connections, row, force=force))
            except ConnectionsError as error:
                problems[row.connection_id] = str(error)
    if as_json:
        write_json(
            [
                {**asdict(one.row), "is_renewed": one.is_renewed, "error": one.problem}
                for one in renewals
            ]
            + [{"connection_id": one, "error": why} for one, why in problems.items()]
        )
    else:
        _tell_renewals(renewals)
    for connection_id, problem in problems.items():
        say(styled("✗", "red"), f" {connection_id}: {problem}", to=errors)
    if problems or any(one.is_failed for one in renewals):
        raise typer.Exit(1)


@app.command("generate-key")
def generate_key(
    key_id: Annotated[
        str | None, typer.Option("--id", help="Id of the key; without, today's date.")
    ] = None,
) -> None:
    """Print a new key, as META_TOKEN_KEYS takes it: id:key. Keep a copy outside the database."""
    from meta_pipeline.connections import generate_key as generate

    write(f"{generate(key_id or f'k{datetime.now(UTC):%Y%m%d}')}\n")


@app.command("rotate-keys")
def rotate_keys() -> None:
    """Seal every stored token with the first key of META_TOKEN_KEYS; all of them or none.

    Put the new key before the old ones, run this, then take the old ones out.
    """
    with opened_connections(writes=True) as connections:
        count = connections.reseal()
        first, others = connections.keyring.first, connections.keyring.ids[1:]
    say(f"{times(count, 'token')} sealed again, all are under key {first} now.")
    if others:
        say(f"No token needs {', '.join(others)} any more; backups of the database may.")


@contextmanager
def opened_connections(*, writes: bool = False) -> "Iterator[Connections]":
    """The stored connections, and the way to Meta."""
    from meta_pipeline.commands.database import opened_warehouse
    from meta_pipeline.connections import Access, Connections, Keyring

    with opened_warehouse(writes=writes) as (settings, warehouse):
        yield Connections(warehouse, Access(settings), Keyring.of(settings), actor())


def _chosen(connections: "Connections", given: list[str] | None) -> "list[ConnectionRow]":
    """The connections that were named, or all that were not replaced."""
    if given:
        return [connections.find(one) for one in given]
    return [row for row in connections.warehouse.connections.all() if row.state != "replaced"]


def _show(listed: "Iterable[Listed]") -> None:
    shown = table(
        *("connection", "kind", "whose", "accounts", "scopes", "days left", "state", "what to do"),
        right=("accounts", "days left"),
        whole=("connection",),
    )
    rows = list(listed)
    for one in rows:
        state = "unknown" if one.state is None else str(one.state)
        add_row(
            shown,
            one.connection_id or "environment",
            one.kind,
            one.name,
            str(one.accounts),
            ", ".join(one.scopes) or "-",
            "-" if one.days_left is None else str(one.days_left),
            styled(state, _STYLES.get(state, "dim")),
            one.what_to_do,
        )
    console.print(shown)
    for one in rows:
        where = one.connection_id or one.name
        if one.problem:
            warn(f"{where}: {one.problem}")
        if one.renewal_problem:
            left = "" if one.days_left is None else f", {one.days_left} days left"
            warn(f"{where} could not be renewed{left}: {one.renewal_problem}")


def _tell_renewals(renewals: "list[Renewal]") -> None:
    for one in renewals:
        named = f"{one.row.connection_id} ({one.row.name})"
        if one.is_failed:
            left = f"{_until(one.row)}: {one.problem}"
            say(styled("✗", "red"), f" {named} was not renewed, {left}", to=errors)
            continue
        done = "is renewed" if one.is_renewed else "needs no renewal"
        say(f"{named} {done}, {_until(one.row)}.")
        if one.problem:
            warn(f"{named}: {one.problem}")
    if not renewals:
        say("No connection is stored.")


def _until(row: "ConnectionRow") -> str:
    """Until when it lives, in words."""
    from meta_pipeline.connections import days_left

    left = days_left(datetime.now(UTC), row.expires_at, None)
    if row.expires_at is None or left is None:
        return "no end named"
    return f"until {row.expires_at:%Y-%m-%d} ({left} days)"
