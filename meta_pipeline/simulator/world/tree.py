"""One account's campaigns, ad sets and ads as compact arrays: about twenty bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from meta_pipeline.simulator.world.accounts import AccountSpec
from meta_pipeline.simulator.world.draws import draw
from meta_pipeline.simulator.world.statuses import (
    ACTIVE,
    ARCHIVED,
    CLEAR,
    DELETED,
    DISAPPROVED,
    IN_PROCESS,
    PAUSED,
    PENDING_BILLING,
    PENDING_REVIEW,
    PREAPPROVED,
    WITH_ISSUES,
    effective,
)

CAMPAIGN, ADSET, AD, CREATIVE, CONVERSION, AUDIENCE, IMAGE = range(7)
DAY_SECONDS = 86_400

_TAGS = (b"camp", b"adse", b"ad  ")
# What still waits for its first review, or for a way to pay, has cost nothing yet.
_NEVER_DELIVERED = frozenset({PENDING_REVIEW, PREAPPROVED, PENDING_BILLING})


@dataclass
class Level:
    """All campaigns, or all ad sets, or all ads of an account; index 0 is the oldest."""

    parent: array[int] = field(default_factory=lambda: array("I"))
    """Index one level above; a campaign's is 0, the account."""
    first_child: list[int] | array[int] = field(default_factory=lambda: array("I", [0]))
    """Where each one's generated children begin one level below, and where the last one's end."""
    status: bytearray = field(default_factory=bytearray)
    """What its owner set: index into `STATUSES`."""
    review: bytearray = field(default_factory=bytearray)
    """What Meta laid over it: index into `REVIEWS`."""
    created: array[int] = field(default_factory=lambda: array("q"))
    """Epoch second."""
    stopped: array[int] = field(default_factory=lambda: array("q"))
    """Epoch second; 0 means it was never switched off before the world began."""
    updated: array[int] = field(default_factory=lambda: array("q"))
    """Epoch second of `updated_time`."""
    added_children: dict[int, list[int]] = field(default_factory=dict)
    """Children that edits created, by index."""

    def __len__(self) -> int:
        return len(self.status)

    def append(self, parent: int, status: int, review: int, times: tuple[int, int, int]) -> int:
        """Add one at the end and return its index; times are (created, stopped, updated)."""
        self.parent.append(parent)
        self.review.append(review)
        self.created.append(times[0])
        self.stopped.append(times[1])
        self.updated.append(times[2])
        # Last, because it is what makes the new one exist for readers in other threads.
        self.status.append(status)
        return len(self.status) - 1


