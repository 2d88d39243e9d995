"""Pages and cursors exactly as FACTS section 4.3 has them."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meta_pipeline.simulator import errors
from meta_pipeline.simulator.requests import GraphRequest

DEFAULT_LIMIT = 25

# A filter that matches little does not make one call read a whole account: after this many
# objects the page ends short, possibly empty, with `next` (filtering happens after the fetch).
SCAN_LIMIT = 10_000


def encode_cursor(text: str) -> str:
    """Base64 with each `=` written `ZD`, as recorded."""
    return base64.urlsafe_b64encode(text.encode()).decode().replace("=", "ZD")


def decode_cursor(cursor: str) -> str:
    """The text inside a cursor; error 2642 for what never was one."""
    body = cursor
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
    found by id (edges run from new to old, and newer objects have higher ids); if the object is
    gone the cursor is dead (error 2642), as at Meta.
    """

    def __init__(self, exists: Callable[[str], bool], keep: int = 100_000) -> None:
        self._exists, self._keep = exists, keep
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
        if object_id.startswith("act_"):
            ids = [entity.id for entity in objects]
            return ids.index(object_id) if object_id in ids else len(ids)
        return bisect_left(objects, _rank(object_id), key=lambda entity: _rank(entity.id))

    def clear(self) -> None:
        self._places.clear()


def _rank(object_id: str) -> int:
    return -int(object_id) if object_id.isdigit() else 0


def page_of_objects(
    request: GraphRequest,
    objects: Sequence[Any],
    keep: Callable[[Any], bool] | None,
    positions: Positions,
) -> Page:
    """The page that `limit`, `after` and `before` ask for; reads one object more than it shows."""
    edge = request.display_path
    limit = limit_of(request)
    if before := request.text("before"):
        stop = positions.at(edge, objects, decode_cursor(before))
        return _backwards(edge, objects, keep, stop, limit, positions)
    start = 0
    if after := request.text("after"):
        start = positions.after(edge, objects, decode_cursor(after))
    return _forwards(edge, objects, keep, start, limit, positions)


def _forwards(
    edge: str,
    objects: Sequence[Any],
    keep: Callable[[Any], bool] | None,
    start: int,
    limit: int,
    positions: Positions,
) -> Page:
    rows: list[Any] = []
    places: list[int] = []
    last_seen = start - 1
    more = False
    for index, entity in _window(objects, start, start + SCAN_LIMIT):
        if keep is None or keep(entity):
            if len(rows) == limit:
                more = True
                break
            rows.append(entity)
            places.append(index)
        last_seen = index
    else:
        more = start + SCAN_LIMIT < len(objects)
    if more and len(rows) < limit and last_seen >= start:
        # The scan ended before the page was full: the cursor must not point behind it.
        return _page(edge, objects, rows, places[0] if places else start, last_seen, positions,
                     has_next=True, has_previous=start > 0)
    if not rows:
        return Page(rows=())
    return _page(edge, objects, rows, places[0], places[-1], positions,
                 has_next=more, has_previous=start > 0)


def _backwards(
    edge: str,
    objects: Sequence[Any],
    keep: Callable[[Any], bool] | None,
    stop: int,
    limit: int,
    positions: Positions,
) -> Page:
    found: list[tuple[int, Any]] = []
    for index in range(stop - 1, -1, -1):
        if keep is None or keep(objects[index]):
            found.append((index, objects[index]))
            if len(found) > limit:
                break
    shown = found[:limit][::-1]
    if not shown:
        return Page(rows=())
    return _page(edge, objects, [entity for _, entity in shown], shown[0][0], shown[-1][0],
                 positions, has_next=True, has_previous=len(found) > limit)


def _page(
    edge: str,
    objects: Sequence[Any],
    rows: Sequence[Any],
    first: int,
    last: int,
    positions: Positions,
    *,
    has_next: bool,
    has_previous: bool,
) -> Page:
    for index in (first, last):
        positions.remember(edge, objects[index].id, index)
    return Page(
        rows=rows,
        before=encode_cursor(objects[first].id),
        after=encode_cursor(objects[last].id),
        has_next=has_next,
        has_previous=has_previous,
    )


def _window(objects: Sequence[Any], start: int, stop: int) -> Iterator[tuple[int, Any]]:
    step = 256  # slices keep a lazy sequence lazy
    for low in range(start, min(stop, len(objects)), step):
        yield from enumerate(objects[low : min(low + step, stop)], low)


def page_of_rows(
    request: GraphRequest, fetch: Callable[[int, int], Iterable[Any]]
) -> Page:
    """A page whose cursors are row offsets, as on insights; `fetch(offset, limit)` makes rows."""
    limit = limit_of(request)
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
    if not text.isdigit():
        raise errors.invalid_cursor()
    return int(text)
