"""Status: every account's state in words, from view `sync_health` alone.

Dagster need not run for it: this is the check that notices when nothing happens any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline.model.part import BY_ID, EXTRAS
from meta_pipeline.quality import token_finding
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.words import as_typed, times

_HEALTH = """
    SELECT {} FROM meta_ads.sync_health
    WHERE %(account)s::text IS NULL OR account_id = %(account)s
    ORDER BY name NULLS LAST, account_id
"""
# All but what is counted: that takes the longer the more ads there are, and days in the ledger.
_UNCOUNTED = """
    account_id, name, is_accessible, is_simulated, entities_synced_at, insights_synced_at,
    last_success_at, staleness, staleness_seconds, last_attempt_at, last_status, last_error,
    last_calls, last_seconds, is_running, not_before, waiting_for, newest_insight_day, usage_pct,
    usage_read_at, usage_meter, connection_id
"""
# From one account's id to the next, however many runs each has.
_FIRST_SYNCS = """
    WITH RECURSIVE walk AS (
        SELECT coalesce(
            %(account)s::text, (SELECT min(account_id) FROM meta_ads.sync_runs)
        ) AS account_id
        UNION ALL
        SELECT (
            SELECT min(account_id) FROM meta_ads.sync_runs WHERE account_id > walk.account_id
        )
        FROM walk WHERE account_id IS NOT NULL AND %(account)s::text IS NULL
    )
    SELECT walk.account_id, started_at AS last_attempt_at,
        status AS last_status, error_summary AS last_error, not_before,
        CASE WHEN not_before > meta_ads.present() THEN error_summary END AS waiting_for,
        'never' AS staleness, true AS is_accessible, false AS is_simulated,
        status = 'running' AS is_running, 0 AS campaigns, 0 AS adsets, 0 AS ads, 0 AS active,
        0 AS insight_rows, 0 AS insight_days_fetched, 0 AS insight_days_missing
    FROM walk CROSS JOIN LATERAL (
        SELECT started_at, status, error_summary, not_before FROM meta_ads.sync_runs
        WHERE account_id = walk.account_id AND status <> 'refused'
        ORDER BY started_at DESC LIMIT 1
    ) AS run
    WHERE NOT EXISTS (
        SELECT FROM meta_ads.meta_ad_accounts WHERE account_id = walk.account_id
    )
    ORDER BY walk.account_id
"""
"""Accounts whose first sync ended before Meta gave the account itself, throttled above all."""

_ENDED_BEFORE = """
    SELECT account_id, ended.status, ended.error_summary
    FROM unnest(%(accounts)s::text[]) AS account (account_id) CROSS JOIN LATERAL (
        SELECT status, error_summary FROM meta_ads.newest_runs(account_id)
        WHERE status NOT IN ('running', 'refused')
            AND NOT string_to_array(scope, ',') <@ %(extras)s
        ORDER BY started_at DESC LIMIT 1
    ) AS ended
"""


class Standing(StrEnum):
    """How an account stands, in one word; what needs a person first.

    Waiting is until a named time; throttled was so at the last attempt and may go on now. Left out
    is whom META_INCLUDE_ACCOUNTS or META_EXCLUDE_ACCOUNTS keep from being synced.
    """

    FAILING = "failing"
    LATE = "late"
    PARTIAL = "partial"
    WAITING = "waiting"
    THROTTLED = "throttled"
    LOST = "lost"
    NEVER = "never synced"
    RUNNING = "running"
    FRESH = "fresh"
    LEFT_OUT = "left out"

    @property
    def is_problem(self) -> bool:
        """Whether the account's data is not what it should be."""
        return self in _PROBLEMS


# The order above is that of need: from NEVER on nobody has to do anything.
_PROBLEMS = frozenset(list(Standing)[:6])


_NAMED = 5
"""Accounts that an alarm names."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account; `facts` is its row of `sync_health`, whose columns' comments explain it.

    `problem` is what the alerts say is wrong with it: `stale` where its numbers are older than they
    may become (META_ALERT_STALE_HOURS), `failing` after several failures in a row.
    """

    facts: Mapping[str, Any]
    problem: str | None = None
    is_left_out: bool = False

    @property
    def standing(self) -> Standing:
        """How the account stands; where several are so, what says most."""
        facts = self.facts
        holds = {
            # In this order: what the token does not see is not late, and what runs is not failing
            # yet.
            Standing.LOST: not facts["is_accessible"],
            Standing.RUNNING: bool(facts["is_running"]),
            Standing.LEFT_OUT: self.is_left_out,
            Standing.WAITING: self.waiting is not None,
            Standing.FAILING: facts["last_status"] == "fail" or self.problem == "failing",
            Standing.LATE: self.problem == "stale",
            Standing.THROTTLED: facts["last_status"] == "throttled",
            Standing.PARTIAL: facts["last_status"] == "partial",
            Standing.NEVER: facts["staleness_seconds"] is None,
        }
        return next((standing for standing, is_so in holds.items() if is_so), Standing.FRESH)

    @property
    def label(self) -> str:
        """Name and id: `Nordwind Shop (act_1)`."""
        name = self.facts["name"]
        return f"{name} ({self.account_id})" if name else self.account_id

    @property
    def account_id(self) -> str:
        return str(self.facts["account_id"])

    @property
    def name(self) -> str:
        return str(self.facts["name"] or self.account_id)

    @property
    def staleness(self) -> str:
        """`just now`, `15m ago`, `2d ago` or `never`."""
        return str(self.facts["staleness"])

    @property
    def waiting(self) -> str | None:
        """Why no call is made and until when, as one sentence; None when nothing is waited for."""
        part = self.facts["waiting_for"]
        return None if part is None else str(part)

    @property
    def not_before(self) -> datetime | None:
        moment: datetime | None = self.facts["not_before"]
        return moment

    @property
    def trouble(self) -> str | None:
        """What a person should know besides: the wait, or what the last attempt met."""
        if self.waiting is not None:
            return self.waiting
        error = self.facts["last_error"]
        return str(error) if error and self.facts["last_status"] != "running" else None

    @property
    def state(self) -> str:
        """One word: running, left out, waiting, lost (unseen by the token) or the last status."""
        if not self.facts["is_accessible"]:
            return "lost"
        if self.facts["is_running"]:
            return "running"
        if self.is_left_out:
            return "left out"
        if self.waiting is not None:
            return "waiting"
        return str(self.facts["last_status"] or "never synced")

    def is_stale(self, after: timedelta) -> bool:
        """Whether the last success is older than that, or there was none.

        An account that nobody can or wants to sync is not stale: one that is lost or left out.
        """
        if self.is_left_out or not self.facts["is_accessible"]:
            return False
        age = self.facts["staleness_seconds"]
        return age is None or float(age) > after.total_seconds()


