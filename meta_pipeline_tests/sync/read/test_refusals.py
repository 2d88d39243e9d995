"""What Meta does not take: left out, named with its setting, asked for again a day later."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from meta_pipeline.simulator import AccountSpec, Fault, VirtualClock, World
from meta_pipeline.simulator.world.days import months_before
from meta_pipeline.sync import ENTITIES, Part, PlanPolicy, Status, SyncRequest
from meta_pipeline.sync.read.retention import UNIQUE_COUNTS
from meta_pipeline_tests.sync.lab import START, Lab, lab

NUMBERS = frozenset({Part.INSIGHTS})
CELLS = frozenset({Part.BREAKDOWNS})
SPEC = AccountSpec("Zwei Wege", 2, 3, 6, (2, 3, 6), zone="Europe/Berlin", currency="EUR")


def _reasons(found: Lab) -> set[tuple[str, str]]:
    rows = found.query(
        "SELECT field, value FROM meta_ads.unrecognized_values WHERE reason = 'refused_value'"
    )
    return {(row["field"], row["value"]) for row in rows}


def _whole(found: Lab, days: int = 10) -> None:
    today = found.today()
    found.assert_insights(today - timedelta(days=days - 1), today)


@pytest.mark.parametrize("gone", [("1d_view",), ("1d_click", "1d_view"), ("7d_click",)])
def test_an_attribution_window_that_is_not_taken_costs_itself(
    small: Lab, gone: tuple[str, ...]
) -> None:
    for name in gone:
        small.sim.contract.remove_value("action_attribution_windows", name)

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL
    said = " ".join(map(str, record.missing))
    assert all(f"META_ATTRIBUTION_WINDOWS: Meta does not take {name}" in said for name in gone)
    assert {("action_attribution_windows", name) for name in gone} == _reasons(small)
    _whole(small)
    small.advance(hours=1)
    refused = small.sim.journal.count(code=100)
    assert small.sync(parts=NUMBERS).status is Status.SUCCESS
    assert small.sim.journal.count(code=100) == refused, "asked again within the day"
    small.advance(days=1, hours=1)
    small.sync(parts=NUMBERS)
    assert small.sim.journal.count(code=100) > refused


@pytest.mark.each_value
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("gone", [("IN_PROCESS",), ("WITH_ISSUES", "DELETED"), ("ARCHIVED",)])
def test_a_status_that_is_not_taken_costs_no_edge(
    small: Lab, gone: tuple[str, ...], named: bool
) -> None:
    for status in gone:
        small.sim.contract.remove_value("effective_status", status, named=named)

    record = small.sync()

    # What is hidden with a status is in the account's own row: that is said, and nothing else.
    assert all("not proven by the account's own row" in one for one in map(str, record.missing))
    assert {("effective_status", status) for status in gone} == _reasons(small)
    hidden = {one.id for edge in ("campaigns", "adsets", "ads")
              for one in small.world.objects(edge, small.account_id)
              if one.values["effective_status"] in gone}  # fmt: skip
    today = small.today()
    stored = small.query(
        "SELECT DISTINCT ad_id FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
    )
    expected = {ad for ad, _ in small.expected_insights(today - timedelta(days=9), today)}
    assert {row["ad_id"] for row in stored} >= expected - hidden
    for edge in ("campaigns", "adsets", "ads"):
        known = {one.id for one in small.world.objects(edge, small.account_id)}
        assert small.stored_entities(edge).keys() >= known - hidden


def test_a_parameter_that_is_refused_once_is_only_asked_again(small: Lab) -> None:
    small.sim.fail("GET", "/ads", times=1, with_=Fault.graph_error(100, message="(#100) oops"))
    assert small.sync(parts=ENTITIES).status is Status.SUCCESS
    assert _reasons(small) == set()
    small.assert_entities()


@pytest.mark.each_value
@pytest.mark.parametrize("times", range(1, 12))
@pytest.mark.parametrize(
    ("edge", "part"),
    [
        ("ads", Part.ADS),
        ("insights", Part.INSIGHTS),
        ("insights", Part.BREAKDOWNS),
        ("insights", Part.HOURLY),
    ],
)
def test_a_refusal_that_passes_while_it_is_looked_into_leaves_nothing_out(
    small: Lab, edge: str, part: Part, times: int
) -> None:
    small.sync(parts=ENTITIES)
    small.advance(hours=7)
    refused = Fault.graph_error(100, message="(#100) Invalid parameter")
    path = f"{small.account_id}/{edge}"
    small.sim.fail("GET", path, times=times, with_=refused)
    small.sync(parts=frozenset({part}), breakdowns=(("age", "gender"), ("country",)))
    small.sim.faults.clear()
    assert _reasons(small) == set()
    without = "SELECT count(*) FROM meta_ads.meta_insights_breakdown WHERE reach IS NULL"
    assert small.scalar(without) == 0, "unique counts are there"


def test_a_refused_report_is_told_though_nobody_can_say_whether_its_statuses_are_why(
    small: Lab,
) -> None:
    account = f"{small.account_id}/insights"
    too_slow = Fault.graph_error(100, 1504018, status=400)
    small.sim.fail("GET", account, times=None, with_=too_slow)
    refused = Fault.graph_error(100, message="(#100) oops")
    small.sim.fail("POST", account, times=None, with_=refused)
    record = small.sync(parts=NUMBERS)
    assert "(#100) oops" in (record.error_summary or "")
    assert small.sim.journal.count(code=100) <= 10, small.sim.journal.table()


def _cells(found: Lab) -> dict[str, int]:
    rows = found.query(
        "SELECT breakdown, count(*) AS rows FROM meta_ads.meta_insights_breakdown GROUP BY 1"
    )
    return {row["breakdown"]: row["rows"] for row in rows}


@pytest.mark.parametrize(
    ("asked", "gone", "left"),
    [
        ((("age", "gender"), ("country",)), ("gender",), {"age", "country"}),
        ((("age",), ("country",)), ("age",), {"country"}),
        ((("age", "country"), ("gender",)), (), {"gender"}),
    ],
)
def test_a_breakdown_that_is_not_taken_costs_its_table_only(
    small: Lab, asked: Any, gone: tuple[str, ...], left: set[str]
) -> None:
    for name in gone:
        small.sim.contract.remove_value("breakdowns", name)
    parts = NUMBERS | CELLS

    record = small.sync(parts=parts, breakdowns=asked)

    assert record.status is Status.PARTIAL
    assert "META_BREAKDOWNS: Meta does not take" in " ".join(map(str, record.missing))
    assert _cells(small).keys() == left
    _whole(small)
    small.advance(hours=1)
    calls = small.calls()
    assert small.sync(parts=parts, breakdowns=asked).status in {Status.SUCCESS, Status.PARTIAL}
    assert small.calls() - calls <= 8


# -- refusals that name nothing, or name it in other words ----------------------------------------


Said = dict[str, Any]
NOTHING: Said = {}


def _refuse(found: Lab, edge: str, when: Callable[[Mapping[str, Any]], bool], said: Said) -> None:
    """Answer so while a condition on the parameters holds."""
    error = {"message": "Invalid parameter", "type": "OAuthException", "code": 100, **said}
    body = json.dumps({"error": error | {"fbtrace_id": "A"}})
    found.sim.fail(
        "GET", f"{found.account_id}/{edge}", times=None,
        until=lambda request: not when(request.params),
        with_=Fault.http(400, body, "application/json; charset=UTF-8"),
    )  # fmt: skip


def _blames(*path: object) -> Said:
    return {"error_data": json.dumps({"blame_field_specs": [list(path)]})}


@pytest.mark.parametrize(
    "said",
    [
        NOTHING,
        {"message": "(#100) 1d_view is not a valid attribution window"},
        {"error_user_title": "Not available", "error_user_msg": "1d_view is no longer available."},
        {"error_subcode": 1487999},
        _blames("action_attribution_windows"),
        {"message": "(#100) action_attribution_windows[0] must be one of: 1d_click, 7d_click"},
        {"message": "(#100) action_attribution_windows[9] must be one of: 1d_click, 7d_click"},
        {"message": "(#100) action_attribution_windows must be one of: 1d_click, got 7d_click"},
        {"message": "(#100) action_attribution_windows must be one of: 1d_click, got 28d_view"},
        {"message": "(#100) breakdowns[0] must be one of the following values: age, gender"},
        {"message": "(#100) effective_status[0] must be one of the following values: ACTIVE"},
        _blames("action_attribution_windows", 0),
    ],
)
def test_an_attribution_window_that_is_refused_without_its_name(small: Lab, said: Said) -> None:
    def asks_it(params: Mapping[str, Any]) -> bool:
        return "1d_view" in params.get("action_attribution_windows", ())

    _refuse(small, "insights", asks_it, said)
    record = small.sync(parts=NUMBERS)
    assert "META_ATTRIBUTION_WINDOWS: Meta does not take 1d_view" in str(record.error_summary)
    assert _reasons(small) == {("action_attribution_windows", "1d_view")}
    _whole(small)
    small.advance(hours=1)
    refused = small.sim.journal.count(code=100)
    assert small.sync(parts=NUMBERS).status is Status.SUCCESS
    assert small.sim.journal.count(code=100) == refused, "asked again within the day"


@pytest.mark.parametrize(
    ("edge", "field"),
    [("insights", "inline_link_clicks"), ("adsets", "learning_stage_info"),
     ("adcreatives", "asset_feed_spec")],
)  # fmt: skip
@pytest.mark.parametrize("said", [NOTHING, {"error_user_msg": "This metric has been removed."}])
def test_a_field_that_is_refused_without_its_name(
    small: Lab, edge: str, field: str, said: Said
) -> None:
    _refuse(small, edge, lambda params: field in params["fields"].split(","), said)
    parts = ENTITIES | NUMBERS | {Part.CREATIVES}
    record = small.sync(parts=parts)
    assert record.status is Status.SUCCESS, record.error_summary
    refused = (
        "SELECT DISTINCT field FROM meta_ads.unrecognized_values WHERE reason = 'refused_field'"
    )
    assert small.query(refused) == [{"field": field}]
    small.sim.faults.clear()
    small.assert_entities()
    _whole(small)
    assert small.scalar("SELECT count(*) FROM meta_ads.meta_creatives") > 0


@pytest.mark.parametrize(
    ("said", "is_pair"),
    [
        (NOTHING, False),
        ({"message": "(#100) Current combination of data breakdown columns is invalid"}, True),
        ({"error_user_msg": "The breakdown gender is not available."}, False),
        (_blames("breakdowns", 1), False),
        (_blames("breakdowns", 0), False),
        ({"message": "(#100) breakdowns[7] must be one of the following values: age"}, False),
        ({"message": "(#100) breakdowns must be one of: age, got age"}, False),
        ({"message": "(#100) breakdowns must be one of: age, got region"}, False),
        ({"message": "(#100) action_attribution_windows[0] must be one of: 1d_click"}, False),
    ],
)
def test_a_breakdown_that_is_refused_without_its_name(
    small: Lab, said: Said, is_pair: bool
) -> None:
    def asks_it(params: Mapping[str, Any]) -> bool:
        asked = set(params.get("breakdowns", ()))
        return {"age", "gender"} <= asked if is_pair else "gender" in asked

    _refuse(small, "insights", asks_it, said)
    parts = NUMBERS | CELLS
    record = small.sync(parts=parts, breakdowns=(("age", "gender"), ("country",)))
    assert "META_BREAKDOWNS: Meta does not take" in str(record.error_summary)
    assert _cells(small).keys() == ({"country"} if is_pair else {"age", "country"})
    _whole(small)


@pytest.mark.parametrize(
    "said",
    [
        {"error_user_msg": "Unique counts by breakdown: only the last 13 months are available."},
        {"message": "(#100) reach is not available for dates more than 13 months ago"},
        {"message": "(#100) Cannot query reach by age beyond 394 days"},
        NOTHING,
    ],
)
def test_old_unique_counts_that_are_refused_in_other_words(small: Lab, said: Said) -> None:
    line = small.today() - timedelta(days=2)

    def is_too_old(params: Mapping[str, Any]) -> bool:
        is_old = "breakdowns" in params and params["time_range"]["since"] < str(line)
        return is_old and not UNIQUE_COUNTS.isdisjoint(params["fields"].split(","))

    _refuse(small, "insights", is_too_old, said)
    since = line - timedelta(days=2)
    record = small.sync(parts=CELLS, since=since, breakdowns=(("country",),))
    assert record.status is Status.SUCCESS, record.error_summary
    rows = small.query(
        "SELECT date_start, count(*) AS rows FROM meta_ads.meta_insights_breakdown GROUP BY 1"
    )
    expected = {day for _, day in small.expected_insights(since, small.today())}
    assert {str(row["date_start"]) for row in rows} == expected


@pytest.mark.parametrize(
    "said",
    [
        {"message": "(#100) The start date cannot be beyond 37 months from the current date"},
        {"error_user_msg": "Meta keeps 37 months of insights."},
        {"code": 3018, "message": "Trop vieux"},
    ],
)
def test_a_range_too_old_is_clamped_in_other_words(small: Lab, said: Said) -> None:
    line = small.today() - timedelta(days=4)
    _refuse(
        small, "insights",
        lambda asked: "time_range" in asked and asked["time_range"]["since"] < str(line), said,
    )  # fmt: skip
    record = small.sync(parts=NUMBERS)
    assert record.status is Status.SUCCESS, record.error_summary
    small.sim.faults.clear()
    small.assert_insights(line, small.today())


@pytest.mark.parametrize(
    "said",
    [
        {"message": "(#100) You do not have sufficient permissions"},
        {"message": "(#100) User has no permission on this object", "error_subcode": 1815694},
        {"error_user_title": "Missing permissions"},
        {"message": "(#100) The caller is not authorized"},
        {"code": 275, "message": "(#275) Cannot determine the target object"},
    ],
)
def test_a_permission_in_other_words_costs_one_call(small: Lab, said: Said) -> None:
    for edge in ("campaigns", "adsets", "ads", "insights"):
        _refuse(small, edge, lambda _: True, said)
    before = _edge_calls(small)
    record = small.sync()
    small.sim.faults.clear()
    assert record.status is Status.FAIL
    assert "rests until" in (record.error_summary or "")
    assert _edge_calls(small) - before == 1


@pytest.mark.parametrize(
    "said",
    [
        {"message": "(#100) Param effective_status[0] is not valid"},
        {"message": "(#100) filtering[0][value][2] invalid"},
        {"code": 1, "error_subcode": 1487561, "error_user_title": "Run Status not valid"},
        {"message": "(#100) effective_status must be one of: ACTIVE, got: UNKNOWN"},
        {"message": "(#100) effective_status must be one of: ACTIVE, got: PAUSED"},
        {"message": "(#100) effective_status[99] must be one of: ACTIVE"},
    ],
)
def test_a_status_in_another_place_than_meta_says_costs_itself(small: Lab, said: Said) -> None:
    def asks_it(params: Mapping[str, Any]) -> bool:
        return "IN_PROCESS" in json.dumps([params.get("effective_status"), params.get("filtering")])

    for edge in ("campaigns", "adsets", "ads", "insights"):
        _refuse(small, edge, asks_it, said)
    small.sync()
    assert _reasons(small) == {("effective_status", "IN_PROCESS")}


# -- how far back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [Part.INSIGHTS, Part.HOURLY, Part.BREAKDOWNS])
@pytest.mark.parametrize(
    "said",
    [
        {"code": 3018, "message": "Trop vieux"},
        {"error_user_msg": "Insights are kept for 37 months."},
        {"message": "(#100) hours are only available for the last 13 months"},
    ],
)
def test_no_day_is_too_old_where_yesterday_is(small: Lab, part: Part, said: Said) -> None:
    """What is refused at any age is not called read, and comes when it is answered again."""
    parts = NUMBERS | {part}
    dataset = {Part.INSIGHTS: "insights_ad", Part.HOURLY: "insights_hourly",
               Part.BREAKDOWNS: "breakdown:country"}[part]  # fmt: skip

    def asks_it(params: Mapping[str, Any]) -> bool:
        level, breakdowns = params.get("level"), str(params.get("breakdowns"))
        name = {Part.HOURLY: "hourly", Part.BREAKDOWNS: "country"}.get(part, "None")
        return level == "ad" and name in breakdowns

    _refuse(small, "insights", asks_it, said)
    record = small.sync(parts=parts, breakdowns=(("country",),))
    assert record.status is not Status.SUCCESS
    assert dataset in str(record.error_summary)
    done = "SELECT 1 FROM meta_ads.sync_windows WHERE dataset = %s AND incomplete IS NULL"
    assert small.query(done, dataset) == []
    small.sim.faults.clear()
    small.advance(hours=8)
    record = small.sync(parts=parts, breakdowns=(("country",),), force=True)
    assert record.status is Status.SUCCESS, record.error_summary
    assert len(small.query(done, dataset)) == 10
    _whole(small)


@pytest.mark.parametrize("said", [NOTHING, {"message": "(#100) breakdowns[0] must be one of: age"}])
def test_hours_that_are_not_taken_name_their_own_setting(small: Lab, said: Said) -> None:
    _refuse(small, "insights", lambda asked: "hourly" in str(asked.get("breakdowns")), said)
    record = small.sync(parts=NUMBERS | {Part.HOURLY})
    assert "META_HOURLY: Meta does not take hourly" in str(record.error_summary)
    assert "META_BREAKDOWNS" not in str(record.error_summary)
    _whole(small)


def _old_lab(database_url: str, *, hard: bool, policy: PlanPolicy) -> Any:
    clock = VirtualClock(START)
    world = World(
        seed=11, clock=clock, accounts=(SPEC,), hard_retention=hard, anchor=date(2026, 11, 1)
    )
    return lab(database_url, world=world, policy=policy)


@pytest.mark.parametrize("hard", [True, False])
def test_old_cells_come_without_unique_counts(database_url: str, hard: bool) -> None:
    with _old_lab(database_url, hard=hard, policy=PlanPolicy(backfill_days=10)) as old:
        line = months_before(old.today(), 13)
        since, until = line - timedelta(days=6), line + timedelta(days=6)

        record = old.sync(parts=CELLS, since=since, until=until, breakdowns=(("age", "gender"),))

        assert record.status is Status.SUCCESS, record.missing
        rows = old.query(
            "SELECT date_start, count(*) AS rows, sum(spend) AS spend, count(reach) AS reach "
            "FROM meta_ads.meta_insights_breakdown GROUP BY 1"
        )
        expected = {day for _, day in old.expected_insights(since, until)}
        assert {str(row["date_start"]) for row in rows} == expected
        assert all(row["spend"] > 0 for row in rows)
        assert all((row["reach"] > 0) == (row["date_start"] > line + timedelta(days=1))
                   for row in rows)  # fmt: skip
        calls = old.calls()
        again = old.sync(parts=CELLS, since=since, until=until, breakdowns=(("age", "gender"),))
        assert again.status is Status.SUCCESS
        assert old.calls() == calls, "these days are done"


@pytest.mark.parametrize("months", [12, 13])
def test_another_line_of_metas_is_found(small: Lab, months: int) -> None:
    """The line may lie elsewhere than the calendar says: the answer tells the months."""
    line = months_before(small.today(), months) + timedelta(days=3)

    def fits(request: Any) -> bool:
        since = date.fromisoformat(request.params["time_range"]["since"])
        return "breakdowns" not in request.params or since >= line or not (
            {"reach", "unique_clicks", "frequency"} & set(request.params["fields"].split(","))
        )  # fmt: skip

    text = f"(#100) unique-count fields are only available for the last {months} months"
    refused = Fault.graph_error(100, message=text)
    small.sim.fail("GET", f"{small.account_id}/insights", until=fits, with_=refused)
    since, until = line - timedelta(days=9), line + timedelta(days=9)

    record = small.sync(parts=CELLS, since=since, until=until, breakdowns=(("country",),))

    small.sim.faults.clear()
    assert record.status is Status.SUCCESS, record.missing
    rows = small.query(
        "SELECT date_start, count(reach) AS reach FROM meta_ads.meta_insights_breakdown GROUP BY 1"
    )
    expected = {day for _, day in small.expected_insights(since, until)}
    assert {str(row["date_start"]) for row in rows} == expected
    assert all(row["reach"] > 0 for row in rows if row["date_start"] > line + timedelta(days=2))


@pytest.mark.parametrize("shift", [0, 1, 2, 9])
def test_a_range_that_starts_before_metas_line_is_clamped(small: Lab, shift: int) -> None:
    """3018, where Meta's line of 37 months lies some days after ours."""
    plan = small.engine.plan(_request(small))
    assert plan.since is not None
    line = plan.since + timedelta(days=shift)

    def fits(request: Any) -> bool:
        return date.fromisoformat(request.params["time_range"]["since"]) >= line

    text = (
        "(#3018) The start date of the time range cannot be beyond 37 months from the current date"
    )
    small.sim.fail("GET", f"{small.account_id}/insights", until=fits,
                   with_=Fault.graph_error(3018, message=text))  # fmt: skip
    until = plan.since + timedelta(days=20)

    record = small.sync(parts=NUMBERS, since=plan.since, until=until)

    small.sim.faults.clear()
    assert record.status is Status.SUCCESS, record.missing
    small.assert_insights(line, until)
    days = small.query(
        "SELECT count(*) AS days FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
    )
    assert days == [{"days": 21}]


