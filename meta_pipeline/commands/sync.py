"""`meta-pipeline sync` and `meta-pipeline plan`: one ad account, without Dagster."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from rich.table import Table

from meta_pipeline import metrics
from meta_pipeline.settings import breakdown_names
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
from meta_pipeline.sync.breakdown_names import refuse_unknown
from meta_pipeline.sync.presets import Preset, days_of
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import READER

from .console import account, add_row, console, day, say, styled, table, write_json
from .database import opened, refuse_another_version

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

_STOPPED = 130
_MARKS = {
    Status.SUCCESS: ("✓", "green"),
    Status.PARTIAL: ("~", "yellow"),
    Status.THROTTLED: ("…", "yellow"),
    Status.REFUSED: ("-", "yellow"),
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
    the account runs, 130 stopped while the daily metrics were made (the sync itself had ended).
    """
    told = _Told()
    with _engine() as engine:
        with _stoppable(engine):
            request = _request(
                engine, account_id, since, until, preset, only, with_, breakdown, force
            )
            record = engine.sync(request, told.note if as_json else told.say)
        settled, is_stopped = _settled(engine, record)
    if as_json:
        write_json(record.row())
    else:
        _print_record(record, told)
        if settled:
            say(f"  {settled}")
    raise typer.Exit(_STOPPED if is_stopped else record.exit_code)


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
    with _engine(migrates=False) as engine:
        request = _request(engine, account_id, since, until, preset, only, with_, breakdown, force)
        _print_plan(engine.plan(request), engine)


@contextmanager
def _engine(*, migrates: bool = True) -> Iterator[SyncEngine]:
    """The engine; unless it `migrates`, tables of an older version are refused, not changed."""
    with opened(with_graph=True) as (settings, url):
        if not migrates:
            with Warehouse(url, max_connections=1, patience=READER) as warehouse:
                refuse_another_version(warehouse, or_none=True)
        with SyncEngine.open(settings, url) as engine:
            yield engine


@contextmanager
def _stoppable(engine: SyncEngine) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the sync after the slice it is writing; a second
    one at once. Under nohup it goes on.
    """

    def stop(number: int, _: object) -> None:
        engine.stop()
        signal.signal(number, signal.default_int_handler)

    with _handled(stop):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let the handler have Ctrl-C, SIGTERM and, unless nohup ignores it, SIGHUP."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


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
        tables = tuple(breakdown_names(one) for one in breakdown or ())
        for names in tables:
            refuse_unknown(names, engine.client.version)
        return SyncRequest(
            account_id=account_id,
            parts=parts | ({Part.BREAKDOWNS} if breakdown else frozenset()),
            since=first,
            until=last,
            force=force,
            breakdowns=tables,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _settled(engine: SyncEngine, record: SyncRecord) -> tuple[str | None, bool]:
    """What `_settle` says, and whether Ctrl-C or SIGTERM ended it: Postgres is told to stop too."""
    with _handled(signal.default_int_handler):
        try:
            return _settle(engine, record), False
        except KeyboardInterrupt:
            told = "stopped while the daily metrics were made: what is left is made by the next "
            return f"{told}sync, or by meta-pipeline metrics rollup", True


def _settle(engine: SyncEngine, record: SyncRecord) -> str | None:
    """Bring the daily metrics up to the rows, and compare the ads with the account's own row.

    Days that an earlier sync left behind, because it was stopped or failed, are made here too.
    """
    with engine.warehouse.connection() as connection:
        rolled_up = metrics.rollup(connection, record.account_id)
        if record.since is None or record.until is None or not record.insights_rows_read:
            return f"{len(rolled_up.days)} days rolled up" if rolled_up.days else None
        compared = metrics.reconcile(connection, record.account_id, record.since, record.until)
    checked = [one for one in compared if not one.is_unchecked]
    differing = [one for one in checked if not one.is_ok]
    told = f"{len(rolled_up.days)} days rolled up"
    if not checked:
        return f"{told}; ad rows are compared when the account's own row is read, once a day"
    if not differing:
        # A day that nothing was compared with proves nothing, however many others agree.
        on = "" if len(checked) == len(compared) else f" on {len(checked)} of {len(compared)} days"
        return f"{told}; ad rows and account rows agree{on}"
    return f"{told}; {len(differing)} days differ: {differing[0].explanation}"


class _Told:
    """What a sync told while it ran: the account's own rows are proofs, not rows of ads."""

    def __init__(self) -> None:
        self.account_rows = 0

    def note(self, step: Progress) -> None:
        self.account_rows = step.account_rows

    def say(self, step: Progress) -> None:
        self.note(step)
        rows = step.rows - step.account_rows
        say(
            f"{step.account_id}  {step.message:<42} {rows:>9,} rows  {step.calls:>4} calls  "
            f"{step.seconds:6.1f} s"
        )


def _print_record(record: SyncRecord, told: _Told) -> None:
    say(
        styled(*_MARKS.get(record.status, ("✗", "red"))),
        f" {record.account_id} {record.status}: {_read(record, told)}, "
        f"{record.meta_call_count_total} calls, {record.duration_seconds:.1f} s",
    )
    if record.error_summary:
        say(f"  {record.error_summary}")
    for missing in record.missing[1:]:
        say(f"  {missing}")


def _read(record: SyncRecord, told: _Told) -> str:
    """What arrived, in words."""
    entities = record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched
    has_read = (record.entity_fetch_ms, record.insights_fetch_ms) != (None, None)
    if record.status is Status.SUCCESS and not has_read:
        return "all fresh, nothing was due (--force reads it anyway)"
    rows = record.insights_rows_read - told.account_rows
    proofs = f" and {told.account_rows:,} of the account itself" if told.account_rows else ""
    return (
        f"{entities:,} entities, {rows:,} insight rows{proofs} "
        f"({record.insights_rows_written:,} new or changed)"
    )


def _print_plan(planned: Plan, engine: SyncEngine) -> None:
    if planned.is_empty:
        say(f"{planned.account_id}: all fresh, nothing is due.")
    else:
        say(f"Plan for {planned.account_id}")
        console.print(_table(planned))
    obstacle = engine.obstacle(planned)
    if obstacle:
        say(styled("…", "yellow"), f" It would not start now: {obstacle}")
    for sentence in (*planned.notes, *engine.estimate(planned).sentences()):
        say(sentence)


def _table(planned: Plan) -> Table:
    numbers = ("days", "rows", "calls")
    shown = table("what", "how", *numbers, right=numbers, whole=numbers)
    if planned.reads_account:
        add_row(shown, "account", "node", "", "1", "1")
    for edge in planned.edges:
        rows = f"{edge.expected_rows:,}" if edge.expected_rows else "?"
        add_row(shown, edge.spec.edge, str(edge.mode), "", rows, str(edge.calls))
    for window in planned.windows:
        how = "report" if window.as_report else "pages"
        rows = f"{window.expected_rows:,}" if window.expected_rows else "?"
        what = f"{window.dataset.name} {window.since} … {window.until}"
        add_row(shown, what, how, str(window.days), rows, str(window.calls))
    return shown
