"""`meta-pipeline sync` and `meta-pipeline plan`: one ad account, without Dagster."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from meta_pipeline import metrics
from meta_pipeline.settings import Settings
from meta_pipeline.sync import (
    DEFAULT_PARTS,
    Part,
    Plan,
    Progress,
    Status,
    SyncEngine,
    SyncRecord,
    SyncRequest,
)
from meta_pipeline.sync.presets import Preset, days_of

from .console import account, console, day, explained
from .database import database

Account = Annotated[str, typer.Argument(help="Ad account, as act_1234567890.", parser=account)]
Since = Annotated[str | None, typer.Option(help="First day of insights, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option(help="Last day of insights, YYYY-MM-DD.")]
PresetOption = Annotated[
    Preset | None, typer.Option("--preset", help="A range of days as Ads Manager names it.")
]
Only = Annotated[
    list[Part] | None, typer.Option("--only", help="Sync only this part; may be repeated.")
]
With = Annotated[
    list[Part] | None,
    typer.Option("--with", help="Sync this part too, on or off; may be repeated."),
]
Breakdown = Annotated[
    list[str] | None, typer.Option("--breakdown", help="Breakdowns to read, as age,gender.")
]
Force = Annotated[bool, typer.Option("--force", help="Read also what is fresh.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the record as JSON.")]

_MARKS = {
    Status.SUCCESS: "[green]✓[/green]",
    Status.PARTIAL: "[yellow]~[/yellow]",
    Status.THROTTLED: "[yellow]…[/yellow]",
    Status.REFUSED: "[yellow]-[/yellow]",
}


def sync(
    account_id: Account,
    since: Since = None,
    until: Until = None,
    preset: PresetOption = None,
    only: Only = None,
    with_: With = None,
    breakdown: Breakdown = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Sync one ad account into Postgres.

    Exit code: 0 success, 1 failed, 3 throttled, 4 partial, 5 refused because another sync of
    the account runs.
    """
    with explained(), _engine() as engine, _stoppable(engine):
        request = _request(engine, account_id, since, until, preset, only, with_, breakdown, force)
        record = engine.sync(request, (lambda _: None) if as_json else _print_step)
        settled = _settle(engine, record)
    if as_json:
        typer.echo(json.dumps(record.row(), default=str, indent=2))
    else:
        _print_record(record)
        console.print(f"  {settled}" if settled else "")
    raise typer.Exit(record.exit_code)


def plan(
    account_id: Account,
    since: Since = None,
    until: Until = None,
    preset: PresetOption = None,
    only: Only = None,
    with_: With = None,
    breakdown: Breakdown = None,
    force: Force = False,
) -> None:
    """Say what a sync would read and cost, before anything runs."""
    with explained(), _engine() as engine:
        request = _request(engine, account_id, since, until, preset, only, with_, breakdown, force)
        _print_plan(engine.plan(request), engine)


@contextmanager
def _engine() -> Iterator[SyncEngine]:
    settings = Settings.load()
    settings.require_token()
    with database(settings) as url, SyncEngine.open(settings, url) as engine:
        yield engine


@contextmanager
def _stoppable(engine: SyncEngine) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the sync after the slice it is writing; a second one at once."""

    def stop(number: int, _: object) -> None:
        engine.stop()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(
    engine: SyncEngine,
    account_id: str,
    since: str | None,
    until: str | None,
    preset: Preset | None,
    only: list[Part] | None,
    with_: list[Part] | None,
    breakdown: list[str] | None,
    force: bool,
) -> SyncRequest:
    parts = frozenset(only or DEFAULT_PARTS | engine.extras.on(account_id)) | frozenset(with_ or ())
    first, last = day(since), day(until)
    if preset is not None:
        if first or last:
            raise typer.BadParameter("--preset and --since/--until exclude each other")
        first, last = days_of(preset, engine.today(account_id))
    try:
        return SyncRequest(
            account_id=account_id,
            parts=parts | ({Part.BREAKDOWNS} if breakdown else frozenset()),
            since=first,
            until=last,
            force=force,
            breakdowns=tuple(tuple(one.split(",")) for one in breakdown or ()),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _settle(engine: SyncEngine, record: SyncRecord) -> str | None:
    """Bring the daily metrics up to the rows, and compare the ads with the account's own row."""
    if record.since is None or record.until is None or not record.insights_rows_read:
        return None
    with engine.warehouse.connection() as connection:
        rolled_up = metrics.rollup(connection, record.account_id)
        compared = metrics.reconcile(connection, record.account_id, record.since, record.until)
    checked = [one for one in compared if not one.is_unchecked]
    differing = [one for one in checked if not one.is_ok]
    told = f"{len(rolled_up.days)} days rolled up"
    if not checked:
        return f"{told}; ad rows are compared when the account's own row is read, once a day"
    if not differing:
        return f"{told}; ad rows and account rows agree"
    return f"{told}; {len(differing)} days differ: {differing[0].explanation}"


def _print_step(step: Progress) -> None:
    console.print(
        f"{step.account_id}  {step.message:<42} {step.rows:>9,} rows  {step.calls:>4} calls  "
        f"{step.seconds:6.1f} s"
    )


def _print_record(record: SyncRecord) -> None:
    entities = record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched
    console.print(
        f"{_MARKS.get(record.status, '[red]✗[/red]')} {record.account_id} {record.status}: "
        f"{entities:,} entities, {record.insights_rows_read:,} insight rows "
        f"({record.insights_rows_written:,} new or changed), "
        f"{record.meta_call_count_total} calls, {record.duration_seconds:.1f} s"
    )
    if record.error_summary:
        console.print(f"  {record.error_summary}", soft_wrap=True)
    for missing in record.missing[1:]:
        console.print(f"  {missing}", soft_wrap=True)


def _print_plan(planned: Plan, engine: SyncEngine) -> None:
    table = Table(title=f"Plan for {planned.account_id}", title_justify="left")
    for name in ("what", "how", "days", "rows", "calls"):
        table.add_column(name, justify="right" if name in ("days", "rows", "calls") else "left")
    for edge in planned.edges:
        rows = f"{edge.expected_rows:,}" if edge.expected_rows else "?"
        table.add_row(edge.spec.edge, str(edge.mode), "", rows, str(edge.calls))
    for window in planned.windows:
        how = "report" if window.as_report else "pages"
        rows = f"{window.expected_rows:,}" if window.expected_rows else "?"
        what = f"{window.dataset.name} {window.since} … {window.until}"
        table.add_row(what, how, str(window.days), rows, str(window.calls))
    console.print(table)
    for sentence in (*planned.notes, *engine.estimate(planned).sentences()):
        console.print(sentence, soft_wrap=True)