def _request(found: Lab) -> Any:
    return SyncRequest(found.account_id, since=date(2020, 1, 1))


def test_hours_before_their_line_are_not_asked_for(small: Lab) -> None:
    line = months_before(small.today(), 13)
    since = line - timedelta(days=20)
    record = small.sync(parts=frozenset({Part.HOURLY}), since=since, until=since)
    assert record.status is Status.SUCCESS, record.missing
    assert small.sim.journal.count(path="/insights") == 0


# -- permissions -----------------------------------------------------------------------------------

DENIED = {
    "200": Fault.graph_error(200, status=403, message="(#200) Ad account owner has NOT grant ..."),
    "10": Fault.graph_error(10, status=403),
    "100/33": Fault.graph_error(100, 33),
    "perms": Fault.graph_error(100, message="(#100) Missing perms"),
    "3191001": Fault.graph_error(100, 3191001),
}


@pytest.mark.parametrize("fault", DENIED.values(), ids=DENIED.keys())
def test_a_forbidden_account_costs_one_call_and_rests(small: Lab, fault: Fault) -> None:
    for edge in ("campaigns", "adsets", "ads", "insights"):
        small.sim.fail("GET", f"{small.account_id}/{edge}", times=None, with_=fault)
    rests = []
    for _ in range(5):
        before = _edge_calls(small)
        record = small.sync()
        assert record.status is Status.FAIL
        assert "rests until" in (record.error_summary or "")
        assert _edge_calls(small) - before == 1
        assert record.not_before is not None
        rests.append(record.not_before - small.clock.now())
        small.clock.advance(rests[-1].total_seconds() + 60)
    assert rests == sorted(rests)
    assert rests[-1] > rests[0]
    small.sim.faults.clear()
    assert small.sync().status is Status.SUCCESS
    small.assert_entities()


