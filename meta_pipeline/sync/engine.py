"""The sync engine: everything Dagster, the CLI and the tests call to sync an ad account."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import psycopg

from meta_pipeline.custom_reports import CustomReport
from meta_pipeline.governor import BudgetState
from meta_pipeline.graph import (
    AppRefused,
    GraphClient,
    GraphError,
    PermissionDenied,
    Throttled,
    TokenInfo,
)
from meta_pipeline.model.part import INSIGHTS
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import (
    AccountBusy,
    AccountRow,
    Connection,
    TokenRow,
    Warehouse,
    WarehouseError,
    WarehouseUnavailable,
    account_lock,
    fault,
    without_secrets,
)

from .context import SyncContext
from .days import today
from .extras import Extras
from .limits.estimate import Estimate, Sizes, estimate
from .limits.spending import budget_of
from .limits.version_watch import VersionWatch
from .limits.waiting import rest_of, wait_of
from .limits.weights import Prices
from .opening import opened_context
from .plan.plan import Plan
from .plan.planner import make_plan
from .plan.stored import load_state
from .progress import Progress, ProgressListener, Pulse, silent
from .request import LateField, SyncRequest
from .rows.report_table import wanted_table
from .run.account_node import AccountNode, is_node_due
from .run.account_sync import AccountSync
from .run.discovery import Discovery, discover, read_account
from .run.session import CallSession
from .run.stop import Interrupted, StopSign
from .run.tokens import look_at_token

if TYPE_CHECKING:
    from meta_pipeline.connections import MetaConnection

logger = logging.getLogger(__name__)


class SyncEngine:
    """Syncs ad accounts, one at a time or several in threads; the same for every caller."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._stop = StopSign()
        self._versions = VersionWatch(context.warehouse.unrecognized, context.clock)

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, database_url: str | None = None) -> Iterator[Self]:
        """An engine made from the settings: the schema is migrated, telemetry flushed at the end.

        Raises SettingsError when no token or no database is set, WarehouseError when the
        database cannot be used, ConnectionsError when no stored token opens.
        """
        with opened_context(settings, database_url) as context:
            yield cls(context)

    @property
    def context(self) -> SyncContext:
        """What its syncs share."""
        return self._context

    def changed(self, **changes: Any) -> Self:
        """Another engine, whose context differs in some fields: a clock, a policy of its own."""
        return type(self)(replace(self._context, **changes))

    @property
    def warehouse(self) -> Warehouse:
        return self._context.warehouse

    @property
    def client(self) -> GraphClient:
        return self._context.client

    @property
    def extras(self) -> Extras:
        """Which extras the settings switch on for which accounts; `sync` itself heeds none."""
        return self._context.extras

    def stop(self) -> None:
        """Let running syncs end after the slice they are writing; safe in a signal handler."""
        self._stop.put_up()

    def discover(self) -> Discovery:
        """Read the list of ad accounts of every connection; raises GraphError when none gives it.

        A connection that gives none costs only itself: what is wrong is among the problems.
        """
        return discover(self._context, partial(CallSession.open, self._context, self._versions))

    def token(self) -> TokenInfo | TokenRow:
        """What Meta says of the access token; kept in `token_health`.

        While no call may be made it is what Meta said last. Raises GraphError when it said nothing.
        """
        client = self._session().client
        try:
            return look_at_token(self._context, client)
        except Throttled:
            known = self.warehouse.tokens.get(client.token_key)
            if known is None:
                raise
            return known

    def plan(self, request: SyncRequest) -> Plan:
        """What a sync would read now; asks Meta only for an account that is not stored yet."""
        client = self._session(request.account_id).client
        account = read_account(self._context, client, request.account_id)
        is_due = is_node_due(self._context, account)
        now = self._context.clock()
        state = load_state(self.warehouse, account.account_id, account.timezone_name, now)
        plan = make_plan(request, state, self._context.policy, now)
        return replace(plan, reads_account=is_due)

    def obstacle(self, plan: Plan) -> str | None:
        """Why a plan would not start now, as a sentence; None when it would."""
        account = self.warehouse.accounts.get(plan.account_id)
        quota = self._session(plan.account_id).quota
        budget = self._budget(account, self._context.clock(), quota.app) if account else None
        decision = quota.decide(plan.needs(self._prices.of_plan(plan)), budget)
        return None if decision.may_call else decision.reason

    def estimate(self, plan: Plan) -> Estimate:
        """What a plan costs: calls, share of the hour's allowance, time."""
        parallel = self._context.max_parallel_calls
        account = self.warehouse.accounts.get(plan.account_id)
        app = self._session(plan.account_id).quota.app
        budget = self._budget(account, self._context.clock(), app) if account else None
        return estimate(plan, self.warehouse, self._prices, parallel, budget, sizes=self._sizes)

    def late_field(
        self, report: CustomReport, name: str, *, makes_column: bool = True
    ) -> LateField | None:
        """A field of a report, since when its column is there; None where it has no such field.

        None, too, while the report has no table. A column that is missing is made, or, unless it
        `makes_column`, taken to be made now.
        """
        tables, now = self.warehouse.report_tables, self._context.clock()
        if name not in report.fields or report.name not in tables.known():
            return None
        if makes_column:
            tables.ensure([wanted_table(report, self._context.attribution_windows)], now)
        return LateField(report.name, name, tables.known()[report.name].fields_since.get(name, now))

    def connection_of(self, record: SyncRun) -> MetaConnection | None:
        """Whose token the calls of a sync used, as it stands now; None where it made none."""
        known = self._context.connections
        return known.connection(record.connection_id) if known and record.app_key else None

    def now(self) -> datetime:
        """The time of this engine's clock, UTC."""
        return self._context.clock()

    def today(self, account_id: str) -> date:
        """The account's current day, in its own time zone."""
        client = self._session(account_id).client
        account = read_account(self._context, client, account_id)
        return today(self._context.clock(), account.timezone_name)

    def sync(self, request: SyncRequest, progress: ProgressListener = silent) -> SyncRun:
        """Sync one account and return its record.

        Whatever Meta or the account does is told by `record.status`, never raised. Raised is only
        what makes syncing impossible: a broken database, an interrupt.
        """
        record = request.begun(self._context.clock())
        holder = f"meta_pipeline sync {record.sync_run_id[:8]} on {record.host}"
        try:
            with account_lock(self.warehouse.url, request.account_id, holder=holder) as connection:
                record.started_at = self._context.clock()  # getting here takes a moment
                pulse = Pulse(
                    progress, partial(self._preparing, record), self._context.pulse_seconds
                )
                with pulse.beating():
                    self._sync(request, record, connection, pulse)
        except AccountBusy as busy:
            record.status, record.error_summary = Status.REFUSED, str(busy)
            self._close(record)
        return record

    def _sync(
        self, request: SyncRequest, record: SyncRun, connection: Connection, progress: Pulse
    ) -> None:
        runs = self.warehouse.runs
        # The lock is ours: a row that still says `running` is of a process that died.
        runs.close_abandoned(connection, request.account_id, record.started_at)
        runs.open(record)
        running: AccountSync | None = None
        try:
            running, node, notes = self._prepare(request, record, connection, progress)
            progress.look = running.pulse
            running.run()
            if running.source.doubts:
                node.doubt(request.account_id)
            record.error_summary = record.error_summary or "; ".join(notes) or None
        except Interrupted:
            record.status, record.error_summary = Status.PARTIAL, "stopped by request"
        except Throttled as error:
            record.status = Status.THROTTLED
            quota = self._session(request.account_id).quota
            record.error_summary, record.not_before = wait_of(
                error, quota.decide(), self._context.clock()
            )
        except (PermissionDenied, AppRefused) as error:
            now = self._context.clock()
            _, since = runs.failing(request.account_id, now)
            record.status = Status.FAIL
            record.error_summary, record.not_before = rest_of(error, since, now)
        except GraphError as error:
            record.status, record.error_summary = Status.FAIL, str(error)
        except psycopg.Error as error:
            # The lock went with the connection, so that nothing more may be written.
            told = _told(request.account_id, error, self.warehouse.url)
            record.status, record.error_summary = Status.FAIL, str(told)
            raise told from error
        except WarehouseError as error:
            record.status, record.error_summary = Status.FAIL, str(error)
            raise
        # An interrupt too: until the next sync of the account its row would say `running`.
        except BaseException as error:
            record.status = Status.FAIL
            record.error_summary = redact(f"{type(error).__name__}: {error}")
            raise
        finally:
            # However it ended, its calls were made and its slices are committed.
            if running is not None:
                running.note_counts()
            self._close(record)

    def _prepare(
        self,
        request: SyncRequest,
        record: SyncRun,
        connection: Connection,
        progress: ProgressListener,
    ) -> tuple[AccountSync, AccountNode, tuple[str, ...]]:
        """The sync, ready to run; the account's node; what is to be said of the account."""
        session = self._session(request.account_id, record.sync_run_id)
        session.note_connection(record)
        node = AccountNode(self._context, session.client, connection, record.sync_run_id)
        read = node.read(request.account_id)
        account = read.account
        # After the node: its time zone cuts the days, and may have changed with this very read.
        state = load_state(
            self.warehouse, account.account_id, account.timezone_name, record.started_at
        )
        plan = make_plan(request, state, self._context.policy, record.started_at)
        self._make_report_tables(plan, record.started_at)
        record.since, record.until = plan.since, plan.until
        running = AccountSync(
            context=self._context,
            account=account,
            state=state,
            plan=plan,
            record=record,
            connection=connection,
            session=session,
            report=progress,
            stop=self._stop,
            prices=self._prices,
            budget=self._budget(account, record.started_at, session.quota.app),
            is_forced=request.force,
            replan=partial(self._rest_of, request, plan, account, record.started_at),
        )
        return running, node, read.notes

    def _make_report_tables(self, plan: Plan, now: datetime) -> None:
        """The tables of the custom reports that are going to be read, as their file wants them."""
        reports = dict.fromkeys(
            one.dataset.report for one in plan.windows if one.dataset.report is not None
        )
        if reports:
            windows = self._context.attribution_windows
            self.warehouse.report_tables.ensure(
                [wanted_table(one, windows) for one in reports], now
            )

    def _preparing(self, record: SyncRun) -> Progress:
        """What there is to say before the plan is made."""
        return Progress(
            record.account_id,
            "waiting",
            rows=0,
            calls=0,
            seconds=max(0.0, (self._context.clock() - record.started_at).total_seconds()),
            message="still making the plan",
        )

    def _budget(self, account: AccountRow, now: datetime, app: str) -> BudgetState | None:
        return budget_of(
            self.warehouse,
            account.account_id,
            account.timezone_name,
            now,
            per_account=self._context.daily_budget_per_account,
            per_app=self._context.daily_budget_of_app,
            app=app,
        )

    @cached_property
    def _sizes(self) -> Sizes:
        return Sizes(self.warehouse)

    @cached_property
    def _prices(self) -> Prices:
        self.warehouse.costs.learn()
        return Prices.learned(self._context.weights, self.warehouse.costs.observed())

    def _rest_of(
        self,
        request: SyncRequest,
        first: Plan,
        account: AccountRow,
        now: datetime,
        until: date | None,
    ) -> Plan:
        """The windows that the first plan left for later, now that the ledger has the newest days.

        None after `until`: the windows of those days failed, and the next sync comes back to them.
        """
        if until and first.since and first.until:
            request = replace(request, since=first.since, until=min(until, first.until))
        state = load_state(self.warehouse, account.account_id, account.timezone_name, now)
        # Not forced any more: what this very sync has read would be due again.
        numbers = replace(request, parts=request.parts & INSIGHTS)
        plan = make_plan(replace(numbers, force=False), state, self._context.policy, now)
        return replace(plan, edges=())  # whatever edges there were have been read

    def graph(self, account_id: str | None = None) -> GraphClient:
        """The client for calls of one's own: each is logged with its usage headers.

        None is made while the governor forbids it: Throttled says until when.
        """
        return self._session(account_id).client

    def _session(
        self, account_id: str | None = None, sync_run_id: str | None = None
    ) -> CallSession:
        return CallSession.open(self._context, self._versions, account_id, sync_run_id)

    def _close(self, record: SyncRun) -> None:
        record.finished_at = self._context.clock()
        if record.status is Status.THROTTLED:
            logger.warning("throttled: %s", record.error_summary, extra={"facts": record.facts})
        # Before the row is closed: who sees that a sync has ended finds all of its calls.
        self._context.telemetry.flush()
        try:
            self.warehouse.runs.close(record)
        except (WarehouseError, psycopg.Error) as error:
            if record.status is not Status.FAIL:
                raise
            # What made the sync fail says more; the next sync of the account closes the row.
            facts = {"account_id": record.account_id}
            text = "the record of %s stays open: %s"
            logger.warning(text, record.account_id, error, extra={"facts": facts})


def _told(account_id: str, error: psycopg.Error, url: str) -> WarehouseError:
    told = fault(error, url)
    if not isinstance(told, WarehouseUnavailable):
        return told
    reason = without_secrets(str(error).partition("\n")[0], url)
    return WarehouseUnavailable(
        f"The connection to Postgres was lost while {account_id} was synced ({reason}). What was "
        "committed is kept: run the sync again when the database answers."
    )
