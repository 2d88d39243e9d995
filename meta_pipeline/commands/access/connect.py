"""`meta-pipeline connections connect` and `choose`: log in at Meta, choose in the terminal."""

import secrets
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.commands.selection import named, picked
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    errors,
    fail,
    say,
    table,
    warn,
    write_json,
)
from meta_pipeline.commands.terminal.options import AsJson
from meta_pipeline.commands.terminal.questions import typed
from meta_pipeline.words import times

if TYPE_CHECKING:
    from meta_pipeline.connections import (
        AccountChoice,
        Connections,
        Granted,
        LoginAnswer,
        PickedAccount,
    )
    from meta_pipeline.warehouse import ConnectionRow

# What a terminal shows without scrolling; /text looks through the others.
_LISTED = 40
_NOISE = ("Forged", "OtherSession", "Replayed")
"""Answers that are not to the login that was begun here: it is waited on."""


def connect(
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            "-a",
            metavar="ACCOUNT",
            help="Connect this ad account: id or name; repeat for more.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Connect all it gives access to, also later ones.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name for it; without, that of its user at Meta.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--ask-again", help="Have Meta ask for what was declined before.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser, or print the link.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Connect ad accounts by logging in to Meta, in a browser on this machine.

    Meta leads back to http://localhost:8460/callback (META_LOGIN_PORT), which has to stand under
    Valid OAuth Redirect URIs, and allows that to apps in development mode only. With a live app
    connect in meta-pipeline web, or add a token: connections add --paste.
    """
    from meta_pipeline.connections import AccountChoice

    from .connections import opened_connections

    if every and account:
        raise typer.BadParameter("--all and --account exclude each other")
    session = secrets.token_urlsafe(32)
    with opened_connections(writes=True) as connections:
        answer = _logged_in(connections, session, again=again, browser=browser, quiet=as_json)
        choice = AccountChoice(connections, session=session, pending_id=answer.pending.pending_id)
        row = _decided(choice, answer.message, account, name, every=every)
        reached = connections.warehouse.connections.accounts(row.connection_id)
    if as_json:
        write_json(asdict(row) | {"accounts": reached})
        return
    later = ", also later ones" if row.chosen_accounts is None else ""
    say(f"Connected {row.connection_id}: {row.kind} {row.name} of app {row.app_id}.")
    say(f"{times(len(reached), 'ad account')}{later}. meta-pipeline sync --all reads them.")


def choose(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Its id or name.")],
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            "-a",
            metavar="ACCOUNT",
            help="Read this ad account over it, and others named so: id or name; repeat for more.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Read all that it reaches, also later ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change which ad accounts are read over a stored connection, without connecting again.

    Meta is asked which ones its token reaches now; what is named takes the place of what was
    chosen, and holds at once. What was synced stays; accounts that were never listed come with the
    sensor's next tick, or with accounts list --refresh.
    """
    from meta_pipeline.connections import change_choice

    from .connections import opened_connections

    if every and account:
        raise typer.BadParameter("--all and --account exclude each other")
    with opened_connections(writes=True) as connections:
        choice = change_choice(
            connections, connections.find(connection), session=secrets.token_urlsafe(32)
        )
        reached = times(choice.pending().accounts, "ad account")
        ticked = choice.page(limit=1).chosen
        message = f"It reaches {reached}, of which {ticked:,} are chosen."
        row = _decided(choice, message, account, None, every=every)
        accounts = connections.warehouse.connections.accounts(row.connection_id)
    if as_json:
        write_json(asdict(row) | {"accounts": accounts})
        return
    later = ", also later ones" if row.chosen_accounts is None else ""
    say(f"{row.connection_id} ({row.name}) now reads {times(len(accounts), 'ad account')}{later}.")


def _logged_in(
    connections: "Connections", session: str, *, again: bool, browser: bool, quiet: bool
) -> "Granted":
    """Meta's answer, when it is access; every other one ends the command with what to do."""
    from meta_pipeline.connections import Granted, LoginFlow
    from meta_pipeline.local.callback import PATH, CallbackDoor, PortTaken

    port = connections.access.settings.login_port
    flow = LoginFlow(connections, redirect_uri=f"http://localhost:{port}{PATH}", session=session)
    heard: list[LoginAnswer] = []

    def answer(query: Mapping[str, str]) -> tuple[str, str, bool]:
        answered = flow.answer(query)
        # By name: the types bring the ciphers, and this module is imported by every command.
        is_over = type(answered).__name__ not in _NOISE
        if is_over:
            heard.append(answered)
        return answered.title, f"{answered.message} {answered.what_to_do}", is_over

    try:
        # Open before Meta is asked: its answer may come as fast as a browser follows a redirect.
        with CallbackDoor(port, answer) as door:
            begun = flow.begin(asks_again=again)
            if not quiet:
                say(
                    f"Meta leads back to {flow.redirect_uri}: only for an app in development mode, "
                    "and registered under Valid OAuth Redirect URIs (docs/tokens.md)."
                )
            if not (browser and webbrowser.open(begun.url)):
                say("Open this in a browser on this machine:", to=errors)
                # Not on standard output, which is the JSON; the link is for whoever sits there.
                say(begun.url, to=errors)
            left = begun.ends_at - connections.access.clock()
            if not door.wait(left.total_seconds()):
                fail("Nothing was connected: ten minutes passed without an answer. Try again.")
    except PortTaken as error:
        fail(f"Nothing was connected: {error}")
    granted = heard[0]
    if not isinstance(granted, Granted):
        fail(f"{granted.message} {granted.what_to_do}")
    if granted.declined and not quiet:
        warn(f"{', '.join(granted.declined)} was not given; it works without.")
    return granted


def _decided(
    choice: "AccountChoice",
    message: str,
    wanted: list[str] | None,
    name: str | None,
    *,
    every: bool,
) -> "ConnectionRow":
    """The connection with the accounts that were named, or that a person picks."""
    try:
        if every:
            return choice.choose_all(name=name)
        picked = named(_all(choice), wanted) if wanted else _asked(choice, message)
        if picked is None:
            return choice.choose_all(name=name)
        return choice.choose([one.account_id for one in picked], name=name)
    except BaseException:  # also Ctrl-C: nobody chose, so nothing is kept
        with suppress(Exception):
            choice.cancel()
        raise


def _all(choice: "AccountChoice") -> "list[PickedAccount]":
    """Every account that may be chosen, page by page."""
    accounts: list[PickedAccount] = []
    offset: int | None = 0
    while offset is not None:
        page = choice.page(offset=offset, limit=500)
        accounts += page.accounts
        offset = page.next_offset
    return accounts


def _asked(choice: "AccountChoice", message: str) -> "list[PickedAccount] | None":
    """What a person picks; None is all, also later ones."""
    say(message)
    shown = _shown(choice, "")
    question = "Which: all, or numbers, ids, names with commas; /text looks for a name"
    nobody = "Nothing was connected or changed: nobody chose. --all or --account answers for you."
    while True:
        answer = typed(question, nobody, err=True).strip()
        if answer.casefold() == "all":
            return None
        if answer.startswith("/"):
            shown = _shown(choice, answer[1:])
            continue
        try:
            return picked(answer, shown, _all(choice))
        except typer.BadParameter as error:
            warn(str(error))


def _shown(choice: "AccountChoice", search: str) -> "list[PickedAccount]":
    page = choice.page(search, limit=_LISTED)
    listing = table("", "Name", "Account", "Chosen", right=[""], whole=["Account"])
    for number, one in enumerate(page.accounts, start=1):
        ticked = "yes" if one.is_chosen else ""
        add_row(listing, str(number), one.name or "-", one.account_id, ticked)
    console.print(listing)
    if page.total > len(page.accounts):
        say(f"and {page.total - len(page.accounts):,} more: /text looks for a name")
    if not page.total:
        say("No account has that in its name or id.")
    return list(page.accounts)
