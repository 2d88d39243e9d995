"""Too much data: smaller pages, fewer days, reports, fewer ids; and what is remembered of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.simulator import Caps, Entry, Fault, GraphRequest, Plan
from meta_pipeline.sync import ENTITIES, PageSizes, Part, PlanPolicy, Status
from meta_pipeline_tests.sync.lab import SMALL, Lab, lab

NUMBERS = frozenset({Part.INSIGHTS})
TOO_MUCH = Fault.graph_error(100, 1487534)
TIMED_OUT = Fault.graph_error(100, 1504018)


def _days(request: GraphRequest) -> int:
    asked: Any = request.params.get("time_range")
    return 1 + (int(asked["until"][-2:]) - int(asked["since"][-2:])) % 31


def _refuse(small: Lab, method: str, unless: Any, fault: Fault = TOO_MUCH) -> None:
    small.sim.fail(method, f"{small.account_id}/insights", until=unless, with_=fault)


def _is_ads(request: GraphRequest) -> bool:
    return request.params.get("level") == "ad"


def _ids_asked(request: GraphRequest | Entry) -> int | None:
    """How many ids of some level a query is for; None when it is for all."""
    asked: Any = request.params.get("filtering") or []
    counts = [len(one["value"]) for one in asked if one["field"].endswith(".id")]
    return min(counts) if counts else None


def _assert_world(small: Lab) -> None:
    today = small.today()
    since = today - timedelta(days=9)
    small.assert_insights(since, today)
    small.assert_insights(since, today, level="account")


def _settle(small: Lab) -> None:
    """Waiting for reports moved the clock and today's numbers: read today once more."""
    small.sim.faults.clear()
    small.sim.reports.too_large_rows = None
    small.sync(parts=NUMBERS, force=True)
    _assert_world(small)


# -- fewer days, reports, fewer ids ---------------------------------------------------------------


def test_too_many_days_are_halved_until_they_fit(small: Lab) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request) or _days(request) <= 2)

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.sim.journal.count(method="POST") == 0
    _assert_world(small)


def test_a_day_too_large_for_pages_comes_as_a_report(small: Lab) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request))

    record = small.sync(parts=NUMBERS, since=small.today() - timedelta(days=2))

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.sim.journal.count(method="POST") == 3
    _settle(small)


def test_a_day_too_large_for_a_report_comes_by_ids(small: Lab) -> None:
    def fits(request: GraphRequest) -> bool:
        ids = _ids_asked(request)
        return not _is_ads(request) or (ids is not None and ids <= 2)

    _refuse(small, "GET", fits)
    small.sim.reports.too_large_rows = 3

    record = small.sync(parts=NUMBERS, since=small.today())

    assert record.status is Status.SUCCESS, record.error_summary
    today = small.today()
    expected = small.expected_insights(today, today)
    stored = small.query("SELECT entity_id FROM meta_ads.meta_insights WHERE entity_type = 'ad'")
    assert len({row["entity_id"] for row in stored}) == len(stored) == len(expected)
    ledger = small.warehouse.ledger.fetched(small.account_id, "insights_ad", today, today)
    assert ledger[today].rows == len(expected)
    in_urls = [_ids_asked(entry) for entry in small.sim.journal if entry.method == "GET"]
    assert all(ids in (None, 1) for ids in in_urls), "a URL must not grow with the account"
    _settle(small)


def test_one_ad_too_large_fails_alone_and_says_which_day(small: Lab) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request))
    small.sim.reports.too_large_rows = 0

    record = small.sync(parts=NUMBERS, since=small.today())

    assert record.status is Status.PARTIAL
    assert f"{small.today()}" in (record.error_summary or "")
    marked = small.query("SELECT dataset FROM meta_ads.sync_windows")
    assert [row["dataset"] for row in marked] == ["insights_account"]
    _settle(small)


def test_a_slow_window_goes_async_at_once(small: Lab) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request), TIMED_OUT)

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.SUCCESS, record.error_summary
    _settle(small)


# -- reports that do not come ---------------------------------------------------------------------

PLANS = {
    "failed at 0 %": Plan.fail(at_pct=0),
    "failed at 100 %": Plan.fail(at_pct=100),
    "failed, 2601": Plan.fail(code=2601, subcode=1487742),
    "skipped": Plan.skip(),
    "too large": Plan.too_large(),
    "without rows": Plan.complete_but_empty(),
    "complete and unreadable": Plan.complete_but_fails(),
    "not yet everywhere": Plan.lagging(3),
}


@pytest.mark.each_value
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_report_that_does_not_come_is_made_again_then_split(
    small: Lab, plan: Plan, times: int
) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request), TIMED_OUT)
    small.sim.reports.plan_next(*[plan] * times)

    record = small.sync(parts=NUMBERS, since=small.today() - timedelta(days=3))

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.sim.journal.count(method="POST") <= 8
    _settle(small)


def test_reports_that_never_come_end_the_window_in_few_calls(small: Lab) -> None:
    _refuse(small, "GET", lambda request: not _is_ads(request), TIMED_OUT)
    small.sim.reports.default_plan = Plan.fail()

    record = small.sync(parts=NUMBERS, since=small.today() - timedelta(days=6))

    assert record.status is Status.PARTIAL
    assert small.sim.journal.count(method="POST") <= 12
    assert (
        small.query("SELECT dataset FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'") == []
    )


