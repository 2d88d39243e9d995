"""The asset `meta/overview`: every account in words, and whether sensors and schedules run.

Its sensor looks every two minutes and reports what changed without a run, which would cost 6
CPU-seconds; so it is there seconds after the first start. It also keeps what nobody should find
empty: a partition for every account that is known, and a first answer of what is else asked daily.
"""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from meta_pipeline.alerts import Condition
from meta_pipeline.reports.status import AccountStatus, read_status
from meta_pipeline.reports.words import times
from meta_pipeline.warehouse import CannotTell, Warehouse
from meta_pipeline.warehouse.connect import READER

from .checks import DATA_QUALITY_KEY
from .failed_ticks import failing_ticks, stopped_by_hand
from .markdown import cell
from .partitions import AD_ACCOUNTS
from .record_metadata import ads_manager_url
from .report_asset import REPORT_KEY
from .resources import WarehouseResource
from .tables import OPERATIONS, OWNERS, TAGS

OVERVIEW_KEY = dg.AssetKey(["meta", "overview"])
TICKING = "sensors_and_schedules_run"
TICK_SECONDS = 120
REPORT_EVERY = timedelta(minutes=15)
"""A point in the plots this often, also when nothing changed; a change is reported at once."""
FIRST_ANSWERS = {"data_quality": DATA_QUALITY_KEY, "operations_report": REPORT_KEY}
"""Jobs of the clock, and what each materializes: asked once as soon as there is something to ask
about, rather than empty until their hour comes."""

