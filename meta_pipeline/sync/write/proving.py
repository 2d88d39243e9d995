"""The proof of a sync's days: judged as their windows close, in the same transaction.

Whichever of a day's rows and the account's own row is read last brings the verdict. What it comes
to is in the ledger; what a sync has to say of it is in `missing`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from meta_pipeline.model.missing import Missing
from meta_pipeline.model.money import half_a_unit
from meta_pipeline.moments import past
from meta_pipeline.sync.days import SLACK, end_of_day, is_final, pause, runs, span, today
from meta_pipeline.sync.plan.window import Window
from meta_pipeline.sync.rows import datasets
from meta_pipeline.sync.rows.datasets import Dataset
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.warehouse import (
    Connection,
    InsightsRead,
    Ledger,
    ReturnedRows,
    Totals,
    WindowRow,
    one_change_per_day,
)
from meta_pipeline.words import times

from .evidence import DayOutcome, DayVerdict, Evidence, judge

_TOGETHER = timedelta(minutes=5)
"""A day that is not over moves on between two readings that lie further apart."""
_REFRESH = timedelta(minutes=15)
"""A running day is counted anew so often (FACTS section 5.5), also between two calls."""
# Ads do not deliver evenly: some hours have several times the average.
_UNEVEN = 2
_MOVES_PCT = 5
"""So much of a day that has run for long may come between two calls."""
_KNOWN_AFTER = 7
"""A difference that has lasted for so many readings is known: no sync is partial for it."""
# Thirteen months of FACTS section 5.4, counted short: near the line an empty answer is no surprise.
_CELLS_KEPT = timedelta(days=13 * 30)
_OLDEST_SHOWN = 3  # a sentence, not a list: all days are in sync_windows
_ACCOUNT_ROWS = """
    SELECT date_start, 1, coalesce(spend, 0), coalesce(impressions, 0), coalesce(clicks, 0)
    FROM meta_ads.meta_insights
    WHERE entity_type = 'account' AND entity_id = %(account_id)s
      AND date_start = ANY (%(days)s::date[]) AND date_stop = date_start
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One day as a window of this sync read it, beside what the ledger said of it before."""

    window: Window
    walks: Sequence[int]
    """Numbers of the walks over pages that brought its rows."""
    rows: int
    """How many came of this day."""
    is_silent: bool
    """Whether none came of any day of the window."""
    times: tuple[datetime, datetime]
    """When its first page was asked for, and when its last one had come."""
    reason: str | None
    """Without what it had to be read; None for a complete one, and only that is judged."""
    before: WindowRow | None
    """What the ledger said of the day until then."""

    @property
    def kept_rows(self) -> int:
        return self.before.kept_rows if self.before else 0

    @property
    def unproven_reads(self) -> int:
        return self.before.unproven_reads if self.before else 0


class Proofs:
    """Judges the days of one sync; everything happens on the connection that writes."""

    def __init__(self, ledger: Ledger, source: Source, returned: ReturnedRows) -> None:
        self._ledger = ledger
        self._source = source
        self._returned = returned
        self._proof = datasets.daily("account")
        self._readings: dict[Dataset, dict[date, Reading]] = {}
        self._verdicts: dict[Dataset, dict[date, DayVerdict]] = {}

    def closed(self, connection: Connection, readings: Mapping[date, Reading]) -> None:
        """Judge the days of a window that is marked in the ledger, and what they decide."""
        dataset = next(iter(readings.values())).window.dataset
        self._readings.setdefault(dataset, {}).update(readings)
        if dataset != self._proof:
            self._judge(connection, dataset, list(readings))
            return
        # The account's row came after rows that it proves: these are judged once more, with it.
        for other, known in self._readings.items():
            days = [day for day in readings if day in known]
            if other != self._proof and days:
                self._judge(connection, other, days)
        self._judge_proof(connection, list(readings))

    def doubtful(self) -> list[date]:
        """Days whose proof has to be read before anything can be said; newest first."""
        doubtful = {
            day
            for verdicts in self._verdicts.values()
            for day, verdict in verdicts.items()
            if verdict.outcome is DayOutcome.DOUBTFUL
        }
        # Without those whose account row this sync has read already, together with all others.
        for day, proof in self._readings.get(self._proof, {}).items():
            others = [known[day] for known in self._readings.values() if day in known]
            if all(self._are_together(day, one, proof) for one in others):
                doubtful.discard(day)
        return sorted(doubtful, reverse=True)

    def missing(self) -> list[Missing]:
        """What this sync read and cannot be believed, one for each kind of rows."""
        missing = []
        for dataset, verdicts in self._verdicts.items():
            readings = self._readings[dataset]
            bad = {
                day: verdict
                for day, verdict in sorted(verdicts.items(), reverse=True)
                if verdict.outcome in (DayOutcome.CONTRADICTED, DayOutcome.DOUBTFUL)
                and readings[day].unproven_reads < _KNOWN_AFTER
            }
            if bad:
                soonest = min(pause(readings[day].unproven_reads + 1) for day in bad)
                if dataset.report is not None:  # it is read at its own pace, and not before
                    soonest = max(soonest, dataset.report.every)
                missing.append(_not_proven(dataset, bad, soonest))
            if wiped := {day: one for day, one in sorted(verdicts.items()) if one.is_told}:
                missing.append(_wiped(dataset, wiped))
        return missing

    def wiped(self) -> list[tuple[str, date]]:
        """Dataset and day of all rows that went because Meta fell silent."""
        return [
            (dataset.name, day)
            for dataset, verdicts in self._verdicts.items()
            for day, one in sorted(verdicts.items())
            if one.is_told
        ]

    # -- judging ----------------------------------------------------------------------------------

    def _judge(self, connection: Connection, dataset: Dataset, days: Sequence[date]) -> None:
        """Days are judged by window: each has walks of its own."""
        readings = self._readings[dataset]
        windows: dict[Window, list[date]] = {}
        for day in days:
            if readings[day].reason is None:
                windows.setdefault(readings[day].window, []).append(day)
        for window, some in windows.items():
            self._judge_window(connection, window, some)

    def _judge_window(self, connection: Connection, window: Window, days: list[date]) -> None:
        dataset, account_id = window.dataset, self._source.account_id
        readings = self._readings[dataset]
        walks = readings[days[0]].walks
        scope = dataset.scope(account_id)
        keeps = self._returned.keeps(connection, scope, window.since, window.until)
        stored = self._returned.stored(connection, scope, days, walks if keeps else None)
        proofs = self._account_rows(connection, days)
        marked = self._proofs_read(connection, days)
        had_rows = {day for day in days if stored[day].all.rows}
        delivered = self._delivered(connection, window, days, had_rows, marked)
        # Cells of older days come as nothing, in silence (FACTS section 5.4).
        kept_from = today(self._source.data_as_of, self._source.timezone_name) - _CELLS_KEPT
        verdicts = {}
        for day in days:
            reading = readings[day]
            verdicts[day] = judge(
                Evidence(
                    stored=stored[day].all,
                    gone=stored[day].gone,
                    account=proofs.get(day, Totals()) if day in marked else None,
                    account_first=day in marked and marked[day].fetched_at <= reading.times[0],
                    additive=dataset.additive,
                    half_a_unit=half_a_unit(self._source.currency),
                    together=self._is_proven_with(day, reading, marked.get(day)),
                    moves_pct=self._moves_pct(day, reading),
                    comparable=self._was_over(day, reading.times[0])
                    and day in marked
                    and self._was_over(day, marked[day].fetched_at),
                    settled=self._is_settled(day, reading),
                    unproven_reads=reading.unproven_reads,
                    waits=self._waits(reading, marked.get(day)),
                    is_silent=reading.is_silent,
                    kept_rows=reading.kept_rows,
                    may_be_empty=bool(dataset.breakdowns) and day <= kept_from,
                    delivered=delivered.get(day, 0),
                )
            )
        self._remove(connection, window, walks, verdicts)
        self._verdicts.setdefault(dataset, {}).update(verdicts)
        self._ledger.judge(
            connection,
            account_id,
            dataset.name,
            {
                day: self._entry(day, readings[day], verdict, stored[day].gone.rows)
                for day, verdict in verdicts.items()
            },
        )

    def _remove(
        self,
        connection: Connection,
        window: Window,
        walks: Sequence[int],
        verdicts: Mapping[date, DayVerdict],
    ) -> None:
        now, zone_name = self._source.data_as_of, self._source.timezone_name
        ages = {
            day: (now - end_of_day(day, zone_name)).total_seconds() / 86_400
            for day, one in verdicts.items()
            if one.removes
        }
        if not ages:
            return
        reading = read_of(window.dataset, self._source)
        scope = window.dataset.scope(self._source.account_id)
        self._returned.remove(connection, scope, ages, walks, reading)
        one_change_per_day(connection, reading, list(ages))

    def _judge_proof(self, connection: Connection, days: Sequence[date]) -> None:
        """The account's row that did not come again goes with the last row it was the sum of."""
        readings = self._readings[self._proof]
        missing = [day for day in days if not readings[day].rows]
        scope = self._proof.scope(self._source.account_id)
        stored = self._returned.stored(connection, scope, missing, [])
        proven = DayVerdict(DayOutcome.PROVEN, removes=True)
        why = "the account's own row did not come again"
        contradicted = DayVerdict(DayOutcome.CONTRADICTED, reason=why)
        verdicts = {}
        for day in missing:
            if not stored[day].all.rows:
                continue
            others = [by_day[day].outcome for by_day in self._verdicts.values() if day in by_day]
            verdicts[day] = proven if set(others) == {DayOutcome.PROVEN} else contradicted
        if not verdicts:
            return
        self._remove(connection, readings[missing[0]].window, [], verdicts)
        self._verdicts.setdefault(self._proof, {}).update(verdicts)
        entries = {day: self._entry(day, readings[day], one, 0) for day, one in verdicts.items()}
        self._ledger.judge(connection, self._source.account_id, self._proof.name, entries)

    def _proofs_read(self, connection: Connection, days: Sequence[date]) -> dict[date, WindowRow]:
        """When the account's rows of the days were read; without those that were not answered."""
        account_id, now = self._source.account_id, self._readings.get(self._proof, {})
        read = self._ledger.fetched(account_id, self._proof.name, min(days), max(days), connection)
        # The ledger dates it by the sync; what was read together is a matter of minutes.
        for day in read.keys() & now.keys():
            read[day] = replace(read[day], fetched_at=now[day].times[0])
        clock = self._source.data_as_of
        return {
            day: row
            for day, row in read.items()
            if row.incomplete is None and (day in now or past(row.fetched_at, clock))
        }

    def _account_rows(self, connection: Connection, days: Sequence[date]) -> dict[date, Totals]:
        """The account's own rows; of a day that this sync read without one, none counts."""
        asked = {"account_id": self._source.account_id, "days": list(days)}
        now = self._readings.get(self._proof, {})
        return {
            day: Totals(*values)
            for day, *values in connection.execute(_ACCOUNT_ROWS, asked)
            if day not in now or now[day].rows
        }

    def _delivered(
        self,
        connection: Connection,
        window: Window,
        days: Sequence[date],
        had_rows: Collection[date],
        marked: Mapping[date, WindowRow],
    ) -> dict[date, int | None]:
        """What the account's own rows say was delivered in each period; not where none need be.

        On days that were over, or that had rows before: a day may just have begun to deliver. Of a
        single day, None where the account's row was never read.
        """
        dataset = window.dataset
        if dataset.additive or not dataset.has_all_delivery:
            return {}
        began_at = self._readings[dataset][days[0]].times[0]
        all_days = span(min(days), max(map(window.stop_of, days)))
        rows = self._account_rows(
            connection,
            [day for day in all_days if day in had_rows or self._was_over(day, began_at)],
        )
        return {
            start: None
            if dataset.is_daily and start not in marked
            else sum(
                one.impressions
                for day, one in rows.items()
                if start <= day <= window.stop_of(start)
            )
            for start in days
        }

    def _entry(self, day: date, reading: Reading, verdict: DayVerdict, gone: int) -> WindowRow:
        before = reading.before
        read_at = self._read_at(reading)
        # What is gone and yet proven is remembered, so that it raises no doubt the next time.
        if verdict.outcome is DayOutcome.PROVEN:
            is_settled, kept = self._is_settled(day, reading), 0 if verdict.removes else gone
            return WindowRow(read_at, reading.rows, is_settled, kept_rows=kept)
        if verdict.outcome is DayOutcome.OPEN:
            reason = before.incomplete if before else None
            reads, kept = reading.unproven_reads, reading.kept_rows
            return WindowRow(read_at, reading.rows, False, reason, reads, kept)
        reads = reading.unproven_reads + 1
        return WindowRow(read_at, reading.rows, False, verdict.reason, reads)

    # -- times ------------------------------------------------------------------------------------

    def _read_at(self, reading: Reading) -> datetime:
        """When the ledger says it was read."""
        return reading.window.as_of or self._source.data_as_of

    def _is_settled(self, day: date, reading: Reading) -> bool:
        last = reading.window.dataset.last_of(day)
        return is_final(last, self._read_at(reading), self._source.timezone_name)

    def _was_over(self, day: date, read_at: datetime) -> bool:
        return read_at >= end_of_day(day, self._source.timezone_name)

    def _is_proven_with(self, day: date, reading: Reading, marked: WindowRow | None) -> bool:
        proof = self._readings.get(self._proof, {}).get(day)
        if proof is not None:
            return self._are_together(day, reading, proof)
        zone_name = self._source.timezone_name
        return (
            marked is not None
            and is_final(day, marked.fetched_at, zone_name)
            and self._is_settled(day, reading)
        )

    def _moves_pct(self, day: date, reading: Reading) -> int:
        """How much of a day that was not over may have come since the first of both was read."""
        proof = self._readings.get(self._proof, {}).get(day, reading)
        began_at = min(reading.times[0], proof.times[0])
        ended_at = max(reading.times[1], proof.times[1])
        if ended_at == began_at or self._was_over(day, began_at):
            return 0
        midnight = end_of_day(day - timedelta(days=1), self._source.timezone_name)
        share = _UNEVEN * (ended_at - began_at + _REFRESH) / max(ended_at - midnight, _REFRESH)
        return min(max(_MOVES_PCT, round(100 * share)), 100)

    def _are_together(self, day: date, one: Reading, other: Reading) -> bool:
        began_at = min(one.times[0], other.times[0])
        spread = max(one.times[1], other.times[1]) - began_at
        return self._was_over(day, began_at) or spread <= _TOGETHER

    def _waits(self, reading: Reading, marked: WindowRow | None) -> bool:
        """Whether the day was unproven before and its account row is not due again yet."""
        if marked is None or not reading.unproven_reads:
            return False
        since = self._source.data_as_of - marked.fetched_at
        return timedelta(0) <= since < pause(reading.unproven_reads) * SLACK


