"""Wanted: what a command line asks a sync to read, the same for `plan`, `sync` and `backfill`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Self

import typer

from meta_pipeline.commands.database import opened, refuse_another_version
from meta_pipeline.commands.terminal.options import PRESET, days
from meta_pipeline.settings import breakdown_names
from meta_pipeline.sync import DEFAULT_PARTS, LateField, Part, SyncEngine, SyncRequest
from meta_pipeline.sync.plan.presets import Preset, days_of
from meta_pipeline.sync.rows.breakdown_names import refuse_unknown
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import READER

if TYPE_CHECKING:
    from meta_pipeline.custom_reports import CustomReport
    from meta_pipeline.settings import Settings

PresetOption = Annotated[Preset | None, PRESET]
_PARTS = f"may be repeated. One of {', '.join(Part)}."
Only = Annotated[
    list[Part] | None,
    typer.Option("--only", metavar="PART", help=f"Sync only this part; {_PARTS}"),
]
With = Annotated[
    list[Part] | None,
    typer.Option("--with", metavar="PART", help=f"Sync this part too, on or off; {_PARTS}"),
]
Breakdown = Annotated[
    list[str] | None, typer.Option("--breakdown", help="Breakdowns to read, as age,gender.")
]
Report = Annotated[
    list[str] | None,
    typer.Option("--report", help="Custom report to read, by its name; may be repeated."),
]
Force = Annotated[bool, typer.Option("--force", help="Read also what is fresh.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Days, parts, breakdowns and reports as typed; an account's own request follows from it."""

    since: date | None = None
    until: date | None = None
    preset: Preset | None = None
    parts: frozenset[Part] | None = None
    """Those named; None for what a sync brings and the settings switch on."""
    besides: frozenset[Part] = frozenset()
    """Parts that come to them in either case."""
    breakdowns: tuple[tuple[str, ...], ...] = ()
    """Tables of breakdowns, each as Meta's names of its dimensions."""
    reports: tuple[str, ...] = ()
    """Custom reports by name."""
    late_field: LateField | None = None
    """A field that was added to a report later: read alone for the days without it."""
    force: bool = False
    """Read also what is fresh."""
    reason: str = "manual"
    """Why, for the record of the sync."""

    @classmethod
    def of(
        cls,
        since: str | None = None,
        until: str | None = None,
        preset: Preset | None = None,
        only: Sequence[Part] | None = None,
        with_: Sequence[Part] | None = None,
        breakdown: Sequence[str] | None = None,
        report: Sequence[str] | None = None,
        *,
        force: bool = False,
        reason: str = "manual",
    ) -> Self:
        """What was typed, if it can be; wrong usage says what cannot."""
        first, last = days(since, until, preset) or (None, None)
        if until is None:
            last = None  # each account's own today
        try:
            tables = tuple(breakdown_names(one) for one in breakdown or ())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        besides = frozenset(with_ or ()) | ({Part.BREAKDOWNS} if tables else frozenset())
        besides |= {Part.REPORTS} if report else frozenset()
        parts = frozenset(only) if only else None
        return cls(
            first,
            last,
            preset,
            parts,
            besides,
            tables,
            reports=tuple(dict.fromkeys(report or ())),
            force=force,
            reason=reason,
        )

    def check(self, api_version: str, known: Sequence[CustomReport] = ()) -> None:
        """Wrong usage when a breakdown is none of this API version's, a report none of the file."""
        try:
            for names in self.breakdowns:
                refuse_unknown(names, api_version)
            for name in self.reports:
                if all(name != one.name for one in known):
                    listed = ", ".join(one.name for one in known) or "none"
                    raise ValueError(f"There is no report {name!r}; META_REPORTS_FILE has {listed}")
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    def request(self, engine: SyncEngine, account_id: str) -> SyncRequest:
        """The request of one account; a preset is counted from its own today."""
        first, last = self.since, self.until
        if self.preset is not None:
            first, last = days_of(self.preset, engine.today(account_id))
        parts = self.parts
        if parts is None:
            parts = DEFAULT_PARTS | engine.extras.on(account_id)
        return SyncRequest(
            account_id=account_id,
            parts=parts | self.besides,
            since=first,
            until=last,
            force=self.force,
            breakdowns=self.breakdowns,
            reports=self.reports,
            late_field=self.late_field,
            reason=self.reason,
        )


@contextmanager
def opened_engine(*, migrates: bool = True) -> Iterator[tuple[Settings, SyncEngine]]:
    """The settings and the sync engine on the database this command works on.

    Unless it `migrates`, tables of an older version are refused, not changed.
    """
    with opened(with_graph=True) as (settings, url):
        if not migrates:
            # On a connection of its own, closed before the engine opens, which would migrate.
            with Warehouse(url, max_connections=1, patience=READER) as warehouse:
                refuse_another_version(warehouse, or_none=True)
        with SyncEngine.open(settings, url) as engine:
            yield settings, engine
