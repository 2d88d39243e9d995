"""Edges that page as they please: short and empty pages, another order, edits between two pages.

All of it is Meta's right (FACTS section 4.3): a page may be short or empty and still have `next`,
no order is promised, there is no snapshot. Each draw is a function of the seed, the edge and the
place in it, so that a walk repeats itself as long as the world does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.world import World

_EDITED = ("campaigns", "adsets", "ads")
_LIVING = frozenset({"ACTIVE", "PAUSED"})


@dataclass
class Uneven:
    """How far an answer may be from full pages, newest first, of a world that stands still."""

    seed: int = 1
    short_pct: int = 0
    """Of the pages: they hold fewer rows than asked for."""
    empty_pct: int = 0
    """Of the pages: they hold none and yet have a `next`."""
    empty_in_a_row: int = 3
    """At most so many empty pages one after the other."""
    shuffled: bool = False
    """Edges and unsorted insights come in an order of the seed's."""
    edits_pct: int = 0
    """Of the pages that follow another one: before them something of the account is renamed,
    paused, added or deleted."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Changes when an answer may."""
        return tuple(vars(self).values())

    def rows_of(self, request: GraphRequest, limit: int, empty_before: int) -> int:
        """Rows of a page that asks for `limit`: all of them, fewer, or none."""
        if not (self.short_pct or self.empty_pct) or "before" in request.params:
            return limit
        random = self._random("size", request)
        if random.randrange(100) < self.empty_pct and empty_before < self.empty_in_a_row:
            return 0
        if random.randrange(100) < self.short_pct:
            return random.randint(1, limit)
        return limit

    def rank_of(self, object_id: str) -> bytes:
        """The object's place in the order of the seed."""
        return blake2b(f"{self.seed}:{object_id}".encode(), digest_size=8).digest()

    def ordered(self, objects: Sequence[Any]) -> Sequence[Any]:
        """Objects with an `id` in the order in which the edge shows them."""
        if not self.shuffled:
            return objects
        return sorted(objects, key=lambda entity: self.rank_of(entity.id))

    def window(self, rows: Callable[[], Iterable[Any]], offset: int, limit: int) -> Sequence[Any]:
        """A part of rows without ids, shuffled: their places in the whole are drawn."""
        whole = list(rows())
        places = sorted(range(len(whole)), key=lambda at: self.rank_of(str(at)))
        return [whole[place] for place in places[offset : offset + limit]]

    def before_page(self, world: World, request: GraphRequest, account_id: str | None) -> None:
        """Edit something of the account if that is drawn for this page."""
        if not self.edits_pct or account_id is None or "after" not in request.params:
            return
        random = self._random("edit", request)
        if random.randrange(100) < self.edits_pct:
            _edit(world, account_id, random)

    def _random(self, what: str, request: GraphRequest) -> Random:
        place = f"{what}:{self.seed}:{request.display_path}:{request.text('after')}"
        return Random(place)  # noqa: S311 - a simulation, not a secret


def _edit(world: World, account_id: str, random: Random) -> None:
    def living(edge: str) -> list[str]:
        entities = world.objects(edge, account_id)
        return [one.id for one in entities if one.values.get("effective_status") in _LIVING]

    # What a client cannot see coming: names, statuses, rows that are new or gone.
    edits: tuple[tuple[str, Callable[[str], object]], ...] = (
        (random.choice(_EDITED), lambda one: world.rename(one, f"Renamed {random.random():.6f}")),
        (random.choice(_EDITED), world.pause),
        ("adsets", lambda one: world.add_ad(one, name=f"Added {random.random():.6f}")),
        ("ads", world.delete),
    )
    edge, edit = random.choice(edits)
    if ids := living(edge):
        edit(random.choice(ids))