def _edge_calls(found: Lab) -> int:
    return sum("/" in entry.path.split("act_")[-1] for entry in found.sim.journal)


# -- refusals of one field, in whatever words ------------------------------------------------------

WORDS: dict[str, tuple[int, Said]] = {
    "gone": (400, {"message": "(#100) Tried accessing nonexisting field ({0}) on node type (X)"}),
    "gone elsewhere": (400, {"message": "(#100) Tried accessing nonexisting field (other) on X"}),
    "unnamed": (400, NOTHING),
    "deprecated": (400, {"code": 12, "message": "(#12) {0} field is deprecated for v26.0"}),
    "syntax": (400, {"code": 2500, "message": "Unknown path components: /{0}"}),
    "no such code": (400, {"code": 987_654, "message": "(#987654) Not here"}),
    "scope": (403, {"code": 200, "message": "(#200) Requires business_management permission"}),
    "role": (403, {"code": 10, "message": "(#10) You do not have permission for this action"}),
    "capability": (400, {"code": 3, "message": "(#3) Application lacks the capability"}),
    "method": (400, {"message": "(#100) Unsupported request - method type: get"}),
}


def _refuse_field(found: Lab, path: str, name: str, words: str) -> None:
    status, said = WORDS[words]
    said = {key: value.format(name) if key == "message" else value for key, value in said.items()}
    error = {"message": "Invalid parameter", "code": 100, "fbtrace_id": "A", **said}
    found.sim.fail(
        "GET", path, times=None,
        until=lambda request: name not in str(request.params.get("fields")).split(","),
        with_=Fault.http(status, json.dumps({"error": error}), "application/json"),
    )  # fmt: skip


