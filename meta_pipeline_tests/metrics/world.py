"""A simulated account, synced for real, and what it says of itself: the judge of answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.simulator import AccountSpec, VirtualClock
from meta_pipeline.simulator.insights import InsightsQuery, rows
from meta_pipeline.sync import Part, PlanPolicy
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync.lab import START, STATUSES, Lab, lab, small_world

BACKFILL_DAYS = 70
SPLIT_DAYS = 4
"""How many of the last whole days are kept by hour and by age and gender, too."""
FIELDS = (
    "campaign_id",
    "adset_id",
    "ad_id",
    "spend",
    "impressions",
    "clicks",
    "reach",
    "frequency",
    "actions",
    "action_values",
    "video_thruplay_watched_actions",
)
PURCHASE = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
LEAD = ("lead", "onsite_conversion.lead_grouped", "offsite_conversion.fb_pixel_lead")
REGISTRATION = ("omni_complete_registration", "complete_registration")
LANDING = ("omni_landing_page_view", "landing_page_view")
RESULTS = {
    "PURCHASE": PURCHASE,
    "COMPLETE_REGISTRATION": REGISTRATION,
    "LEAD": LEAD,
    "VALUE": PURCHASE,
    "LINK_CLICKS": ("link_click",),
    "LANDING_PAGE_VIEWS": LANDING,
    "LEAD_GENERATION": LEAD,
    "POST_ENGAGEMENT": ("post_engagement",),
    "CONVERSATIONS": ("onsite_conversion.messaging_conversation_started_7d",),
}


class Day(dict[str, Any]):
    """One row of Meta's own answer, read the way a careful person reads it."""

    @property
    def date(self) -> date:
        return date.fromisoformat(self["date_start"])

    def number(self, name: str) -> Decimal:
        return Decimal(self.get(name) or 0)

    def first(
        self, types: tuple[str, ...], *, listed: str = "actions", key: str = "value"
    ) -> Decimal:
        """The number of the first of `types` that is there; the others are the same people."""
        found = {one["action_type"]: one for one in self.get(listed) or ()}
        return next((Decimal(found[t].get(key) or 0) for t in types if t in found), Decimal(0))


@dataclass
class World:
    """The simulated account: what was synced from it, and what it says itself."""

    lab: Lab
    ads: list[Day]
    account_days: list[Day]

    @property
    def today(self) -> date:
        return self.lab.today()

    def last(self, days: int, source: list[Day] | None = None) -> list[Day]:
        """Rows of the last `days` whole days."""
        first = self.today - timedelta(days=days)
        return [row for row in source or self.ads if first <= row.date < self.today]

    def since(self, first: date) -> list[Day]:
        return [row for row in self.ads if first <= row.date <= self.today]

    @property
    def busiest_campaign(self) -> str:
        spent = by(self.last(14), "campaign_id", lambda row: row.number("spend"))
        return str(max(spent, key=lambda key: spent[key]))

    def objects(self, edge: str) -> dict[str, Any]:
        found = self.lab.world.objects(edge, self.lab.account_id)
        return {one.id: one.values for one in found}

    def result(self, row: Day) -> Decimal:
        adset = self.objects("adsets")[row["adset_id"]]
        event = (adset.get("promoted_object") or {}).get("custom_event_type")
        goal = adset["optimization_goal"]
        if goal == "THRUPLAY" and not event:
            return row.first(("video_view",), listed="video_thruplay_watched_actions")
        return row.first(RESULTS[event or goal])


def by(
    found: list[Day], key: str | Callable[[Day], Any], value: Callable[[Day], Decimal]
) -> dict[Any, Decimal]:
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for row in found:
        sums[key(row) if callable(key) else row[key]] += value(row)
    return dict(sums)


def total(found: list[Day], value: Callable[[Day], Decimal]) -> float:
    return float(sum((value(row) for row in found), Decimal(0)))


def spend(row: Day) -> Decimal:
    return row.number("spend")


def impressions(row: Day) -> Decimal:
    return row.number("impressions")


def purchases(row: Day) -> Decimal:
    return row.first(PURCHASE)


def revenue(row: Day) -> Decimal:
    return row.first(PURCHASE, listed="action_values")


@contextmanager
def synced_world(postgres: TestPostgres) -> Iterator[World]:
    """The account after its backfill, rolled up."""
    shop = AccountSpec(
        "Nordwind Shop", 8, 18, 48, (5, 10, 28), zone="Europe/Berlin", currency="EUR"
    )
    simulated = small_world(VirtualClock(START), shop, seed=6)
    policy = PlanPolicy(backfill_days=BACKFILL_DAYS)
    with postgres.fresh_database() as url, lab(url, policy=policy, world=simulated) as found:
        assert found.sync().exit_code == 0
        split = found.sync(
            parts=frozenset({Part.HOURLY, Part.BREAKDOWNS}),
            breakdowns=(("age", "gender"),),
            since=found.today() - timedelta(days=SPLIT_DAYS),
            until=found.today() - timedelta(days=1),
        )
        assert split.exit_code == 0, split.error_summary
        with found.warehouse.connection() as connection:
            metrics.rollup(connection, found.account_id)
        yield World(found, read(found, "ad"), read(found, "account"))


def read(found: Lab, level: str) -> list[Day]:
    filtering = ({"field": "ad.effective_status", "operator": "IN", "value": STATUSES},)
    query = InsightsQuery(
        node_id=found.account_id,
        level=level,
        ranges=((found.today() - timedelta(days=BACKFILL_DAYS - 1), found.today()),),
        increment=1,
        fields=FIELDS if level == "ad" else FIELDS[3:],
        filtering=filtering if level == "ad" else (),
        windows=("1d_click", "7d_click", "1d_view"),
    )
    return [Day(row) for row in rows(found.world, query)]
