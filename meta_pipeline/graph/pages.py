"""An edge page by page: nothing lost, nothing twice, no circle (FACTS §4.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from meta_pipeline.graph.answer import expect_page
from meta_pipeline.graph.caller import Caller, GraphResponse, Request, ignore
from meta_pipeline.graph.errors import GraphError, MalformedAnswer, PagingLoop, TooMuchData
from meta_pipeline.graph.query_shape import Params

# Meta filters after the fetch: empty pages with a `next` are normal, so many in a row a circle.
MOST_EMPTY_PAGES = 100
# An empty page may also point at itself for a moment: nothing came, so asking again loses nothing.
MOST_STANDSTILLS = 3
# The same rows under ever new cursors are a circle as well. Not at once: what is told without ids,
# such as what somebody did twice within a second, may be alike on small pages.
MOST_ALIKE_PAGES = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an edge."""

    # As Meta sent them.
    rows: list[dict[str, Any]]
    # From 1.
    number: int
    # Goes on from here; None: this was the last page. Good for this walk only, do not store it: a
    # cursor dies with its item.
    after: str | None
    # As asked.
    page_size: int
    latency_ms: float
    # Of the decompressed body.
    size_bytes: int
    summary: dict[str, Any] | None = None


@dataclass(slots=True)
class PageSize:
    """A page size that halves when Meta refuses and grows back carefully.

    It doubles after `patience` good pages; each refusal doubles the patience, so that a size that
    does not work is tried ever more rarely.
    """

    # Never grows above it.
    asked: int
    # Never shrinks below it: then the error is raised.
    minimum: int = 1
    current: int = 0
    on_change: Callable[[int], None] = ignore
    patience: int = 5
    _good: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.asked:
            raise ValueError(
                f"page sizes: 1 <= min_page_size <= page_size, got {self.minimum} and {self.asked}"
            )
        self.current = min(max(self.current or self.asked, self.minimum), self.asked)

    @property
    def can_shrink(self) -> bool:
        return self.current > self.minimum

    def shrink(self) -> None:
        """Halve, not below the minimum."""
        self._good = 0
        self.patience *= 2
        self._set(max(self.current // 2, self.minimum))

    def good_page(self) -> None:
        """Count a page that came; grow when there were enough of them."""
        self._good += 1
        if self._good >= self.patience and self.current < self.asked:
            self._good = 0
            self._set(min(self.current * 2, self.asked))

    def _set(self, size: int) -> None:
        self.current = size
        self.on_change(size)


@dataclass(slots=True)
class PageWalk:
    """Walks one edge from a cursor; iterate it once."""

    caller: Caller
    request: Request
    size: PageSize
    after: str | None = None
    _seen: set[str] = field(default_factory=set, init=False)
    _empty: int = field(default=0, init=False)
    _alike: Counter[int] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self._seen.update({self.after} if self.after else ())

    def __iter__(self) -> Iterator[Page]:
        for number in count(1):
            response = self._fetch()
            page = self._page(response, number)
            del response  # the consumer may hold the page for long; hold it only once
            yield page
            if page.after is None:
                return
            self._empty = 0 if page.rows else self._empty + 1
            # A cursor that comes again with rows would bring them twice: that is a circle at once.
            stands_still = page.after == self.after and not page.rows
            if page.after in self._seen and not (stands_still and self._empty <= MOST_STANDSTILLS):
                raise self._loop(page, "the same cursor came twice")
            if self._empty >= MOST_EMPTY_PAGES:
                raise self._loop(page, f"{self._empty} empty pages in a row")
            if page.rows and self._came(page.rows) > MOST_ALIKE_PAGES:
                raise self._loop(page, "the same rows came again and again")
            self._seen.add(str(page.after))
            self.after = page.after
            del page
            self.size.good_page()

    def _came(self, rows: list[dict[str, Any]]) -> int:
        """How often a page with as many rows between the same two has come, this one included."""
        # Its ends tell a page, and a number is all that is kept of it: a walk may be of a million.
        ends = hash(repr((len(rows), rows[0], rows[-1])))
        self._alike[ends] += 1
        return self._alike[ends]

    def _fetch(self) -> GraphResponse:
        """The page at the cursor, asked smaller and smaller until Meta gives it."""
        has_shrunk = False
        while True:
            size = self.size.current
            request = replace(
                self.request,
                params={**self.request.params, "limit": size, "after": self.after},
                page_size=size,
                can_shrink=self.size.can_shrink,
                has_shrunk=has_shrunk,
            )
            try:
                return self.caller.send(request)
            except GraphError as error:
                if error.shrinks and self.size.can_shrink:
                    self.size.shrink()
                    has_shrunk = True
                    continue
                if error.shrinks and isinstance(error, TooMuchData):
                    error.page_size = size
                raise

    def _page(self, response: GraphResponse, number: int) -> Page:
        summary = response.body.get("summary")
        return Page(
            rows=response.body["data"],
            number=number,
            after=self._following(response),
            page_size=self.size.current,
            latency_ms=response.attempt.latency_ms,
            size_bytes=response.attempt.response_size_bytes,
            summary=summary if isinstance(summary, dict) else None,
        )

    def _following(self, response: GraphResponse) -> str | None:
        """The cursor of the next page: only a `next` means that there is one."""
        paging = response.body.get("paging") or {}
        if not paging.get("next"):
            return None
        cursors = paging.get("cursors")
        after = cursors.get("after") if isinstance(cursors, dict) else None
        if not after and isinstance(paging["next"], str):
            # Nothing else of the URL is used: it carries the token.
            after = next(iter(parse_qs(urlsplit(paging["next"]).query).get("after", ())), None)
        if not after:
            raise MalformedAnswer(
                "a page has a `next` but no cursor to go on from",
                http_status=response.attempt.status_code,
                account_id=self.request.account_id,
                endpoint_key=self.request.endpoint_key,
            )
        return str(after)

    def _loop(self, page: Page, reason: str) -> PagingLoop:
        return PagingLoop(
            f"page {page.number}: {reason}",
            account_id=self.request.account_id,
            endpoint_key=self.request.endpoint_key,
        )


def page_request(
    path: str, params: Params, *, account_id: str | None, endpoint_key: str, method: str = "GET"
) -> Request:
    """The request that a walk repeats with its own `limit` and `after`."""
    # The walk sets these two anew for every page; its shape is the same for all of them.
    own = {name: value for name, value in params.items() if name not in {"limit", "after"}}
    return Request(
        method=method,
        path=path,
        params=own,
        account_id=account_id,
        endpoint_key=endpoint_key,
        shaping={**own, "limit": 0},
        expect=expect_page,
    )
