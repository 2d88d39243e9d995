"""What was known of an ad account on a day: the one input of every rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal, TypeAlias

EntityType: TypeAlias = Literal["account", "campaign", "adset", "ad"]
ChangeKind: TypeAlias = Literal["budget", "creative", "bid", "status"]
# Whole weeks: every weekday counts as often as the others.
_MONTH = 28
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one entity; `spend` in major units. `reach` are people, None where unknown.

    Spend or results below a millionth are none: what is divided by them is no number any more.
    """

    day: date
    spend: float
    impressions: int = 0
    clicks: int = 0
    results: float = 0.0
    reach: int | None = None

    def __post_init__(self) -> None:
        for name in ("spend", "results"):
            if 0 < abs(getattr(self, name)) < _LEAST:
                object.__setattr__(self, name, 0.0)  # it is frozen


@dataclass(frozen=True, slots=True)
class Learning:
    """Meta's learning stage of an ad set; its own threshold where Meta gives one (FACTS 12)."""

    stage: Literal["LEARNING", "SUCCESS", "FAIL"]
    events_needed: float | None = None
    days_allowed: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody changed an entity on a day."""

    day: date
    entity_id: str
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Issue:
    """A delivery problem in Meta's own words."""

    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Entity:
    """An account, campaign, ad set or ad, with its days of delivery in order.

    Ids of what it is in are None above it: a campaign has no `adset_id`.
    """

    entity_type: EntityType
    entity_id: str
    name: str = ""
    campaign_id: str | None = None
    adset_id: str | None = None
    effective_status: str = "ACTIVE"
    """Meta's, which takes into account what it is in: an ad of a paused ad set is ADSET_PAUSED."""
    days: tuple[Day, ...] = ()
    """Days that have a row; none of a day that was not read or on which nothing was shown."""
    result_metric: str | None = "results"
    """What `Day.results` counts; None where nothing counts them, or not one thing."""
    result_name: str | None = None
    """What people call that, where it is a custom conversion."""
    attribution: str | None = None
    """A text that is equal where the attribution windows are; so is `targeting`."""
    targeting: str | None = None
    creative_id: str | None = None
    learning: Learning | None = None
    issues: tuple[Issue, ...] = ()
    fatigue: str | None = None
    """Meta's level of creative fatigue, such as HIGH; None where no webhook told one."""
    daily_budget: float | None = None
    """In major units; None where its budget is a lifetime one, or is that of what it is in."""

    @cached_property
    def by_day(self) -> dict[date, Day]:
        return {one.day: one for one in self.days}

    @property
    def siblings_key(self) -> tuple[str, str, str]:
        """The same for those it can be compared with: level, what they are in, what they count."""
        owner = self.adset_id if self.entity_type == "ad" else self.campaign_id
        return self.entity_type, owner or "", self.result_metric or ""

    @property
    def is_active(self) -> bool:
        """Whether it may deliver, as far as its status says."""
        return self.effective_status == "ACTIVE"

    def between(self, since: date, until: date) -> list[Day]:
        """Its days from `since` to `until`, both included."""
        return [one for one in self.days if since <= one.day <= until]


@dataclass(frozen=True, slots=True)
class BudgetPace:
    """A budget, what it spent and what was due by now; amounts in major units."""

    entity_type: EntityType
    entity_id: str
    name: str
    kind: Literal["daily", "lifetime"]
    budget: float
    days_counted: int
    """Whole days that `spent` is of; of a daily budget at most seven."""
    spent: float
    due: float | None
    """What an even pace would have spent in them."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An ad account as it was known on a day."""

    account_id: str
    today: date
    """A day of its own zone, which is not over."""
    name: str = ""
    currency: str = ""
    account_status: int | None = 1
    """Meta's number; 1 is active."""
    entities: tuple[Entity, ...] = ()
    changes: tuple[Change, ...] = ()
    budgets: tuple[BudgetPace, ...] = ()
    differing: frozenset[date] = frozenset()
    """Days whose ad rows do not add up to the account's own."""
    settled_until: date | None = None
    """The newest day that moves no more; None while the account has not shown how long that is."""
    target_cpa: float | None = None
    """In major units; None where nobody set one, and then nothing is judged against it."""
    target_metric: str | None = None
    """The results that the target is a price of."""
    to_pause: frozenset[str] = frozenset()
    """What a rule before advises to pause, and `to_scale` what to give more."""
    to_scale: frozenset[str] = frozenset()

    @property
    def yesterday(self) -> date:
        """The newest whole day."""
        return self.today - timedelta(days=1)

    def is_empty(self, entity: Entity) -> bool:
        """Whether no ad in it may deliver; an ad is never empty."""
        return entity.entity_type != "ad" and not any(
            one.is_active and entity.entity_id in (one.adset_id, one.campaign_id)
            for one in self.of_type("ad")
        )

    def campaign_has_budget(self, entity: Entity) -> bool:
        """Whether Meta spreads a budget of its campaign's, daily or lifetime, over its like."""
        return any(one.entity_id == entity.campaign_id for one in self.budgets) or any(
            one.daily_budget
            for one in self.of_type("campaign")
            if one.entity_id == entity.campaign_id
        )

    def of_type(self, *types: EntityType) -> list[Entity]:
        """Its entities of these types."""
        return [one for one in self.entities if one.entity_type in types]

    def spend_a_day(self, entity: Entity) -> float:
        """What an entity spent a day in the last four weeks."""
        since = self.today - timedelta(days=_MONTH)
        return sum(one.spend for one in entity.between(since, self.yesterday)) / _MONTH

    @cached_property
    def whole_spend_a_day(self) -> float:
        """What the account spent a day in the last four weeks, by its uppermost level with days."""
        # Not all of them together: the same money is on every level.
        for level in ("account", "campaign", "adset", "ad"):
            spent = sum(self.spend_a_day(one) for one in self.entities if one.entity_type == level)
            if spent:
                return spent
        return 0.0

    @cached_property
    def _changes_of(self) -> dict[str, list[Change]]:
        by_entity: dict[str, list[Change]] = {}
        for one in self.changes:
            by_entity.setdefault(one.entity_id, []).append(one)
        return by_entity

    def changes_of(self, entity_ids: Iterable[str | None]) -> list[Change]:
        """Changes of these entities, in the order of their days."""
        changes = (one for name in entity_ids if name for one in self._changes_of.get(name, ()))
        return sorted(changes, key=lambda one: one.day)
