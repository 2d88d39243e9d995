"""Status: every account's state in words, from view `sync_health` alone.

Dagster need not run for it: this is the check that notices when nothing happens any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from meta_pipeline.quality import token_finding
from meta_pipeline.warehouse import Warehouse

from .words import times

_SQL = "SELECT * FROM meta_ads.sync_health ORDER BY name NULLS LAST, account_id"
_FIRST_SYNCS = """
    SELECT DISTINCT ON (account_id) account_id, started_at AS last_attempt_at,
        status AS last_status, error_summary AS last_error, not_before,
        CASE WHEN not_before > meta_ads.present() THEN error_summary END AS waiting_for,
        'never' AS staleness, true AS is_accessible, false AS is_simulated,
        status = 'running' AS is_running, 0 AS campaigns, 0 AS adsets, 0 AS ads, 0 AS active,
        0 AS insight_rows, 0 AS insight_days_fetched, 0 AS insight_days_missing
    FROM meta_ads.sync_runs AS run
    WHERE status <> 'refused' AND NOT EXISTS (
        SELECT FROM meta_ads.meta_ad_accounts WHERE account_id = run.account_id
    )
    ORDER BY account_id, started_at DESC
"""
"""Accounts whose first sync ended before Meta gave the account itself, throttled above all."""
_SPAN = re.compile(r"(?P<count>\d+(\.\d+)?)\s*(?P<unit>[mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account; `facts` is its row of `sync_health`, whose columns' comments explain it."""

    facts: Mapping[str, Any]

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
        found = self.facts["waiting_for"]
        return None if found is None else str(found)

    @property
    def not_before(self) -> datetime | None:
        found: datetime | None = self.facts["not_before"]
        return found

    @property
    def state(self) -> str:
        """One word: running, waiting, lost (the token sees it no more) or the last status."""
        if not self.facts["is_accessible"]:
            return "lost"
        if self.facts["is_running"]:
            return "running"
        if self.waiting is not None:
            return "waiting"
        return str(self.facts["last_status"] or "never synced")

    def is_stale(self, after: timedelta) -> bool:
        """Whether the last success is older than that, or there was none; a lost account is not."""
        if not self.facts["is_accessible"]:
            return False
        age = self.facts["staleness_seconds"]
        return age is None or float(age) > after.total_seconds()


def read_status(warehouse: Warehouse, *, now: datetime | None = None) -> list[AccountStatus]:
    """Every account, by name; `now` moves the clock of the view (simulated days)."""
    with warehouse.connection() as connection:
        if now is not None:
            connection.execute("SELECT set_config('meta_ads.now', %s, true)", (now.isoformat(),))
        cursor = connection.cursor(row_factory=dict_row).execute(_SQL)
        names = [column.name for column in cursor.description or ()]
        known = [AccountStatus(row) for row in cursor.fetchall()]
        first = connection.cursor(row_factory=dict_row).execute(_FIRST_SYNCS).fetchall()
    return [*known, *(AccountStatus(dict.fromkeys(names) | row) for row in first)]


def token_warnings(warehouse: Warehouse, *, now: datetime) -> list[str]:
    """A sentence for each token that Meta refuses, that lacks a scope or ends within 14 days."""
    findings = [token_finding(row, now) for row in warehouse.tokens.in_use()]
    return [f"{one.headline} {one.what_to_do}" for one in findings if not one.passed]


def version_warnings(warehouse: Warehouse, *, now: datetime) -> list[str]:
    """A sentence for each thing Meta said of the API version within two days."""
    return [
        f"Meta on the API version: {notice} meta-pipeline check says how long each version lives."
        for notice in warehouse.unrecognized.version_notices(now - timedelta(days=2))
    ]


def staleness_alarm(accounts: Iterable[AccountStatus], after: timedelta) -> str | None:
    """What is wrong when data is older than `after`, in a sentence; None when all is fresh.

    No account at all is an alarm too: a check that watches nothing must not be green.
    """
    watched = list(accounts)
    if not watched:
        return "No ad account is known: nothing was ever synced. Run meta-pipeline check."
    stale = [one for one in watched if one.is_stale(after)]
    if not stale:
        return None
    named = ", ".join(f"{one.name} ({_last(one)})" for one in stale[:5])
    more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
    return (
        f"{len(stale)} of {times(len(watched), 'account')} not synced within {in_words(after)}: "
        f"{named}{more}. See meta-pipeline status, and whether Dagster's daemon runs."
    )


def span(text: str) -> timedelta:
    """`6h`, `90m`, `2d` as a duration; ValueError says what is allowed."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None or float(match["count"]) <= 0:
        raise ValueError(f"{text!r} is not a duration such as 90m, 6h or 2d")
    return float(match["count"]) * _UNITS[match["unit"]]


def in_words(duration: timedelta) -> str:
    """A duration as it is typed: `90m`, `6h`, `2d`."""
    for unit in ("d", "h"):
        if duration >= _UNITS[unit] and not duration % _UNITS[unit]:
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration / _UNITS['m']:g}m"


def _last(one: AccountStatus) -> str:
    waiting = f", {one.waiting}" if one.waiting else ""
    return f"{one.staleness}{waiting}"
