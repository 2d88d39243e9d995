"""`meta-pipeline check`: is everything there that a sync needs? Changes nothing."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from meta_pipeline.commands import profile
from meta_pipeline.commands.database import database, opened
from meta_pipeline.commands.terminal.console import (
    add_row,
    console,
    line,
    say,
    say_more,
    styled,
    table,
    write_json,
)
from meta_pipeline.commands.terminal.mistakes import CANNOT_TELL
from meta_pipeline.commands.terminal.options import Accounts, AsJson, Limit, length
from meta_pipeline.printable import one_line
from meta_pipeline.settings import Settings

from .channels import channel_findings
from .connections import connection_findings
from .database import database_findings
from .finding import CheckFinding
from .meta import Asked, blocked, meta_findings
from .stored_data import data_findings

# Accounts; what is wrong with them comes first.
_SHOWN = 30

Data = Annotated[
    bool, typer.Option("--data", help="Ask the stored data instead: freshness, gaps, sums, ...")
]
Calls = Annotated[
    int, typer.Option("--calls", min=1, help="Accounts to ask at most; each is one call.")
]
Within = Annotated[
    str,
    typer.Option(
        "--within",
        metavar="TIME",
        help="How long Meta may take for token, lists and accounts in all; what was asked by then, "
        "and the settings, have as long again.",
    ),
]


def check(
    account: Accounts = None,
    data: Data = False,
    calls: Calls = 1000,
    within: Within = "60s",
    limit: Limit = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """Check token, scopes, accounts, insights and Postgres, or the stored data; changes nothing.

    Accounts are asked several at once, never those that Meta blocks now, and none any more when
    the budget is used or the app is near its limit; which were left out is said. JSON has every
    finding, whatever --limit says.

    Exit code: 0 all is well, 1 something needs a fix, which is said beside it, 3 cannot tell: the
    database did not answer within a minute, or Meta within the time given, or a lock held a table
    for more than five seconds.
    """
    longest = length(within) or timedelta(0)
    findings = [*data_findings()] if data else [*_needs(account or (), calls, longest)]
    problems = sum(not finding.ok and finding.is_known for finding in findings)
    unknown = sum(not finding.is_known for finding in findings)
    if as_json:
        write_json([asdict(finding) for finding in findings])
    else:
        _print(findings, limit, problems, unknown)
    # A problem that is known outweighs what is not.
    raise typer.Exit(1 if problems else CANNOT_TELL if unknown else 0)


def _needs(accounts: Sequence[str], calls: int, within: timedelta) -> Iterator[CheckFinding]:
    """What a sync needs: Meta and Postgres, each looked at whatever is wrong with the other."""
    with ExitStack() as stack:
        url: str | None = None
        if profile.is_demo():
            settings, url = stack.enter_context(opened(with_graph=True))
        else:
            settings = Settings.load()

        def its_url() -> AbstractContextManager[str]:
            return database(settings) if url is None else nullcontext(url)

        asked = Asked(accounts, calls, within, blocked(its_url()))
        # Read before Meta is asked: the database may go away while a thousand accounts are.
        stored = [*connection_findings(its_url(), settings)]
        yield from meta_findings(settings, its_url(), asked, stored)
        yield from database_findings(its_url(), settings)
        yield from channel_findings(settings)


def _print(findings: list[CheckFinding], limit: int, problems: int, unknown: int) -> None:
    accounts = [one for one in findings if one.what == "Account"]
    ranked = sorted(accounts, key=lambda one: (one.ok, one.is_known))
    listed = ranked[:limit]
    _print_table([one for one in findings if one.what != "Account" or one in listed])
    say_more(len(ranked) - len(listed), f"--limit {len(ranked)} or --json shows them")
    word = "problem" if problems == 1 else "problems"
    if problems:
        say(f"{problems} {word}. Nothing was changed.")
    elif unknown:
        say("Cannot tell whether all is well: not everything was answered in time.")
    elif any(one.is_partial for one in findings):
        say("All that was looked at is well; some accounts were left out, as said above.")
    else:
        say("All is well.")


def _print_table(findings: list[CheckFinding]) -> None:
    shown = table("", "", "", show_header=False)
    last = ""
    for finding in findings:
        wrong = styled("✗", "red") if finding.is_known else styled("?", "yellow")
        mark = styled("…", "yellow") if finding.is_partial else styled("✓", "green")
        what = finding.what if finding.what != last else ""
        last = finding.what
        mark = mark if finding.ok else wrong
        add_row(shown, what, line(mark, f" {one_line(finding.subject)}"), finding.text)
        if finding.fix:
            add_row(shown, "", "", line(styled("Fix:", "yellow"), f" {one_line(finding.fix)}"))
    console.print(shown)
