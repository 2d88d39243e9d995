"""`meta-pipeline plan`: what a sync would read and cost, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from meta_pipeline.commands.selection import Accounts, EveryAccount, chosen
from meta_pipeline.commands.terminal.console import add_row, console, say, styled, table, write_json
from meta_pipeline.commands.terminal.options import AsJson, Since, Until
from meta_pipeline.printable import one_line
from meta_pipeline.sync import Plan, SyncEngine

from .wanted import (
    Breakdown,
    Force,
    Only,
    PresetOption,
    Report,
    Wanted,
    With,
    opened_engine,
)

if TYPE_CHECKING:
    from meta_pipeline.commands.terminal.sheet import Sheet
    from meta_pipeline.sync.limits.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Priced:
    """One account's plan with its price, and why it would not start now, if it would not."""

    name: str | None
    plan: Plan
    estimate: Estimate
    obstacle: str | None

    @classmethod
    def of(cls, engine: SyncEngine, wanted: Wanted, account_id: str) -> Self:
        """Price what is wanted of an account; asks Meta only for one that is not stored."""
        planned = engine.plan(wanted.request(engine, account_id))
        account = engine.warehouse.accounts.get(account_id)
        name = account.name if account else None
        return cls(name, planned, engine.estimate(planned), engine.obstacle(planned))

    @property
    def calls(self) -> tuple[int, int]:
        """Calls, from so many to so many; none where nothing is due."""
        return (0, 0) if self.plan.is_empty else self.estimate.calls_range

    @property
    def rows(self) -> tuple[int, int]:
        """Insight rows, likewise."""
        return self.estimate.rows_range

    def facts(self) -> dict[str, Any]:
        """Everything, for programs."""
        planned = self.plan
        return {
            "account_id": planned.account_id,
            "name": self.name,
            "timezone_name": planned.timezone_name,
            "since": planned.since,
            "until": planned.until,
            "is_empty": planned.is_empty,
            "calls": dict(zip(("least", "most"), self.calls, strict=True)),
            "rows": dict(zip(("least", "most"), self.rows, strict=True)),
            "edges": [
                {
                    "edge": edge.spec.edge,
                    "how": str(edge.mode),
                    "rows": edge.expected_rows,
                    "calls": edge.calls,
                }
                for edge in planned.edges
            ],
            "windows": [
                {
                    "dataset": window.dataset.name,
                    "since": window.since,
                    "until": window.until,
                    "how": "report" if window.as_report else "pages",
                    "rows": window.expected_rows,
                    "calls": window.calls,
                }
                for window in planned.windows
            ],
            "recommendations": asdict(planned.recommendations)
            | {"calls": planned.recommendations.calls}
            if planned.recommendations
            else None,
            "notes": list(planned.notes),
            "estimate": asdict(self.estimate) | {"sentences": self.estimate.sentences()},
            "obstacle": self.obstacle,
        }


def plan(
    account: Accounts = None,
    every: EveryAccount = False,
    since: Since = None,
    until: Until = None,
    preset: PresetOption = None,
    only: Only = None,
    with_: With = None,
    breakdown: Breakdown = None,
    report: Report = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say what a sync would read and cost, before anything runs.

    With --all each account has a line; name one to see its windows. With one ACCOUNT the JSON is an
    object, with several or --all a list of them.
    """
    wanted = Wanted.of(since, until, preset, only, with_, breakdown, report, force=force)
    with opened_engine(migrates=False) as (settings, engine):
        wanted.check(engine.client.version, engine.extras.reports)
        priced = []
        for account_id in chosen(engine, settings, account, every=every):
            priced.append(Priced.of(engine, wanted, account_id))
            # One after the other, as they are made: a fleet takes a while.
            if not as_json:
                (show_line if every else show)(priced[-1])
    if as_json:
        facts = [one.facts() for one in priced]
        write_json(facts if every or len(account or ()) > 1 else facts[0])
    elif len(priced) != 1:
        say(together(priced))


def show_line(priced: Priced) -> None:
    """Print what one account of many costs, in a line."""
    named = f"{priced.plan.account_id} {one_line(priced.name or '')}".strip()
    if priced.plan.is_empty:
        say(f"{named}: all fresh")
        return
    waits = f"; would not start now: {priced.obstacle}" if priced.obstacle else ""
    say(f"{named}: {spread(*priced.calls)} calls, {spread(*priced.rows)} rows{waits}")


def show(priced: Priced) -> None:
    """Print one account's plan and its price in sentences."""
    planned = priced.plan
    named = f"{planned.account_id} {one_line(priced.name or '')}".strip()
    if planned.is_empty:
        say(f"{named}: all fresh, nothing is due.")
    else:
        say(f"Plan for {named}")
        console.print(_table(planned))
    if priced.obstacle:
        say(styled("…", "yellow"), f" It would not start now: {priced.obstacle}")
    price = priced.estimate.sentences()
    # The first sentence is the price, and there is none of nothing.
    for sentence in (*planned.notes, *(price[1:] if planned.is_empty else price)):
        say(sentence)


def together(priced: Sequence[Priced]) -> str:
    """The price of all plans in a sentence; each account has an allowance of its own."""
    due = [one for one in priced if not one.plan.is_empty]
    if not due:
        return f"{len(priced)} ad accounts: all fresh, nothing is due."
    calls = [sum(one.calls[end] for one in due) for end in (0, 1)]
    rows = [sum(one.rows[end] for one in due) for end in (0, 1)]
    waits = sum(one.obstacle is not None for one in due)
    blocked = f"; {waits} would not start now" if waits else ""
    return (
        f"Together: {len(due)} of {len(priced)} ad accounts, {spread(*calls)} calls, "
        f"{spread(*rows)} rows{blocked}."
    )


def spread(least: int, most: int) -> str:
    """`5`, or `5 to 12`."""
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _table(planned: Plan) -> Sheet:
    numbers = ("days", "rows", "calls")
    shown = table("what", "how", *numbers, right=numbers, whole=numbers)
    if planned.reads_account:
        add_row(shown, "account", "node", "", "1", "1")
    for edge in planned.edges:
        rows = f"{edge.expected_rows:,}" if edge.expected_rows else "?"
        add_row(shown, edge.spec.edge, str(edge.mode), "", rows, str(edge.calls))
    if (since := planned.activities_since) is not None:
        add_row(shown, "activities", f"since {since:%Y-%m-%d %H:%M} UTC", "", "?", "1")
    if (advised := planned.recommendations) is not None:
        days = ""
        if advised.history_since is not None and advised.history_until is not None:
            days = str((advised.history_until - advised.history_since).days + 1)
        how = "business" if advised.business_id else "account"
        add_row(shown, "recommendations", how, days, "?", str(advised.calls))
    for window in planned.windows:
        how = "report" if window.as_report else "pages"
        rows = f"{window.expected_rows:,}" if window.expected_rows else "?"
        what = f"{window.dataset.name} {window.since} … {window.until}"
        add_row(shown, what, how, str(window.days), rows, str(window.calls))
    return shown