def test_a_report_without_rows_is_believed_when_nothing_delivered(database_url: str) -> None:
    with lab(database_url, SMALL, policy=PlanPolicy(backfill_days=3)) as small:
        for ad in small.world.objects("campaigns", small.account_id):
            if ad.values["effective_status"] in ("ACTIVE", "WITH_ISSUES"):
                small.world.pause(ad.id)
        small.advance(days=3)
        _refuse(small, "GET", lambda request: not _is_ads(request), TIMED_OUT)
        since = small.today() - timedelta(days=1)
        assert small.expected_insights(since, small.today()) == {}

        record = small.sync(parts=NUMBERS, since=since)

        assert record.status is Status.SUCCESS, record.error_summary
        assert small.sim.journal.count(method="POST") == 1


def test_a_report_that_expires_while_it_is_read_is_made_again(database_url: str) -> None:
    policy = PlanPolicy(backfill_days=3, page_sizes=PageSizes(insights=10))
    with lab(database_url, SMALL, policy=policy) as small:
        _refuse(small, "GET", lambda request: not _is_ads(request), TIMED_OUT)
        gone = Fault.graph_error(100, 33)
        small.sim.fail("GET", "/1490000000000001/insights", on_call=2, times=9, with_=gone)

        record = small.sync(parts=NUMBERS)

        assert record.status is Status.SUCCESS, record.error_summary
        assert small.sim.journal.count(method="POST") >= 2
        small.sim.faults.clear()
        small.sync(parts=NUMBERS, force=True)
        small.assert_insights(small.today() - timedelta(days=2), small.today())


# -- pages ----------------------------------------------------------------------------------------


def _page_size(small: Lab, edge: str) -> int | None:
    rows = small.query("SELECT page_size FROM meta_ads.sync_cursor WHERE edge = %s", edge)
    return rows[0]["page_size"] if rows else None


def test_a_page_shrinks_and_goes_on_from_the_same_cursor(database_url: str) -> None:
    policy = PlanPolicy(backfill_days=3, page_sizes=PageSizes(entities=16))
    with lab(database_url, SMALL, policy=policy) as small:
        small.sim.fail("GET", "/ads", on_call=2, with_=Fault.too_much_data())

        record = small.sync(parts=frozenset({Part.ADS}))

        assert record.status is Status.SUCCESS
        limits = [entry.params["limit"] for entry in small.sim.journal.find(path="/ads")]
        assert [int(limit) for limit in limits] == [16, 16, 8, 8, 8]
        assert record.ads_fetched == 40


def test_a_page_size_is_remembered_and_grows_back(database_url: str) -> None:
    policy = PlanPolicy(backfill_days=3, page_sizes=PageSizes(entities=16))
    with lab(database_url, SMALL, policy=policy) as small:
        small.sim.fail("GET", "/ads", times=2, with_=Fault.too_much_data())
        small.sync(parts=ENTITIES)
        assert _page_size(small, "ads") == 4
        assert _page_size(small, "campaigns") == 16

        sizes: list[int] = []
        for _ in range(4):
            small.advance(hours=7)
            assert small.sync(parts=ENTITIES).status is Status.SUCCESS
            sizes.append(_page_size(small, "ads") or 0)
        assert sizes[-1] == 16, sizes
        assert sizes == sorted(sizes), sizes


def test_insights_pages_are_remembered_too(database_url: str) -> None:
    with lab(database_url, SMALL, caps=Caps(insights_cells=1_300)) as small:
        small.sync(parts=NUMBERS)
        assert _page_size(small, "insights") is not None
        shrunk = small.sim.journal.count(code=1)
        assert shrunk > 0
        for _ in range(3):
            small.advance(hours=1)
            small.sync(parts=NUMBERS)
        assert small.sim.journal.count(code=1) == shrunk
        size = _page_size(small, "insights") or 0
        small.advance(days=1)
        small.sync(parts=NUMBERS)
        assert _page_size(small, "insights") == 2 * size


@pytest.mark.parametrize("edge", ["campaigns", "adsets", "ads"])
def test_a_refused_field_costs_only_that_field(small: Lab, edge: str) -> None:
    small.sync(parts=ENTITIES)
    before = small.stored_entities(edge)
    gone = Fault.graph_error(
        100, message="(#100) Tried accessing nonexisting field (issues_info) on node type (Ad)"
    )
    small.sim.fail("GET", f"/{edge}", times=1, with_=gone)

    record = small.sync(parts=ENTITIES, force=True)

    assert record.status is Status.SUCCESS, record.error_summary
    small.assert_entities()
    after = small.stored_entities(edge)
    assert {key: row["issues_info"] for key, row in after.items()} == {
        key: row["issues_info"] for key, row in before.items()
    }
    (found,) = small.query("SELECT field, reason FROM meta_ads.unrecognized_values")
    assert found == {"field": "issues_info", "reason": "refused_field"}


def test_a_refused_metric_costs_only_that_metric(small: Lab) -> None:
    gone = Fault.graph_error(
        100, message="(#100) video_thruplay_watched_actions is not valid for fields param."
    )
    path = f"{small.account_id}/insights"
    small.sim.fail("GET", path, with_=gone, times=1)

    record = small.sync(parts=NUMBERS)

    assert record.status is Status.SUCCESS, record.error_summary
    _assert_world(small)
