"""The asset `meta/overview`: every account in words, and whether sensors and schedules run.

Its sensor looks every half minute and reports what changed without a run, which would cost 6
CPU-seconds; so it is there seconds after the first start. It also keeps what nobody should find
empty: a partition for every account that is known, and a first answer of what is else asked daily.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import psycopg

from meta_pipeline.alerts import Condition
from meta_pipeline.orchestration.failures.ticks import failing_ticks, stopped_by_hand
from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS, missing_partitions
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.record_metadata import ads_manager_url
from meta_pipeline.orchestration.resources import Clock, WarehouseResource, of_a_tick
from meta_pipeline.orchestration.tables import OPERATIONS, OWNERS, TAGS
from meta_pipeline.printable import markdown, markdown_lines, one_line
from meta_pipeline.reports.status import AccountStatus, read_status, without_running
from meta_pipeline.warehouse import CannotTell
from meta_pipeline.warehouse.connect import READER, Patience
from meta_pipeline.words import times

from .jobs import data_quality_job, operations_report_job
from .quality import DATA_QUALITY_KEY
from .report import REPORT_KEY

HERE = here()

OVERVIEW_KEY = HERE.key("overview")
TICKING = "sensors_and_schedules_run"
TICK_SECONDS = 30
"""How long a change may take until people see it: a failing account, a sensor stopped or let go."""
REPORT_EVERY = timedelta(minutes=15)
"""A point in the plots this often; sooner only where somebody is waited for, or waited for it."""
FIRST_ANSWERS = {data_quality_job.name: DATA_QUALITY_KEY, operations_report_job.name: REPORT_KEY}
"""Jobs of the clock, and what each materializes: asked once as soon as there is something to ask
about, rather than empty until their hour comes."""

_SHOWN = 100
_NAMED = 10
_NEEDS_SOMEBODY = ("failing", "lost to the token", "partly synced")
_TOLD_AT_ONCE = (*_NEEDS_SOMEBODY, "left out")
_WORDS = {
    "fail": "failing",
    "lost": "lost to the token",
    "partial": "partly synced",
    "waiting": "waiting for quota",
    "throttled": "waiting for quota",
    "never synced": "not synced yet",
    "running": "being synced",
    "success": "up to date",
    "left out": "left out",
}
"""States of an account as people read them; what needs a person stands first."""
_NUMBERS = {
    "accounts_up_to_date": {"up to date", "being synced"},
    "accounts_failing": {"failing", "partly synced"},
    "accounts_waiting": {"waiting for quota"},
    "accounts_not_synced_yet": {"not synced yet"},
    "accounts_lost": {"lost to the token"},
}
_NONE_KNOWN = (
    "No ad account is known yet: job discover_accounts looks for them. If its run is red or finds "
    "none, `meta-pipeline check` says what the token lacks."
)
_DESCRIPTION = """\
The state of every ad account in words, what needs somebody first; and whether sensors and schedules
run.

