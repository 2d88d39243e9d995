"""Data health: what the checks find wrong, since when, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from psycopg.errors import LockNotAvailable, QueryCanceled
from starlette.responses import Response

from meta_pipeline.alerts import limits_of
from meta_pipeline.quality import CHECKS, Check, Finding
from meta_pipeline.reports.words import heading
from meta_pipeline.web.gate import Visit

_EACH_SECONDS = 10.0
_ALL_SECONDS = 30.0
"""How long a check may take, and all of them together: who looks waits for them."""
_TIME = "SELECT set_config('statement_timeout', %s, true)"
_OPEN = """
    SELECT alert_key, account_id, subject, grade, cause, what_to_do, opened_at
    FROM meta_ads.alerts WHERE resolved_at IS NULL ORDER BY grade DESC, opened_at LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A problem that people were told of, and since when it is open."""

    alert_key: str
    account_id: str | None
    subject: str
    grade: int
    cause: str
    what_to_do: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """One check and what it found, if it could tell; `since` is when an alert of it was opened."""

    check: Check
    finding: Finding | None
    since: datetime | None

    @property
    def rank(self) -> int:
        """What failed comes first, the worst of it before the rest; then what is not known."""
        if self.finding is None:
            return 1
        return 0 if self.finding.passed else 1 + int(self.finding.severity)

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        return self.finding.rows if self.finding else ()

    @property
    def columns(self) -> Sequence[str]:
        """Columns of its rows, in their order."""
        return list(self.rows[0]) if self.rows else []


def health(visit: Visit) -> Response:
    """Every check of the catalogue, what failed first; and the open alerts."""
    # Before the page holds a connection: whoever waits for another's run of the checks holds none.
    run = visit.site.check_runs.newest(visit.visitor.tenant, visit.now, partial(_findings, visit))
    with visit.warehouse.connection() as connection:
        alarms = [Alarm(*row) for row in connection.execute(_OPEN).fetchall()]
    opened = {one.alert_key: one.opened_at for one in alarms}
    findings = run.findings if run else {}
    checked = [
        Checked(one, findings[one.name], opened.get(f"check:{one.name}"))
        for one in CHECKS
        if one.name in findings
    ]
    return visit.page(
        "health.html",
        title="Data health",
        ran_at=run.at if run else None,
        checks=sorted(checked, key=lambda one: -one.rank),
        alarms=alarms,
        failing=sum(one.rank > 1 for one in checked),
        unknown=sum(one.rank == 1 for one in checked),
        heading=heading,
    )


def _findings(visit: Visit) -> dict[str, Finding | None]:
    """What each check finds, of one moment; None where it has no answer in the time it has."""
    limits = limits_of(visit.site.settings)
    found: dict[str, Finding] = {}
    ends = time.monotonic() + _ALL_SECONDS
    with visit.tables.snapshot() as tables, tables.connection() as connection:
        for check in CHECKS:
            left_seconds = min(_EACH_SECONDS, ends - time.monotonic())
            # In a part of the transaction: what is given up takes nothing from the others.
            with suppress(QueryCanceled, LockNotAvailable), connection.transaction():
                connection.execute(_TIME, (f"{max(1, left_seconds * 1000):.0f}",))
                found[check.name] = check.run(connection, limits)
    return {check.name: found.get(check.name) for check in CHECKS}
