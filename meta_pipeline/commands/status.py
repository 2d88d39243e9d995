"""`meta-pipeline status`: what there is, how old it is, and what each account waits for."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

from .console import console, explained, fail
from .database import DemoOption, chosen_database

if TYPE_CHECKING:
    from meta_pipeline.reports.status import AccountStatus

AsJson = Annotated[bool, typer.Option("--json", help="Print every fact as JSON.")]
FailIfStale = Annotated[
    str | None,
    typer.Option(
        help="Exit with 1 when an account was not synced for so long, such as 90m, 6h or 2d. "
        "Works without Dagster: for cron, or a container's health check."
    ),
]

_STYLES = {
    "success": "green",
    "running": "cyan",
    "waiting": "yellow",
    "throttled": "yellow",
    "partial": "yellow",
    "fail": "red",
}


def status(
    as_json: AsJson = False, fail_if_stale: FailIfStale = None, demo: DemoOption = False
) -> None:
    """Show every ad account: how fresh it is, what is there, what is missing, what it waits for."""
    from meta_pipeline.reports.status import read_status, staleness_alarm, token_warnings

    after = _span(fail_if_stale)
    with (
        explained(),
        chosen_database(Settings.load(), demo=demo) as url,
        Warehouse(url) as warehouse,
    ):
        warehouse.migrate()
        accounts = read_status(warehouse)
        warnings = token_warnings(warehouse, now=datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps([dict(one.facts) for one in accounts], default=str, indent=2))
    else:
        _print(accounts)
        for warning in warnings:
            console.print(f"[red]![/] {escape(warning)}", soft_wrap=True)
    alarm = staleness_alarm(accounts, after) if after is not None else None
    if alarm:
        fail(escape(alarm))


def _span(text: str | None) -> timedelta | None:
    from meta_pipeline.reports.status import span

    try:
        return span(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _print(accounts: "list[AccountStatus]") -> None:
    if not accounts:
        console.print("No ad account is known yet. meta-pipeline check lists what the token sees.")
        return
    if any(one.facts["is_simulated"] for one in accounts):
        console.print("[yellow]Simulated data: it came from a Graph API that is not Meta's.[/]")
    console.print(_table(accounts))
    for one in accounts:
        for sentence in _sentences(one):
            console.print(sentence, soft_wrap=True)


def _table(accounts: "list[AccountStatus]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Account")
    for name in ("State", "Synced"):
        table.add_column(name, no_wrap=True)
    for name in ("Entities", "Insights", "Newest day", "Days", "Usage"):
        table.add_column(name, no_wrap=True, justify="right")
    for one in accounts:
        table.add_row(*_cells(one))
    return table


def _cells(one: "AccountStatus") -> list[str]:
    facts = one.facts
    style = _STYLES.get(one.state, "")
    usage = facts["usage_pct"]
    return [
        escape(one.name),
        f"[{style}]{one.state}[/]" if style else one.state,
        one.staleness,
        f"{facts['campaigns'] + facts['adsets'] + facts['ads']:,}",
        f"{facts['insight_rows']:,}",
        str(facts["newest_insight_day"] or "-"),
        _days(facts["insight_days_fetched"], facts["insight_days_missing"]),
        "-" if usage is None else f"{usage:.0f} %",
    ]


def _days(fetched: int, missing: int) -> str:
    """Days that are in, and how many between the first and the last never were read."""
    return f"{fetched:,}, {missing:,} missing" if missing else f"{fetched:,}"


def _sentences(one: "AccountStatus") -> list[str]:
    """What a person should know besides: the wait, or what went wrong in the last attempt."""
    if one.waiting is not None:
        return [f"[yellow]…[/] {escape(one.name)}: {escape(one.waiting)}"]
    facts = one.facts
    if facts["last_error"] and facts["last_status"] not in ("success", "running"):
        return [f"[red]✗[/] {escape(one.name)}: {escape(str(facts['last_error']))}"]
    return []
