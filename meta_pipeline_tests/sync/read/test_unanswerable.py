"""One ad on one day that Meta cannot answer: it alone is given up, recorded, tried again seldom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle

import pytest

from meta_pipeline.metrics import reconcile
from meta_pipeline.simulator import AccountSpec, Fault, Plan
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.sync import Part, PlanPolicy, Status
from meta_pipeline_tests.sync.lab import Lab, lab

NUMBERS = frozenset({Part.INSIGHTS})
SPEC = AccountSpec("Vier Anzeigen", 2, 2, 4, (2, 2, 4), zone="Europe/Berlin", currency="EUR")
DAYS = 20


@pytest.fixture
def four(database_url: str) -> Iterator[Lab]:
    with lab(database_url, SPEC, policy=PlanPolicy(backfill_days=DAYS)) as found:
        yield found


def _victim(found: Lab, day: date) -> str:
    """An ad that delivered on the day beside others."""
    ads = sorted(ad for ad, _ in found.expected_insights(day, day))
    assert len(ads) > 1
    return ads[0]


def _stored(found: Lab) -> dict[tuple[str, str], dict[str, object]]:
    rows = found.query("SELECT * FROM meta_ads.meta_insights WHERE entity_type = 'ad'")
    return {(row["entity_id"], str(row["date_start"])): row for row in rows}


def _assert_all_but(found: Lab, ad: str, day: date) -> dict[str, object] | None:
    """Every row of the world is there; gives the row of the ad's day, if it has one."""
    today = found.today()
    expected = found.expected_insights(today - timedelta(days=DAYS - 1), today)
    stored = _stored(found)
    own = stored.pop((ad, str(day)), None)
    expected.pop((ad, str(day)))
    assert stored.keys() == expected.keys()
    assert all(row["actions"] is not None or "actions" not in expected[key]
               for key, row in stored.items())  # fmt: skip
    return own


def _open_days(found: Lab) -> list[tuple[date, str]]:
    rows = found.query(
        "SELECT date_start, incomplete, is_final FROM meta_ads.sync_windows "
        "WHERE dataset = 'insights_ad' AND incomplete LIKE 'ad %%' ORDER BY 1"
    )
    assert not any(row["is_final"] for row in rows)
    return [(row["date_start"], row["incomplete"]) for row in rows]


@pytest.mark.each_value
@pytest.mark.parametrize("age", [2, 12])
@pytest.mark.parametrize("refusal", ["timeout", "reduce", "too_much", "unknown", "cut"])
@pytest.mark.parametrize("report", ["too_large", "fail", "skip"])
def test_one_field_of_one_ad_day_costs_that_field(
    four: Lab, refusal: str, report: str, age: int
) -> None:
    day = four.today() - timedelta(days=age)
    ad = _victim(four, day)
    four.world.spoil_day(ad, day, field="actions", refusal=refusal, report=report)

    record = four.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL, record.error_summary
    assert f"ad {ad} without actions" in (record.error_summary or "")
    own = _assert_all_but(four, ad, day)
    assert own is not None
    assert own["spend"] is not None
    assert own["actions"] is None
    ((open_day, why),) = _open_days(four)
    assert open_day == day
    assert ad in why
    assert "actions" in why
    found = four.query("SELECT field, reason, sample_id FROM meta_ads.unrecognized_values")
    assert found == [{"field": "actions", "reason": "unanswered", "sample_id": ad}]


@pytest.mark.each_value
@pytest.mark.parametrize("refusal", ["timeout", "reduce", "too_much", "cut"])
@pytest.mark.parametrize("report", ["too_large", "fail"])
def test_an_ad_day_that_cannot_be_had_at_all_costs_itself(
    four: Lab, refusal: str, report: str
) -> None:
    day = four.today() - timedelta(days=5)
    ad = _victim(four, day)
    four.world.spoil_day(ad, day, refusal=refusal, report=report)

    record = four.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL
    assert f"ad {ad} left out" in (record.error_summary or "")
    assert _assert_all_but(four, ad, day) is None
    assert [known for known, _ in _open_days(four)] == [day]


@pytest.mark.slow
def test_later_syncs_cost_little_and_come_back_ever_more_seldom(four: Lab) -> None:
    day = four.today() - timedelta(days=9)
    ad = _victim(four, day)
    four.world.spoil_day(ad, day, field="actions")
    four.sync(parts=NUMBERS)
    costs, tried = [], []
    for _ in range(30):
        four.advance(hours=1, minutes=1)
        before, reports = four.calls(), four.sim.journal.count(method="POST")
        record = four.sync(parts=NUMBERS)
        assert record.status in {Status.SUCCESS, Status.PARTIAL}
        costs.append(four.calls() - before)
        tried.append(record.status is Status.PARTIAL)
        assert four.sim.journal.count(method="POST") - reports <= 1
    assert max(costs) <= 12
    assert sum(tried) <= 6
    assert any(tried)
    four.world.mend_days(ad)
    four.advance(days=8)
    assert four.sync(parts=NUMBERS).status is Status.SUCCESS
    assert _open_days(four) == []
    assert four.query("SELECT * FROM meta_ads.insights_gaps") == []
    own = _stored(four)[ad, str(day)]
    assert own["actions"] is not None


