"""One sync of one ad account, from the plan to the closed record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import chain

from meta_pipeline.governor import BudgetState, Decision
from meta_pipeline.graph import GraphError, Reauthorize, Throttled
from meta_pipeline.model.missing import Missing
from meta_pipeline.model.part import INSIGHTS, Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.limits.weights import Prices
from meta_pipeline.sync.plan.edge_plan import EdgePlan
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.stored import StoredAccount
from meta_pipeline.sync.progress import Outlook, Progress, ProgressListener, still_reading
from meta_pipeline.sync.read.activities import ActivityReader
from meta_pipeline.sync.read.creatives import CreativeReader
from meta_pipeline.sync.read.entities import EdgeReader
from meta_pipeline.sync.read.insights import ends_all
from meta_pipeline.sync.read.recommendations import REFUSALS
from meta_pipeline.sync.read.refusals import Refusals
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.run.account_windows import AccountWindows, refused_lately
from meta_pipeline.sync.write.slices import Slice
from meta_pipeline.sync.write.writer import Writer
from meta_pipeline.warehouse import AccountRow, Connection

from .completion import Completion
from .dimensions import Dimensions
from .ending import Ending
from .fetching import Done, ParallelFetch, Task
from .recommendation_tasks import RecommendationTasks
from .session import CallSession
from .stop import StopSign

_OF_THEIR_OWN = frozenset(
    {Part.RECOMMENDATIONS, Part.CUSTOM_CONVERSIONS, Part.CUSTOM_AUDIENCES, Part.IMAGES}
)
"""Parts that Meta may refuse of an account that it lets us read."""


@dataclass
class AccountSync:
    """Does one plan. Everything it learns about its own course goes into `record`."""

    context: SyncContext
    account: AccountRow
    state: StoredAccount
    """What was stored when the plan was made."""
    plan: Plan
    """What is being read; later ones follow where days were left for later."""
    record: SyncRun
    connection: Connection
    """The one that holds the account's lock: all of the sync is written through it."""
    session: CallSession
    report: ProgressListener
    stop: StopSign
    replan: Callable[[date | None], Plan]
    """The plan of the days that are left, up to a day or all of them."""
    prices: Prices
    budget: BudgetState | None = None
    is_forced: bool = False
    """Values that Meta refused lately are asked for again."""

    def __post_init__(self) -> None:
        self.source = Source(
            account_id=self.account.account_id,
            currency=self.account.currency,
            timezone_name=self.account.timezone_name,
            data_as_of=self.record.started_at,
            sync_run_id=self.record.sync_run_id,
        )
        self.findings = Findings()
        known = refused_lately(self.context, self.source, is_forced=self.is_forced)
        self.refusals = Refusals(self.findings, known)
        self.windows = AccountWindows(
            self.context,
            self.session.client,
            self.source,
            self.state,
            self.findings,
            self.refusals,
            self._sleep,
        )
        self.writer = Writer(
            self.connection,
            self.source,
            self.findings,
            self.context.warehouse.unrecognized,
            self.windows.returned,
        )
        self._started = time.perf_counter()
        self._ended: dict[str, float] = {}
        self._account_rows = 0
        self._outlook = Outlook()
        self._under_way: dict[str, None] = {}
        failures, since = self.context.warehouse.runs.failing(
            self.account.account_id, self.source.data_as_of
        )
        self.ending = Ending(failures, since, is_new=not self.state.cursors)
        self._calls_are_vain = False
        self._read_until: date | None = None
        self._edges = self.plan.edges
        self._oldest: list[date] = []

    def run(self) -> None:
        """Do the plan; Meta's failures end up in the record, a broken database is raised."""
        cost = self.prices.of_plan(self.plan)
        decision = self.session.quota.decide(self.plan.needs(cost), self.budget)
        if not decision.may_call:
            self._stopped(decision)
            return
        self.windows.keep_first_days(self.connection, self.plan.first_days)
        self._read(decision)
        self._read_later_days(decision)
        # The account's own row of days that cannot be judged without it, and have it not.
        windows = self.windows.lacking_proofs() if self.is_going else ()
        if windows:
            self.plan = replace(
                self.plan, windows=windows, edges=(), activities_since=None, recommendations=None
            )
            self._read(decision)
        if self.is_going:
            self._complete()
        self.windows.save_page_size(self.connection, has_read=bool(self._oldest))
        for missing in (*self.windows.proofs.missing(), *self.refusals.missing):
            self._miss(missing)
        for dataset, day in self.windows.proofs.wiped():
            self.findings.note(dataset, "rows", str(day), Reason.EMPTIED)
        self.writer.finish()
        has_read = any(self.writer.read.values())
        self.ending.settle(self.record, self.session.quota, self.context.clock(), has_read=has_read)

    def _read_later_days(self, decision: Decision) -> None:
        """The days whose windows were to be sized by the newest ones."""
        later = self.plan.days_later
        while later and self.is_going:
            if self._calls_are_vain:
                self._miss(
                    Missing("not read after this failure", Part.INSIGHTS, f"{later} older days")
                )
                return
            if self._read_until and self.plan.since and self._read_until < self.plan.since:
                return
            self.plan = self.replan(self._read_until)
            self._read(decision)
            if self.plan.days_later >= later:  # what is left out now shows no size
                return
            later = self.plan.days_later

    @property
    def is_going(self) -> bool:
        """Whether nothing has happened that ends the sync."""
        return self.record.status is Status.RUNNING and not self.ending.has_come

    def _read(self, decision: Decision) -> None:
        """Fetch what the plan names, in parallel, and write it as it comes."""
        tasks = list(self._tasks(decision))
        self._outlook.begin(self.plan, self.session.calls.calls)
        self._oldest += [window.since for window in self.plan.windows]
        if self.ending.is_doubtful and len(tasks) > 1:
            # Another part each time: one that is refused alone holds the others up once only.
            first = tasks.pop(self.ending.failures % len(tasks))
            self._gather([first])
            if not self.is_going:
                return
        self._gather(tasks)

    def _gather(self, tasks: Sequence[Task]) -> None:
        self._under_way = dict.fromkeys(task.name for task in tasks)
        # As many threads as may ever be of use: the gate lets fewer calls out where it is tight.
        with ParallelFetch(tasks, self.context.max_parallel_calls, self.stop.check) as fetch:
            for event in fetch:
                if isinstance(event, Done):
                    self._finished(event, fetch)
                else:
                    self._take(event[1], fetch)

    def _tasks(self, decision: Decision) -> Iterator[Task]:
        """Structure first, then numbers, newest days first; what can wait is left out if told."""
        for part, spec in ENTITY_SPECS.items():
            plans = self.plan.edges_of(part)
            if plans and not self._skipped(part, decision):
                yield Task(part, spec.edge, partial(self._edge, plans))
        for window in self.plan.windows:
            if not self._skipped(window.dataset.part, decision):
                yield Task(window.dataset.part, window.name, partial(self.windows.slices, window))
        if (since := self.plan.activities_since) is not None:
            client, warehouse = self.session.client, self.context.warehouse
            activities = ActivityReader(client, self.source, warehouse, self.findings)
            yield Task(Part.ACTIVITIES, "activities", partial(activities.slices, since))
        if (planned := self.plan.recommendations) is not None:
            recommended = RecommendationTasks(
                self.context, self.session, self.source, self.findings
            )
            yield from recommended.of(planned)

    def _skipped(self, part: Part, decision: Decision) -> bool:
        if str(part) not in decision.skip:
            return False
        self._miss(Missing(f"left out, {decision.reason}", part, is_whole=True))
        return True

    def _edge(self, plans: Sequence[EdgePlan]) -> Iterator[Slice]:
        for plan in plans:
            reader = CreativeReader if plan.spec.part is Part.CREATIVES else EdgeReader
            yield from reader(
                plan,
                client=self.session.client,
                warehouse=self.context.warehouse,
                source=self.source,
                findings=self.findings,
                cursor=self.state.cursors.get(plan.spec.edge),
                refusals=self.refusals,
            ).slices()

    def _sleep(self, seconds: float) -> None:
        """A wait that ends, and ends the task, when the sync is asked to stop."""
        self.stop.check()
        self.context.sleep(seconds)
        self.stop.check()

    def _take(self, one: Slice, fetch: ParallelFetch) -> None:
        self.writer.write(one)
        # They prove the others and are counted apart: nobody should see a row of spend twice.
        if one.window is not None and one.window.dataset.is_proof:
            self._account_rows += one.read
        self.report(self.progress(str(one.part), one.message))
        # Without the budget: it weighed the whole plan before, and only meters stop it half-way.
        decision = self.session.quota.decide(self.plan.needs(weighted_cost=0))
        if not decision.may_call and not fetch.stopped:
            fetch.stop()
            self._stopped(decision)

    def _finished(self, done: Done, fetch: ParallelFetch) -> None:
        self._ended["insights" if done.task.part in INSIGHTS else "entities"] = (
            time.perf_counter() - self._started
        )
        self._under_way.pop(done.task.name, None)
        error = done.error
        self.ending.is_answered |= error is None and not fetch.stopped
        if error is None:
            if fetch.stopped:
                self._miss(done.task.missing("not finished"))
            return
        if not isinstance(error, GraphError):
            raise error
        self._miss(done.task.missing(str(error)))
        if done.task.part in INSIGHTS:
            self._calls_are_vain |= ends_all(error)
            self._skip_days_of(done.task.name)
        if not self._is_of_its_own(done.task.part, error) and self.ending.note(error):
            fetch.stop()

    def _is_of_its_own(self, part: Part, error: GraphError) -> bool:
        """Whether the failure says nothing of the rest: who may read ads may be kept from extras,
        and audiences have a meter of their own.
        """
        if isinstance(error, Throttled):
            rest = self.plan.needs(weighted_cost=0)
            return part is Part.CUSTOM_AUDIENCES and self.session.quota.decide(rest).may_call
        return part in _OF_THEIR_OWN and isinstance(error, REFUSALS)

    def _skip_days_of(self, name: str) -> None:
        """Go on with the days before a window that failed: the next sync comes back to it.

        The account's own rows are of a known size: they are all asked for at once.
        """
        for window in self.plan.windows:
            if window.name == name and window.dataset.level != "account":
                before = window.since - timedelta(days=1)
                self._read_until = min(self._read_until or before, before)

    def _complete(self) -> None:
        completion = Completion(
            Dimensions(self.session.client, self.connection, self.source, self.findings),
            self.context.warehouse.cursors,
            self.connection,
            self.source,
            self.writer.write,
        )
        try:
            # One after the other: each looks at what the one before has written.
            for missing in chain(
                completion.edges(self._edges, self.record.missing),
                completion.orphans(self._oldest),
                completion.named(self.plan.objects),
            ):
                self._miss(missing)
        except GraphError as error:
            # An object that is forbidden says nothing of its account.
            if isinstance(error, Throttled | Reauthorize):
                self.ending.note(error)
            self._miss(Missing(str(error), edge="dimensions"))

    def _stopped(self, decision: Decision) -> None:
        self.record.status = Status.THROTTLED
        self.record.error_summary = decision.reason
        self.record.not_before = decision.until

    def _miss(self, missing: Missing) -> None:
        if missing not in self.record.missing:
            self.record.missing.append(missing)

    def note_counts(self) -> None:
        """Copy what was counted into the record; right at any moment."""
        record, writer = self.record, self.writer
        record.campaigns_fetched = writer.read[Part.CAMPAIGNS]
        record.ad_sets_fetched = writer.read[Part.ADSETS]
        record.ads_fetched = writer.read[Part.ADS]
        record.creatives_fetched = writer.read[Part.CREATIVES]
        record.activities_fetched = writer.read[Part.ACTIVITIES]
        record.recommendations_fetched = writer.read[Part.RECOMMENDATIONS]
        record.custom_conversions_fetched = writer.read[Part.CUSTOM_CONVERSIONS]
        record.custom_audiences_fetched = writer.read[Part.CUSTOM_AUDIENCES]
        record.images_fetched = writer.read[Part.IMAGES]
        record.insights_rows_read = writer.insights_rows_read
        record.insights_rows_written = writer.insights_rows_written
        record.entity_rows_written = writer.entity_rows_written
        record.insights_calls = self.session.calls.insights_calls
        record.meta_call_count_total = self.session.calls.calls
        record.weighted_cost_total = self.session.calls.weighted_cost
        record.meta_usage_end_snapshot = self.session.quota.snapshot()
        self.session.note_connection(record)
        record.db_write_ms = round(writer.write_ms, 3)
        if "entities" in self._ended:
            record.entity_fetch_ms = round(self._ended["entities"] * 1000, 3)
        if "insights" in self._ended:
            record.insights_fetch_ms = round(self._ended["insights"] * 1000, 3)

    def progress(self, step: str, message: str) -> Progress:
        """How far the sync is; may be asked from any thread."""
        calls, seconds = self.session.calls.calls, time.perf_counter() - self._started
        return Progress(
            account_id=self.source.account_id,
            step=step,
            rows=sum(self.writer.read.values()),
            calls=calls,
            seconds=seconds,
            message=message,
            account_rows=self._account_rows,
            quota_pct=self.session.quota.usage_pct(),
            seconds_left=self._outlook.seconds_left(calls, seconds),
        )

    def pulse(self) -> Progress:
        """The same while nothing steps: what is waited for."""
        message = self.session.quota.waits_for or still_reading(list(self._under_way))
        return self.progress("waiting", message)
