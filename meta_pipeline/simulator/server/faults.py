"""Things that go wrong, by ordinal, with accounting.

A rule says which requests it counts (`method`, `path` ending, optionally `account_id` and
`params`), on which of them it strikes (`on_call`, `times`, `until`), and what happens then. A rule
that never struck fails `assert_all_fired`: the test that set it up did not test what it claims to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.errors import GraphError
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.simulator.server import alterations
from meta_pipeline.simulator.server.alterations import Alteration

Wire = Literal["drop", "reset", "truncate", "stall", "slow", "gzip", "bomb", "huge", "drip"]


@dataclass(frozen=True)
class Fault:
    """One way to go wrong. Use the constructors; each says what the client then sees."""

    name: str
    wire: Wire | None = None
    """What the socket does to the answer."""
    seconds: float = 0.0
    """How long it takes, or how far apart the bytes of a drip are."""
    after_bytes: int = 0
    """After how many bytes of the body it happens, or how many are added."""
    reply: tuple[int, str, bytes] | None = None
    """(status, content type, body) instead of the answer."""
    error: GraphError | None = None
    """A refusal instead of the answer, after the call was charged for."""
    alter: Alteration | None = field(default=None, compare=False, repr=False)
    """Changes the answer; refusals stay as they are."""
    before: Callable[[Any], object] | None = field(default=None, compare=False, repr=False)
    """Called with the simulator before the answer is made."""

    # -- on the socket ------------------------------------------------------------------------

    @classmethod
    def drop_connection(cls) -> Fault:
        """The connection closes before any byte of the answer."""
        return cls("drop_connection", wire="drop")

    @classmethod
    def reset_connection(cls, *, after: int = 40) -> Fault:
        """TCP reset after `after` bytes of the body."""
        return cls("reset_connection", wire="reset", after_bytes=after)

    @classmethod
    def truncate(cls, *, after: int = 15) -> Fault:
        """The full content-length is promised, `after` bytes come, the connection closes."""
        return cls("truncate", wire="truncate", after_bytes=after)

    @classmethod
    def stall(cls, seconds: float = 30.0, *, after: int = 0) -> Fault:
        """Silence for `seconds` of real time: before the answer, or after `after` body bytes."""
        return cls("stall", wire="stall", seconds=seconds, after_bytes=after)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """The right answer, late: the virtual clock moves, or real time passes on a wall clock."""
        return cls("slow", wire="slow", seconds=seconds)

    @classmethod
    def gzipped(cls) -> Fault:
        """The right answer, compressed."""
        return cls("gzipped", wire="gzip")

    @classmethod
    def huge(cls, megabytes: float = 100.0) -> Fault:
        """The right answer, followed by so many megabytes of white space."""
        return cls("huge", wire="huge", after_bytes=int(megabytes * 1_000_000))

    @classmethod
    def gzip_bomb(cls, megabytes: float = 2_000.0) -> Fault:
        """A megabyte of gzip for each thousand that it unpacks to."""
        return cls("gzip_bomb", wire="bomb", after_bytes=int(megabytes * 1_000_000))

    @classmethod
    def drip(cls, seconds: float = 1.0) -> Fault:
        """A byte every `seconds` of real time, without an end, until the client goes away."""
        return cls("drip", wire="drip", seconds=seconds)

    # -- instead of the answer ------------------------------------------------------------------

    @classmethod
    def graph_error(
        cls,
        code: int,
        subcode: int | None = None,
        *,
        status: int = 400,
        message: str | None = None,
        transient: bool | None = None,
        user_title: str | None = None,
        user_message: str | None = None,
        blame: Sequence[str] | None = None,
        bare: bool = False,
    ) -> Fault:
        """Any error in Meta's shape; `bare` has neither type nor trace id, as some logged 500s."""
        error = GraphError(
            message or f"(#{code}) Simulated error",
            code=code,
            subcode=subcode,
            status=status,
            transient=transient,
            user_title=user_title,
            user_message=user_message,
            blame=blame,
            type=None if bare else "OAuthException",
        )
        return cls(f"graph_error {code}/{subcode or '-'}", error=error)

    @classmethod
    def error_of(cls, error: GraphError) -> Fault:
        """A named error of `meta_pipeline.simulator.api.errors`."""
        return cls(f"graph_error {error.code}/{error.subcode or '-'}", error=error)

    @classmethod
    def http(cls, status: int, text: str = "", content_type: str = "text/html") -> Fault:
        """A bare answer of a proxy on the way: 502 with HTML, for example."""
        return cls(f"http {status}", reply=(status, content_type, text.encode()))

    @classmethod
    def html_200(cls, text: str = "<html><body>Service Unavailable</body></html>") -> Fault:
        """HTTP 200 with a web page: the status line can't be trusted."""
        return cls("html_200", reply=(200, "text/html", text.encode()))

    @classmethod
    def empty_200(cls) -> Fault:
        """HTTP 200 and no body at all."""
        return cls("empty_200", reply=(200, "application/json; charset=UTF-8", b""))

    @classmethod
    def not_json(cls, text: str = '{"data":[{"id":') -> Fault:
        """HTTP 200 and a body that is no JSON document, with a matching content-length."""
        return cls("not_json", reply=(200, "application/json; charset=UTF-8", text.encode()))

    @classmethod
    def wrong_shape(cls, body: bytes | str = b'["unexpected"]') -> Fault:
        """HTTP 200 with JSON of another shape: a list, a string, `data` missing."""
        raw = body.encode() if isinstance(body, str) else body
        return cls("wrong_shape", reply=(200, "application/json; charset=UTF-8", raw))

    @classmethod
    def batch_timeout(cls) -> Fault:
        """The whole batch timed out: code 960, HTTP 400."""
        return cls("batch_timeout", error=errors.batch_timeout())

    # -- a changed answer -----------------------------------------------------------------------

    @classmethod
    def null_batch_entries(cls, entries: Sequence[int]) -> Fault:
        """These operations of a batch (from 0) were not finished in time: null."""
        return cls("null_batch_entries", alter=alterations.null_entries(tuple(entries)))

    @classmethod
    def same_cursor_twice(cls) -> Fault:
        """`next` leads to the page just read: a client without a loop guard runs for ever."""
        return cls("same_cursor_twice", alter=alterations.same_cursor)

    @classmethod
    def empty_page_with_next(cls) -> Fault:
        """No rows, and yet a `next` that has them."""
        return cls("empty_page_with_next", alter=alterations.empty_page)

    @classmethod
    def missing_data(cls) -> Fault:
        """A page without its `data` key."""
        return cls("missing_data", alter=alterations.without_data())

    @classmethod
    def null_rows(cls) -> Fault:
        """Every second row of the page is null."""
        return cls("null_rows", alter=alterations.null_rows())

    @classmethod
    def no_rows(cls) -> Fault:
        """200 and `{"data":[]}`, whatever there is: an empty answer that is not true."""
        return cls("no_rows", alter=alterations.no_rows())

    @classmethod
    def lost_rows(cls, every: int = 2) -> Fault:
        """Every second row (third, ...) of the page is not there; paging goes on as if it were."""
        return cls("lost_rows", alter=alterations.lost_rows(every))

    @classmethod
    def lost_days(cls, days: Sequence[str], *, every: int = 1) -> Fault:
        """These days (`2026-11-20`) come back empty, or short of every second (third, ...) row."""
        return cls("lost_days", alter=alterations.lost_days(frozenset(days), every))

    @classmethod
    def unknown_content(cls, **values: Any) -> Fault:
        """Every row carries these additional keys: a new field, an enum value never seen."""
        return cls("unknown_content", alter=alterations.extra_keys(values))

    @classmethod
    def strange_rows(cls, rows: str = '{"id":null}') -> Fault:
        """Every page begins with these rows too: JSON text of one or more objects, as it is."""
        return cls("strange_rows", alter=alterations.strange_rows(rows))

    @classmethod
    def odd_actions(cls, entry: str = '{"action_type":"purchase","value":"1,234"}') -> Fault:
        """Every action list of every row ends with this entry too: JSON text, odd as you like."""
        return cls("odd_actions", alter=alterations.odd_actions(entry))

    @classmethod
    def endless_token(cls, expires_at: Any = 99_999_999_999_999) -> Fault:
        """`debug_token` names an end of token and data access that no calendar holds."""
        ends = {"expires_at": expires_at, "data_access_expires_at": expires_at}
        return cls("endless_token", alter=alterations.extra_keys(ends))

    @classmethod
    def headers(cls, **values: str) -> Fault:
        """Answer with these headers on top (`x_app_usage='{...}'`; underscores become dashes)."""
        named = {name.replace("_", "-"): value for name, value in values.items()}
        return cls("headers", alter=alterations.headers(named))

    @classmethod
    def cursor_expired(cls) -> Fault:
        """The cursor has died since the last page: 2642."""
        return cls("cursor_expired", error=errors.invalid_cursor())

    @classmethod
    def too_much_data(cls) -> Fault:
        """HTTP 500, code 1: please reduce the amount of data."""
        return cls("too_much_data", error=errors.reduce_data())

    # -- something happens in the world ---------------------------------------------------------

    @classmethod
    def world_edit(cls, edit: Callable[[Any], object]) -> Fault:
        """`edit(simulator)` runs just before the answer is made: rows change between pages."""
        return cls("world_edit", before=edit)


