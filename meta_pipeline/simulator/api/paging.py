"""Pages and cursors exactly as FACTS section 4.3 has them."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.api.uneven import Uneven

# Of every edge, insights too, where none is asked for (FACTS sections 4.2 and 5.1).
DEFAULT_LIMIT = 25

# A filter that matches little does not make one call read a whole account: after this many
# objects the page ends short, possibly empty, with `next` (filtering happens after the fetch).
SCAN_LIMIT = 10_000

START = "-1"
"""Inside a cursor: before the first row, where an empty first page leads on from."""


def encode_cursor(text: str) -> str:
    """Base64 with each `=` written `ZD`, as recorded."""
    return base64.urlsafe_b64encode(text.encode()).decode().replace("=", "ZD")


def same_place(cursor: str) -> str:
    """Another cursor that leads where `cursor` leads: a client sees that it moved on."""
    return encode_cursor(_decoded(cursor) + " ")


def nothing_yet(request: GraphRequest) -> Page:
    """No rows, and a `next` that starts where this page would have."""
    before = request.text("after") or encode_cursor(START)
    return Page((), before, same_place(before), has_next=True)


def _empty_before(request: GraphRequest) -> int:
    """How many pages led nowhere just before this one: its cursor tells."""
    after = request.text("after")
    return len(text) - len(text.rstrip()) if after and (text := _decoded(after)) else 0


def decode_cursor(cursor: str) -> str:
    """The text inside a cursor; error 2642 for what never was one."""
    return _decoded(cursor).rstrip()


def _decoded(cursor: str) -> str:
    # `ZD` may also be the end of the text itself: the longest padding that decodes is meant.
    for padding in ("ZDZD", "ZD", ""):
        if padding and not cursor.endswith(padding):
            continue
        body = cursor[: len(cursor) - len(padding)] + "=" * (len(padding) // 2)
        try:
            return base64.urlsafe_b64decode(body.encode()).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
    raise errors.invalid_cursor()


@dataclass(frozen=True)
class Page:
    """Rows of one answer with what is before and behind them."""

    rows: Sequence[Any]
    before: str | None = None
    after: str | None = None
    has_next: bool = False
    has_previous: bool = False

    def body(self, request: GraphRequest, data: Sequence[Any]) -> dict[str, Any]:
        """`data` and `paging`; an empty result has no `paging` key, the last page no `next`."""
        if self.before is None or self.after is None:
            return {"data": list(data)}
        paging: dict[str, Any] = {"cursors": {"before": self.before, "after": self.after}}
        if self.has_next:
            paging["next"] = request.next_url(limit=str(limit_of(request)), after=self.after)
        if self.has_previous:
            paging["previous"] = request.next_url(limit=str(limit_of(request)), before=self.before)
        return {"data": list(data), "paging": paging}


def limit_of(request: GraphRequest) -> int:
    limit = request.integer("limit")
    if limit is None:
        return DEFAULT_LIMIT
    if limit < 1:
        raise errors.invalid_parameter("Param limit must be greater than 0", blame="limit")
    return limit


class Positions:
    """Where the objects named in handed-out cursors were, so that a page costs no search.

    The cursor itself holds the object's id only. If the list has changed since, the place is
    found by id (edges run from new to old, and newer objects have higher ids, or by the order of
    `uneven`); if the object is gone the cursor is dead (error 2642), as at Meta.
    """

    def __init__(
        self, exists: Callable[[str], bool], uneven: Uneven | None = None, keep: int = 100_000
    ) -> None:
        self._exists, self._keep, self._uneven = exists, keep, uneven or Uneven()
        self._places: dict[tuple[str, str], int] = {}

    def remember(self, edge: str, object_id: str, index: int) -> None:
        if len(self._places) >= self._keep:
            self._places.clear()
        self._places[(edge, object_id)] = index

    def after(self, edge: str, objects: Sequence[Any], object_id: str) -> int:
        """Index of the first object behind the one named."""
        at = self.at(edge, objects, object_id)
        return at + 1 if at < len(objects) and objects[at].id == object_id else at

    def at(self, edge: str, objects: Sequence[Any], object_id: str) -> int:
        """Index of the object named, or of the one that took its place in this list."""
        hint = self._places.get((edge, object_id))
        if hint is not None and hint < len(objects) and objects[hint].id == object_id:
            return hint
        if not self._exists(object_id):
            raise errors.invalid_cursor()
        if self._uneven.shuffled:
            rank = self._uneven.rank_of
            return bisect_left(objects, rank(object_id), key=lambda entity: rank(entity.id))
        # Accounts and images come in the order of the world, which their ids need not have.
        if object_id.startswith("act_") or ":" in object_id:
            ids = [entity.id for entity in objects]
            return ids.index(object_id) if object_id in ids else len(ids)
        return bisect_left(objects, _rank(object_id), key=lambda entity: _rank(entity.id))

    def clear(self) -> None:
        self._places.clear()


def _rank(object_id: str) -> int:
    return -int(object_id) if object_id.isdigit() else 0


@dataclass(frozen=True)
class Listing:
    """One edge's objects in its order, with the test they must pass to be shown."""

    edge: str
    objects: Sequence[Any]
    keep: Callable[[Any], bool] | None
    positions: Positions
    uneven: Uneven = field(default_factory=Uneven)

    def page(self, request: GraphRequest) -> Page:
        """What `limit`, `after` and `before` ask for; looks at one object more than it shows."""
        limit = self.uneven.rows_of(request, limit_of(request), _empty_before(request))
        if limit == 0:
            return nothing_yet(request)
        if before := request.text("before"):
            stop = self.positions.at(self.edge, self.objects, decode_cursor(before))
            return self._backwards(stop, limit)
        start = 0
        after = request.text("after")
        if after and (place := decode_cursor(after)) != START:
            start = self.positions.after(self.edge, self.objects, place)
        return self._forwards(start, limit)

    def total(self) -> int:
        """How many objects the whole edge shows."""
        if self.keep is None:
            return len(self.objects)
        return sum(1 for entity in self.objects if self.keep(entity))

    def _forwards(self, start: int, limit: int) -> Page:
        rows: list[Any] = []
        places: list[int] = []
        stop = min(start + SCAN_LIMIT, len(self.objects))
        step = 256  # slices keep a lazy sequence lazy
        for low in range(start, stop, step):
            for index, entity in enumerate(self.objects[low : min(low + step, stop)], low):
                if self.keep is None or self.keep(entity):
                    if len(rows) == limit:
                        return self._page(rows, (places[0], places[-1]), start > 0, has_next=True)
                    rows.append(entity)
                    places.append(index)
        if stop < len(self.objects):
            # The scan ended first: a short, perhaps empty page whose cursor points to its end.
            first = places[0] if places else start
            return self._page(rows, (first, stop - 1), start > 0, has_next=True)
        if not rows:
            return Page(rows=())
        return self._page(rows, (places[0], places[-1]), start > 0, has_next=False)

    def _backwards(self, stop: int, limit: int) -> Page:
        kept: list[tuple[int, Any]] = []
        for index in range(stop - 1, -1, -1):
            entity = self.objects[index]
            if self.keep is None or self.keep(entity):
                kept.append((index, entity))
                if len(kept) > limit:
                    break
        shown = kept[:limit][::-1]
        if not shown:
            return Page(rows=())
        rows = [entity for _, entity in shown]
        ends = shown[0][0], shown[-1][0]
        # Whoever came back from somewhere can go there again.
        return self._page(rows, ends, len(kept) > limit, has_next=True)

    def _page(
        self, rows: Sequence[Any], ends: tuple[int, int], has_previous: bool, *, has_next: bool
    ) -> Page:
        cursors = []
        for index in ends:
            object_id = self.objects[index].id
            self.positions.remember(self.edge, object_id, index)
            cursors.append(encode_cursor(object_id))
        return Page(rows, cursors[0], cursors[1], has_next=has_next, has_previous=has_previous)


def page_of_rows(
    request: GraphRequest, fetch: Callable[[int, int], Iterable[Any]], uneven: Uneven
) -> Page:
    """A page whose cursors are row offsets, as on insights; `fetch(offset, limit)` makes rows."""
    limit = uneven.rows_of(request, limit_of(request), _empty_before(request))
    if limit == 0:
        return nothing_yet(request)
    start = 0
    if after := request.text("after"):
        start = _offset(after) + 1
    elif before := request.text("before"):
        stop = _offset(before)
        start, limit = max(0, stop - limit), min(limit, stop)
        if stop == 0:
            return Page(rows=())
    rows = list(fetch(start, limit + 1))
    more = len(rows) > limit
    rows = rows[:limit]
    if not rows:
        return Page(rows=())
    return Page(
        rows=rows,
        before=encode_cursor(str(start)),
        after=encode_cursor(str(start + len(rows) - 1)),
        has_next=more,
        has_previous=start > 0,
    )


def _offset(cursor: str) -> int:
    text = decode_cursor(cursor)
    if not text.isdigit() and text != START:
        raise errors.invalid_cursor()
    return int(text)
