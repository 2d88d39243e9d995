"""`meta-pipeline status`: what there is, how old it is, and what each account waits for."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.printable import one_line

from .console import (
    SIMULATED,
    Words,
    add_row,
    console,
    fail,
    line,
    say,
    styled,
    table,
    write_json,
)
from .database import opened_warehouse

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

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


def status(as_json: AsJson = False, fail_if_stale: FailIfStale = None) -> None:
    """Show every ad account: how fresh it is, what is there, what is missing, what it waits for.

    Exit code: 0, 1 stale, no database or one of another version, 3 cannot tell: the database did
    not answer within a minute, or a lock held a table for more than five seconds.
    """
    from meta_pipeline.reports.status import (
        read_status,
        staleness_alarm,
        token_warnings,
        version_warnings,
    )

    after = _span(fail_if_stale)
    with opened_warehouse() as (_, warehouse):
        accounts = read_status(warehouse)
        now = datetime.now(UTC)
        warnings = token_warnings(warehouse, now=now) + version_warnings(warehouse, now=now)
    if as_json:
        write_json([dict(one.facts) for one in accounts])
    else:
        _print(accounts)
        for warning in warnings:
            say(styled("!", "red"), f" {warning}")
    alarm = staleness_alarm(accounts, after) if after is not None else None
    if alarm:
        fail(alarm)


def _span(text: str | None) -> timedelta | None:
    from meta_pipeline.reports.status import span

    try:
        return span(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _print(accounts: "list[AccountStatus]") -> None:
    if not accounts:
        say("No ad account is known yet. meta-pipeline check lists what the token sees.")
        return
    if any(one.facts["is_simulated"] for one in accounts):
        say(styled(SIMULATED, "yellow"))
    console.print(_table(accounts))
    for one in accounts:
        for sentence in _sentences(one):
            say(sentence)


def _table(accounts: "list[AccountStatus]") -> "Table":
    numbers = ("Entities", "Insights", "Newest day", "Days", "Usage")
    short = ("State", "Synced", *numbers)
    found = table("Account", *short, right=numbers, whole=short)
    for one in accounts:
        add_row(found, *_cells(one))
    return found


def _cells(one: "AccountStatus") -> list[Words]:
    facts = one.facts
    usage = facts["usage_pct"]
    return [
        one.name,
        styled(one.state, _STYLES.get(one.state, "")),
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


def _sentences(one: "AccountStatus") -> "list[Text]":
    """What a person should know besides: the wait, or what went wrong in the last attempt."""
    name = one_line(one.name)
    if one.waiting is not None:
        return [line(styled("…", "yellow"), f" {name}: {one.waiting}")]
    facts = one.facts
    if facts["last_error"] and facts["last_status"] != "running":
        is_well = facts["last_status"] == "success"  # then it is what to know of the account
        mark = styled("!", "yellow") if is_well else styled("✗", "red")
        return [line(mark, f" {name}: {facts['last_error']}")]
    return []
