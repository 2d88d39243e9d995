"""The words that the tables of plans are written in.

Days are written as ages, seen from the account's today: `6..0` are the last seven days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from meta_pipeline.sync import Part, PlanPolicy, SyncRequest
from meta_pipeline.sync.plan.edge_plan import statuses_hash
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.planner import make_plan
from meta_pipeline.sync.plan.stored import StoredAccount
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline.warehouse import CursorRow, WindowRow

ACCOUNT = "act_1"
ZONE = "Europe/Berlin"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
INSIGHTS = frozenset({Part.INSIGHTS})
Read = dict[date, WindowRow]
TEN_DAYS = PlanPolicy(backfill_days=10)


def day(age: int) -> date:
    return TODAY - timedelta(days=age)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def read(
    ages: Iterable[int],
    hours: float,
    rows: int = 10,
    *,
    unproven: int = 0,
    incomplete: str | None = None,
) -> Read:
    """Days of these ages in the ledger, read so many hours ago."""
    row = WindowRow(ago(hours), rows, False, incomplete, unproven)
    return {day(age): row for age in ages}


def cursor(edge: str, **values: Any) -> CursorRow:
    return CursorRow(ACCOUNT, edge, **values)


def listed(part: Part, *, full: float, seen: float, **values: Any) -> CursorRow:
    """An edge that was listed `full` hours ago and read in any way `seen` hours ago."""
    spec = ENTITY_SPECS[part]
    return cursor(
        spec.edge,
        **{
            "updated_since": ago(seen),
            "last_full_at": ago(full),
            "last_fetched_at": ago(seen),
            "statuses_hash": statuses_hash(spec),
        }
        | values,
    )


def all_listed(**changes: CursorRow) -> dict[str, CursorRow]:
    """Cursors of an account whose entities were read a moment ago."""
    cursors = {spec.edge: listed(part, full=0.2, seen=0.2) for part, spec in ENTITY_SPECS.items()}
    return cursors | changes


@dataclass(frozen=True)
class Case:
    """What is stored, what is asked, and the plan in words."""

    name: str
    expected: str
    ledgers: Mapping[str, Read] = field(default_factory=dict)
    cursors: Mapping[str, CursorRow] = field(default_factory=all_listed)
    stored: Mapping[Part, int] = field(default_factory=dict)
    first_days: Mapping[str, date] = field(default_factory=dict)
    policy: PlanPolicy = TEN_DAYS
    parts: frozenset[Part] = INSIGHTS
    asked: Mapping[str, Any] = field(default_factory=dict)
    business_id: str | None = None

    @property
    def lines(self) -> list[str]:
        """What is expected, a line for each reading."""
        return [line.strip() for line in self.expected.strip().splitlines()]

    @property
    def plan(self) -> Plan:
        state = StoredAccount(
            ACCOUNT,
            ZONE,
            self.cursors,
            self.first_days,
            self.stored,
            self.ledgers,
            self.business_id,
        )
        request = SyncRequest(ACCOUNT, parts=self.parts, **self.asked)
        return make_plan(request, state, self.policy, NOW)


def words(plan: Plan) -> list[str]:
    """A plan as the tables write it: a line for each reading, in the order they are done."""
    lines = [f"{edge.spec.edge} {edge.mode} {edge.calls}" for edge in plan.edges]
    for window in plan.windows:
        ages = f"{(TODAY - window.since).days}..{(TODAY - window.until).days}"
        marks = " report" * window.as_report + " again" * window.is_reread
        lines.append(f"{window.dataset.name} {ages} {window.expected_rows}{marks}")
    if plan.activities_since is not None:
        hours = (NOW - plan.activities_since).total_seconds() / 3600
        lines.append(f"activities {hours:g}")
    if plan.days_later:
        lines.append(f"later {plan.days_later}")
    return lines


def case(name: str = "one", **changes: Any) -> Case:
    """A case of its own for what a plan says beside its readings."""
    return replace(Case(name, ""), **changes)