class Tree:
    """The generated tree of one account; edits change it in place."""

    def __init__(self, key: bytes, ordinal: int, spec: AccountSpec, anchor: int) -> None:
        self.key, self.ordinal, self.spec, self.anchor = key, ordinal, spec, anchor
        self.levels = (Level(), Level(), Level())
        # Switches flipped after the world began: (level, index) -> [(epoch second, on)].
        self.toggles: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        active = range(spec.campaigns - spec.active[0], spec.campaigns)
        self._grow(CAMPAIGN, [spec.campaigns], [len(active)])
        self._grow_children(ADSET, spec.adsets, spec.active[1])
        self._grow_children(AD, spec.ads, spec.active[2])

    def effective(self, level: int, index: int) -> str:
        """effective_status of one thing, cascades included."""
        own = self.levels[level]
        above = [self.levels[up].status[i] for up, i in self.ancestors(level, index)]
        return effective(own.status[index], own.review[index], *above)

    def ancestors(self, level: int, index: int) -> Iterator[tuple[int, int]]:
        """(level, index) of the parents, nearest first."""
        while level > CAMPAIGN:
            index = self.levels[level].parent[index]
            level -= 1
            yield level, index

    def children(self, level: int, index: int) -> list[int] | range:
        """Indexes one level below, oldest first."""
        own = self.levels[level]
        if index + 1 < len(own.first_child):
            base = range(own.first_child[index], own.first_child[index + 1])
        else:
            base = range(0)
        added = own.added_children.get(index)
        return [*base, *added] if added else base

    def add(self, level: int, parent: int, status: int, now: int) -> int:
        """Add a child created `now`; returns its index."""
        stopped = 0 if status == ACTIVE else now
        index = self.levels[level].append(parent, status, CLEAR, (now, stopped, now))
        if level > CAMPAIGN:
            self.levels[level - 1].added_children.setdefault(parent, []).append(index)
        return index

    def spans(self, ad: int) -> list[tuple[int, int]]:
        """When an ad could deliver: [from, until) in epoch seconds; until 0 is open."""
        chain = [(AD, ad), *self.ancestors(AD, ad)]
        if not self.toggles or self.toggles.keys().isdisjoint(chain):
            # Nearly every ad: on from its creation until the first of its chain was stopped.
            begin, until = self.levels[AD].created[ad], self._first_stop(chain)
            return [] if until and until <= begin else [(begin, until)]
        spans = [(0, 0)]
        for level, index in chain:
            spans = _intersect(spans, self._own_spans(level, index))
        return spans

    def _first_stop(self, chain: list[tuple[int, int]]) -> int:
        stops = [stop for level, index in chain if (stop := self.levels[level].stopped[index])]
        return min(stops) if stops else 0

    def _own_spans(self, level: int, index: int) -> list[tuple[int, int]]:
        """When one campaign, ad set or ad was itself switched on, whatever is above it."""
        own = self.levels[level]
        begin, until = own.created[index], own.stopped[index]
        spans = [(begin, until)] if until else []
        opened = None if until else begin
        for at, on in self.toggles.get((level, index), ()):
            if on and opened is None:
                opened = at
            elif not on and opened is not None:
                spans.append((opened, at))
                opened = None
        if opened is not None:
            spans.append((opened, 0))
        return [(a, b) for a, b in spans if not b or b > a]

    # -- generation -----------------------------------------------------------------------------

    def _grow_children(self, level: int, total: int, active: int) -> None:
        """Give every parent its children: the active ones to active parents, the rest spread."""
        above = self.levels[level - 1]
        parents = len(above)
        if not parents:
            if total:
                raise ValueError(f"{self.spec.name}: {total} children but nothing above them")
            return
        switched_on = [
            i for i in range(parents) if self.effective(level - 1, i) in {"ACTIVE", "WITH_ISSUES"}
        ]
        reserved = [0] * parents
        for n in range(active):
            reserved[switched_on[n % len(switched_on)]] += 1
        weights = [1 + draw(self.key, b"wght", self.ordinal, i, level)[0] for i in range(parents)]
        shares = _apportion(total - active, weights)
        counts = [a + b for a, b in zip(reserved, shares, strict=True)]
        self._grow(level, counts, reserved)
        above.first_child = array("I", accumulate(counts, initial=0))

    def _grow(self, level: int, counts: Sequence[int], active: Sequence[int]) -> None:
        index = 0
        for parent, count in enumerate(counts):
            for position in range(count):
                # The newest of each family are the active ones.
                draws = draw(self.key, _TAGS[level], self.ordinal, index)
                created, end = self._lifetime(level, index, parent, draws)
                on = position >= count - active[parent]
                status, review = self._switch(level, parent, on, draws)
                stopped = 0
                if review in _NEVER_DELIVERED:
                    stopped = created
                elif status != ACTIVE or review == DISAPPROVED:
                    # It ran for a third of its life at least, and for an hour.
                    stopped = created + max(
                        3_600, (end - created) * (20_000 + draws[3] // 2) // 65_536
                    )
                touched = stopped or created + (end - created) * draws[4] // 65_536
                self.levels[level].append(parent, status, review, (created, stopped, touched))
                index += 1

    def _lifetime(
        self, level: int, index: int, parent: int, draws: tuple[int, ...]
    ) -> tuple[int, int]:
        """When one was created, and until when it may have run."""
        if level == CAMPAIGN:
            age = self.spec.age_days * DAY_SECONDS
            # Older campaigns are older by index, with some jitter inside their slot.
            slots = max(self.spec.campaigns, 1)
            begin = self.anchor - age + age * (index * 65_536 + draws[0]) // (slots * 65_536)
            return min(begin, self.anchor - DAY_SECONDS), self.anchor
        begin = self.levels[level - 1].created[parent]
        stop = self._first_stop([(level - 1, parent), *self.ancestors(level - 1, parent)])
        end = max(stop, begin) if stop else self.anchor
        # Children follow within twenty days, and early enough to have run at all.
        wait = min(20 * DAY_SECONDS, (end - begin) // 2) * draws[0] // 65_536
        return begin + wait, max(end, begin + wait + 7_200)

    def _switch(self, level: int, parent: int, on: bool, draws: tuple[int, ...]) -> tuple[int, int]:
        """(status, review) of a new one."""
        if on:
            return ACTIVE, WITH_ISSUES if draws[1] < 3_000 else CLEAR
        above = self.effective(level - 1, parent) if level > CAMPAIGN else "ACTIVE"
        if above == "IN_PROCESS":
            return _pick(draws[1], _OFF_MIX), CLEAR
        if above not in {"ACTIVE", "WITH_ISSUES"}:
            # Below something switched off most things keep the status their owner gave them.
            return _pick(draws[1], _KEPT_MIX), CLEAR
        # Not active and yet switched on: an ad that review holds back, or anything IN_PROCESS.
        if level == AD and draws[2] < 12_000:
            return ACTIVE, _REVIEW_MIX[draws[2] % len(_REVIEW_MIX)]
        if draws[2] > 64_000:
            return ACTIVE, IN_PROCESS
        return _pick(draws[1], _OFF_MIX), CLEAR


# What is left of 65,536 is deleted.
_OFF_MIX = ((36_000, PAUSED), (58_000, ARCHIVED))
_KEPT_MIX = ((45_000, ACTIVE), (56_000, PAUSED), (62_000, ARCHIVED))
_REVIEW_MIX = (DISAPPROVED, PENDING_REVIEW, DISAPPROVED, PREAPPROVED, PENDING_BILLING, IN_PROCESS)


def _pick(number: int, table: tuple[tuple[int, int], ...]) -> int:
    return next((value for limit, value in table if number < limit), DELETED)


def _apportion(total: int, weights: list[int]) -> list[int]:
    """`total` in whole numbers by weight; what floors leave over goes by largest remainder."""
    whole = sum(weights)
    shares = [total * w // whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _intersect(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> list[tuple[int, int]]:
    forever = 1 << 62
    both = []
    for a, b in left:
        for c, d in right:
            begin, until = max(a, c), min(b or forever, d or forever)
            if begin < until:
                both.append((begin, 0 if until == forever else until))
    return both
