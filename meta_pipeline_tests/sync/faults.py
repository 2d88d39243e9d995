"""Everything the simulator can do wrong, and what a sync may make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from meta_pipeline.simulator import Fault, Plan
from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.limits import throttles
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
    only: frozenset[str] | None = None
    """Names of the edges where it makes sense; None: wherever its fault does."""
    meets: frozenset[str] = frozenset()
    """The simulator's edits, drifts and plans of reports that happen."""
    is_quick: bool = True
    """Whether one of its cases is in the quick half."""


def _trouble(name: str, make: Callable[[], Fault], once: Any, lasting: Any, **more: Any) -> Trouble:
    def listed(given: Any) -> frozenset[Status]:
        return frozenset({given} if isinstance(given, Status) else given)

    return Trouble(name, make, listed(once), listed(lasting), **more)


def _error(code: int, subcode: int | None = None, *, status: int = 400, **more: Any) -> Any:
    return lambda: Fault.graph_error(code, subcode, status=status, **more)


def _named(error: errors.GraphError) -> Callable[[], Fault]:
    return lambda: Fault.error_of(error)


def _meanwhile(name: str, happens: Callable[[Any], object], meets: str, **more: Any) -> Trouble:
    """The world moves between two pages."""
    given: dict[str, Any] = {"once": OK, "lasting": OK, "edits_world": True} | more
    return _trouble(
        name, lambda: Fault.world_edit(happens), meets=frozenset(meets.split()), **given
    )


def _report(name: str, plan: Plan, meets: str, once: Any = OK, **more: Any) -> Trouble:
    """What becomes of the report that is created now."""
    return _meanwhile(
        name,
        lambda sim: sim.reports.plan_next(plan),
        meets,
        once=once,
        lasting={OK, *EDGE},
        edits_world=False,
        only=frozenset({"report create"}),
        is_quick=False,
        extra_calls=150,  # each part of the days is tried three times
        **more,
    )


def _first(sim: Any, edge: str) -> list[str]:
    """The id of the first that lives; none once a lasting edit had them all."""
    account = sim.world.accounts()[0].id
    return [
        one.id
        for one in sim.world.objects(edge, account)
        if one.values["effective_status"] in ("ACTIVE", "PAUSED")
    ][:1]


def _each(edge: str, edit: str, **values: Any) -> Callable[[Any], object]:
    return lambda sim: [getattr(sim.world, edit)(one, **values) for one in _first(sim, edge)]


def _rename(sim: Any) -> None:
    for edge in ("campaigns", "adsets", "ads"):
        _each(edge, "rename", name="Renamed between two pages")(sim)


def _pause_and_activate(sim: Any) -> None:
    for edit in ("pause", "activate"):
        _each("ads", edit)(sim)


def _add_branch(sim: Any) -> None:
    """A campaign with an ad set with an ad, all of them new."""
    campaign = sim.world.add_campaign(sim.world.accounts()[0].id, name="Added between two pages")
    sim.world.add_ad(sim.world.add_adset(campaign.id).id)


def _restate(edit: str, **values: Any) -> Callable[[Any], object]:
    """Three days of an ad are other ones now."""

    def happens(sim: Any) -> None:
        until = sim.now().date() - timedelta(days=1)
        days = {"since": until - timedelta(days=2), **({"until": until} if edit != "tire" else {})}
        _each("ads", edit, **days, **values)(sim)

    return happens


def _break_pixel(sim: Any) -> None:
    day = sim.now().date() - timedelta(days=1)
    sim.world.break_pixel(sim.world.accounts()[0].id, day, day)


