"""Where problems are seen: in the records of the syncs, in the API log, in the data checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline.quality import TOKEN_CHECK, Finding, Limits, Severity, read_query
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Connection

from .condition import Condition, ConditionKind, Grade
from .message import cause as readable

_SQL = Path(__file__).parent / "sql"
_TOLD_BY_ACCOUNT = "freshness"
# By days left, as `quality.token` counts them: the same token is told again when it gets urgent.
_TOKEN_GRADES = {14: Grade.WARNING, 7: Grade.ERROR, 1: Grade.URGENT, 0: Grade.HAPPENED}
_ADVICE = {
    ConditionKind.LOST: (
        "Give the token's user access to the account again (Business settings → Ad accounts → Add "
        "people), or leave it out with META_EXCLUDE_ACCOUNTS."
    ),
    ConditionKind.FAILING: (
        "The cause above says whose fault it is; docs/troubleshooting.md explains each of Meta's "
        "codes. Materialize the account's partition to try at once."
    ),
    ConditionKind.THROTTLED: (
        "Nothing is broken: Meta's limit has to pass. If it happens often, sync the account more "
        "rarely, or apply for a higher access tier."
    ),
    ConditionKind.STALE: (
        "Is the Dagster daemon up, and the sensor on? Materialize the account's partition to sync "
        "it at once."
    ),
}
_ALL = {
    ConditionKind.LOST: "Meta no longer lists the account for this token.",
    ConditionKind.THROTTLED: (
        "Meta refuses calls for this account for a rate limit, longer than usual."
    ),
    ConditionKind.STALE: "No successful sync of its numbers for longer than it should be.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits(Limits):
    """From where on people are told, beside the limits of the data checks.

    An account is throttled for long after `throttled`, failing after `failures` in a row of the
    same work. Calls fail too often above `error_rate_pct` of the last hour's `calls_at_least` or
    more.
    """

    throttled: timedelta = timedelta(hours=2)
    failures: int = 2
    error_rate_pct: float = 1.0
    calls_at_least: int = 100


def limits_of(settings: Settings) -> AlertLimits:
    """The limits as the settings have them."""
    return AlertLimits(
        stale=timedelta(hours=settings.alert_stale_hours),
        stale_quiet=timedelta(hours=settings.alert_stale_quiet_hours),
        quiet_spend=settings.rotation_medium_spend,
        currency=settings.rotation_currency,
        throttled=timedelta(hours=settings.alert_throttled_hours),
        error_rate_pct=settings.alert_error_rate_pct,
        include=sorted(settings.included),
        exclude=sorted(settings.excluded),
    )


def account_conditions(connection: Connection, limits: AlertLimits) -> list[Condition]:
    """What is wrong with each ad account: at most one condition an account, the telling one."""
    conditions: list[Condition] = []
    for row in _rows(connection, "accounts", limits):
        kind, account_id = ConditionKind(row["kind"]), str(row["account_id"])
        name = row["name"]
        # The same words for every account, so that one cause is one paragraph.
        # Meta names it with act_ and without.
        cause = _ALL.get(kind) or str(row["error"] or "no reason on record").replace(
            account_id, "the account"
        ).replace(account_id[4:], "the account")
        conditions.append(
            Condition(
                key=f"account:{account_id}",
                kind=kind,
                grade=Grade.ERROR if row["is_error"] else Grade.WARNING,
                subject=f"{name} ({account_id})" if name else account_id,
                cause=readable(cause),
                what_to_do=_ADVICE[kind],
                since=row["since"],
                account_id=account_id,
                link=f"/assets/meta/insights?view=partitions&partition={account_id}",
            )
        )
    return conditions


def account_problems(connection: Connection, limits: AlertLimits) -> dict[str, ConditionKind]:
    """What is wrong with each ad account, by id, as the alerts see it."""
    return {
        str(row["account_id"]): ConditionKind(row["kind"])
        for row in _rows(connection, "accounts", limits)
    }


def error_rate_conditions(connection: Connection, limits: AlertLimits) -> list[Condition]:
    """Whether too many calls of the last hour failed; throttles have their own alert."""
    return [
        Condition(
            key="error_rate",
            kind=ConditionKind.ERROR_RATE,
            grade=Grade.WARNING,
            subject=f"{row['failed_pct']:.1f} % of the last hour's calls",
            cause=f"Most of them: {row['most']}.",
            what_to_do="docs/troubleshooting.md explains each of Meta's codes; the calls are in "
            "meta_ads.meta_api_logs.",
            since=row["since"],
        )
        for row in _rows(connection, "error_rate", limits)
    ]


def check_conditions(finding: Finding, now: datetime) -> list[Condition]:
    """A failed data check as a problem. Late accounts are told one by one instead."""
    if finding.passed or finding.check == _TOLD_BY_ACCOUNT:
        return []
    is_token = finding.check == TOKEN_CHECK.name
    grade = Grade.ERROR if finding.severity is Severity.ERROR else Grade.WARNING
    if is_token:
        stage = finding.numbers.get("stage_days")
        grade = Grade.WARNING if stage is None else _TOKEN_GRADES[int(stage)]
    return [
        Condition(
            key=f"check:{finding.check}",
            kind=ConditionKind.TOKEN if is_token else ConditionKind.CHECK,
            grade=grade,
            subject="the token Meta is asked with" if is_token else finding.check,
            cause=finding.headline,
            what_to_do=finding.what_to_do,
            since=now,
            link="/jobs/data_quality",
        )
    ]


def run_condition(job: str, run_id: str, error: str, at: datetime) -> Condition:
    """A failed run that no record of a sync explains."""
    return Condition(
        key=f"run:{job}",
        kind=ConditionKind.RUN,
        grade=Grade.ERROR,
        subject=job,
        cause=readable(error),
        what_to_do="Open the run and read its last error; start the job again once it is mended.",
        since=at,
        link=f"/runs/{run_id}",
    )


def tick_condition(what: str, name: str, error: str, since: datetime) -> Condition:
    """A sensor or schedule (`what`) whose ticks fail one after the other."""
    return Condition(
        key=f"tick:{name}",
        kind=ConditionKind.TICK,
        grade=Grade.ERROR,
        subject=f"{what} {name}",
        cause=readable(error),
        what_to_do="Until it is mended nothing of its is done. The error of its last tick is on "
        "its page in Dagster, under Automation; docs/operations.md says what each one does.",
        since=since,
        link="/automation",
    )


def look_condition(what: str, error: Exception, now: datetime) -> Condition:
    """A part of the alerts' own look that broke; the others are looked at all the same."""
    return Condition(
        key=f"look:{what}",
        kind=ConditionKind.TICK,
        grade=Grade.ERROR,
        subject=f"sensor alerts, {what}",
        cause=f"They could not be looked at ({type(error).__name__}).",
        what_to_do="Problems of this sort are not told until it is mended: read the log of the "
        "code server. `meta-pipeline check` says whether the database is well.",
        since=now,
        link="/automation",
    )


def _rows(connection: Connection, name: str, limits: AlertLimits) -> Iterable[dict[str, Any]]:
    query = read_query(_SQL / f"{name}.sql")
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(query, limits.parameters()).fetchall()