_SHOWN = 100
_WORDS = {
    "fail": "failing",
    "lost": "lost to the token",
    "partial": "partly synced",
    "waiting": "waiting for quota",
    "throttled": "waiting for quota",
    "never synced": "not synced yet",
    "running": "being synced",
    "success": "up to date",
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

Open the newest materialization and its `summary`. It is reported by sensor `overview` when a state
changes, and every 15 minutes for the plots; *Materialize* asks at once. Reads our own tables; asks
Meta nothing. `meta-pipeline status` says the same in a terminal."""

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Overview:
    """One look: the accounts, the sensors and schedules that fail, and those a person stopped."""

    accounts: Sequence[AccountStatus]
    failing: Sequence[Condition]
    stopped: Sequence[str]
    is_simulated: bool

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
        """The same as long as nothing happened but time passing."""
        states = sorted((one.account_id, word_of(one)) for one in self.accounts)
        said = json.dumps([states, [one.key for one in self.failing], list(self.stopped)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def has_something_to_ask(self) -> bool:
        """Whether half of the accounts were synced: before that a report says next to nothing."""
        open_to_us = [one for one in self.accounts if word_of(one) != "lost to the token"]
        synced = [one for one in open_to_us if one.facts["last_success_at"] is not None]
        return bool(open_to_us) and 2 * len(synced) >= len(open_to_us)

    def metadata(self) -> dict[str, dg.MetadataValue[Any]]:
        counts = Counter(word_of(one) for one in self.accounts)
        ages = [float(one.facts["staleness_seconds"] or 0) for one in self.accounts]
        rows = sum(int(one.facts["insight_rows"] or 0) for one in self.accounts)
        return {
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
        lines = [f"**{cell(self.headline)}**", ""]
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
            OVERVIEW_KEY, description=self.headline, metadata=self.metadata()
        )

    def check(self) -> dg.AssetCheckResult:
        """Whether all sensors and schedules that are on can do their work, `alerts` above all."""
        return dg.AssetCheckResult(
            check_name=TICKING,
            asset_key=OVERVIEW_KEY,
            passed=not self.failing,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(f"{one.subject}: {one.cause}" for one in self.failing)
            or "Every sensor and schedule that is on ticks.",
            metadata={"failing": len(self.failing), "stopped_by_hand": ", ".join(self.stopped)},
        )


def word_of(account: AccountStatus) -> str:
    """The account's state in words."""
    return _WORDS.get(account.state, "failing")


def _line(account: AccountStatus) -> str:
    facts = account.facts
    link = f"[{account.account_id}]({ads_manager_url(account.account_id)})"
    name = f"{cell(account.name)} {link}" if account.name != account.account_id else link
    holds = (
        f"{facts['campaigns']:,} campaigns, {facts['adsets']:,} ad sets, {facts['ads']:,} ads, "
        f"{facts['insight_rows']:,} insight rows"
    )
    newest = facts["newest_insight_day"]
    holds += f" up to {newest}" if newest else ""
    state = word_of(account)
    error = str(facts["last_error"] or "") if state in ("failing", "partly synced") else ""
    to_know = account.waiting or error
    return f"| {name} | {state} | {account.staleness} | {holds} | {cell(to_know)} |"


def look(instance: dg.DagsterInstance, resource: WarehouseResource, now: datetime) -> Overview:
    """Read our tables and Dagster's ticks once; a database without our tables has no accounts."""
    settings = resource.settings()
    with Warehouse(
        settings.require_database_url(),
        application_name="meta_pipeline overview",
        max_connections=1,
        patience=READER,
    ) as warehouse:
        try:
            accounts = read_status(warehouse)
        except psycopg.errors.UndefinedTable:
            accounts = []
    return Overview(
        accounts, failing_ticks(instance, now), stopped_by_hand(instance), settings.is_simulated
    )


def build_overview(clock: Clock = lambda: datetime.now(UTC)) -> dg.AssetsDefinition:
    """The asset `meta/overview`, for a person who does not want to wait for the sensor."""
    spec = dg.AssetSpec(
        OVERVIEW_KEY,
        group_name=OPERATIONS,
        kinds={"postgres", "report"},
        owners=OWNERS,
        tags=TAGS,
        description=_DESCRIPTION,
    )
    check = dg.AssetCheckSpec(
        TICKING,
        asset=OVERVIEW_KEY,
        description="No sensor and no schedule that is on fails again and again: what one does "
        "would otherwise just not happen, and if it is `alerts`, nobody be told.",
    )

    @dg.multi_asset(name="overview", specs=[spec], check_specs=[check])
    def overview(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        found = look(context.instance, warehouse, clock())
        yield dg.MaterializeResult(
            asset_key=OVERVIEW_KEY, metadata=found.metadata(), check_results=[found.check()]
        )

    return overview


def build_overview_sensor(
    jobs: Iterable[UnresolvedAssetJobDefinition], clock: Clock = lambda: datetime.now(UTC)
) -> dg.SensorDefinition:
    """The sensor `overview`; `jobs` has those it may start."""

    @dg.sensor(
        name="overview",
        jobs=[job for job in jobs if job.name in FIRST_ANSWERS],
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps asset meta/overview: every account in words. Makes a partition for each "
        "account that is known, and asks the daily and hourly questions once at the beginning.",
    )
    def overview_sensor(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult:
        now = clock()
        try:
            found = look(context.instance, warehouse, now)
        except CannotTell as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        reported = _reported(context.cursor)
        is_news = found.digest != reported.get("digest") or _is_long_ago(reported.get("at"), now)
        requests = list(_first_answers(context.instance, found, now))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else found.headline,
            cursor=json.dumps({"digest": found.digest, "at": now.isoformat()})
            if is_news
            else context.cursor,
            dynamic_partitions_requests=_missing_partitions(context.instance, found.accounts),
            asset_events=_events(found) if is_news else [],
        )

    return overview_sensor


def _reported(cursor: str | None) -> Mapping[str, Any]:
    """What was reported last, and when."""
    with suppress(ValueError, TypeError):
        found = json.loads(cursor or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _is_long_ago(at: object, now: datetime) -> bool:
    with suppress(ValueError, TypeError):
        return now - datetime.fromisoformat(str(at)) >= REPORT_EVERY
    return True


def _events(found: Overview) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    check = found.check()
    return [
        found.materialization(),
        dg.AssetCheckEvaluation(
            asset_key=OVERVIEW_KEY,
            check_name=TICKING,
            passed=check.passed,
            metadata=check.metadata,
            severity=check.severity,
            description=check.description,
        ),
    ]


def _first_answers(
    instance: dg.DagsterInstance, found: Overview, now: datetime
) -> Iterator[dg.RunRequest]:
    """What was never materialized; if it fails, again within the hour."""
    if not found.has_something_to_ask:
        return
    for job, key in FIRST_ANSWERS.items():
        if instance.get_latest_materialization_event(key) is None:
            yield dg.RunRequest(
                run_key=f"{job}:{now:%Y%m%dT%H}", job_name=job, tags={"reason": "first start"}
            )


def _missing_partitions(
    instance: dg.DagsterInstance, accounts: Sequence[AccountStatus]
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """Accounts that are in the tables and in no Dagster yet: synced by the command line before."""
    known = set(instance.get_dynamic_partitions(str(AD_ACCOUNTS.name)))
    missing = [one.account_id for one in accounts if one.account_id not in known]
    return [AD_ACCOUNTS.build_add_request(missing)] if missing else []
