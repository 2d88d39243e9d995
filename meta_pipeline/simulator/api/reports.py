"""Async insights: a run is a function of when it was created, the clock and its plan."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.world.clock import Clock

_KEPT = timedelta(days=30)  # a run is gone a month after its creation
_DAY = timedelta(days=1)
RunOutcome = Literal[
    "complete", "fail", "skip", "stuck", "too_large", "empty", "complete_but_fails", "no_percent"
]


@dataclass(frozen=True)
class Plan:
    """What becomes of a run."""

    outcome: RunOutcome = "complete"
    seconds: float | None = None
    """How long it runs; None: a duration that grows with the rows."""
    at_pct: int = 0
    """Where a failed or stuck run stands."""
    lag_seconds: float = 0.0
    """How long polls answer 100/33 after creation (replication lag)."""
    idle_seconds: float = 0.0
    """How long it stands at 0 % first."""
    code: int = -2
    """Of a failed run: -2 any failure, -3 too large (FACTS section 3.3)."""
    subcode: int = 2490547

    @classmethod
    def instant(cls) -> Plan:
        return cls(seconds=0.0)

    @classmethod
    def after(cls, seconds: float) -> Plan:
        return cls(seconds=seconds)

    @classmethod
    def lagging(cls, seconds: float = 3.0) -> Plan:
        return cls(lag_seconds=seconds)

    @classmethod
    def late(cls, seconds: float) -> Plan:
        """Stands at 0 % for so long, then runs like any other."""
        return cls(idle_seconds=seconds)

    @classmethod
    def fail(cls, *, at_pct: int = 0, code: int = -2, subcode: int = 2490547) -> Plan:
        """Job Failed with the negative codes of FACTS section 3.3; 100 % is possible too."""
        return cls("fail", at_pct=at_pct, code=code, subcode=subcode)

    @classmethod
    def too_large(cls) -> Plan:
        return cls("too_large", at_pct=100, code=-3, subcode=1504045)

    @classmethod
    def skip(cls) -> Plan:
        return cls("skip")

    @classmethod
    def stuck(cls, *, at_pct: int = 40) -> Plan:
        return cls("stuck", at_pct=at_pct)

    @classmethod
    def complete_but_empty(cls) -> Plan:
        return cls("empty")

    @classmethod
    def complete_but_fails(cls) -> Plan:
        """100 % and Completed, yet reading the rows is refused."""
        return cls("complete_but_fails")

    @classmethod
    def without_percent(cls) -> Plan:
        """Runs and ends like any other, and never says `async_percent_completion`."""
        return cls("no_percent")


_FAILURES = {
    -3: ("Report Too Large", "Report Too Large", "The report is too large. Ask for less data."),
    -2: ("Report Failed", "Report Failed", "The report failed. Try again later."),
}
_FAILURE = (
    "There was an error running your report.",
    "Report Unavailable",
    "Your report could not be run due to a temporary issue.",
)


# Parameters of the creation that a run shows again when asked for them.
_SHOWN_PARAMS = frozenset(
    {
        "breakdowns", "action_breakdowns", "level", "time_increment", "fields", "filtering",
        "action_attribution_windows",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ReportRun:
    """One run and the question it answers."""

    id: str
    account_id: str
    request: GraphRequest = field(repr=False)
    created_at: datetime
    plan: Plan
    duration_seconds: float
    ranges: tuple[tuple[str, str], ...]
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def completed_at(self) -> datetime:
        """When it is over if all goes well; its rows are the numbers as of then."""
        took = self.plan.idle_seconds + self.duration_seconds
        return self.created_at + timedelta(seconds=took)


class Reports:
    """All runs. `plan_next` decides what becomes of the next ones, in order."""

    def __init__(
        self,
        clock: Clock,
        *,
        seconds: float = 2.0,
        seconds_per_row: float = 0.002,
        too_large_rows: int | None = None,
        old_reach_a_day: int = 10,
    ) -> None:
        self.clock = clock
        self.seconds = seconds
        self.seconds_per_row = seconds_per_row
        self.too_large_rows = too_large_rows
        self.old_reach_a_day = old_reach_a_day
        self.default_plan = Plan()
        self._plans: list[Plan] = []
        self._runs: dict[str, ReportRun] = {}
        self._old_reach: dict[str, list[datetime]] = {}
        self._lock = threading.Lock()

    def plan_next(self, *plans: Plan) -> None:
        """The next runs created follow these plans, then `default_plan` again."""
        with self._lock:
            self._plans.extend(plans)

    def unused_plans(self) -> list[Plan]:
        return list(self._plans)

    def __len__(self) -> int:
        return len(self._runs)

    def create(
        self,
        request: GraphRequest,
        *,
        account_id: str,
        rows: int,
        ranges: tuple[tuple[str, str], ...],
        plan: Plan | None = None,
    ) -> ReportRun:
        with self._lock:
            chosen = plan or (self._plans.pop(0) if self._plans else self.default_plan)
            # Before a plan: no report so large ends well, whatever a test has in mind for it.
            if self.too_large_rows is not None and rows > self.too_large_rows:
                chosen = Plan.too_large()
            seconds = self.seconds + rows * self.seconds_per_row
            run = ReportRun(
                # Report runs have ids of a form of their own, unlike objects.
                id=str(1_490_000_000_000_001 + len(self._runs)),
                account_id=account_id,
                request=request,
                created_at=self.clock.now(),
                plan=chosen,
                duration_seconds=seconds if chosen.seconds is None else chosen.seconds,
                ranges=ranges,
                params={k: v for k, v in request.params.items() if k in _SHOWN_PARAMS},
            )
            self._runs[run.id] = run
            return run

    def take_old_reach(self, account_id: str) -> None:
        """Count a run for reach by breakdown of more than 13 months ago: ten a day and account."""
        now = self.clock.now()
        with self._lock:
            taken = [at for at in self._old_reach.get(account_id, ()) if now - at < _DAY]
            if len(taken) >= self.old_reach_a_day:
                raise errors.reach_unavailable()
            self._old_reach[account_id] = [*taken, now]

    def get(self, run_id: str) -> ReportRun | None:
        """A run that exists and may be seen: 100/33 while it lags and once it expired."""
        run = self._runs.get(run_id)
        if run is None:
            return None
        age = self.clock.now() - run.created_at
        if age < timedelta(seconds=run.plan.lag_seconds) or age >= _KEPT:
            raise errors.unsupported_object(run_id)
        return run

    def status(self, run: ReportRun) -> dict[str, Any]:
        """The node's document as it is now (FACTS section 6)."""
        elapsed = (self.clock.now() - run.created_at).total_seconds()
        state, pct = _progress(run, elapsed)
        body: dict[str, Any] = {
            "id": run.id,
            "account_id": run.account_id.removeprefix("act_"),
            "time_ref": int(run.created_at.timestamp()),
            "async_status": state,
            "async_percent_completion": pct,
            "is_running": state in {"Job Started", "Job Running"},
        }
        if run.plan.outcome == "no_percent":
            del body["async_percent_completion"]
        if run.ranges:
            body |= {"date_start": run.ranges[0][0], "date_stop": run.ranges[-1][1]}
        if state == "Job Completed":
            body["time_completed"] = int(run.completed_at.timestamp())
        if state == "Job Failed":
            message, title, text = _FAILURES.get(run.plan.code, _FAILURE)
            body |= {
                "error_code": run.plan.code,
                "error_subcode": run.plan.subcode,
                "error_message": message,
                "error_user_title": title,
                "error_user_msg": text,
            }
        return {**run.params, **body}

    def is_complete(self, run: ReportRun) -> bool:
        return str(self.status(run)["async_status"]) == "Job Completed"

    def clear(self) -> None:
        with self._lock:
            self._runs.clear()
            self._plans.clear()
            self._old_reach.clear()
            self.default_plan = Plan()


def _progress(run: ReportRun, elapsed: float) -> tuple[str, int]:
    elapsed = max(0.0, elapsed - run.plan.idle_seconds)
    done = elapsed >= run.duration_seconds
    share = 1.0 if run.duration_seconds <= 0 else elapsed / run.duration_seconds
    outcome = run.plan.outcome
    if outcome == "stuck":
        pct = min(int(share * 100), run.plan.at_pct)
        return ("Job Running" if pct else "Job Not Started"), pct
    if not done:
        if share < 0.1:
            return "Job Not Started", 0
        return ("Job Started", 0) if share < 0.2 else ("Job Running", min(99, int(share * 100)))
    if outcome in {"fail", "too_large"}:
        return "Job Failed", run.plan.at_pct
    return ("Job Skipped", 0) if outcome == "skip" else ("Job Completed", 100)