def test_a_young_day_is_read_around_the_ad_every_hour(four: Lab) -> None:
    day = four.today()
    ad = _victim(four, day - timedelta(days=1))
    for each in (day, day - timedelta(days=1)):
        four.world.spoil_day(ad, each, field="actions")
    four.sync(parts=NUMBERS)
    for _ in range(5):
        four.advance(hours=1)
        before = four.calls()
        assert four.sync(parts=NUMBERS).status in {Status.PARTIAL, Status.SUCCESS}
        assert four.calls() - before <= 20
    today = four.today()
    expected = four.expected_insights(today, today)
    stored = {key: row for key, row in _stored(four).items() if key[1] == str(today)}
    assert stored.keys() == expected.keys()
    for key, row in stored.items():
        assert str(row["spend"]) == str(expected[key]["spend"])


def test_an_ad_that_cannot_be_had_on_any_day_leaves_the_others_whole(four: Lab) -> None:
    today = four.today()
    ad = _victim(four, today - timedelta(days=3))
    days = [today - timedelta(days=age) for age in range(DAYS)]
    for day in days:
        four.world.spoil_day(ad, day, field="actions")

    record = four.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL
    expected = four.expected_insights(days[-1], today)
    stored = _stored(four)
    assert stored.keys() == expected.keys()
    assert all((row["actions"] is None) == (key[0] == ad) or "actions" not in expected[key]
               for key, row in stored.items())  # fmt: skip
    assert four.calls() <= 400


def test_the_only_ad_of_a_day_is_named(database_url: str) -> None:
    spec = AccountSpec("Eine Anzeige", 1, 1, 1, (1, 1, 1), zone="Europe/Berlin", currency="EUR")
    with lab(database_url, spec, policy=PlanPolicy(backfill_days=6)) as one:
        today = one.today()
        (ad, when), *_ = one.expected_insights(today - timedelta(days=5), today)
        day = date.fromisoformat(when)
        one.world.spoil_day(ad, day, field="spend")
        record = one.sync(parts=NUMBERS)
        assert record.status is Status.PARTIAL
        assert f"ad {ad} without spend" in (record.error_summary or "")
        row = _stored(one)[ad, str(day)]
        assert row["impressions"] is not None
        assert row["spend"] is None


def test_what_was_stored_of_a_field_stays_when_it_cannot_be_read_any_more(four: Lab) -> None:
    four.sync(parts=NUMBERS)
    day = four.today() - timedelta(days=2)
    ad = _victim(four, day)
    before = _stored(four)[ad, str(day)]["actions"]
    assert before is not None
    four.world.spoil_day(ad, day, field="actions")
    four.advance(days=1)

    record = four.sync(parts=NUMBERS)

    assert record.status is Status.PARTIAL
    assert _stored(four)[ad, str(day)]["actions"] is not None


NO_ANSWERS = {
    "dropped": Fault.drop_connection(),
    "reset": Fault.reset_connection(),
    "half a document": Fault.not_json(),
    "a page": Fault.html_200(),
    "nothing": Fault.empty_200(),
    "a gateway": Fault.http(502, "<html>Bad Gateway</html>"),
    "a list": Fault.wrong_shape(),
    "no rows": Fault.missing_data(),
}


