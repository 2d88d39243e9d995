"""Makes plans: a pure function of what is stored and what is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from meta_pipeline.model.level import LEVELS
from meta_pipeline.model.part import EXTRAS, Part
from meta_pipeline.sync.days import oldest, today
from meta_pipeline.sync.request import SyncRequest
from meta_pipeline.sync.rows import datasets
from meta_pipeline.sync.rows.datasets import Dataset
from meta_pipeline.sync.rows.fields import ENTITY_SPECS, EntitySpec
from meta_pipeline.warehouse import CursorRow

from .due_days import DueDays, fresh_for, is_due_again
from .edge_plan import EdgePlan, Mode, statuses_hash
from .plan import Plan
from .policy import PlanPolicy
from .recommendation_plan import RecommendationPlan
from .stored import RECOMMENDATION_EDGES, StoredAccount
from .windows import Windows

# The newest two days of the opportunity score are not there yet, and one call tells 45 days
# (FACTS §16).
_SCORE_LATE = timedelta(days=2)
# One less than 45: the first day and the last both count.
_SCORE_LONGEST = timedelta(days=44)
# How soon an entry of the change log shows is not documented: an event that is read twice is known
# by its hash, one that came late would be lost.
_ACTIVITY_OVERLAP = timedelta(hours=1)
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

    @cached_property
    def _today(self) -> date:
        return today(self.now, self.state.timezone_name)

    @cached_property
    def _windows(self) -> Windows:
        return Windows(self.state, self.policy, self._today)

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
        # A period that began before that is not kept as a whole: Meta refuses it, each time anew.
        kept = oldest(self._today)
        firsts = {
            one: max(self._first_day(one, until), since, one.boundary(kept)) for one in wanted
        }
        due = DueDays(self.request, self.state, self.policy, self.now, self._windows)
        days = due.of(wanted, firsts, until)
        unlisted = self._unlisted(dataset for dataset, due_days in days.items() if due_days)
        if unlisted:
            names = ", ".join(ENTITY_SPECS[part].edge for part in unlisted)
            notes.append(f"{names} are listed too: insights mention them and no table has them yet")
        windows = [one for dataset in wanted for one in self._windows.of(dataset, days[dataset])]
        # Newest days first, and extras after all the numbers that everybody reads.
        windows.sort(key=lambda one: (one.dataset.part in EXTRAS, -one.until.toordinal()))
        # A late field has no days of its own: it is read for days that its report has already.
        asked = sum(
            len(one.starts(first, self._windows.last_day(one, until)))
            for one, first in firsts.items()
            if one.only is None
        )
        return Plan(
            account_id=self.request.account_id,
            timezone_name=self.state.timezone_name,
            since=since if wanted and since <= until else None,
            until=until if wanted and since <= until else None,
            edges=tuple(self._edges({*self.request.parts, *unlisted})),
            windows=tuple(windows),
            activities_since=self._activities_since(),
            recommendations=self._recommendations(),
            notes=tuple(notes),
            first_days={}
            if self.request.since
            else {one.name: first for one, first in firsts.items() if one.only is None},
            days_fresh=max(0, asked - sum(len(due_days) for due_days in days.values())),
            days_later=sum(
                self._windows.later(dataset, due_days) for dataset, due_days in days.items()
            ),
        )

    def _first_day(self, dataset: Dataset, until: date) -> date:
        """Where the days of a dataset begin: the setting limits the first reading only.

        What was read once is kept up, also the gaps in it, however small the setting is now.
        """
        if self.request.since:
            return self.request.since
        report = dataset.report
        days = (report.backfill_days if report else None) or self.policy.backfill_days
        # Where Meta has no day up to `until` any beginning will do, if the calendar has it.
        last = max(self._windows.last_day(dataset, until), oldest(self._today))
        backfill = last - timedelta(days=days - 1)
        return min(backfill, self.state.first_days.get(dataset.whole.name, backfill))

    def _range(self, wanted: Sequence[Dataset]) -> tuple[date, date, list[str]]:
        # The account's own day, which near midnight UTC is another one (FACTS section 5.5).
        current = self._today
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
            late, named = self.request.late_field, self.request.reports
            chosen_datasets += [
                datasets.custom(one, late.name if late else None)
                for one in self.policy.reports
                if one.is_for(self.request.account_id) and (not named or one.name in named)
            ]
        return chosen_datasets

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
        if not is_due_again(self.now, cursor.last_fetched_at, fresh_for(self.request, self.policy)):
            return ()
        # Creatives have neither times nor statuses to ask by (FACTS section 8): all, or none.
        has_delta = bool(spec.statuses)
        every = self.policy.scan_every if has_delta else self.policy.extras_every
        is_valid = cursor.updated_since is not None and cursor.statuses_hash == statuses_hash(spec)
        # A cursor of another status filter knows nothing of what that one left out.
        if has_delta and not is_valid:
            return (Mode.FULL,)
        if not is_due_again(self.now, cursor.last_full_at, every):
            return (Mode.DELTA,) if has_delta else ()
        small = (self.state.stored.get(spec.part) or 0) <= self.policy.page_sizes.of(
            spec.part
        ) * _SMALL_EDGE_PAGES
        # The delta first: it has all fields of what moved, the scan few of what moves in silence.
        return (Mode.FULL,) if small or not has_delta else (Mode.DELTA, Mode.SCAN)

    def _activities_since(self) -> datetime | None:
        if Part.ACTIVITIES not in self.request.parts:
            return None
        cursor = self.state.cursors.get("activities")
        if cursor is None or cursor.updated_since is None or self.request.force:
            backfill = self.now - timedelta(days=self.policy.backfill_days)
            known = cursor.updated_since if cursor else None
            return min(backfill, known - _ACTIVITY_OVERLAP) if known else backfill
        is_due = is_due_again(
            self.now, cursor.last_fetched_at, fresh_for(self.request, self.policy)
        )
        return cursor.updated_since - _ACTIVITY_OVERLAP if is_due else None

    def _recommendations(self) -> RecommendationPlan | None:
        if Part.RECOMMENDATIONS not in self.request.parts:
            return None
        listed, told, scored = (
            cursor.last_fetched_at if (cursor := self.state.cursors.get(edge)) else None
            for edge in RECOMMENDATION_EDGES
        )
        is_list_due = self._is_recommendation_due(listed, self.policy.recommendations_every)
        is_history_due = self._is_recommendation_due(scored, self.policy.score_history_every)
        if not is_list_due and not is_history_due:
            return None
        # A business that told nothing of the account is left alone as long as the history.
        is_told = is_due_again(self.now, told, self.policy.score_history_every)
        until = self._today - _SCORE_LATE
        since = until - _SCORE_LONGEST
        if scored is not None and not self.request.force:
            since = max(since, today(scored, self.state.timezone_name) - _SCORE_LATE)
        days: tuple[date | None, date | None] = (None, None)
        if is_history_due:
            days = min(since, until), until
        business_id = self.state.business_id if is_told else None
        return RecommendationPlan(is_list_due, business_id, *days)

    def _is_recommendation_due(self, last: datetime | None, every: timedelta) -> bool:
        most = min(every, self.request.max_age or every)
        return self.request.force or is_due_again(self.now, last, most)


def _is_listed(cursor: CursorRow | None) -> bool:
    """Whether an edge was ever read to its end."""
    return cursor is not None and cursor.last_full_at is not None
