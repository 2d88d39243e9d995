"""Options: the one grammar of the command line. Whatever two commands both ask is declared here.

- An ad account is an id (`act_123`, `123`) or its name. A command about one takes it as ACCOUNT;
  one that can be narrowed down has `--account`, which may be repeated.
- Days are `--since DAY --until DAY`, YYYY-MM-DD in the account's time zone, both inclusive; or
  `--preset`, named as in Ads Manager. `--until` alone is no range; without it the range ends today.
- A length of time is written with its unit: 30s, 90m, 6h, 2d.
- What a command shows is also had as `--json`.

A test walks all commands and holds them to it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from meta_pipeline.moments import span


def day(text: str | None) -> date | None:
    """A day as typed on the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-01-31") from None


def account(text: str) -> str:
    """An ad account id as typed: act_123, or just 123."""
    account_id = text if text.startswith("act_") else f"act_{text}"
    if not account_id[4:].isdecimal() or not account_id.isascii():
        raise typer.BadParameter(f"{text!r} is not an ad account id such as act_1234567890")
    return account_id


def length(text: str | None) -> timedelta | None:
    """A length of time as typed: 30s, 90m, 6h, 2d."""
    if text is None:
        return None
    try:
        return span(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def days(since: str | None, until: str | None, preset: Any = None) -> tuple[date, date] | None:
    """The range of days that was typed, None for none; `preset` is refused beside it."""
    first, last = day(since), day(until)
    if preset is not None and (first or last):
        raise typer.BadParameter("--preset and --since/--until exclude each other")
    if first is None and last is None:
        return None
    if first is None:
        raise typer.BadParameter("--until needs --since: a range begins somewhere")
    # Of UTC, which may be a day off the account's own; each sync takes its own today where none was
    # typed.
    last = last or max(first, datetime.now(UTC).date())
    if first > last:
        raise typer.BadParameter(f"--since {first} is after --until {last}")
    return first, last


Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Ad account: id or name.")]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        "-a",
        metavar="ACCOUNT",
        help="Ad account: id or name; may be repeated. All without it.",
    ),
]
OneAccount = Annotated[
    str, typer.Option("--account", "-a", metavar="ACCOUNT", help="Ad account: id or name.")
]
MaybeAccount = Annotated[
    str | None,
    typer.Option("--account", "-a", metavar="ACCOUNT", help="Ad account: id or name; all without."),
]
Since = Annotated[str | None, typer.Option("--since", metavar="DAY", help="First day, YYYY-MM-DD.")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="DAY", help="Last day, inclusive; today without it."),
]
PRESET = typer.Option(
    *("--preset", "-p", "--range", "-r"),
    metavar="NAME",
    help="A range of days as Ads Manager names it, such as last_7d.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, metavar="ROWS", help="Rows to show at most.")
]