@pytest.mark.each_value
@pytest.mark.parametrize("fault", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_a_day_that_is_answered_with_nothing_usable_ends_no_backfill(
    four: Lab, fault: Fault
) -> None:
    day = four.today() - timedelta(days=9)

    def holds(request: GraphRequest) -> bool:
        days = request.params.get("time_range")
        asks = "actions" in str(request.params.get("fields")).split(",")
        return asks and days is not None and days["since"] <= str(day) <= days["until"]

    four.sim.fail(
        "GET",
        f"{four.account_id}/insights",
        until=lambda request: request.params.get("level") != "ad" or not holds(request),
        with_=fault,
    )
    assert four.sync(parts=NUMBERS).status is Status.PARTIAL
    today = four.today()
    expected = four.expected_insights(today - timedelta(days=DAYS - 1), today)
    assert _stored(four).keys() == expected.keys()
    assert [known for known, _ in _open_days(four)] == [day]
    for _ in range(3):
        four.advance(hours=1, minutes=5)
        assert four.sync(parts=NUMBERS).status is not Status.FAIL
    four.sim.faults.clear()
    four.advance(days=8)
    assert four.sync(parts=NUMBERS).status is Status.SUCCESS
    assert _open_days(four) == []


# -- reports that stand still ----------------------------------------------------------------------


def _slow_pages(found: Lab) -> None:
    found.sim.fail(
        "GET",
        f"{found.account_id}/insights",
        until=lambda request: request.params.get("level") != "ad",
        with_=Fault.graph_error(100, 1504018),
    )


@pytest.mark.parametrize("plan", [Plan.late(2_000), Plan.stuck(at_pct=0), Plan.stuck(at_pct=40)])
def test_a_report_that_stands_still_frees_its_worker_and_is_taken_up_by_the_next(
    four: Lab, plan: Plan
) -> None:
    _slow_pages(four)
    four.sim.reports.plan_next(plan)
    since = four.today() - timedelta(days=2)
    started = four.clock.now()

    first = four.sync(parts=NUMBERS, since=since)

    assert first.status is Status.PARTIAL
    assert "its id is kept for the next sync" in (first.error_summary or "")
    assert four.clock.now() - started < timedelta(minutes=6)
    assert four.sim.journal.count(method="POST") == 1
    (kept,) = four.query("SELECT * FROM meta_ads.pending_reports")
    assert kept["since"] == since
    four.advance(hours=1)

    second = four.sync(parts=NUMBERS, since=since)

    assert second.status is Status.SUCCESS, second.error_summary
    came = plan.outcome == "complete"
    assert four.sim.journal.count(method="POST") == (1 if came else 2)
    assert four.query("SELECT * FROM meta_ads.pending_reports") == []
    # Its numbers are as old as it is: today is due again at once.
    four.sim.faults.clear()
    four.sync(parts=NUMBERS, since=since, force=True)
    four.assert_insights(since, four.today())


def test_a_report_is_judged_by_progress_not_by_age(four: Lab) -> None:
    _slow_pages(four)
    four.sim.reports.plan_next(Plan.after(1_200))
    record = four.sync(parts=NUMBERS, since=four.today() - timedelta(days=2))
    assert record.status is Status.SUCCESS, record.error_summary
    assert four.sim.journal.count(method="POST") == 1


@pytest.mark.parametrize("moves", ["back and forth", "slowly"])
def test_a_report_that_moves_and_is_not_done_frees_its_worker(four: Lab, moves: str) -> None:
    _slow_pages(four)
    four.sim.reports.plan_next(Plan.after(10_000))
    stands = moves == "back and forth"
    turns = cycle([False, True])
    for percent in (10, 11) if stands else range(1, 99):
        body = json.dumps({"async_status": "Job Running", "async_percent_completion": percent})
        four.sim.fail(
            "GET",
            "/1490000000000001",
            with_=Fault.wrong_shape(body),
            on_call=None if stands else 3 * percent,
            times=None if stands else 3,
            until=(lambda _: next(turns)) if stands and percent == 10 else None,
        )
    started = four.clock.now()
    record = four.sync(parts=NUMBERS, since=four.today() - timedelta(days=2))
    assert record.status is Status.PARTIAL
    why = "no further than 3 min ago" if stands else "not done after 1 h of waiting"
    assert f"%, {why}; its id is kept for the next sync" in (record.error_summary or "")
    longest = timedelta(minutes=6 if stands else 65)
    assert four.clock.now() - started < longest
    assert four.sim.journal.count(method="POST") == 1


@pytest.mark.each_value
@pytest.mark.parametrize("dataset", ["insights_ad", "insights_hourly", "breakdown:age"], ids=str)
def test_a_spoiled_day_costs_itself_in_every_table(database_url: str, dataset: str) -> None:
    policy = PlanPolicy(backfill_days=6, breakdowns=(("age",),))
    with lab(database_url, SPEC, policy=policy) as found:
        day = found.today() - timedelta(days=3)
        found.world.spoil_day(_victim(found, day), day)
        parts = {Part.INSIGHTS, Part.HOURLY, Part.BREAKDOWNS}
        record = found.sync(parts=frozenset(parts))
        assert record.status is Status.PARTIAL, record.error_summary
        days = {
            row["date_start"]: row
            for row in found.query(
                "SELECT date_start, incomplete, is_final, rows FROM meta_ads.sync_windows "
                "WHERE dataset = %s",
                dataset,
            )
        }
        assert len(days) == 6
        assert days[day]["incomplete"]
        assert all(row["rows"] and not row["incomplete"] for at, row in days.items() if at != day)
        assert found.scalar(
            "SELECT count(*) FROM meta_ads.insights_gaps WHERE dataset = %s AND date_start <> %s",
            dataset,
            day,
        ) == 0  # fmt: skip
        with found.warehouse.connection() as connection:
            (compared,) = reconcile(connection, found.account_id, day, day)
        assert compared.status == "differs"
