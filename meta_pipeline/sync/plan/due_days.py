"""Due days: which days of each dataset are to be read now, and which rows prove them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meta_pipeline.model.part import Part
from meta_pipeline.sync.days import SLACK, Restatement, due, is_final, is_open, pause, span
from meta_pipeline.sync.request import SyncRequest
from meta_pipeline.sync.rows.datasets import Dataset

from .policy import PlanPolicy
from .stored import StoredAccount
from .windows import Windows


@dataclass(frozen=True)
class DueDays:
    """Says which days are due by what is stored and what is asked, at `now`."""

    request: SyncRequest
    state: StoredAccount
    policy: PlanPolicy
    now: datetime
    windows: Windows

    def of(
        self, wanted: Sequence[Dataset], firsts: Mapping[Dataset, date], until: date
    ) -> dict[Dataset, list[date]]:
        """The days of each dataset that are due."""
        due_days = {dataset: self._due(dataset, firsts[dataset], until) for dataset in wanted}
        numbers = [dataset for dataset in wanted if dataset.part is Part.INSIGHTS]
        proven = [dataset for dataset in numbers if not dataset.is_proof]
        # A proof in doubt is settled by what it proves.
        doubtful = {
            day
            for proof in numbers
            if proof.is_proof
            for day in due_days[proof]
            if (known := self.state.ledgers.get(proof.name, {}).get(day)) and is_open(known)
        }
        for dataset in proven:
            due_days[dataset] = sorted({*due_days[dataset], *doubtful}, reverse=True)
        if proven and not self.request.force:
            # By the windows, not by the days that are due: a window also reads what lies between.
            windows = (
                each for dataset in proven for each in self.windows.of(dataset, due_days[dataset])
            )
            read = {day for window in windows for day in span(window.since, window.until)}
            due_days |= {
                proof: self._proofs(proof, due_days[proof], read)
                for proof in numbers
                if proof not in proven
            }
        return due_days

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
            if is_due_again(self.now, known[day].fetched_at, min(every, self._until_proven(day)))
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
        # A day that has only begun has little to prove yet: that is not worth a call.
        just_begun = days == [self.windows.today]
        return [] if proof and ledger and just_begun and not self.request.force else days

    def _due_periods(self, dataset: Dataset, since: date, until: date) -> list[date]:
        """First days of the periods that are due: each as its last day would be, newest first."""
        known = self.state.ledgers.get(dataset.name, {})
        # A month is as old as its last day: until that one is settled, its row goes on moving.
        starts = dataset.starts(since, self.windows.last_day(dataset, until))
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
            for day, known in sorted(self.windows.ledger(dataset).items(), reverse=True)
            if since <= dataset.last_of(day)
            and day <= until
            and known.fetched_at < late.since
            and (self.request.force or day not in done)
        ]

    def _fresh_of(self, dataset: Dataset) -> timedelta:
        """How old a reading may be, whatever its day; a custom report has a cadence of its own."""
        if dataset.report is None:
            return fresh_for(self.request, self.policy)
        return min(dataset.report.every, self.request.max_age or dataset.report.every)

    def _restatement_of(self, dataset: Dataset) -> Restatement:
        written = dataset.report.restatement if dataset.report else None
        own = self.policy.restatement if written is None else Restatement.parse(written)
        return own if self.request.max_age is None else own.today(self.request.max_age)


def fresh_for(request: SyncRequest, policy: PlanPolicy) -> timedelta:
    """How old a reading may be: as the settings say, and no older than what is asked for."""
    return min(policy.fresh, request.max_age or policy.fresh)


def is_due_again(now: datetime, last: datetime | None, every: timedelta) -> bool:
    """Whether what was read `last` is to be read again."""
    # `max` stands for never: what nobody asks for again counts the first time only.
    if last is None or every == timedelta.max:
        return last is None
    return now - last >= every * SLACK
