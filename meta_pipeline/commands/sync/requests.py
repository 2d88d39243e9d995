"""`meta-pipeline requests`: asking for syncs that Dagster does, and what came of them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.commands.database import opened_warehouse
from meta_pipeline.commands.selection import named, stored
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    fail,
    say,
    styled,
    table,
    write_json,
)
from meta_pipeline.commands.terminal.options import (
    Account,
    Accounts,
    AsJson,
    Limit,
    Since,
    Until,
    days,
)
from meta_pipeline.commands.terminal.person import user_name
from meta_pipeline.model.part import Part
from meta_pipeline.printable import one_line

from .wanted import Force, Only

if TYPE_CHECKING:
    from meta_pipeline.settings import Settings
    from meta_pipeline.sync_requests import Wish
    from meta_pipeline.warehouse import SyncRequestRow, Warehouse

app = typer.Typer(add_completion=False, name="requests", no_args_is_help=True)
STATES = ("pending", "running", "done", "failed", "cancelled")
_STYLES = {"done": "green", "failed": "red", "running": "cyan"}
# Enough to be the only one that begins so; commands take any beginning.
_ID_SHOWN = 8

Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="PART=ID", help="Read only this object, as ads=123; repeatable."),
]
Request = Annotated[
    str, typer.Argument(metavar="REQUEST", help="Id of the request, or its beginning.")
]


@app.callback()
def about() -> None:
    """Ask Dagster for syncs, and see what came of them.

    The same list has what was asked for on the web, over the API and by Meta's webhooks.
    """


@app.command()
def add(
    account: Account,
    since: Since = None,
    until: Until = None,
    only: Only = None,
    object_ids: Ids = None,
    force: Force = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")] = "",
    price: Annotated[
        bool, typer.Option("--price", help="Say what it would cost, and ask for nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a sync of an ad account: Dagster's sensor starts it within seconds.

    Many who ask for the same get one sync. While Meta refuses calls the request waits, and says
    until when. Asks Meta nothing itself.
    """
    from meta_pipeline.sync_requests import RequestRefused, ask
    from meta_pipeline.sync_requests import price as priced

    with opened_warehouse(writes=True) as (settings, warehouse):
        (known,) = named(warehouse.accounts.all(), [account])
        try:
            wish = _wish(known.account_id, since, until, only, object_ids, force=force)
            if price:
                _say_price(warehouse, settings, wish, as_json=as_json)
                return
            row = ask(
                warehouse,
                wish,
                source="cli",
                requested_by=user_name(),
                reason=reason,
                now=datetime.now(UTC),
            )
        except RequestRefused as error:
            raise typer.BadParameter(str(error)) from None
        # After it was asked for: a price is a service, and must not keep a wish from being made.
        cost = priced(warehouse, settings, wish, datetime.now(UTC))
    if as_json:
        write_json(_facts(row))
        return
    say(f"Asked for {row.account_id}: request {row.request_id[:_ID_SHOWN]}.")
    for sentence in cost.facts()["sentences"]:
        say(f"  {sentence}")
    say(f"See what comes of it: meta-pipeline requests show {row.request_id[:_ID_SHOWN]}")


@app.command("list")
def list_requests(
    account: Accounts = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help=f"Only in this state: {', '.join(STATES)}; repeatable."),
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest requests, newest first: who asked for what, and what came of it."""
    for one in state or ():
        # Else a misspelt state would be a list without a request.
        if one not in STATES:
            raise typer.BadParameter(f"{one!r} is no state: {', '.join(STATES)}")
    with opened_warehouse() as (_, warehouse):
        ids = [one.account_id for one in stored(warehouse, account)] if account else None
        requests = warehouse.sync_requests.recent(limit, accounts=ids, states=state)
    if as_json:
        # Which ids one names is shown with the request itself.
        write_json([_facts(row, leaving_out={"objects"}) for row in requests])
    elif requests:
        _print(requests)
    else:
        say("Nobody asked for anything." if not (account or state) else "No such request.")


@app.command()
def show(
    request: Annotated[
        str | None,
        typer.Argument(metavar="REQUEST", help="Its id, or its beginning; newest without."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one request: who, why, what, how far its sync is or what came of it."""
    with opened_warehouse() as (_, warehouse):
        if request is not None:
            row = _found(warehouse, request)
        elif newest := warehouse.sync_requests.recent(1):
            row = _found(warehouse, newest[0].request_id)
        else:
            say("Nobody asked for anything.")
            return
    if as_json:
        write_json(_facts(row))
        return
    say(
        f"Request {row.request_id} of {one_line(row.requested_by)} ({row.source}) for "
        f"{row.account_id}: {_what(row)}."
    )
    if row.reason:
        say(f"  why       {one_line(row.reason)}")
    say(f"  asked     {row.requested_at:%Y-%m-%d %H:%M:%S} UTC")
    say("  state     ", styled(row.state, _STYLES.get(row.state, "yellow")))
    if row.not_before is not None:
        say(f"  waits to  {row.not_before:%Y-%m-%d %H:%M:%S} UTC")
    if row.progress:
        say(f"  progress  {one_line(str(row.progress.get('sentence') or ''))}")
    if row.message:
        say(f"  {one_line(row.message)}")
    for run in row.sync_run_ids or ():
        say(f"  more      meta-pipeline runs show {run[:_ID_SHOWN]}")