Open the newest materialization and its `summary`. It is reported by sensor `overview` when an
account begins or ceases to need somebody, and every 15 minutes for the plots; *Materialize* asks
at once. Reads our own tables; asks Meta nothing. `meta-pipeline status` says it in a terminal."""


@dataclass(frozen=True)
class Overview:
    """One look: the accounts, the sensors and schedules that fail, and those a person stopped."""

    accounts: Sequence[AccountStatus]
    failing: Sequence[Condition]
    stopped: Sequence[str]
    is_simulated: bool
    steady: Sequence[AccountStatus] = ()
    """The accounts as if no sync ran now."""

    @property
    def headline(self) -> str:
        """`12 accounts: 1 failing, 11 up to date.` and what does not run."""
        counts = Counter(word_of(one) for one in self.accounts)
        words = dict.fromkeys(_WORDS.values())
        listed = ", ".join(f"{counts[word]:,} {word}" for word in words if counts[word])
        said = [f"{times(len(self.accounts), 'account')}: {listed}." if listed else _NONE_KNOWN]
        said += [f"The {one.subject} fails: {one.cause}" for one in self.failing]
        said += [f"Stopped by hand: {', '.join(self.stopped)}."] if self.stopped else []
        return " ".join(said)

    @property
    def digest(self) -> str:
        """The same until somebody has to know: syncs that begin, end or wait leave it as it is."""
        words = sorted((one.account_id, word_of(one)) for one in self.steady)
        states = [one for one in words if one[1] in _TOLD_AT_ONCE]
        # Told each time that it is halved: a fleet of thousands is not counted at each first sync.
        unsynced = sum(one.facts["last_success_at"] is None for one in self.steady).bit_length()
        failing = [one.key for one in self.failing]
        said = json.dumps([states, unsynced, failing, list(self.stopped)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def cursor(self, now: datetime) -> str:
        """The sensor's cursor once it has reported this."""
        return json.dumps({"digest": self.digest, "at": now.isoformat()})

    @property
    def has_something_to_ask(self) -> bool:
        """Whether half of the accounts were synced: before that a report says next to nothing."""
        closed = ("lost to the token", "left out")
        open_to_us = [one for one in self.accounts if word_of(one) not in closed]
        synced = [one for one in open_to_us if one.facts["last_success_at"] is not None]
        return bool(open_to_us) and 2 * len(synced) >= len(open_to_us)

    @property
    def needs_somebody(self) -> str:
        """The accounts somebody should look at, each with what it says; plain text."""
        accounts = [one for one in self.accounts if word_of(one) in _NEEDS_SOMEBODY]
        said = [f"{one.name}: {word_of(one)}, {_to_know(one)}" for one in accounts[:_NAMED]]
        more = [f"and {len(accounts) - _NAMED:,} more"] if len(accounts) > _NAMED else []
        return one_line("; ".join([*said, *more])) or "Nobody."

    def metadata(self) -> dict[str, dg.MetadataValue[Any]]:
        counts = Counter(word_of(one) for one in self.accounts)
        ages = [
            float(one.facts["staleness_seconds"] or 0)
            for one in self.accounts
            if not one.is_left_out
        ]
        rows = sum(int(one.facts["insight_rows"] or 0) for one in self.accounts)
        return {
            "state": dg.MetadataValue.text(self.headline),
            "needs_somebody": dg.MetadataValue.text(self.needs_somebody),
            "summary": dg.MetadataValue.md(self.summary()),
            "accounts": dg.MetadataValue.int(len(self.accounts)),
            **{
                name: dg.MetadataValue.int(sum(counts[word] for word in words))
                for name, words in _NUMBERS.items()
            },
            "oldest_sync_hours": dg.MetadataValue.float(round(max(ages, default=0.0) / 3600, 2)),
            "insight_rows": dg.MetadataValue.int(rows),
            "sensors_failing": dg.MetadataValue.int(len(self.failing)),
            "simulated": dg.MetadataValue.bool(self.is_simulated),
        }

    def summary(self) -> str:
        """Markdown: the headline, and a line for each account, what needs somebody first."""
        lines = [f"**{markdown(self.headline)}**", ""]
        if self.is_simulated:
            lines += ["*Simulated data: it came from a Graph API that is not Meta's.*", ""]
        if not self.accounts:
            return "\n".join(lines)
        order = list(dict.fromkeys(_WORDS.values()))
        ranked = sorted(self.accounts, key=lambda one: (order.index(word_of(one)), one.name))
        lines += ["| account | state | synced | holds | to know |", "|---|---|---|---|---|"]
        lines += map(_line, ranked[:_SHOWN])
        if (more := len(ranked) - _SHOWN) > 0:
            lines += ["", f"and {more:,} more, all {word_of(ranked[_SHOWN])} or better."]
        return "\n".join(lines)

    def materialization(self) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            OVERVIEW_KEY, description=markdown_lines(self.headline), metadata=self.metadata()
        )

    def evaluation(self) -> dg.AssetCheckEvaluation:
        """The check's answer as it is reported without a run."""
        check = self.check()
        return dg.AssetCheckEvaluation(
            asset_key=OVERVIEW_KEY,
            check_name=TICKING,
            passed=check.passed,
            metadata=check.metadata,
            severity=check.severity,
            description=markdown_lines(self.who_fails),
        )

    @property
    def who_fails(self) -> str:
        """Every sensor and schedule that cannot do its work, and why; plain text."""
        failing = "; ".join(f"{one.subject}: {one.cause}" for one in self.failing)
        return failing or "Every sensor and schedule that is on is ticking."

    def check(self) -> dg.AssetCheckResult:
        """Whether all sensors and schedules that are on can do their work, `alerts` above all."""
        return dg.AssetCheckResult(
            check_name=TICKING,
            asset_key=OVERVIEW_KEY,
            passed=not self.failing,
            severity=dg.AssetCheckSeverity.ERROR,
            description=markdown_lines(self.who_fails),
            metadata={"failing": len(self.failing), "stopped_by_hand": ", ".join(self.stopped)},
        )