# The account's own row and its ads' are set against each other there.
_PROVEN = frozenset({"insights", "levels", "report rows"})
_WITH_ACTIONS = _PROVEN | {"hourly", "breakdown"}
_ENTITY_EDGES = frozenset({"campaigns", "adsets", "ads"})
_LOST_DAY = "2026-11-19"
"""The day before the laboratory's first."""

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
    # One that passes while it is looked into leaves nothing out.
    _trouble("an unknown code", _error(98_765), {OK, *EDGE}, EDGE),
    _trouble("unknown, transient", _error(98_765, transient=True), OK, EDGE),
    _trouble("1/2853001 permanent", _error(1, 2853001), {OK, *EDGE}, EDGE),
    _trouble("2/1504041 permanent", _error(2, 1504041), {OK, *EDGE}, EDGE, refuses_breakdowns=True),
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
    _trouble("4 app limit", _named(throttles.app_limit()), WAIT, WAIT),
    _trouble("4/1504022 insights limit", _named(throttles.insights_limit()), WAIT, WAIT),
    _trouble("17/2446079 account limit", _named(throttles.user_limit()), WAIT, WAIT),
    _trouble("80000", _named(throttles.too_many_calls("ads_insights")), WAIT, WAIT),
    _trouble("80004", _named(throttles.too_many_calls("ads_management")), WAIT, WAIT),
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
    # Less than the truth, and it looks well: the account's own row says otherwise.
    _trouble("no rows", Fault.no_rows, {OK, PART}, {OK, PART}, only=_PROVEN),
    _trouble("rows lost", Fault.lost_rows, {OK, PART}, {OK, PART}, only=_PROVEN),
    _trouble(
        "a day empty", lambda: Fault.lost_days([_LOST_DAY]), {OK, PART}, {OK, PART}, only=_PROVEN
    ),
    _trouble(
        "a day short",
        lambda: Fault.lost_days([_LOST_DAY], every=2),
        {OK, PART},
        {OK, PART},
        only=_PROVEN,
    ),
    # Odd content that costs itself.
    _trouble("odd action entries", Fault.odd_actions, OK, OK, only=_WITH_ACTIONS),
    _trouble("a token without end", Fault.endless_token, OK, OK, only=frozenset({"token"})),
    # The world moves between two pages.
    _meanwhile("renamed meanwhile", _rename, "rename"),
    _meanwhile("deleted meanwhile", _each("ads", "delete"), "delete"),
    _meanwhile("vanished meanwhile", _each("ads", "vanish"), "vanish"),
    _meanwhile("added meanwhile", _each("adsets", "add_ad", name="Added"), "add_ad"),
    _meanwhile("a branch meanwhile", _add_branch, "add_campaign add_adset"),
    _meanwhile("paused meanwhile", _each("campaigns", "pause"), "pause"),
    _meanwhile("paused and not", _pause_and_activate, "activate", is_quick=False),
    _meanwhile("archived meanwhile", _each("ads", "archive"), "archive"),
    _meanwhile(
        "a budget meanwhile", _each("campaigns", "set_budget", daily_minor=7_700), "set_budget"
    ),
    _meanwhile(
        "taken back meanwhile",
        _restate("take_back", keep=0.3),
        "take_back",
        once={OK, PART},
        lasting={OK, PART},
        only=_PROVEN,
    ),
    _meanwhile(
        "tired meanwhile",
        _restate("tire"),
        "tire",
        once={OK, PART},
        lasting={OK, PART},
        only=_PROVEN,
        is_quick=False,
    ),
    _meanwhile("pixel broken meanwhile", _break_pixel, "break_pixel", is_quick=False),
    # Meta's contract moves.
    _meanwhile(
        "upgraded meanwhile",
        lambda sim: sim.contract.upgrade_version("v26.0", "v27.0"),
        "upgrade_version",
        edits_world=False,
    ),
    _meanwhile(
        "a field gone",
        lambda sim: sim.contract.remove_field("Ad", "tracking_specs"),
        "remove_field",
        once={OK, *EDGE},
        lasting={OK, *EDGE},
        edits_world=False,
        only=_ENTITY_EDGES,
    ),
    _meanwhile(
        "a field and a status more",
        lambda sim: (
            sim.contract.add_field("Ad", "brand_new", "x"),
            sim.contract.add_value("effective_status", "BRAND_NEW"),
        ),
        "add_field add_value",
        edits_world=False,
        only=_ENTITY_EDGES,
        is_quick=False,
    ),
    # What becomes of a report.
    _report("late", Plan.late(90), "late"),
    _report("lagging", Plan.lagging(3), "lagging"),
    _report("fails", Plan.fail(at_pct=100), "fail"),
    _report("skipped", Plan.skip(), "skip"),
    _report("too large", Plan.too_large(), "too_large", {OK, *EDGE}),
    _report("stuck", Plan.stuck(), "stuck", {OK, *EDGE}),
    _report("complete, no rows", Plan.complete_but_empty(), "complete_but_empty", {OK, *EDGE}),
    _report("complete, refused", Plan.complete_but_fails(), "complete_but_fails", {OK, *EDGE}),
    _report("without a percent", Plan.without_percent(), "without_percent"),
)