def _refused_fields(found: Lab) -> set[str]:
    rows = found.query("SELECT field FROM meta_ads.unrecognized_values "
                       "WHERE reason = 'refused_field'")  # fmt: skip
    return {row["field"] for row in rows}


@pytest.mark.each_value
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("field", ["owner", "disable_reason", "spend_cap", "business{id"])
def test_a_field_of_the_account_that_is_refused_costs_itself(
    small: Lab, field: str, words: str
) -> None:
    _refuse_field(small, f"/{small.account_id}", field, words)
    first = small.sync()
    if words in {"role", "capability"}:  # the words of an account that may not be read at all
        assert first.status is Status.FAIL
        small.advance(hours=2)
        first = small.sync()
    assert first.status is Status.SUCCESS, first.error_summary
    (refused,) = _refused_fields(small)
    assert refused.startswith(field)
    small.assert_entities()
    _whole(small)


@pytest.mark.parametrize("field", ["name", "account_status", "owner", "balance", "business{id"])
@pytest.mark.parametrize("is_listed", [False, True])
def test_what_was_stored_of_an_account_stays_where_it_is_refused_later(
    small: Lab, field: str, is_listed: bool
) -> None:
    small.sync()
    column = {"owner": "owner_id", "business{id": "business_id"}.get(field, field)
    with small.warehouse.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.meta_ad_accounts SET owner_id = '7', business_id = '8', "
            "business_name = 'Nord', balance = coalesce(balance, 9)"
        )
    before = small.scalar(f"SELECT {column} FROM meta_ads.meta_ad_accounts")
    assert before is not None
    place = "/me/adaccounts" if is_listed else f"/{small.account_id}"
    _refuse_field(small, place, field, "unnamed")
    small.advance(days=2)
    if is_listed:
        small.engine.discover()
    else:
        assert small.sync().status is Status.SUCCESS
    assert {one.partition("{")[0] for one in _refused_fields(small)} == {field.partition("{")[0]}
    assert small.scalar(f"SELECT {column} FROM meta_ads.meta_ad_accounts") == before