def read_of(dataset: Dataset, source: Source) -> InsightsRead:
    """What a sync reads of a dataset, as `insights_changes` knows it."""
    return InsightsRead(
        source.account_id, dataset.level, dataset.name, source.data_as_of, source.sync_run_id
    )


def _wiped(dataset: Dataset, wiped: Mapping[date, DayVerdict]) -> Missing:
    days, newest = times(len(wiped), "day"), max(wiped)
    why = f"{days} emptied; {newest}: {wiped[newest].reason}; insights_changes has what they were"
    return Missing(why, dataset.part, dataset.name)


def _not_proven(dataset: Dataset, bad: Mapping[date, DayVerdict], soonest: timedelta) -> Missing:
    ranges = [
        str(first) if first == last else f"{first} to {last}"
        for first, last in runs(list(bad), len(bad))
    ]
    shown = ", ".join(ranges[:_OLDEST_SHOWN])
    more = f" and {len(ranges) - _OLDEST_SHOWN} more ranges" if len(ranges) > _OLDEST_SHOWN else ""
    newest, verdict = next(iter(bad.items()))
    days, hours = times(len(bad), "day"), round(soonest.total_seconds() / 3600)
    why = (
        f"{days} not proven by the account's own row ({shown}{more}); "
        f"{newest}: {verdict.reason}; read again after {hours} h"
    )
    return Missing(why, dataset.part, dataset.name)
