"""Everything the simulator can do wrong, and what a sync may make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meta_pipeline.simulator import Fault
from meta_pipeline.simulator.api import errors
from meta_pipeline.sync import Status

OK, PART, FAIL, WAIT = Status.SUCCESS, Status.PARTIAL, Status.FAIL, Status.THROTTLED

_FULL_METER = (
    '{"9":[{"type":"%s","call_count":96,"total_time":9,"estimated_time_to_regain_access":0}]}'
)


@dataclass(frozen=True)
class Trouble:
    """One fault: how it is made, and how a sync may end when it strikes once or lasts."""

    name: str
    make: Callable[[], Fault]
    once: frozenset[Status]
    lasting: frozenset[Status]
    edits_world: bool = False
    refuses_breakdowns: bool = False
    """Where breakdowns are asked for they are left out, for a day."""
    starts_anew: bool = False
    """Where the pages that were read are read once more, from the first on."""
    extra_calls: int = 12
    """More than that many calls beyond an undisturbed sync are too many."""


def _trouble(name: str, make: Callable[[], Fault], once: Any, lasting: Any, **more: Any) -> Trouble:
    def listed(given: Any) -> frozenset[Status]:
        return frozenset({given} if isinstance(given, Status) else given)

    return Trouble(name, make, listed(once), listed(lasting), **more)


def _error(code: int, subcode: int | None = None, *, status: int = 400, **more: Any) -> Any:
    return lambda: Fault.graph_error(code, subcode, status=status, **more)


def _named(error: errors.GraphError) -> Callable[[], Fault]:
    return lambda: Fault.error_of(error)


def _edit(what: str) -> Callable[[], Fault]:
    return lambda: Fault.world_edit(_EDITS[what])


def _first(sim: Any, edge: str) -> list[str]:
    """The id of the first that lives; none once a lasting edit had them all."""
    account = sim.world.accounts()[0].id
    return [
        one.id
        for one in sim.world.objects(edge, account)
        if one.values["effective_status"] in ("ACTIVE", "PAUSED")
    ][:1]


_EDITS: dict[str, Callable[[Any], object]] = {
    "rename": lambda sim: [
        sim.world.rename(one, "Renamed between two pages")
        for edge in ("campaigns", "adsets", "ads")
        for one in _first(sim, edge)
    ],
    "delete": lambda sim: [sim.world.delete(one) for one in _first(sim, "ads")],
    "vanish": lambda sim: [sim.world.vanish(one) for one in _first(sim, "ads")],
    "add": lambda sim: [
        sim.world.add_ad(one, name="Added between two pages") for one in _first(sim, "adsets")
    ],
    "pause": lambda sim: [sim.world.pause(one) for one in _first(sim, "campaigns")],
}

# A fault that strikes once and is retried costs nothing; one that lasts costs its edge, never the
# others. What stops the whole sync: limits and tokens.
EDGE = {PART, FAIL}
TROUBLES = (
    # On the wire.
    _trouble("connection dropped", Fault.drop_connection, OK, EDGE),
    _trouble("connection reset", Fault.reset_connection, OK, EDGE),
    _trouble("body cut short", Fault.truncate, OK, EDGE),
    _trouble("silence", lambda: Fault.stall(60, after=5), OK, EDGE),
    _trouble("a drip", lambda: Fault.drip(0.05), OK, EDGE),
    _trouble("gzip", Fault.gzipped, OK, OK),
    _trouble("huge", lambda: Fault.huge(4), {OK, *EDGE}, {OK, *EDGE}, extra_calls=90),
    _trouble("a gzip bomb", lambda: Fault.gzip_bomb(40), {OK, *EDGE}, {OK, *EDGE}, extra_calls=90),
    _trouble("slow by 90 s", lambda: Fault.slow(90), OK, OK),
    # Not the Graph API's answer.
    _trouble("HTTP 502 in HTML", lambda: Fault.http(502, "<html>Bad Gateway"), OK, EDGE),
    _trouble("HTTP 500 empty", lambda: Fault.http(500), OK, EDGE),
    _trouble("HTTP 429", lambda: Fault.http(429, "slow down"), WAIT, WAIT),
    _trouble("HTTP 200 in HTML", Fault.html_200, OK, EDGE),
    _trouble("HTTP 200 empty", Fault.empty_200, OK, EDGE),
    _trouble("half a JSON body", Fault.not_json, OK, EDGE),
    _trouble("a list", Fault.wrong_shape, OK, EDGE),
    _trouble("a text", lambda: Fault.wrong_shape(b'"oops"'), OK, EDGE),
    _trouble("data: null", lambda: Fault.wrong_shape(b'{"data":null}'), OK, EDGE),
    # Pages that are not quite right.
    _trouble("no data key", Fault.missing_data, OK, {OK, *EDGE}),
    _trouble("null rows", Fault.null_rows, OK, {OK, *EDGE}),
    _trouble("rows without sense", Fault.strange_rows, {OK, *EDGE}, {OK, *EDGE}),
    _trouble("same cursor twice", Fault.same_cursor_twice, {OK, *EDGE}, {OK, *EDGE}),
    # Two walks that never end: each is given up after a hundred empty pages.
    _trouble("empty page with next", Fault.empty_page_with_next, OK, {OK, *EDGE}, extra_calls=220),
    _trouble("cursor expired", Fault.cursor_expired, {OK, *EDGE}, EDGE, starts_anew=True),
    _trouble("a field never seen", lambda: Fault.unknown_content(brand_new="x"), OK, OK),
    # Meta's own trouble.
    _trouble("1 reduce the data", Fault.too_much_data, {OK, *EDGE}, {OK, *EDGE}, extra_calls=90),
    _trouble("1 unknown", _error(1, status=500), OK, EDGE),
    _trouble("1/99 unknown", _error(1, 99, status=500), OK, EDGE),
    _trouble("2 unavailable", _named(errors.unavailable()), OK, EDGE),
    _trouble("104 reset", _error(104), OK, EDGE),
    _trouble("960 batch timed out", Fault.batch_timeout, {OK, *EDGE}, {OK, *EDGE}, extra_calls=90),
    _trouble("operations left open", lambda: Fault.null_batch_entries([0]), OK, EDGE),
    _trouble("an unknown code", _error(98_765), EDGE, EDGE),
    _trouble("unknown, transient", _error(98_765, transient=True), OK, EDGE),
    _trouble("1/2853001 permanent", _error(1, 2853001), EDGE, EDGE),
    _trouble("2/1504041 permanent", _error(2, 1504041), EDGE, EDGE, refuses_breakdowns=True),
    # Insights' own; on the other edges only a size that does not fit.
    _trouble(
        "100/1504018 timed out", _error(100, 1504018), {OK, *EDGE}, {OK, *EDGE}, extra_calls=90
    ),
    _trouble(
        "2/1504044 go async",
        _error(2, 1504044, status=503),
        {OK, *EDGE},
        {OK, *EDGE},
        extra_calls=90,
    ),
    _trouble(
        "100/1487534 too much",
        _named(errors.too_much_insights_data()),
        {OK, *EDGE},
        {OK, *EDGE},
        extra_calls=90,
    ),
    # Limits.
    _trouble("4 app limit", _named(errors.app_limit()), WAIT, WAIT),
    _trouble("4/1504022 insights limit", _named(errors.insights_limit()), WAIT, WAIT),
    _trouble("17/2446079 account limit", _named(errors.user_limit()), WAIT, WAIT),
    _trouble("80000", _named(errors.too_many_calls("ads_insights")), WAIT, WAIT),
    _trouble("80004", _named(errors.too_many_calls("ads_management")), WAIT, WAIT),
    _trouble("613/1487742", _error(613, 1487742), WAIT, WAIT),
    _trouble(
        "a meter at 96 %",
        lambda: Fault.headers(x_business_use_case_usage=_FULL_METER % "ads_management"),
        {OK, WAIT},
        {OK, WAIT},
    ),
    # What this token may not, and what is wrong with it.
    _trouble("100/33 missing", _error(100, 33), {OK, *EDGE}, EDGE),
    _trouble("10 permission", _error(10, status=403), EDGE, EDGE),
    _trouble("200 permission", _error(200, status=403), EDGE, EDGE),
    _trouble("190/463 expired", _error(190, 463, status=401), FAIL, FAIL),
    _trouble("368 blocked", _error(368, status=403), EDGE, EDGE),
    _trouble("100 parameter", _error(100), {OK, *EDGE}, EDGE),
    _trouble("2635 version", _error(2635), EDGE, EDGE),
    # The world moves between two pages.
    _trouble("renamed meanwhile", _edit("rename"), OK, OK, edits_world=True),
    _trouble("deleted meanwhile", _edit("delete"), OK, OK, edits_world=True),
    _trouble("vanished meanwhile", _edit("vanish"), OK, OK, edits_world=True),
    _trouble("added meanwhile", _edit("add"), OK, OK, edits_world=True),
    _trouble("paused meanwhile", _edit("pause"), OK, OK, edits_world=True),
)