def word_of(account: AccountStatus) -> str:
    """The account's state in words."""
    return _WORDS.get(account.state, "failing")


def _line(account: AccountStatus) -> str:
    facts = account.facts
    link = f"[{account.account_id}]({ads_manager_url(account.account_id)})"
    name = f"{markdown(account.name)} {link}" if account.name != account.account_id else link
    holds = (
        f"{facts['campaigns']:,} campaigns, {facts['adsets']:,} ad sets, {facts['ads']:,} ads, "
        f"{facts['insight_rows']:,} insight rows"
    )
    newest = facts["newest_insight_day"]
    holds += f" up to {newest}" if newest else ""
    state = word_of(account)
    said = _to_know(account) if state in (*_NEEDS_SOMEBODY, "waiting for quota") else ""
    return f"| {name} | {state} | {account.staleness} | {holds} | {markdown(said)} |"


def _to_know(account: AccountStatus) -> str:
    return account.waiting or str(account.facts["last_error"] or "no reason is on record")


def look(
    instance: dg.DagsterInstance,
    resource: WarehouseResource,
    now: datetime,
    patience: Patience = READER,
    *,
    counts: bool = True,
) -> Overview:
    """Read our tables and Dagster's ticks once; a database without our tables has no accounts.

    Without `counts` it can tell how they stand, and not what they hold.
    """
    settings = resource.settings()
    with resource.read("overview", patience) as warehouse:
        try:
            accounts = read_status(warehouse, leaves_out=settings.leaves_out, counts=counts)
        except psycopg.errors.UndefinedTable:
            accounts = []
        steady = without_running(warehouse, accounts)
    return Overview(
        accounts,
        failing_ticks(instance, now),
        stopped_by_hand(instance),
        settings.is_simulated,
        steady,
    )


@dg.multi_asset(
    name=HERE.named("overview"),
    specs=[
        dg.AssetSpec(
            OVERVIEW_KEY,
            group_name=HERE.group_of(OPERATIONS),
            kinds={"postgres", "report"},
            owners=OWNERS,
            tags=TAGS,
            description=_DESCRIPTION,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            TICKING,
            asset=OVERVIEW_KEY,
            description="No sensor or schedule that is on keeps failing: its work would silently "
            "not be done, and if it is `alerts`, nobody would be told.",
        )
    ],
)
@asking
def overview(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult[None]]:
    seen = look(context.instance, warehouse, clock())
    yield dg.MaterializeResult(
        asset_key=OVERVIEW_KEY, metadata=seen.metadata(), check_results=[seen.check()]
    )


@dg.sensor(
    name=HERE.named("overview"),
    jobs=[data_quality_job, operations_report_job],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=HERE.sensor_status,
    description="Keeps asset meta/overview: every account in words. Makes a partition for each "
    "account that is known, and asks the daily and hourly questions once at the beginning.",
)
@asking
def overview_sensor(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    clock: dg.ResourceParam[Clock],
) -> dg.SensorResult:
    now, patience = clock(), of_a_tick()
    try:
        seen = look(context.instance, warehouse, now, patience, counts=False)
        if is_news := _is_news(context.cursor, seen, now):  # told with what the accounts hold
            seen = look(context.instance, warehouse, now, patience)
    except CannotTell as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    missing = missing_partitions(context.instance, (one.account_id for one in seen.accounts))
    requests = list(_first_answers(context.instance, seen, now))
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else seen.headline,
        cursor=seen.cursor(now) if is_news else context.cursor,
        dynamic_partitions_requests=[AD_ACCOUNTS.build_add_request(missing)] if missing else [],
        asset_events=[seen.materialization(), seen.evaluation()] if is_news else [],
    )


def _is_news(cursor: str | None, seen: Overview, now: datetime) -> bool:
    """Whether somebody has to know more than was reported last, or that is long ago."""
    with suppress(ValueError, TypeError, KeyError):
        last = json.loads(cursor or "{}")
        is_recent = now - datetime.fromisoformat(last["at"]) < REPORT_EVERY
        return not (is_recent and last["digest"] == seen.digest)
    return True


def _first_answers(
    instance: dg.DagsterInstance, seen: Overview, now: datetime
) -> Iterator[dg.RunRequest]:
    """What was never materialized; if it fails, again within the hour."""
    if not seen.has_something_to_ask:
        return
    for job, key in FIRST_ANSWERS.items():
        if instance.get_latest_materialization_event(key) is None:
            yield dg.RunRequest(
                run_key=f"{job}:{now:%Y%m%dT%H}", job_name=job, tags={"reason": "first start"}
            )
