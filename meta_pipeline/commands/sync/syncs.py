"""Syncs: those of one command line, one account after the other, and what is told of them."""

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from meta_pipeline import metrics
from meta_pipeline.commands.terminal.console import console, say, styled, warn, write_json
from meta_pipeline.printable import one_line
from meta_pipeline.sync import Progress, Status, SyncEngine, SyncRun

from .wanted import Wanted

# What a shell says of a command that Ctrl-C ended: 128 and the number of SIGINT.
_STOPPED = 130
_GRAVEST = (Status.FAIL, Status.PARTIAL, Status.THROTTLED, Status.REFUSED, Status.SUCCESS)
"""Of several accounts the exit code is that of the gravest outcome."""
_MARKS = {
    Status.SUCCESS: ("✓", "green"),
    Status.PARTIAL: ("~", "yellow"),
    Status.THROTTLED: ("…", "yellow"),
    Status.REFUSED: ("-", "yellow"),
}


def run(
    engine: SyncEngine, wanted: Wanted, ids: Sequence[str], *, as_json: bool, is_one: bool
) -> int:
    """Sync the accounts one after the other, print what happens, and give the exit code."""
    syncs = Syncs(engine, wanted, ids)
    try:
        for record, told, settled in syncs.each(is_silent=as_json):
            if not as_json:
                _print_record(record, told)
                if settled:
                    say(f"  {settled}")
    finally:  # what was done is told, also when the database goes away in between
        records = [record.row() for record in syncs.records]
        if as_json and records:
            write_json(records[0] if is_one else records)
    if as_json and not records:
        write_json([])
    if not as_json and not is_one:
        say(_together(syncs.records))
    left = len(ids) - len(syncs.records)
    if left:
        warn(f"Stopped: {left} of {len(ids)} ad accounts were not begun.")
    return syncs.exit_code


_UNSETTLED = (
    "stopped while the daily metrics were made: what is left is made by the next sync, or by "
    "meta-pipeline metrics rollup"
)


class Syncs:
    """The syncs of one command line, one account after the other; Ctrl-C ends them all."""

    def __init__(self, engine: SyncEngine, wanted: Wanted, ids: Sequence[str]) -> None:
        self._engine = engine
        self._ids = ids
        # All before the first sync: a day that turns at midnight must not move the range in
        # between.
        self._requests = [wanted.request(engine, account_id) for account_id in ids]
        self._is_stopped = False
        self._is_cut = False
        self.records: list[SyncRun] = []

    def each(self, *, is_silent: bool) -> "Iterator[tuple[SyncRun, _Told, str | None]]":
        """Each record with what was told on the way and of its daily metrics."""
        for number, request in enumerate(self._requests, start=1):
            told = _Told()
            with self._stoppable():
                if len(self._ids) > 1 and not is_silent:
                    stored = self._engine.warehouse.accounts.get(request.account_id)
                    name = one_line(stored.name or "") if stored else ""
                    heading = f"{number} of {len(self._ids)}: {request.account_id} {name}"
                    say(styled(heading.rstrip(), "bold"))
                record = self._engine.sync(request, told.note if is_silent else told.say)
            self.records.append(record)
            # Ctrl-C or SIGTERM ends this one at once: Postgres is told to stop, too.
            with _handled(signal.default_int_handler):
                try:
                    settled = _settle(self._engine, record)
                except KeyboardInterrupt:
                    settled, self._is_cut = _UNSETTLED, True
            yield record, told, settled
            if self._is_stopped or self._is_cut:
                return

    @property
    def exit_code(self) -> int:
        if self._is_cut:
            return _STOPPED
        codes = {record.status: record.exit_code for record in self.records}
        gravest_first = [codes[status] for status in _GRAVEST if status in codes]
        return gravest_first[0] if gravest_first else 0

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and a closed terminal end the sync after the slice it is writing; a
        second one at once. Under nohup it goes on.
        """

        def stop(number: int, _: object) -> None:
            self._is_stopped = True
            self._engine.stop()
            # A second signal is for somebody who does not want to wait for the slice.
            signal.signal(number, signal.default_int_handler)

        with _handled(stop):
            yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let the handler have Ctrl-C, SIGTERM and, unless nohup ignores it, SIGHUP."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    # nohup ignores it on purpose.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _settle(engine: SyncEngine, record: SyncRun) -> str | None:
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
        """A line of the step; two where it is longer than the terminal is wide."""
        self.note(step)
        told = f"{step.message:<42} {step.facts}"
        say(told if len(told) <= console.width else f"{step.message}\n  {step.facts}")


def _print_record(record: SyncRun, told: _Told) -> None:
    entities = record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched
    has_read = (record.entity_fetch_ms, record.insights_fetch_ms) != (None, None)
    if record.status is Status.SUCCESS and not has_read:
        read = "all fresh, nothing was due (--force reads it anyway)"
    else:
        rows = record.insights_rows_read - told.account_rows
        proofs = f" and {told.account_rows:,} of the account itself" if told.account_rows else ""
        read = (
            f"{entities:,} entities, {rows:,} insight rows{proofs} "
            f"({record.insights_rows_written:,} new or changed)"
        )
    say(
        styled(*_MARKS.get(record.status, ("✗", "red"))),
        f" {record.account_id} {record.status}: {read}, "
        f"{record.meta_call_count_total} calls, {record.duration_seconds:.1f} s",
    )
    if record.error_summary:
        say(f"  {record.error_summary}")
    for missing in record.missing[1:]:
        say(f"  {missing}")


def _together(records: Iterable[SyncRun]) -> str:
    """What came of several accounts, in one line."""
    done = list(records)
    counts = [
        f"{count} {status}"
        for status in reversed(_GRAVEST)
        if (count := sum(one.status is status for one in done))
    ]
    calls = sum(one.meta_call_count_total for one in done)
    seconds = sum(one.duration_seconds for one in done)
    return (
        f"{len(done)} ad accounts: {', '.join(counts) or 'none'}; {calls:,} calls, {seconds:.1f} s"
    )
