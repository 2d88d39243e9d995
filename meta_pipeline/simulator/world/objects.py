"""The objects of a world as they are now: generated from the seed, edits laid over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, overload
from zoneinfo import ZoneInfo

from meta_pipeline.simulator.world import activities, creatives, entity_fields, library
from meta_pipeline.simulator.world.account_fields import account_values
from meta_pipeline.simulator.world.accounts import AccountSpec, account_number
from meta_pipeline.simulator.world.clock import Clock
from meta_pipeline.simulator.world.draws import seed_key
from meta_pipeline.simulator.world.edits import Overlay
from meta_pipeline.simulator.world.entities import (
    KINDS,
    Entity,
    entity_id,
    parse_account,
    parse_id,
)
from meta_pipeline.simulator.world.tree import (
    AD,
    ADSET,
    AUDIENCE,
    CAMPAIGN,
    CONVERSION,
    CREATIVE,
    IMAGE,
    Tree,
)

_LEVEL_OF_KIND = {
    "campaigns": CAMPAIGN, "adsets": ADSET, "ads": AD, "adcreatives": CREATIVE,
    "customconversions": CONVERSION, "customaudiences": AUDIENCE, "adimages": IMAGE,
}  # fmt: skip


class Objects:
    """Reads accounts and what is in them by id, by position and by edge.

    A position is (account ordinal, level, index); level -1 is the account itself.
    """

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock,
        accounts: Sequence[AccountSpec],
        anchor: date | None,
        processing_seconds: int,
    ) -> None:
        self.seed, self.clock = seed, clock
        self.key = seed_key(seed)
        self.specs = tuple(accounts)
        self.anchor = anchor or clock.now().astimezone(UTC).date().replace(day=1)
        self.processing_seconds = processing_seconds
        anchored = int(datetime(*self.anchor.timetuple()[:3], tzinfo=UTC).timestamp())
        self._anchored = anchored
        self.trees = tuple(Tree(self.key, n, spec, anchored) for n, spec in enumerate(self.specs))
        self.zones = tuple(ZoneInfo(spec.zone) for spec in self.specs)
        self.overlay = Overlay()
        self._images: dict[int, tuple[int, dict[str, int]]] = {}

    def now(self) -> int:
        """The clock's epoch second."""
        return int(self.clock.now().timestamp())

    # -- by id ----------------------------------------------------------------------------------

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

    def get(self, object_id: str) -> Entity | None:
        """Any object by id, deleted ones too; None where Meta answers 100/33."""
        position = self.locate(object_id)
        if position is None:
            return None
        ordinal, level, index = position
        return self._account(ordinal) if level < 0 else self.entity(ordinal, level, index)

    def locate(self, object_id: str) -> tuple[int, int, int] | None:
        """The position of an id; None for a stranger and for what vanished."""
        ordinal = self.ordinal(object_id)
        if ordinal is not None:
            return ordinal, -1, 0
        parsed = self._locate_image(object_id) if ":" in object_id else parse_id(object_id)
        if parsed is None:
            return None
        level, ordinal, index = parsed
        # An image goes by its hash, never by a number.
        is_named = (level == IMAGE) == (":" in object_id)
        if ordinal >= len(self.specs) or not is_named or index >= self._size(ordinal, level):
            return None
        position = ordinal, level, index
        # Whatever an account held vanished with it.
        return None if {position, (ordinal, -1, 0)} & self.overlay.gone else position

    # -- by edge --------------------------------------------------------------------------------

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
        level, parent = _LEVEL_OF_KIND[kind], self.locate(parent_id)
        if parent is None:
            return LazyEntities((), lambda index: self.entity(0, level, index))
        ordinal = parent[0]
        indexes = self._indexes(level, parent)
        # Only what is above has an effective_status, and an updated_time to select by.
        if level <= AD and updated_after is not None:
            updated = self.trees[ordinal].levels[level].updated
            indexes = [i for i in indexes if updated[i] > updated_after]
        if level <= AD and statuses is not None:
            wanted, status = frozenset(statuses), self.effective_status
            indexes = [i for i in indexes if status(ordinal, level, i) in wanted]
        return LazyEntities(indexes, lambda index: self.entity(ordinal, level, index))

    def activities(self, account_id: str) -> Sequence[Entity]:
        """The account's change log, newest first; entities carry no `id` in their values."""
        ordinal = self.ordinal(account_id)
        if ordinal is None:
            return []
        logged = self.overlay.log.get(ordinal, [])
        # What was edited in is in the tree as well.
        known = {(at, level, index, event[0]) for at, level, index, event in logged}
        past = activities.history(self.trees[ordinal])
        before = [row for row in past if (*row[:3], row[3][0]) not in known]
        rows = sorted([*before, *logged], key=lambda row: row[0])
        rows.reverse()

        def activity(row: int) -> Entity:
            at, level, index, event = rows[row]
            about, zone = self.entity(ordinal, level, index), self.zones[ordinal]
            return activities.activity(about, zone=zone, at=at, level=level, event=event)

        return LazyEntities(range(len(rows)), activity)

    # -- by position ----------------------------------------------------------------------------

    def entity(self, ordinal: int, level: int, index: int) -> Entity:
        """One campaign, ad set, ad, creative, custom conversion, custom audience or image."""
        tree = self.trees[ordinal]
        if level > CREATIVE:
            values = self._of_library(tree, level, index)
        else:
            values = entity_fields.values(tree, level, index, self.zones[ordinal])
        object_id = values["id"]
        if level <= AD:
            values["effective_status"] = self.effective_status(ordinal, level, index)
        values = self.overlay.applied(object_id, values)
        return Entity(KINDS[level], object_id, f"act_{account_number(ordinal)}", values)

    def effective_status(self, ordinal: int, level: int, index: int) -> str:
        """effective_status with processing after edits and raw patches."""
        if self.overlay.fields:  # else no id needs to be made, of a hundred thousand perhaps
            patched = self.overlay.fields.get(entity_id(level, ordinal, index))
            if patched and "effective_status" in patched:
                return str(patched["effective_status"])
        status = self.trees[ordinal].effective(level, index)
        if status == "ACTIVE" and self.processing_seconds:
            edited = self.overlay.edited_at.get((ordinal, level, index))
            if edited is not None and self.now() < edited + self.processing_seconds:
                return "IN_PROCESS"
        return status

    def below(self, ordinal: int, level: int, index: int, target: int) -> Sequence[int]:
        """Indexes at `target` level under one thing, oldest first (the thing itself when equal)."""
        tree = self.trees[ordinal]
        if level < 0:
            return range(len(tree.levels[target]))
        indexes: Sequence[int] = [index]
        while level < target:
            indexes = [child for parent in indexes for child in tree.children(level, parent)]
            level += 1
        return sorted(indexes)

    def _account(self, ordinal: int) -> Entity:
        values = account_values(
            self.key, ordinal, self.specs[ordinal], self._anchored, self.clock.now()
        )
        account_id = values["id"]
        values = self.overlay.applied(account_id, values)
        return Entity("adaccounts", account_id, account_id, values)

    def _size(self, ordinal: int, level: int) -> int:
        levels = self.trees[ordinal].levels
        if level in (CREATIVE, IMAGE):
            return creatives.count(len(levels[AD]))
        fixed = {CONVERSION: library.CONVERSIONS, AUDIENCE: library.AUDIENCES}
        return fixed[level] if level in fixed else len(levels[level])

    def _of_library(self, tree: Tree, level: int, index: int) -> dict[str, Any]:
        of = {CONVERSION: library.conversion, AUDIENCE: library.audience, IMAGE: library.image}
        values = of[level](tree, index, self._anchored)
        if values is None:
            raise KeyError(f"creative {index} of account {tree.ordinal} shows no image")
        return values

    def _locate_image(self, object_id: str) -> tuple[int, int, int] | None:
        number, _, hash_ = object_id.partition(":")
        ordinal = self.ordinal(f"act_{number}")
        index = None if ordinal is None else self._images_of(ordinal).get(hash_)
        return None if ordinal is None or index is None else (IMAGE, ordinal, index)

    def _images_of(self, ordinal: int) -> dict[str, int]:
        """Where the images of an account are, by hash; creatives are added and never change."""
        size = self._size(ordinal, IMAGE)
        known, found = self._images.get(ordinal, (0, {}))
        if known < size:
            tree = self.trees[ordinal]
            shown = (
                (index, creatives.values(tree, index).get("image_hash"))
                for index in range(known, size)
            )
            found = found | {hash_: index for index, hash_ in shown if hash_ is not None}
            self._images[ordinal] = size, found
        return found

    def _indexes(self, level: int, parent: tuple[int, int, int]) -> Sequence[int]:
        """What of one level is below a position, newest first, without what vanished."""
        ordinal, parent_level, parent_index = parent
        if parent_level >= level or (parent_level == AD and level != CREATIVE):
            return ()
        if level == IMAGE:
            indexes: Sequence[int] = sorted(self._images_of(ordinal).values(), reverse=True)
        elif parent_level < 0:
            indexes = range(self._size(ordinal, level) - 1, -1, -1)
        else:
            below = self.below(ordinal, parent_level, parent_index, min(level, AD))
            if level == CREATIVE:
                below = sorted({creatives.creative_index(ad) for ad in below})
            indexes = below[::-1]
        gone = {i for owner, at, i in self.overlay.gone if (owner, at) == (ordinal, level)}
        return [i for i in indexes if i not in gone] if gone else indexes


class LazyEntities(Sequence[Entity]):
    """A sequence that builds an entity only when it is looked at."""

    def __init__(self, indexes: Sequence[int], make: Callable[[int], Entity]) -> None:
        self._indexes, self._make = indexes, make

    def __len__(self) -> int:
        return len(self._indexes)

    @overload
    def __getitem__(self, at: int) -> Entity: ...
    @overload
    def __getitem__(self, at: slice) -> LazyEntities: ...
    def __getitem__(self, at: int | slice) -> Entity | LazyEntities:
        if isinstance(at, slice):
            return LazyEntities(self._indexes[at], self._make)
        return self._make(self._indexes[at])
