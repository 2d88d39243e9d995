"""`meta-pipeline status`: what there is, how old it is, and what each account waits for."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from meta_pipeline.printable import one_line

from .connected import Connected, connected
from .database import opened_warehouse
from .selection import named
from .terminal.console import (
    SIMULATED,
    Words,
    add_row,
    console,
    fail,
    line,
    say,
    say_more,
    styled,
    table,
    write_json,
)
from .terminal.options import Accounts, AsJson, Limit, length

if TYPE_CHECKING:
    from rich.text import Text

    from meta_pipeline.reports.status import AccountStatus
    from meta_pipeline.settings import Settings
    from meta_pipeline.warehouse import Warehouse

    from .terminal.sheet import Sheet

Failing = Annotated[
    bool,
    typer.Option(
        "--failing", help="Only accounts that need a look: all but those fresh, running or new."
    ),
]
Watch = Annotated[
    str | None,
    typer.Option(
        "--watch", "-w", metavar="EVERY", help="Show it again and again, such as every 10s."
    ),
]
FailIfStale = Annotated[
    str | None,
    typer.Option(
        metavar="AGE",
        help="Exit with 1 when an account was not synced for so long, such as 90m, 6h or 2d. "
        "Works without Dagster: for cron, or a container's health check.",
    ),
]

# Problems come first, so what is cut off is well.
_SHOWN = 30
_MARKS = {
    "failing": ("✗", "red"),
    "late": ("!", "red"),
    "lost": ("!", "yellow"),
    "waiting": ("…", "yellow"),
    "throttled": ("…", "yellow"),
    "partial": ("~", "yellow"),
    "never synced": ("·", "dim"),
    "running": ("→", "cyan"),
    "fresh": ("✓", "green"),
    "left out": ("·", "dim"),
}


@dataclass(frozen=True)
class _Seen:
    """What one look found: all accounts, those asked for, and what else a person should know."""

    accounts: "Sequence[AccountStatus]"
    wanted: "Sequence[AccountStatus]"
    warnings: Sequence[str]
    whose: "Mapping[str, Connected]"
    """The connection of each account that was asked for."""

    @classmethod
    def look(
        cls, warehouse: "Warehouse", settings: "Settings", account: Sequence[str], *, failing: bool
    ) -> "_Seen":
        """As things are now; `failing` takes out of the accounts asked for what is well."""
        from meta_pipeline.alerts import account_problems, limits_of
        from meta_pipeline.reports.status import read_status, token_warnings, version_warnings

        with warehouse.connection() as connection:
            # The alerts' own rule of "late": what is red here is what somebody was told of.
            problems = account_problems(connection, limits_of(settings))
        accounts = read_status(warehouse, leaves_out=settings.leaves_out, problems=problems)
        now = datetime.now(UTC)
        wanted = named(accounts, account) if account else accounts
        if failing:
            wanted = [one for one in wanted if one.standing.is_problem]
        whose = connected(warehouse, settings, [one.account_id for one in wanted], now)
        warnings = token_warnings(warehouse, now=now) + version_warnings(warehouse, now=now)
        return cls(accounts, wanted, warnings, whose)


def status(
    account: Accounts = None,
    failing: Failing = False,
    limit: Limit = _SHOWN,
    watch: Watch = None,
    as_json: AsJson = False,
    fail_if_stale: FailIfStale = None,
) -> None:
    """Show every ad account: how fresh it is, what is there, what is missing, what it waits for.

    What needs a person comes first. Late is what META_ALERT_STALE_HOURS calls late. JSON has all
    accounts asked for, whatever --limit says.

    Exit code: 0, 1 stale, no database or one of another version, 3 cannot tell: the database did
    not answer within a minute, or a lock held a table for more than five seconds.
    """
    from meta_pipeline.reports.status import staleness_alarm

    after, every = length(fail_if_stale), length(watch)
    # Documents one after the other are no JSON.
    if every is not None and as_json:
        raise typer.BadParameter("--watch is for people and --json for programs: give one")
    with opened_warehouse() as (settings, warehouse):
        for seen in _looks(warehouse, settings, account, every, failing=failing):
            if as_json:
                write_json(
                    [
                        {
                            **one.facts,
                            "standing": one.standing,
                            **seen.whose[one.account_id].facts,
                        }
                        for one in seen.wanted
                    ]
                )
            else:
                _print(seen, limit, is_clear=every is not None)
    alarm = staleness_alarm(seen.wanted, after) if after is not None else None
    if alarm:
        fail(alarm)


def _looks(
    warehouse: "Warehouse",
    settings: "Settings",
    account: Sequence[str] | None,
    every: timedelta | None,
    *,
    failing: bool,
) -> Iterator[_Seen]:
    """One look; with `every` again and again until Ctrl-C."""
    while True:
        # A connection for each look, not for all of them: the terminal may stand open for days.
        yield _Seen.look(warehouse, settings, account or (), failing=failing)
        if every is None:
            return
        try:
            time.sleep(every.total_seconds())
        except KeyboardInterrupt:
            return


def _print(seen: _Seen, limit: int, *, is_clear: bool) -> None:
    from meta_pipeline.reports.status import in_short

    if is_clear and console.is_terminal:
        console.clear()
    if not seen.accounts:
        say("No ad account is known yet. meta-pipeline check lists what the token sees.")
    else:
        if any(one.facts["is_simulated"] for one in seen.wanted):
            say(styled(SIMULATED, "yellow"))
        say(styled(in_short(seen.accounts), "bold"))
        _print_accounts(seen, limit)
    for warning in seen.warnings:
        say(styled("!", "red"), f" {warning}")


def _print_accounts(seen: _Seen, limit: int) -> None:
    shown = seen.wanted[:limit]
    if not shown:
        say("No account needs anybody.")
        return
    say()
    console.print(_table(shown, seen.whose))
    say_more(len(seen.wanted) - len(shown), f"--limit {len(seen.wanted)} shows them")
    sentences = [sentence for one in shown for sentence in _sentences(one)]
    unread = dict.fromkeys(seen.whose[one.account_id].problem for one in shown)
    sentences += [line(styled("!", "red"), f" {why}") for why in unread if why]
    if sentences:
        say()
    for sentence in sentences:
        say(sentence)


def _table(
    accounts: "Sequence[AccountStatus]", whose: "Mapping[str, Connected] | None" = None
) -> "Sheet":
    whose = whose or {}
    # With one connection for all the column would say the same in each row.
    several = len({one.connection for one in whose.values()}) > 1
    numbers = ("Entities", "Insights", "Newest day", "Days", "Usage")
    sheet = table(
        *("Account", "Id", "State", "Synced", *numbers),
        *(("Connection",) if several else ()),
        right=numbers,
        whole=("Id", "State", "Synced"),
    )
    for one in accounts:
        add_row(sheet, *_cells(one), *([whose[one.account_id].cell] if several else []))
    return sheet


def _cells(one: "AccountStatus") -> list[Words]:
    facts = one.facts
    usage = facts["usage_pct"]
    mark, style = _MARKS[one.standing]
    fetched = facts["insight_days_fetched"]
    missing = facts["insight_days_missing"]
    return [
        one.name,
        one.account_id,
        styled(f"{mark} {one.standing}", style),
        one.staleness,
        f"{facts['campaigns'] + facts['adsets'] + facts['ads']:,}",
        f"{facts['insight_rows']:,}",
        str(facts["newest_insight_day"] or "-"),
        # Days that are in, and how many between the first and the last never were read.
        f"{fetched:,}, {missing:,} missing" if missing else f"{fetched:,}",
        "-" if usage is None else f"{usage:.0f} %",
    ]


def _sentences(one: "AccountStatus") -> "list[Text]":
    """What a person should know besides: the wait, or what went wrong in the last attempt."""
    if one.trouble is None:
        return []
    name = one_line(one.label)
    if one.waiting is not None:
        return [line(styled("…", "yellow"), f" {name}: {one.trouble}")]
    is_well = one.facts["last_status"] == "success"  # then it is what to know of the account
    mark = styled("!", "yellow") if is_well else styled("✗", "red")
    return [line(mark, f" {name}: {one.trouble}")]
