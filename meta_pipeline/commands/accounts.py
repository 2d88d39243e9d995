"""`meta-pipeline accounts`: which ad accounts there are, and in what state."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meta_pipeline.words import times

from .connected import connected
from .selection import named
from .terminal.console import SIMULATED, add_row, console, say, say_more, styled, table, write_json
from .terminal.options import AsJson, Limit

if TYPE_CHECKING:
    from meta_pipeline.reports.status import AccountStatus
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import AccountRow, Warehouse

    from .terminal.sheet import Sheet

app = typer.Typer(
    add_completion=False,
    name="accounts",
    no_args_is_help=True,
    help="Which ad accounts there are: every command takes their ids, numbers and names.",
)

STATUS_WORDS = {
    1: "active",
    2: "disabled",
    3: "unsettled",
    7: "in risk review",
    8: "pending settlement",
    9: "in grace",
    100: "closing",
    101: "closed",
}
"""Meta's account_status in words (FACTS section 12)."""
NOT_SYNCED = "found, not synced"
# A screen or two; whoever has more looks for one by name.
_SHOWN = 100
_STYLES = {"success": "green", "fail": "red", "lost": "red", "left out": "dim", NOT_SYNCED: "cyan"}


@app.callback()
def about() -> None:
    """Which ad accounts there are: every command takes their ids, numbers and names."""


@app.command("list")
def list_accounts(
    account: Annotated[
        list[str] | None,
        typer.Argument(help="Only these: id or name; all without.", metavar="ACCOUNT"),
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask Meta for the list first: one call per 200 accounts."),
    ] = False,
    limit: Limit = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """List the ad accounts: name, id, status at Meta, currency, zone, last synced, state.

    State: success, partial, throttled or fail of the last sync; running; waiting for quota; lost,
    when no connection reaches it any more or it is not chosen; found, not synced; left out by
    META_INCLUDE_ACCOUNTS or META_EXCLUDE_ACCOUNTS. `meta-pipeline sync NAME` syncs one, whatever
    the settings leave out. --json has all of them, whatever --limit says.
    """
    if refresh:
        from .sync.wanted import opened_engine

        # An engine, not a client: what Meta lists is stored, and its calls are logged and paid for.
        with opened_engine() as (settings, engine):
            engine.discover()
            facts = _facts(settings, engine.warehouse, account)
    else:
        from .database import opened_warehouse

        with opened_warehouse() as (settings, warehouse):
            facts = _facts(settings, warehouse, account)
    if as_json:
        write_json(facts)
        return
    if not facts:
        say("No ad account is known yet: --refresh asks Meta for those the token sees.")
        return
    if any(one["is_simulated"] for one in facts):
        say(styled(SIMULATED, "yellow"))
    console.print(_table(facts[:limit]))
    say_more(max(0, len(facts) - limit), f"--limit {len(facts)} shows them")
    counts = Counter(one["state"] for one in facts)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    say(f"{times(len(facts), 'ad account')}: {told}. Times are UTC.")


def _facts(
    settings: "Settings", warehouse: "Warehouse", wanted: Sequence[str] | None
) -> list[dict[str, Any]]:
    """What is shown of each account, by name; those whose first sync failed come last."""
    from meta_pipeline.reports.status import read_status

    rows = {one.account_id: one for one in warehouse.accounts.all()}
    states = read_status(warehouse, leaves_out=settings.leaves_out, counts=False)
    if wanted:
        chosen = {one.account_id for one in named(list(states), wanted)}
        states = [one for one in states if one.account_id in chosen]
    ids = [one.account_id for one in states]
    whose = connected(warehouse, settings, ids, datetime.now(UTC))
    return [_fact(one, rows.get(one.account_id)) | whose[one.account_id].facts for one in states]


def _fact(status: "AccountStatus", row: "AccountRow | None") -> dict[str, Any]:
    facts = status.facts
    number = row.account_status if row else None
    known = STATUS_WORDS.get(number) if number is not None else None
    return {
        "account_id": status.account_id,
        "name": facts["name"],
        "account_status": number,
        # Meta adds statuses; the number at least can be looked up.
        "status": known or ("unknown" if number is None else f"unknown ({number})"),
        "currency": row.currency if row else None,
        "timezone_name": row.timezone_name if row else None,
        "last_synced_at": facts["last_success_at"],
        "state": NOT_SYNCED if status.state == "never synced" else status.state,
        "waiting_for": status.waiting,
        "is_left_out": status.is_left_out,
        "is_accessible": facts["is_accessible"],
        "is_simulated": facts["is_simulated"],
    }


def _table(facts: Sequence[Mapping[str, Any]]) -> "Sheet":
    whole = ("Account", "Last synced")
    shown = table(
        "Name", "Account", "Status", "Currency", "Zone", "Last synced", "State", whole=whole
    )
    for one in facts:
        at = one["last_synced_at"]
        add_row(
            shown,
            one["name"] or "-",
            one["account_id"],
            one["status"],
            one["currency"] or "-",
            one["timezone_name"] or "-",
            f"{at:%Y-%m-%d %H:%M}" if at else "never",
            styled(one["state"], _STYLES.get(one["state"], "yellow")),
        )
    return shown