@app.command()
def cancel(request: Request) -> None:
    """Cancel a request that is still waiting; one whose sync has begun goes on."""
    from meta_pipeline.sync_requests import cancel as taken_back

    with opened_warehouse(writes=True) as (_, warehouse):
        row = _found(warehouse, request)
        done = taken_back(warehouse, row, by=user_name(), now=datetime.now(UTC))
    if not done:
        fail(
            f"Request {row.request_id[:_ID_SHOWN]} is {row.state}: only one that waits can be "
            "taken back."
        )
    say(f"Request {row.request_id[:_ID_SHOWN]} was taken back.")


def _wish(
    account_id: str,
    since: str | None,
    until: str | None,
    only: Sequence[Part] | None,
    object_ids: Sequence[str] | None,
    *,
    force: bool,
) -> "Wish":
    from meta_pipeline.sync_requests import Wish

    first, last = days(since, until) or (None, None)
    objects: dict[Part, list[str]] = {}
    for text in object_ids or ():
        part, equals, one = text.partition("=")
        # By part: an id alone does not say what it is of, and Meta is asked by edge.
        if not equals or part not in list(Part):
            raise typer.BadParameter(f"{text!r} names no object: write it as ads=123")
        objects.setdefault(Part(part), []).append(one)
    return Wish(
        account_id,
        frozenset(only) if only else None,
        objects,
        since=first,
        # Left open it is the account's own today, whenever the sync begins.
        until=last if until else None,
        force=force,
    )


def _say_price(
    warehouse: "Warehouse", settings: "Settings", wish: "Wish", *, as_json: bool
) -> None:
    from meta_pipeline.sync_requests import price

    facts: dict[str, Any] = price(warehouse, settings, wish, datetime.now(UTC)).facts()
    if as_json:
        write_json(facts)
        return
    for sentence in facts["sentences"]:
        say(sentence)
    if facts["obstacle"]:
        say(styled("…", "yellow"), f" It would wait: {facts['obstacle']}")


def _found(warehouse: "Warehouse", given: str) -> "SyncRequestRow":
    rows = warehouse.sync_requests.beginning(given)
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise typer.BadParameter(f"more than one request begins with {given!r}: give more of it")
    raise typer.BadParameter(
        f"there is no request {given!r}; meta-pipeline requests list shows them"
    )


def _facts(row: "SyncRequestRow", leaving_out: Collection[str] = ()) -> dict[str, Any]:
    facts = asdict(row) | {"object_counts": row.object_counts or None}
    return {name: facts[name] for name in facts if name not in {"counted_objects", *leaving_out}}


def _what(row: "SyncRequestRow") -> str:
    if row.is_named:
        counts = (f"{count} {part}" for part, count in row.object_counts.items())
        return f"{', '.join(counts)} by id"
    parts = ", ".join(row.parts) if row.parts else "all that is on"
    span = f" of {row.since} to {row.until or 'today'}" if row.since else ""
    return f"{parts}{span}{', forced' if row.force else ''}"


def _print(rows: Sequence["SyncRequestRow"]) -> None:
    shown = table("request", "asked", "by", "from", "account", "what", "state", "message",
                  whole=("request", "asked", "state"))  # fmt: skip
    for row in rows:
        add_row(
            shown,
            row.request_id[:_ID_SHOWN],
            f"{row.requested_at:%m-%d %H:%M}",
            one_line(row.requested_by),
            row.source,
            row.account_id,
            _what(row),
            styled(row.state, _STYLES.get(row.state, "yellow")),
            one_line(row.message or ""),
        )
    console.print(shown)
