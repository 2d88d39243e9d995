"""Data health: what the checks find wrong, since when, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from meta_pipeline.alerts import limits_of
from meta_pipeline.quality import CHECKS, Finding
from meta_pipeline.reports.words import heading
from meta_pipeline.web.gate import Visit

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
    """One check and what it found just now; `since` is when an alert of it was opened."""

    title: str
    description: str
    finding: Finding
    since: datetime | None

    @property
    def columns(self) -> Sequence[str]:
        """Columns of its rows, in their order."""
        return list(self.finding.rows[0]) if self.finding.rows else []

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        return self.finding.rows


def health(visit: Visit) -> Response:
    """Every check of the catalogue, run now, what failed first; and the open alerts."""
    limits = limits_of(visit.site.settings)
    with visit.warehouse.connection() as connection:
        alarms = [Alarm(*row) for row in connection.execute(_OPEN).fetchall()]
        opened = {one.alert_key: one.opened_at for one in alarms}
        checked = [
            Checked(
                check.description,
                check.title,
                check.run(connection, limits),
                opened.get(f"check:{check.name}"),
            )
            for check in CHECKS
        ]
    checked.sort(key=lambda one: -int(one.finding.severity) if one.finding.count else 0)
    return visit.page(
        "health.html",
        title="Data health",
        checks=checked,
        alarms=alarms,
        failing=sum(not one.finding.passed for one in checked),
        heading=heading,
    )