def read_status(
    warehouse: Warehouse,
    *,
    leaves_out: Callable[[str], bool] = lambda _: False,
    now: datetime | None = None,
    problems: Mapping[str, str] | None = None,
    account: str | None = None,
    counts: bool = True,
) -> list[AccountStatus]:
    """Every account, problems first and by name; `problems` is what the alerts say of them, by id.

    With `account`, an id, that one alone. Without `counts` their campaigns, ad sets, ads, days and
    rows are not counted, and are no facts of those that Meta gave.

    `leaves_out` says whom the settings keep from being synced (`Settings.leaves_out`); `now` moves
    the clock of the view (simulated days).
    """
    with warehouse.connection() as connection:
        if now is not None:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (now.isoformat(),))
        cursor = connection.cursor(row_factory=dict_row)
        asked = {"account": account}
        cursor.execute(_HEALTH.format("*" if counts else _UNCOUNTED).encode(), asked)
        names = [column.name for column in cursor.description or ()]
        known = cursor.fetchall()
        first = cursor.execute(_FIRST_SYNCS, asked).fetchall()
    # With every column of the view: what is not known of them yet is None, not missing.
    rows = [*known, *(dict.fromkeys(names) | row for row in first)]
    statuses = [
        AccountStatus(row, (problems or {}).get(row["account_id"]), leaves_out(row["account_id"]))
        for row in rows
    ]
    order = list(Standing)
    return sorted(statuses, key=lambda one: (order.index(one.standing), one.name.casefold()))


def without_running(warehouse: Warehouse, accounts: Iterable[AccountStatus]) -> list[AccountStatus]:
    """The accounts as if no sync ran now: one that does stands as its last attempt left it."""
    known = list(accounts)
    begun = [one.account_id for one in known if one.facts["last_status"] == "running"]
    asked = {"accounts": begun, "extras": [*map(str, EXTRAS), BY_ID]}
    ended = {}
    if begun:
        with warehouse.connection() as connection:
            rows = connection.execute(_ENDED_BEFORE, asked).fetchall()
        ended = {account: (status, error) for account, status, error in rows}
    stood = []
    for one in known:
        facts = {**one.facts, "is_running": False}
        if facts["last_status"] == "running":
            facts["last_status"], facts["last_error"] = ended.get(one.account_id, (None, None))
        stood.append(replace(one, facts=facts))
    return stood


def in_short(accounts: Collection[AccountStatus]) -> str:
    """All of them in a line: `1,000 accounts: 987 fresh, 9 failing, 4 waiting`."""
    counted = Counter(one.standing for one in accounts)
    order = [Standing.FRESH, *(one for one in Standing if one is not Standing.FRESH)]
    parts = [f"{counted[one]:,} {one}" for one in order if counted[one]]
    return f"{times(len(accounts), 'account')}: {', '.join(parts)}"


def token_warnings(warehouse: Warehouse, *, now: datetime) -> list[str]:
    """A sentence for each token that Meta refuses, that lacks a scope or ends within 14 days."""
    findings = [token_finding(row, now) for row in warehouse.tokens.in_use()]
    return [f"{one.headline} {one.what_to_do}" for one in findings if not one.passed]


def version_warnings(warehouse: Warehouse, *, now: datetime) -> list[str]:
    """A sentence for each thing Meta said of the API version within two days."""
    return [
        f"Meta on the API version: {notice} meta-pipeline check says how long each version lives."
        for notice in warehouse.unrecognized.version_notices(now - timedelta(days=2), now)
    ]


def staleness_alarm(accounts: Iterable[AccountStatus], after: timedelta) -> str | None:
    """What is wrong when data is older than `after`, in a sentence; None when all is fresh.

    No account at all is an alarm too: a check that watches nothing must not be green.
    """
    known = list(accounts)
    # Three ways to watch nothing; each has its own remedy, so each has its own sentence.
    watched = [one for one in known if not one.is_left_out]
    if not known:
        return "No ad account is known: nothing was ever synced. Run meta-pipeline check."
    if not watched:
        return "META_INCLUDE_ACCOUNTS and META_EXCLUDE_ACCOUNTS leave every ad account out."
    stale = [one for one in watched if one.is_stale(after)]
    if not stale:
        return None
    told = [(one.label, one.staleness, one.waiting) for one in stale[:_NAMED]]
    named = "; ".join(", ".join(filter(None, each)) for each in told)
    more = f"; and {len(stale) - _NAMED:,} more" if len(stale) > _NAMED else ""
    return (
        f"{len(stale)} of {times(len(watched), 'account')} not synced within {as_typed(after)}: "
        f"{named}{more}. See meta-pipeline status --failing, and whether Dagster's daemon runs."
    )
