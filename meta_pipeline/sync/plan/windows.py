"""Windows: the days that are due, cut into ranges that Meta answers well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from meta_pipeline.sync.days import runs, span
from meta_pipeline.sync.rows.datasets import Dataset
from meta_pipeline.warehouse import WindowRow

from .policy import PlanPolicy
from .ranges import bridged, longest, rows_per_day
from .stored import StoredAccount
from .window import Window

# As pages they would be more calls than a report, and Meta is likelier to find them too slow.
_REPORT_FROM_ROWS = 20_000


@dataclass(frozen=True)
class Windows:
    """Cuts days into windows by what is stored; `today` is the account's."""

    state: StoredAccount
    policy: PlanPolicy
    today: date

    def of(self, dataset: Dataset, days: list[date]) -> Iterator[Window]:
        """The windows of these days, newest first; of a dataset of unknown size only the newest."""
        if not dataset.is_daily:
            yield from self._period_windows(dataset, days)
            return
        page_size = self.policy.page_sizes.insights
        per_day = rows_per_day(dataset, self.ledger(dataset))
        if per_day is None:  # the newest days first; the others when these have shown their size
            ranges = list(runs(days, self.policy.window_days))[:1]
        else:
            ranges = list(runs(days, longest(per_day, page_size)))
            if not dataset.is_proof:  # a proof without the ads of its day proves nothing
                ranges = bridged(ranges, per_day, page_size)
        for first, last in ranges:
            yield self._sized(dataset, first, last, list(span(first, last)), per_day)

    def _period_windows(self, dataset: Dataset, starts: list[date]) -> Iterator[Window]:
        """Neighbouring periods together, as many as fill a few pages; one, until that is known."""
        each = rows_per_day(dataset, self.ledger(dataset))
        current = self.last_day(dataset, self.today)
        # A rolling span is a row: Meta would answer two that are asked for together with one.
        rolls = dataset.increment == "all_days"
        at_most = 1 if each is None or rolls else longest(each, self.policy.page_sizes.insights)
        for together in list(_neighbours(dataset, starts, at_most))[: 1 if each is None else None]:
            last = min(dataset.last_of(together[0]), current)
            yield self._sized(dataset, together[-1], last, together, each)

    def _sized(
        self,
        dataset: Dataset,
        since: date,
        until: date,
        starts: Sequence[date],
        each: float | None,
    ) -> Window:
        """The window of these days or periods, if each has so many rows; a large one as a report.

        Not known how many is as good as none: it is asked for as pages, and its size shows then.
        """
        expected, ledger = round((each or 0) * len(starts)), self.ledger(dataset)
        return Window(
            dataset,
            since,
            until,
            self.policy.page_sizes.insights,
            expected,
            as_report=expected > _REPORT_FROM_ROWS,
            is_reread=any(start in ledger for start in starts),
        )

    def later(self, dataset: Dataset, days: list[date]) -> int:
        """Days of a dataset of unknown size that wait for its newest window."""
        ledger = self.ledger(dataset)
        if rows_per_day(dataset, ledger) is not None or not days:
            return 0
        if not dataset.is_daily:
            return len(days) - 1
        since, until = next(runs(days, self.policy.window_days))
        return len(days) - (until - since).days - 1

    def ledger(self, dataset: Dataset) -> Mapping[date, WindowRow]:
        """What was read of it; of a field that is late, of all its report."""
        return self.state.ledgers.get(dataset.whole.name, {})

    def last_day(self, dataset: Dataset, until: date) -> date:
        """A rolling span ends yesterday: the day that goes on would make each row another one."""
        yesterday = self.today - timedelta(days=1)
        return min(until, yesterday) if dataset.increment == "all_days" else until


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
