"""Makes plans: a pure function of what is stored and what is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.model.level import LEVELS
from meta_pipeline.model.part import EXTRAS, Part
from meta_pipeline.sync.days import (
    SLACK,
    Restatement,
    due,
    is_final,
    is_open,
    oldest,
    pause,
    runs,
    span,
    today,
)
from meta_pipeline.sync.request import SyncRequest
from meta_pipeline.sync.rows import datasets
from meta_pipeline.sync.rows.datasets import Dataset
from meta_pipeline.sync.rows.fields import ENTITY_SPECS, EntitySpec
from meta_pipeline.warehouse import CursorRow, WindowRow

from .edge_plan import EdgePlan, Mode, statuses_hash
from .plan import Plan
from .policy import PlanPolicy
from .ranges import bridged, longest, rows_per_day
from .stored import StoredAccount
from .window import Window

# As pages they would be more calls than a report, and Meta is likelier to find them too slow.
_REPORT_FROM_ROWS = 20_000
# So few pages with all fields cost no more than a delta and a scan, and show more.
_SMALL_EDGE_PAGES = 2


def make_plan(
    request: SyncRequest, state: StoredAccount, policy: PlanPolicy, now: datetime
) -> Plan:
    """Plan a sync: which edges and how, which windows, what is left out as fresh."""
    return _Planner(request, state, policy, now).plan()


@dataclass(frozen=True)
class _Planner:
    request: SyncRequest
    state: StoredAccount
    policy: PlanPolicy
    now: datetime

    @property
    def _fresh(self) -> timedelta:
        return min(self.policy.fresh, self.request.max_age or self.policy.fresh)

    @property
    def _restatement(self) -> Restatement:
        max_age = self.request.max_age
        return (
            self.policy.restatement if max_age is None else self.policy.restatement.today(max_age)
        )

    def plan(self) -> Plan:
        if self.request.objects:
            return Plan(
                self.request.account_id,
                self.state.timezone_name,
                since=None,
                until=None,
                objects=self.request.objects,
            )
        wanted = self._datasets()
        since, until, notes = self._range(wanted)
        firsts = {one: max(self._first_day(one, until), since) for one in wanted}
        days = self._days(wanted, firsts, until)
        unlisted = self._unlisted(dataset for dataset, due_days in days.items() if due_days)
        if unlisted:
            names = ", ".join(ENTITY_SPECS[part].edge for part in unlisted)
            notes.append(f"{names} are listed too: insights mention them and no table has them yet")
        windows = [one for dataset in wanted for one in self._windows(dataset, days[dataset])]
        asked = sum(
            len(one.starts(first, self._last_day(one, until)))
            for one, first in firsts.items()
            if one.only is None
        )
        return Plan(
            account_id=self.request.account_id,
            timezone_name=self.state.timezone_name,
            since=since if wanted and since <= until else None,
            until=until if wanted and since <= until else None,
            edges=tuple(self._edges({*self.request.parts, *unlisted})),
            windows=tuple(sorted(windows, key=_order)),
            activities_since=self._activities_since(),
            notes=tuple(notes),
            first_days={}
            if self.request.since
            else {one.name: first for one, first in firsts.items() if one.only is None},
            days_fresh=max(0, asked - sum(len(due_days) for due_days in days.values())),
            days_later=sum(self._later(dataset, due_days) for dataset, due_days in days.items()),
        )

    def _first_day(self, dataset: Dataset, until: date) -> date:
        """Where the days of a dataset begin: the setting limits the first reading only.

        What was read once is kept up, also the gaps in it, however small the setting is now.
        """
        if self.request.since:
            return self.request.since
        report = dataset.report
        days = (report.backfill_days if report else None) or self.policy.backfill_days
        backfill = until - timedelta(days=days - 1)
        return min(backfill, self.state.first_days.get(dataset.whole.name, backfill))

    def _range(self, wanted: Sequence[Dataset]) -> tuple[date, date, list[str]]:
        current = today(self.now, self.state.timezone_name)
        earliest = oldest(current)
        until = min(self.request.until or current, current)
        first = min((self._first_day(one, until) for one in wanted), default=until)
        since = self.request.since or max(first, earliest)
        notes = []
        if self.request.until and self.request.until > current:
            notes.append(f"until moved from {self.request.until} to {current}, the account's today")
        if since < earliest:
            notes.append(f"since moved from {since} to {earliest}: Meta keeps 37 months")
            since = earliest
        if until < earliest:
            notes.append(f"no days: {until} is before {earliest}, the oldest that Meta keeps")
        elif since > until:
            notes.append(f"since moved from {since} to {until}, the last day asked for")
            since = until
        return since, until, notes

    def _datasets(self) -> list[Dataset]:
        parts, chosen_datasets = self.request.parts, []
        if Part.INSIGHTS in parts:
            levels = dict.fromkeys((*self.policy.levels, "account"))
            # The account's own row is read as a proof: it has what the others add up to.
            chosen_datasets += [
                datasets.daily(level, self.policy.columns if level in self.policy.levels else ())
                for level in levels
            ]
        if Part.HOURLY in parts:
            chosen_datasets.append(datasets.hourly())
        if Part.BREAKDOWNS in parts:
            chosen = self.request.breakdowns or self.policy.breakdowns
            chosen_datasets += [datasets.broken_down(names) for names in chosen]
        if Part.REPORTS in parts:
            late = self.request.late_field
            chosen_datasets += [
                datasets.custom(one, late.name if late else None) for one in self._reports()
            ]
        return chosen_datasets

    def _reports(self) -> Iterator[CustomReport]:
        """The custom reports that are for the account, or those of them that are named."""
        for report in self.policy.reports:
            is_named = not self.request.reports or report.name in self.request.reports
            if is_named and report.is_for(self.request.account_id):
                yield report

    def _days(
        self, wanted: Sequence[Dataset], firsts: Mapping[Dataset, date], until: date
    ) -> dict[Dataset, list[date]]:
        """The days of each dataset that are due."""
        due_days = {dataset: self._due(dataset, firsts[dataset], until) for dataset in wanted}
        numbers = [dataset for dataset in wanted if dataset.part is Part.INSIGHTS]
        proven = [dataset for dataset in numbers if not dataset.is_proof]
        for dataset in proven:  # a proof in doubt is settled by what it proves
            doubtful = {
                day
                for proof in numbers
                if proof.is_proof
                for day in self._doubtful(proof, due_days[proof])
            }
            due_days[dataset] = sorted({*due_days[dataset], *doubtful}, reverse=True)
        if proven and not self.request.force:
            windows = (
                each for dataset in proven for each in self._windows(dataset, due_days[dataset])
            )
            read = {day for window in windows for day in span(window.since, window.until)}
            due_days |= {
                proof: self._proofs(proof, due_days[proof], read)
                for proof in numbers
                if proof not in proven
            }
        return due_days

    def _doubtful(self, dataset: Dataset, days: Iterable[date]) -> Iterator[date]:
        ledger = self.state.ledgers.get(dataset.name, {})
        return (day for day in days if day in ledger and is_open(ledger[day]))

    def _proofs(self, proof: Dataset, days: Collection[date], read: set[date]) -> list[date]:
        """The days whose account row is read.

        It proves what the other rows of its day add up to if both are read together: it goes with
        them, once a day, and each time that they are read because they were not proven, or for the
        last time. It is read alone where it is missing, and for the last time.
        """
        known = self.state.ledgers.get(proof.name, {})
        every, zone_name = self.policy.account_rows_every, self.state.timezone_name
        alone = {day for day in days if day not in known or is_final(day, self.now, zone_name)}
        together = read & known.keys()
        joint = {
            day
            for day in together
            if self._is_due(known[day].fetched_at, min(every, self._until_proven(day)))
            or (
                is_final(day, self.now, zone_name)
                and not is_final(day, known[day].fetched_at, zone_name)
            )
        }
        if joint:  # what lies between costs no call more
            joint |= {day for day in together if min(joint) < day < max(joint)}
        return sorted(alone | joint, reverse=True)

    def _until_proven(self, day: date) -> timedelta:
        """How long a day waits for its proof; for ever, where nothing asks for one."""
        pauses = [
            pause(ledger[day].unproven_reads)
            for name, ledger in self.state.ledgers.items()
            if name.startswith("insights_") and day in ledger and is_open(ledger[day])
        ]
        return min(pauses, default=timedelta.max)

    def _due(self, dataset: Dataset, since: date, until: date) -> list[date]:
        if dataset.only is not None:
            return self._without_field(dataset, since, until)
        if not dataset.is_daily:
            return self._due_periods(dataset, since, until)
        # Once a day is often enough for a proof.
        proof = dataset.is_proof
        ledger = self.state.ledgers.get(dataset.name, {})
        days = due(
            since,
            until,
            ledger,
            now=self.now,
            timezone_name=self.state.timezone_name,
            restatement=self._restatement_of(dataset),
            fresh=self.policy.account_rows_every if proof else self._fresh_of(dataset),
            force=self.request.force,
        )
        just_begun = days == [today(self.now, self.state.timezone_name)]
        return [] if proof and ledger and just_begun and not self.request.force else days

    def _due_periods(self, dataset: Dataset, since: date, until: date) -> list[date]:
        """First days of the periods that are due: each as its last day would be, newest first."""
        known = self.state.ledgers.get(dataset.name, {})
        starts = dataset.starts(since, self._last_day(dataset, until))
        ends = {dataset.last_of(start): start for start in starts}
        if not ends:
            return []
        days = due(
            min(ends),
            max(ends),
            {end: known[start] for end, start in ends.items() if start in known},
            now=self.now,
            timezone_name=self.state.timezone_name,
            restatement=self._restatement_of(dataset),
            fresh=self._fresh_of(dataset),
            force=self.request.force,
        )
        return [ends[day] for day in days if day in ends]

    def _without_field(self, dataset: Dataset, since: date, until: date) -> list[date]:
        """Days that were read before their report had the field, and not for it since."""
        late, done = self.request.late_field, self.state.ledgers.get(dataset.name, {})
        assert late is not None  # such a dataset comes of nothing else
        return [
            day
            for day, known in sorted(self._ledger(dataset).items(), reverse=True)
            if since <= dataset.last_of(day)
            and day <= until
            and known.fetched_at < late.since
            and (self.request.force or day not in done)
        ]

    def _ledger(self, dataset: Dataset) -> Mapping[date, WindowRow]:
        """What was read of it; of a field that is late, of all its report."""
        return self.state.ledgers.get(dataset.whole.name, {})

    def _last_day(self, dataset: Dataset, until: date) -> date:
        """A rolling span ends yesterday: the day that goes on would make each row another one."""
        yesterday = today(self.now, self.state.timezone_name) - timedelta(days=1)
        return min(until, yesterday) if dataset.increment == "all_days" else until

    def _fresh_of(self, dataset: Dataset) -> timedelta:
        """How old a reading may be, whatever its day; a custom report has a cadence of its own."""
        if dataset.report is None:
            return self._fresh
        return min(dataset.report.every, self.request.max_age or dataset.report.every)

    def _restatement_of(self, dataset: Dataset) -> Restatement:
        written = dataset.report.restatement if dataset.report else None
        if written is None:
            return self._restatement
        own, max_age = Restatement.parse(written), self.request.max_age
        return own if max_age is None else own.today(max_age)

    def _period_windows(self, dataset: Dataset, starts: list[date]) -> Iterator[Window]:
        """Neighbouring periods together, as many as fill a few pages; one, until that is known."""
        ledger = self._ledger(dataset)
        each, page_size = rows_per_day(dataset, ledger), self.policy.page_sizes.insights
        current = self._last_day(dataset, today(self.now, self.state.timezone_name))
        at_most = longest(each, page_size) if each is not None else 1
        for together in list(_neighbours(dataset, starts, at_most))[: 1 if each is None else None]:
            last = min(dataset.last_of(together[0]), current)
            expected = round((each or 0) * len(together))
            yield Window(
                dataset,
                together[-1],
                last,
                page_size,
                expected,
                as_report=expected > _REPORT_FROM_ROWS,
                is_reread=any(start in ledger for start in together),
            )

    def _windows(self, dataset: Dataset, days: list[date]) -> Iterator[Window]:
        if not dataset.is_daily:
            yield from self._period_windows(dataset, days)
            return
        ledger = self._ledger(dataset)
        per_day, page_size = rows_per_day(dataset, ledger), self.policy.page_sizes.insights
        if per_day is None:  # the newest days first; the others when these have shown their size
            ranges = list(runs(days, self.policy.window_days))[:1]
        else:
            ranges = list(runs(days, longest(per_day, page_size)))
            if not dataset.is_proof:  # a proof without the ads of its day proves nothing
                ranges = bridged(ranges, per_day, page_size)
        for first, last in ranges:
            expected = round((per_day or 0) * ((last - first).days + 1))
            yield Window(
                dataset,
                first,
                last,
                page_size,
                expected,
                as_report=expected > _REPORT_FROM_ROWS,
                is_reread=any(day in ledger for day in span(first, last)),
            )

    def _later(self, dataset: Dataset, days: list[date]) -> int:
        """Days of a dataset of unknown size that wait for its newest window."""
        ledger = self._ledger(dataset)
        if rows_per_day(dataset, ledger) is not None or not days:
            return 0
        if not dataset.is_daily:
            return len(days) - 1
        since, until = next(runs(days, self.policy.window_days))
        return len(days) - (until - since).days - 1

    def _unlisted(self, datasets: Iterable[Dataset]) -> list[Part]:
        """What insights are going to mention and no listing has shown: by id each is a call."""
        finest = max((LEVELS.index(dataset.level) for dataset in datasets), default=0)
        return [
            part
            for part, spec in ENTITY_SPECS.items()
            if spec.prefix in LEVELS[1 : finest + 1]
            and part not in self.request.parts
            and not _is_listed(self.state.cursors.get(spec.edge))
        ]

    def _edges(self, parts: Collection[Part]) -> Iterator[EdgePlan]:
        for part, spec in ENTITY_SPECS.items():
            if part in parts:
                for mode in self._modes(spec):
                    cursor = self.state.cursors.get(spec.edge)
                    yield EdgePlan(
                        spec,
                        mode,
                        self.policy.page_sizes.of(part),
                        expected_rows=None if mode is Mode.DELTA else self.state.stored.get(part),
                        changed_since=cursor.updated_since if cursor else None,
                    )

    def _modes(self, spec: EntitySpec) -> tuple[Mode, ...]:
        """How an edge is due to be read now; more than one reading in the order given."""
        cursor = self.state.cursors.get(spec.edge)
        if self.request.force or cursor is None or not _is_listed(cursor):
            return (Mode.FULL,)
        if not self._is_due(cursor.last_fetched_at, self._fresh):
            return ()
        has_delta = bool(spec.statuses)
        every = self.policy.scan_every if has_delta else self.policy.creatives_every
        is_valid = cursor.updated_since is not None and cursor.statuses_hash == statuses_hash(spec)
        if has_delta and not is_valid:
            return (Mode.FULL,)
        if not self._is_due(cursor.last_full_at, every):
            return (Mode.DELTA,) if has_delta else ()
        small = (self.state.stored.get(spec.part) or 0) <= self.policy.page_sizes.of(
            spec.part
        ) * _SMALL_EDGE_PAGES
        return (Mode.FULL,) if small or not has_delta else (Mode.DELTA, Mode.SCAN)

    def _activities_since(self) -> datetime | None:
        if Part.ACTIVITIES not in self.request.parts:
            return None
        cursor = self.state.cursors.get("activities")
        if cursor is None or cursor.updated_since is None or self.request.force:
            backfill = self.now - timedelta(days=self.policy.backfill_days)
            known = cursor.updated_since if cursor else None
            return min(backfill, known - timedelta(hours=1)) if known else backfill
        is_due = self._is_due(cursor.last_fetched_at, self._fresh)
        return cursor.updated_since - timedelta(hours=1) if is_due else None

    def _is_due(self, last: datetime | None, every: timedelta) -> bool:
        if last is None or every == timedelta.max:
            return last is None
        return self.now - last >= every * SLACK


def _neighbours(dataset: Dataset, starts: Sequence[date], at_most: int) -> Iterator[list[date]]:
    """Periods (newest first) that follow on each other, at most so many together."""
    together: list[date] = []
    for start in starts:
        follows = together and dataset.last_of(start) + timedelta(days=1) == together[-1]
        if together and (not follows or len(together) >= at_most):
            yield together
            together = []
        together.append(start)
    if together:
        yield together


def _order(window: Window) -> tuple[bool, int]:
    """Newest days first, and extras after all the numbers that everybody reads."""
    return window.dataset.part in EXTRAS, -window.until.toordinal()


def _is_listed(cursor: CursorRow | None) -> bool:
    """Whether an edge was ever read to its end."""
    return cursor is not None and cursor.last_full_at is not None