@pytest.mark.parametrize("words", WORDS)
def test_a_field_of_the_list_of_accounts_that_is_refused_costs_itself(
    small: Lab, words: str
) -> None:
    _refuse_field(small, "/me/adaccounts", "owner", words)
    assert [one.account_id for one in small.engine.discover().accounts] == [small.account_id]
    assert _refused_fields(small) == {"owner"}
    assert small.sync().status is Status.SUCCESS


@pytest.mark.each_value
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("edge", "field"),
    [("ads", "issues_info"), ("adsets", "targeting"), ("insights", "unique_clicks")],
)
def test_a_field_that_is_refused_in_any_words_costs_itself(
    small: Lab, edge: str, field: str, words: str
) -> None:
    small.sync()
    small.advance(days=1)
    _refuse_field(small, f"{small.account_id}/{edge}", field, words)
    record = small.sync(parts=NUMBERS if edge == "insights" else ENTITIES, force=True)
    if words in {"scope", "role", "capability"} and record.status is not Status.SUCCESS:
        # Met before anything of the account was answered: then it might be all of it.
        small.advance(hours=2)
        record = small.sync(force=True)
    assert record.status in {Status.SUCCESS, Status.PARTIAL}, record.error_summary
    assert _refused_fields(small) == {field}
    small.assert_entities()
    assert not [one for one in record.missing if one.edge == edge]


