"""The world behind the simulated Graph API: accounts, their trees, and edits over time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, overload
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world import activities, creatives, edits, entity_fields
from meta_pipeline.simulator.world.account_fields import account_values
from meta_pipeline.simulator.world.accounts import DEFAULT_ACCOUNTS, AccountSpec, account_number
from meta_pipeline.simulator.world.clock import Clock
from meta_pipeline.simulator.world.data_gaps import LostConversions, SpoiledDay
from meta_pipeline.simulator.world.draws import seed_key
from meta_pipeline.simulator.world.entities import KINDS, Entity, entity_id, parse_account, parse_id
from meta_pipeline.simulator.world.memo import Memo
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN, CREATIVE, Tree

_DEPTH = {"campaigns": CAMPAIGN, "adsets": ADSET, "ads": AD, "adcreatives": CREATIVE}


class World:
    """Deterministic accounts from a seed; the same seed and anchor give the same world.

    `anchor` is the day the generated past ends (default: the first of the clock's month, so
    that a restart within a month finds the same past). `processing_seconds` keeps an edited
    thing IN_PROCESS for that long (FACTS §8; 0 is off). `hard_retention` makes breakdowns
    beyond their retention an error instead of silently empty (FACTS §5.4). `hourly_zero_rows`
    adds to hourly rows one without impressions and without the breakdown's key (FACTS §5.2).
    `version` counts edits: a cache keyed by it never serves an old world.
    """

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock,
        accounts: Sequence[AccountSpec] = DEFAULT_ACCOUNTS,
        anchor: date | None = None,
        processing_seconds: int = 0,
        hard_retention: bool = False,
        hourly_zero_rows: bool = False,
    ) -> None:
        self.seed, self.clock = seed, clock
        self.key = seed_key(seed)
        self.specs = tuple(accounts)
        self.anchor = anchor or clock.now().astimezone(UTC).date().replace(day=1)
        self.processing_seconds, self.hard_retention = processing_seconds, hard_retention
        self.hourly_zero_rows = hourly_zero_rows
        self.version = 0
        self.memo, self.answers = Memo(64), Memo(8)
        self.bad_creatives: set[str] = set()
        self.spoiled_days: list[SpoiledDay] = []
        self.lost_conversions: list[LostConversions] = []
        self._lock = threading.RLock()
        anchored = int(datetime(*self.anchor.timetuple()[:3], tzinfo=UTC).timestamp())
        self._anchored = anchored
        self.trees = tuple(Tree(self.key, n, spec, anchored) for n, spec in enumerate(self.specs))
        self.zones = tuple(ZoneInfo(spec.zone) for spec in self.specs)
        self.overlay = edits.Overlay()

    # Reading

    def accounts(self) -> Sequence[Entity]:
        """All ad accounts, also those without permission and disabled ones (see `spec`)."""
        return [
            self._account(n) for n in range(len(self.specs)) if (n, -1, 0) not in self.overlay.gone
        ]

    def spec(self, account_id: str) -> AccountSpec:
        """What an account was built from: `permitted`, `opted_in`, zone, currency."""
        ordinal = self.ordinal(account_id)
        if ordinal is None:
            raise KeyError(f"no account {account_id} in this world")
        return self.specs[ordinal]

    def ordinal(self, account_id: str) -> int | None:
        """Position of `act_<n>` in this world; None for a stranger."""
        ordinal = parse_account(account_id)
        if ordinal is None or ordinal >= len(self.specs) or (ordinal, -1, 0) in self.overlay.gone:
            return None
        return ordinal

    def objects(
        self,
        kind: str,
        parent_id: str,
        *,
        statuses: Iterable[str] | None = None,
        updated_after: int | None = None,
    ) -> Sequence[Entity]:
        """An edge, newest first: len() and slices are cheap, entities are built when looked at.

        Without `statuses` every status is there, ARCHIVED and DELETED too. `statuses` keeps
        these effective_status values; `updated_after` keeps updated_time strictly later than
        that epoch second. An unknown parent has no children.
        """
        level, node = _DEPTH[kind], self.locate(parent_id)
        if node is None:
            return _Edge((), self._entity_maker(0, level))
        ordinal, parent_level, parent = node
        indexes = self._indexes(ordinal, level, parent_level, parent)
        if level != CREATIVE and (statuses is not None or updated_after is not None):
            wanted = None if statuses is None else frozenset(statuses)
            indexes = self._matching(ordinal, level, indexes, wanted, updated_after)
        return _Edge(indexes, self._entity_maker(ordinal, level))

    def get(self, object_id: str) -> Entity | None:
        """Any object by id, deleted ones too; None where Meta answers 100/33."""
        node = self.locate(object_id)
        if node is None:
            return None
        ordinal, level, index = node
        return self._account(ordinal) if level < 0 else self.entity(ordinal, level, index)

    def activities(self, account_id: str) -> Sequence[Entity]:
        """The account's change log, newest first; entities carry no `id` in their values."""
        ordinal = self.ordinal(account_id)
        if ordinal is None:
            return []
        past = activities.history(self.trees[ordinal])
        rows = sorted([*past, *self.overlay.log.get(ordinal, [])], key=lambda row: row[0])
        rows.reverse()
        return _Edge(range(len(rows)), lambda n: self._activity(ordinal, *rows[n]))

    def locate(self, object_id: str) -> tuple[int, int, int] | None:
        """(account ordinal, level, index) of an id; level -1 is the account itself."""
        ordinal = self.ordinal(object_id)
        if ordinal is not None:
            return ordinal, -1, 0
        parsed = parse_id(object_id)
        if parsed is None:
            return None
        level, ordinal, index = parsed
        if ordinal >= len(self.specs) or index >= self._size(ordinal, level):
            return None
        place = ordinal, level, index
        return None if {place, (ordinal, -1, 0)} & self.overlay.gone else place

    def entity(self, ordinal: int, level: int, index: int) -> Entity:
        """One campaign, ad set, ad or creative by position."""
        tree = self.trees[ordinal]
        values = entity_fields.values(tree, level, index, self.zones[ordinal])
        object_id = values["id"]
        if level != CREATIVE:
            values["effective_status"] = self.effective_status(ordinal, level, index)
        values = self.overlay.applied(object_id, values)
        return Entity(KINDS[level], object_id, f"act_{account_number(ordinal)}", values)

    def effective_status(self, ordinal: int, level: int, index: int) -> str:
        """effective_status by position, with processing after edits and raw patches."""
        if self.overlay.fields:
            patched = self.overlay.fields.get(entity_id(level, ordinal, index))
            if patched and "effective_status" in patched:
                return str(patched["effective_status"])
        found = self.trees[ordinal].effective(level, index)
        if found == "ACTIVE" and self.processing_seconds:
            edited = self.overlay.edited_at.get((ordinal, level, index))
            if edited is not None and self.now() < edited + self.processing_seconds:
                return "IN_PROCESS"
        return found

    def now(self) -> int:
        """The clock's epoch second."""
        return int(self.clock.now().timestamp())

    # Edits: each moves what Meta moves (FACTS §8) and writes the change log.

    def rename(self, object_id: str, name: str) -> None:
        """Change a name; allowed on archived and deleted things too."""
        with self._lock:
            edits.rename(self, object_id, name)

    def pause(self, object_id: str) -> None:
        """Switch off; children show it in effective_status, their updated_time stays."""
        with self._lock:
            edits.set_status(self, object_id, "PAUSED")

    def activate(self, object_id: str) -> None:
        """Switch on again."""
        with self._lock:
            edits.set_status(self, object_id, "ACTIVE")

    def archive(self, object_id: str) -> None:
        """One way: only a new name or deletion may follow."""
        with self._lock:
            edits.set_status(self, object_id, "ARCHIVED")

    def delete(self, object_id: str) -> None:
        """One way; readable by id afterwards. A second deletion changes nothing."""
        with self._lock:
            edits.set_status(self, object_id, "DELETED")

    def set_budget(
        self, object_id: str, *, daily_minor: int | None = None, lifetime_minor: int | None = None
    ) -> None:
        """Change a budget in minor units; `updated_time` does not move (FACTS §8)."""
        with self._lock:
            edits.set_budget(self, object_id, daily_minor, lifetime_minor)

    def add_campaign(self, account_id: str, **fields: Any) -> Entity:
        """Create a campaign now; `fields` override what the seed would have drawn."""
        with self._lock:
            return edits.add(self, CAMPAIGN, account_id, fields)

    def add_adset(self, campaign_id: str, **fields: Any) -> Entity:
        """Create an ad set now in `campaign_id`."""
        with self._lock:
            return edits.add(self, ADSET, campaign_id, fields)

    def add_ad(self, adset_id: str, **fields: Any) -> Entity:
        """Create an ad (and its creative) now in `adset_id`."""
        with self._lock:
            return edits.add(self, AD, adset_id, fields)

    def patch(self, object_id: str, **fields: Any) -> None:
        """Put raw values over an object, whatever their type; `ABSENT` removes a key."""
        with self._lock:
            edits.patch(self, object_id, fields)

    def vanish(self, object_id: str) -> None:
        """Take an object, or an account with all it holds, out of every edge and out of reach.

        By id it is 100/33 from now on.
        """
        with self._lock:
            edits.vanish(self, object_id)

    def take_back(
        self, ad_id: str, since: date | str, until: date | str, keep: float = 0.0
    ) -> None:
        """Meta restates an ad's days downwards: `keep` of the delivery is left, at all levels.

        With nothing left the rows are gone; with little, cells and hours of them.
        """
        with self._lock:
            edits.take_back(self, ad_id, _days(since, until), keep)

    def withhold(self, ad_id: str, since: date | str, until: date | str) -> None:
        """An ad's rows of these days are missing, while the account's own total stands."""
        with self._lock:
            edits.withhold(self, ad_id, _days(since, until))

    def give_back(self, ad_id: str) -> None:
        """Undo `take_back` and `withhold`."""
        with self._lock:
            edits.give_back(self, ad_id)

    def spoil_creative(self, creative_id: str) -> None:
        """Make reading this creative's `object_story_spec` fail its whole page (FACTS §4.6)."""
        with self._lock:
            self.bad_creatives.add(creative_id)
            self.version += 1

    def spoil_day(self, ad_id: str, day: date | str, **how: Any) -> None:
        """Make everything unanswerable that holds this ad's day: `field`, `refusal`, `report`."""
        if self.get(ad_id) is None:
            raise KeyError(f"no ad {ad_id} in this world")
        when = date.fromisoformat(day) if isinstance(day, str) else day
        with self._lock:
            self.spoiled_days.append(SpoiledDay(ad_id, when, **how))
            self.version += 1

    def mend_days(self, ad_id: str) -> None:
        """Let all days of this ad be answered again."""
        with self._lock:
            self.spoiled_days = [one for one in self.spoiled_days if one.ad_id != ad_id]
            self.version += 1

    def lose_conversions(
        self, account_id: str, since: date | str, until: date | str, words: str = "purchase"
    ) -> None:
        """Leave actions whose type holds `words` out of all rows but the account's own.

        Of daily rows from `since` to `until`; at Meta such days were reported long after they were
        over. `find_conversions(account_id)` ends it.
        """
        first, last = (date.fromisoformat(str(day)) for day in (since, until))
        if self.ordinal(account_id) is None:
            raise KeyError(f"no account {account_id} in this world")
        with self._lock:
            self.lost_conversions.append(LostConversions(account_id, first, last, words))
            self.version += 1

    def find_conversions(self, account_id: str) -> None:
        """Let this account's rows have all their actions again."""
        with self._lock:
            self.lost_conversions = [
                one for one in self.lost_conversions if one.account_id != account_id
            ]
            self.version += 1

    # Inside

    def _account(self, ordinal: int) -> Entity:
        values = account_values(
            self.key, ordinal, self.specs[ordinal], self._anchored, self.clock.now()
        )
        account_id = values["id"]
        values = self.overlay.applied(account_id, values)
        return Entity("adaccounts", account_id, account_id, values)

    def _activity(
        self, ordinal: int, at: int, level: int, index: int, event: tuple[str, dict[str, Any]]
    ) -> Entity:
        about = self.entity(ordinal, level, index)
        return activities.activity(
            account_id=about.account_id,
            zone=self.zones[ordinal],
            at=at,
            level=level,
            object_id=about.id,
            object_name=str(about.values.get("name", "")),
            event=event,
        )

    def _size(self, ordinal: int, level: int) -> int:
        levels = self.trees[ordinal].levels
        return creatives.count(len(levels[AD])) if level == CREATIVE else len(levels[level])

    def _entity_maker(self, ordinal: int, level: int) -> Callable[[int], Entity]:
        return lambda index: self.entity(ordinal, level, index)

    def _indexes(self, ordinal: int, level: int, parent_level: int, parent: int) -> Sequence[int]:
        if parent_level >= level or (parent_level == AD and level != CREATIVE):
            return ()
        if parent_level < 0:
            found: Sequence[int] = range(self._size(ordinal, level) - 1, -1, -1)
        else:
            below = self.below(ordinal, parent_level, parent, min(level, AD))
            if level == CREATIVE:
                below = sorted({creatives.creative_index(ad) for ad in below})
            found = below[::-1]
        return self._without_gone(ordinal, level, found)

    def below(self, ordinal: int, level: int, index: int, target: int) -> Sequence[int]:
        """Indexes at `target` level under one thing, oldest first (the thing itself when equal)."""
        tree = self.trees[ordinal]
        if level < 0:
            return range(len(tree.levels[target]))
        found: Sequence[int] = [index]
        while level < target:
            found = [child for parent in found for child in tree.children(level, parent)]
            level += 1
        return sorted(found)

    def _without_gone(self, ordinal: int, level: int, indexes: Sequence[int]) -> Sequence[int]:
        gone = {i for owner, found, i in self.overlay.gone if (owner, found) == (ordinal, level)}
        return [i for i in indexes if i not in gone] if gone else indexes

    def _matching(
        self,
        ordinal: int,
        level: int,
        indexes: Sequence[int],
        statuses: frozenset[str] | None,
        updated_after: int | None,
    ) -> Sequence[int]:
        updated = self.trees[ordinal].levels[level].updated
        if updated_after is not None:
            indexes = [i for i in indexes if updated[i] > updated_after]
        if statuses is not None:
            status = self.effective_status
            indexes = [i for i in indexes if status(ordinal, level, i) in statuses]
        return indexes


def _days(since: date | str, until: date | str) -> range:
    first, last = (
        date.fromisoformat(day) if isinstance(day, str) else day for day in (since, until)
    )
    return range(first.toordinal(), last.toordinal() + 1)


class _Edge(Sequence[Entity]):
    """A sequence that builds an entity only when it is looked at."""

    def __init__(self, indexes: Sequence[int], make: Callable[[int], Entity]) -> None:
        self._indexes, self._make = indexes, make

    def __len__(self) -> int:
        return len(self._indexes)

    @overload
    def __getitem__(self, at: int) -> Entity: ...
    @overload
    def __getitem__(self, at: slice) -> _Edge: ...
    def __getitem__(self, at: int | slice) -> Entity | _Edge:
        if isinstance(at, slice):
            return _Edge(self._indexes[at], self._make)
        return self._make(self._indexes[at])
