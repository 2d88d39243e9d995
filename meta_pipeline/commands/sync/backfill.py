"""`meta-pipeline backfill`: earlier days of insights, after their price was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated

import typer

from meta_pipeline.commands.selection import Accounts, EveryAccount, chosen
from meta_pipeline.commands.terminal.console import say, warn, write_json
from meta_pipeline.commands.terminal.options import Since, Until
from meta_pipeline.printable import one_line
from meta_pipeline.sync import Part, SyncEngine

from .plan import Priced, show, spread, together
from .syncs import run
from .wanted import Breakdown, Force, Report, Wanted, opened_engine

With = Annotated[
    list[Part] | None,
    typer.Option("--with", help="Read this part too, such as insights_hourly; may be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say the price, and read nothing.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the records as JSON; with --dry-run the plans.")
]

# So few are shown with all they would read; of more a line each.
_WHOLE = 3
_LISTED = 20


def backfill(
    account: Accounts = None,
    every: EveryAccount = False,
    since: Since = None,
    until: Until = None,
    with_: With = None,
    breakdown: Breakdown = None,
    report: Report = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Load earlier days of insights, after saying what they cost.

    Of the accounts named, or of all but those that the settings leave out. The same syncs as any
    other: days that are there and still valid are not read again unless forced, a day that is in
    is not lost when it is stopped, and the same command goes on where it was. Exit code as `sync`.
    """
    if since is None:
        raise typer.BadParameter("say from which day on: --since YYYY-MM-DD")
    wanted = Wanted.of(
        since,
        until,
        None,
        [Part.INSIGHTS],
        with_,
        breakdown,
        report,
        force=force,
        reason="backfill",
    )
    with opened_engine(migrates=not dry_run) as (settings, engine):
        wanted.check(engine.client.version, engine.extras.reports)
        ids = chosen(engine, settings, account, every=every or not account)
        priced = [Priced.of(engine, wanted, account_id) for account_id in ids]
        notes = list(_gaps(engine, priced))
        if not as_json:
            say_price(priced, notes)
        if dry_run:
            if as_json:
                write_json([one.facts() for one in priced])
            return
        # Standard error: the JSON is a document of its own.
        for note in notes if as_json else ():
            warn(note)
        due = [one.plan.account_id for one in priced if not one.plan.is_empty]
        code = run(engine, wanted, due, as_json=as_json, is_one=False) if due or as_json else 0
    raise typer.Exit(code)


def say_price(priced: Sequence[Priced], notes: Sequence[str] = ()) -> None:
    """Print the plans of accounts with their prices, in sentences where they are many."""
    if len(priced) <= _WHOLE:
        for one in priced:
            show(one)
    else:
        for one in priced[:_LISTED]:
            name = f"{one.plan.account_id} {one_line(one.name or '')}".strip()
            say(f"{name}: {one.plan.days + one.plan.days_later:,} days, {spread(*one.calls)} calls")
        if len(priced) > _LISTED:
            say(f"and {len(priced) - _LISTED:,} more")
    if len(priced) != 1:
        say(together(priced))
    for note in notes[:_LISTED]:
        warn(note)
    if len(notes) > _LISTED:
        warn(f"The same holds for {len(notes) - _LISTED:,} more ad accounts.")


def _gaps(engine: SyncEngine, priced: Sequence[Priced]) -> Iterator[str]:
    """What a backfill makes the next sync read besides: the days that it leaves out between."""
    for one in priced:
        planned = one.plan
        if planned.is_empty or planned.until is None:
            continue
        dataset = next((each.dataset.name for each in planned.windows), None)
        today = engine.today(planned.account_id)
        first = planned.until + timedelta(days=1)
        if dataset is None or first >= today:
            continue
        gaps = engine.warehouse.ledger.gaps(planned.account_id, dataset, first, today)
        days = sum((last - begin).days + 1 for begin, last in gaps)
        # Today alone is read by the next sync in any case.
        if days > 1:
            yield (
                f"{planned.account_id}: {days:,} days after {planned.until} are not in either. "
                "Days are kept up from the first one on, so the next sync reads them too."
            )