@pytest.mark.parametrize("words", ["gone", "unnamed", "deprecated", "syntax", "no such code"])
def test_a_field_of_the_change_log_that_is_refused_costs_itself(small: Lab, words: str) -> None:
    _refuse_field(small, f"{small.account_id}/activities", "application_name", words)
    record = small.sync(parts=frozenset({Part.ACTIVITIES}))
    assert record.status is Status.SUCCESS, record.error_summary
    assert _refused_fields(small) == {"application_name"}


@pytest.mark.each_value
@pytest.mark.parametrize("window", ["1d_click", "7d_click", "1d_view"])
@pytest.mark.parametrize("field", ["unique_clicks", "reach", "actions"])
@pytest.mark.parametrize("status", [None, "IN_PROCESS"])
def test_refusals_of_several_kinds_at_once_cost_what_they_name(
    small: Lab, window: str, field: str, status: str | None
) -> None:
    def asks(name: str, value: str) -> Callable[[Mapping[str, Any]], bool]:
        return lambda params: value in json.dumps(params.get(name, "")).replace('"', ",").split(",")

    _refuse(small, "insights", asks("action_attribution_windows", window), NOTHING)
    _refuse(small, "insights", asks("fields", field), NOTHING)
    if status:
        _refuse(small, "insights", asks("filtering", status), NOTHING)
    small.sync(parts=ENTITIES)
    record = small.sync(parts=NUMBERS)
    assert record.status is Status.PARTIAL
    assert _refused_fields(small) == {field}
    assert _reasons(small) == {("action_attribution_windows", window)} | (
        {("effective_status", status)} if status else set()
    )
    stored = "SELECT count(*) FROM meta_ads.meta_insights WHERE entity_type = 'ad'"
    today = small.today()
    assert small.scalar(stored) >= len(small.expected_insights(today, today))
    small.advance(hours=1)
    assert small.sync(parts=NUMBERS).status is not Status.FAIL