@dataclass
class FaultRule:
    """A fault, the requests it counts and the ones it strikes."""

    method: str
    path: str
    fault: Fault
    on_call: int | None = None
    """The first request it strikes, counted from 1; None: from the first on."""
    times: int | None = 1
    """How many it strikes; None: all."""
    until: Callable[[GraphRequest], bool] | None = None
    """Strikes all until this returns True."""
    account_id: str | None = None
    """Only requests whose path has this account."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Only requests that have these parameters, as text."""
    seen: int = 0
    fired: int = 0

    def matches(self, request: GraphRequest) -> bool:
        if self.method not in {"*", request.method}:
            return False
        path = "/" + "/".join(request.path)
        # By its end: `/ads` is that edge of every account.
        if not (path.endswith(self.path) or self.path == "*"):
            return False
        if any(request.text(name) != value for name, value in self.params.items()):
            return False
        return self.account_id is None or self.account_id in request.path

    def strikes(self, request: GraphRequest) -> bool:
        """Count this request and say whether the fault happens on it."""
        self.seen += 1
        # A condition outranks ordinals: it says itself when it is over.
        if self.until is not None:
            hit = not self.until(request)
        elif self.on_call is not None:
            hit = self.on_call <= self.seen < self.on_call + (self.times or 1)
        else:
            hit = self.times is None or self.fired < self.times
        self.fired += hit
        return hit

    @property
    def place(self) -> str:
        """On which of the requests it strikes, in words."""
        if self.until is not None:
            return "until a condition holds"
        if self.on_call is None:
            return "every call" if self.times is None else f"first {self.times}"
        last = self.on_call + (self.times or 1) - 1
        return f"call {self.on_call}" + (f" to {last}" if last > self.on_call else "")

    def __str__(self) -> str:
        return (
            f"{self.fault.name} on {self.method} {self.path} ({self.place}): "
            f"seen {self.seen}, fired {self.fired}"
        )


class Faults:
    """The rules in force, in the order they were set up; the first that strikes wins."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []
        self._lock = threading.Lock()

    def __iter__(self) -> Any:
        return iter(tuple(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: FaultRule) -> FaultRule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def strike(self, request: GraphRequest) -> Fault | None:
        """The fault that happens on this request, if any; every matching rule counts it."""
        # Without a lock: most requests of a day meet no rule at all.
        if not self._rules:
            return None
        with self._lock:
            hits = [
                rule.fault
                for rule in self._rules
                if rule.matches(request) and rule.strikes(request)
            ]
        return hits[0] if hits else None

    def assert_all_fired(self) -> None:
        """Fail if a fault that a test relied on never happened."""
        idle = [rule for rule in self._rules if not rule.fired]
        if idle:
            listed = "\n  ".join(map(str, idle))
            raise AssertionError(f"these faults never happened:\n  {listed}")
