"""What was known of an ad account on a day: the one input of every rule."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal, TypeAlias, overload

EntityType: TypeAlias = Literal["account", "campaign", "adset", "ad"]
ChangeKind: TypeAlias = Literal["budget", "creative", "bid", "status"]
# Whole weeks: every weekday counts as often as the others.
_MONTH = 28
_LEAST = 1e-6
_UNKNOWN = -1
SiblingsKey: TypeAlias = tuple[str, str, str]
"""The same for those that can be compared: level, what they are in, what they count."""


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
        # One by one: as many are made as are looked at.
        if 0 < abs(self.spend) < _LEAST:
            object.__setattr__(self, "spend", 0.0)  # it is frozen
        if 0 < abs(self.results) < _LEAST:
            object.__setattr__(self, "results", 0.0)


def _together(days: Sequence[Day]) -> Day:
    return Day(
        days[0].day,
        sum(one.spend for one in days),
        sum(one.impressions for one in days),
        sum(one.clicks for one in days),
        sum(one.results for one in days),
    )


class Days(Sequence[Day]):
    """Days of an entity in their order, kept in columns of numbers: some 50 bytes a day.

    A `Day` is made of a row when it is asked for, and forgotten with whoever asked.
    """

    __slots__ = ("_clicks", "_impressions", "_ordinals", "_reach", "_results", "_spend")

    def __init__(self) -> None:
        self._ordinals = array("i")
        self._spend, self._results = array("d"), array("d")
        self._impressions, self._clicks, self._reach = array("q"), array("q"), array("q")

    def append(self, day: Day) -> None:
        """One day more, which is later than all before it."""
        self._ordinals.append(day.day.toordinal())
        self._spend.append(day.spend)
        self._impressions.append(day.impressions)
        self._clicks.append(day.clicks)
        self._results.append(day.results)
        self._reach.append(_UNKNOWN if day.reach is None else day.reach)

    def between(self, since: date, until: date) -> list[Day]:
        """The days from `since` to `until`, both included."""
        first = bisect_left(self._ordinals, since.toordinal())
        return self[first : bisect_right(self._ordinals, until.toordinal())]

    def __len__(self) -> int:
        return len(self._ordinals)

    def __iter__(self) -> Iterator[Day]:
        return iter(self[:])

    @overload
    def __getitem__(self, index: int) -> Day: ...

    @overload
    def __getitem__(self, index: slice) -> list[Day]: ...

    def __getitem__(self, index: int | slice) -> Day | list[Day]:
        if not isinstance(index, slice):
            at = range(len(self))[index]
            return self[at : at + 1][0]
        numbers = (self._spend, self._impressions, self._clicks, self._results, self._reach)
        rows = zip(self._ordinals[index], *(one[index] for one in numbers), strict=True)
        return [
            Day(date.fromordinal(at), spend, shown, clicks, made, None if reach < 0 else reach)
            for at, spend, shown, clicks, made, reach in rows
        ]


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
    days: Sequence[Day] = ()
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
    def siblings_key(self) -> SiblingsKey:
        """The same for those it can be compared with."""
        owner = self.adset_id if self.entity_type == "ad" else self.campaign_id
        return self.entity_type, owner or "", self.result_metric or ""

    @property
    def is_active(self) -> bool:
        """Whether it may deliver, as far as its status says."""
        return self.effective_status == "ACTIVE"

    def between(self, since: date, until: date) -> list[Day]:
        """Its days from `since` to `until`, both included."""
        if isinstance(self.days, Days):
            return self.days.between(since, until)
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
    other_currency_until: date | None = None
    """The newest day with amounts in another currency than `currency`: days are known from the day
    after it on. None where all are in it.
    """
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
        return entity.entity_type != "ad" and entity.entity_id not in self._with_an_active_ad

    @cached_property
    def _with_an_active_ad(self) -> frozenset[str | None]:
        active = [one for one in self.of_type("ad") if one.is_active]
        return frozenset(name for one in active for name in (one.adset_id, one.campaign_id))

    def campaign_has_budget(self, entity: Entity) -> bool:
        """Whether Meta spreads a budget of its campaign's, daily or lifetime, over its like."""
        return entity.campaign_id in self._with_a_budget

    @cached_property
    def _with_a_budget(self) -> frozenset[str]:
        daily = {one.entity_id for one in self.of_type("campaign") if one.daily_budget}
        return frozenset(daily.union(one.entity_id for one in self.budgets))

    def of_type(self, *types: EntityType) -> list[Entity]:
        """Its entities of these types."""
        return [one for one in self.entities if one.entity_type in types]

    @cached_property
    def adsets(self) -> dict[str, Entity]:
        """Its ad sets by id."""
        return {one.entity_id: one for one in self.of_type("adset")}

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        by_id: dict[str, list[int]] = {}
        for at, one in enumerate(self.entities):
            by_id.setdefault(one.entity_id, []).append(at)
        return by_id

    def with_ids(self, entity_ids: Iterable[str | None]) -> list[Entity]:
        """Its entities of these ids, in their order in the account."""
        places = {at for name in entity_ids if name for at in self._places.get(name, ())}
        return [self.entities[at] for at in sorted(places)]

    @cached_property
    def siblings(self) -> dict[SiblingsKey, list[Entity]]:
        """Its entities by what they can be compared with, in their order in the account."""
        by_key: dict[SiblingsKey, list[Entity]] = {}
        for one in self.entities:
            by_key.setdefault(one.siblings_key, []).append(one)
        return by_key

    @cached_property
    def _summed(self) -> dict[SiblingsKey, list[Day]]:
        return {}  # each once it is asked for: most are not

    def days_together(self, key: SiblingsKey) -> list[Day]:
        """What all siblings of a key had by day; people of several are no sum, so no `reach`."""
        if key not in self._summed:
            by_day: dict[date, list[Day]] = {}
            for day in (day for one in self.siblings.get(key, ()) for day in one.days):
                by_day.setdefault(day.day, []).append(day)
            self._summed[key] = [_together(by_day[day]) for day in sorted(by_day)]
        return self._summed[key]

    @cached_property
    def budgets_due(self) -> dict[str, BudgetPace]:
        """By entity the first of its budgets that has something due."""
        return {one.entity_id: one for one in reversed(self.budgets) if one.due}

    @cached_property
    def still_learning(self) -> dict[str, int]:
        """Ad sets in their learning stage by id: their places among its entities."""
        return {
            one.entity_id: at
            for at, one in enumerate(self.entities)
            if one.entity_type == "adset" and one.learning and one.learning.stage == "LEARNING"
        }

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
        # Of a day and kind one says what a hundred do, and a rule that edits hourly makes hundreds.
        for one in dict.fromkeys(self.changes):
            by_entity.setdefault(one.entity_id, []).append(one)
        return by_entity

    def changes_of(self, entity_ids: Iterable[str | None]) -> list[Change]:
        """Changes of these entities, in the order of their days."""
        changes = (one for name in entity_ids if name for one in self._changes_of.get(name, ()))
        return sorted(changes, key=lambda one: one.day)