@pytest.mark.parametrize("said", [NOTHING, _blames("action_attribution_windows", 2)])
def test_a_window_that_only_reports_refuse_costs_itself(small: Lab, said: Said) -> None:
    def is_whole(params: Mapping[str, Any]) -> bool:
        return str(params.get("limit")) != "1"

    too_slow: Said = {"code": 100, "error_subcode": 1504018, "message": "timeout"}
    _refuse(small, "insights", is_whole, too_slow)
    error = {"message": "Invalid parameter", "code": 100, "fbtrace_id": "A", **said}
    small.sim.fail(
        "POST", f"{small.account_id}/insights", times=None,
        until=lambda request: "1d_view" not in str(
            request.params.get("action_attribution_windows")),
        with_=Fault.http(400, json.dumps({"error": error}), "application/json"),
    )  # fmt: skip
    record = small.sync(parts=NUMBERS)
    assert record.status is Status.PARTIAL
    assert _reasons(small) == {("action_attribution_windows", "1d_view")}
    _whole(small)


def test_an_edge_that_is_refused_alone_costs_itself(small: Lab) -> None:
    small.sim.fail(
        "GET", f"{small.account_id}/campaigns", times=None, with_=Fault.graph_error(10, status=403)
    )
    statuses = []
    for _ in range(3):
        statuses.append(small.sync().status)
        small.advance(hours=1)
    assert Status.PARTIAL in statuses[1:]
    yesterday = small.today() - timedelta(days=1)
    small.assert_insights(yesterday - timedelta(days=7), yesterday, conversions=False)
