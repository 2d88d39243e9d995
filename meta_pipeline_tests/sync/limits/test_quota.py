"""The quota of one sync: headers in, turns out, readings shared through Postgres."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.governor import Action, Meters, Needs, Weights
from meta_pipeline.graph import Attempt, Call, Throttled, parse_usage
from meta_pipeline.model.usage import UsageReading, use_case_of
from meta_pipeline.plain_log import as_json
from meta_pipeline.sync.limits.calls import CallCounter, Pauses
from meta_pipeline.sync.limits.quota import Quota
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.governor.refusals import limit_of
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

START = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
BUSINESS, APP_USAGE = "x-business-use-case-usage", "x-app-usage"
DEFAULTS = {
    "account_id": "act_1",
    "endpoint_key": "insights_ad",
    "method": "GET",
    "query_shape": "level=ad",
    "params_hash": "0",
}
CALL = Call(path="act_1/insights", **DEFAULTS)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def quota(clock: Clock, store: Any = None, **options: Any) -> Quota:
    return Quota("act_1", store=store, clock=clock, sleep=clock.sleep, stagger_seconds=0, **options)


def answer(clock: Clock, headers: dict[str, str] | None = None, **facts: Any) -> Attempt:
    values: dict[str, Any] = {
        **DEFAULTS,
        "status_code": 200,
        "error_code": None,
        "error_subcode": None,
        "error_message": None,
        "fbtrace_id": None,
        "throttled": False,
        "latency_ms": 500.0,
        "retry_count": 0,
        "response_size_bytes": 2,
        "usage_headers": headers or {},
        "rows": 1,
        "page_size": 100,
        "timestamp": clock(),
        **facts,
    }
    values["usage"] = parse_usage(
        values["usage_headers"], values["account_id"], values["timestamp"]
    )
    return Attempt(**values)


def refused(clock: Clock, code: int, subcode: int | None = None, **facts: Any) -> Attempt:
    said: dict[str, Any] = {
        "error_code": code,
        "error_subcode": subcode,
        "error_message": "too many calls",
    }
    said |= {"status_code": 400, "limit": limit_of(code, subcode)}
    return answer(clock, throttled=True, **(said | facts))


def business(pct: float, minutes: int = 0, use_case: str = "ads_insights", key: str = "1") -> str:
    entry = {"type": use_case, "call_count": pct, "estimated_time_to_regain_access": minutes}
    return json.dumps({key: [entry]})


def exchange(one: Quota, attempt: Attempt) -> None:
    one.gate(CALL)
    one.observe(attempt)


def test_a_refusal_closes_the_gate_until_metas_time(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, refused(clock, 80000, 2446079, usage_headers={BUSINESS: business(104, 12)}))
    with pytest.raises(Throttled) as stop:
        one.gate(CALL)
    assert stop.value.until == START + timedelta(minutes=13)
    assert stop.value.seconds == 13 * 60
    assert (stop.value.limit.scope, stop.value.limit.use_case) == ("account", "ads_insights")
    assert "Meta refuses calls until 14:32 UTC" in str(stop.value)
    clock.advance(13 * 60)
    one.gate(CALL)
    assert clock.slept == []


def test_refusals_without_headers_wait_as_documented(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, refused(clock, 17, 2446079))
    assert one.decide().until == START + timedelta(seconds=300 + 60)


def test_the_tier_meta_named_shortens_the_wait(clock: Clock) -> None:
    one = quota(clock)
    score = {"acc_id_util_pct": 5, "reset_time_duration": 10}
    exchange(
        one,
        answer(
            clock,
            {"x-ad-account-usage": json.dumps(score | {"ads_api_access_tier": "standard_access"})},
        ),
    )
    clock.advance(1)
    exchange(one, refused(clock, 17, 2446079))
    assert one.decide().until == clock() + timedelta(seconds=60 + 60)


def test_code_4_closes_the_app_for_calls_of_any_account(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, refused(clock, 4, account_id=None))
    with pytest.raises(Throttled) as stop:
        one.gate(CALL)
    assert stop.value.limit.scope == "app"


def test_a_limit_on_edits_stops_no_reading(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, refused(clock, 613, 1487632))
    one.gate(CALL)


def test_from_50_percent_calls_are_spread_by_short_sleeps(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = quota(clock)
    for pct in (66, 66, 66, 66):
        exchange(one, answer(clock, {BUSINESS: business(pct)}))
    assert clock.slept
    assert all(0 < pause <= 30 for pause in clock.slept)
    assert "for quota: act_1 goes slower, one call at a time" in caplog.text
    told = json.loads(as_json(caplog.records[-1]))
    assert told["account_id"] == "act_1"
    assert told["wait_seconds"] > 0
    assert told["quota_pct"] > 50
    assert "act_1" not in told["message"]


def test_a_pause_is_told_while_it_lasts_and_no_longer(clock: Clock) -> None:
    """What a pulse says of a sync that waits for quota."""
    told: list[str | None] = []
    one = quota(clock)

    def sleep(seconds: float) -> None:
        told.append(one.waits_for)
        clock.sleep(seconds)

    one._sleep = sleep
    assert one.usage_pct() is None
    for pct in (66, 66, 66, 66):
        exchange(one, answer(clock, {BUSINESS: business(pct)}))
        assert one.waits_for is None
    assert told
    assert all(
        str(each).startswith("waiting ") and "for quota: act_1" in str(each) for each in told
    )
    assert 60 < float(one.usage_pct() or 0) <= 100


def test_a_pause_too_long_to_hold_a_worker_ends_in_a_stop(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, answer(clock, {BUSINESS: business(69)}))
    with pytest.raises(Throttled) as stop:
        one.gate(CALL)
    assert stop.value.until > clock() + timedelta(seconds=30)
    assert "is too slow to hold a worker for, because ads_insights is at 69 %" in str(stop.value)
    assert clock.slept == []


def test_a_refusal_during_the_pause_is_heeded(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, answer(clock, {BUSINESS: business(60)}))

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        block = refused(clock, 80004, usage_headers={BUSINESS: business(100, 5, "ads_management")})
        helper = threading.Thread(target=one.observe, args=(block,))
        helper.start()
        helper.join()

    one._sleep = sleep
    with pytest.raises(Throttled, match="ads_management is at 100 %"):
        one.gate(CALL)
    clock.advance(6 * 60 + 1)
    one.gate(CALL)  # and the call that was not made is not counted as on its way


def test_the_business_key_is_not_interpreted() -> None:
    for key in ("339410370", "1"):
        (reading,) = parse_usage({BUSINESS: business(97, key=key)}, "act_1", START)
        assert (reading.scope, reading.key, reading.use_case) == (
            "account",
            "act_1",
            "ads_insights",
        )
    (nobodys,) = parse_usage({BUSINESS: business(97)}, None, START)
    assert nobodys.key == ""
    assert Meters().observe([nobodys]) == []


def test_a_header_that_names_the_account_among_others_tells_of_each() -> None:
    entry = [{"type": "ads_insights", "call_count": 97}]
    header = json.dumps({"2": entry, "1": [{"type": "ads_insights", "call_count": 5}]})
    readings = parse_usage({BUSINESS: header}, "act_1", START)
    assert {(reading.key, reading.usage_pct) for reading in readings} == {
        ("act_2", 97),
        ("act_1", 5),
    }


def test_an_absurd_time_is_no_crash(clock: Clock) -> None:
    one = quota(clock)
    exchange(one, answer(clock, {BUSINESS: business(100, 10**12)}))
    assert one.decide().until == START + timedelta(days=1, minutes=1)


def test_use_cases_of_calls() -> None:
    insights, entities = ("insights_ad", "report_status"), ("campaigns_list", "objects_by_id", "me")
    assert {use_case_of(endpoint_key) for endpoint_key in insights} == {"ads_insights"}
    assert {use_case_of(endpoint_key) for endpoint_key in entities} == {"ads_management"}


def test_what_can_wait_is_named(clock: Clock) -> None:
    one = quota(clock)
    throttle = json.dumps({"app_id_util_pct": 65.5, "acc_id_util_pct": 0})
    exchange(one, answer(clock, {"x-fb-ads-insights-throttle": throttle}))
    decision = one.decide(Needs(optional=("insights_hourly",)))
    assert (decision.action, decision.skip) == (Action.SKIP_NON_CRITICAL, ("insights_hourly",))


def test_threads_wait_for_an_answer_not_for_time(clock: Clock) -> None:
    """The first call looks alone; the others start when it is answered."""
    one = quota(clock)
    one.gate(CALL)
    started = threading.Event()

    def second() -> None:
        one.gate(CALL)
        started.set()

    helper = threading.Thread(target=second, daemon=True)
    helper.start()
    assert not started.wait(0.05)
    one.observe(answer(clock))
    assert started.wait(PATIENCE_SECONDS)
    helper.join()
    assert clock.slept == []


def test_a_thread_that_died_does_not_hold_the_others_up(clock: Clock) -> None:
    one = quota(clock)
    lost = threading.Thread(target=one.gate, args=(CALL,))
    lost.start()
    lost.join()
    one.gate(CALL)


# -- shared through Postgres ----------------------------------------------------------------------


def test_processes_tell_each_other_of_a_block_and_a_restart_forgets_nothing(
    clock: Clock, warehouse: Warehouse
) -> None:
    one, other = quota(clock, warehouse.usage), quota(clock, warehouse.usage)
    exchange(one, refused(clock, 80000, usage_headers={BUSINESS: business(100, 30)}))
    with pytest.raises(Throttled, match="act_1 stopped until 14:51 UTC"):
        other.gate(CALL)
    clock.advance(29 * 60)
    again = quota(clock, warehouse.usage)
    with pytest.raises(Throttled, match="act_1 stopped until 14:51 UTC"):
        again.gate(CALL)
    assert Quota("act_2", store=warehouse.usage, clock=clock).decide().may_call


def test_a_sync_that_starts_anew_keeps_the_pace_of_the_account(
    clock: Clock, warehouse: Warehouse
) -> None:
    exchange(quota(clock, warehouse.usage), answer(clock, {BUSINESS: business(69)}))
    with pytest.raises(Throttled, match="is too slow to hold a worker for") as stop:
        quota(clock, warehouse.usage).gate(CALL)
    clock.advance((stop.value.until - clock()).total_seconds())
    quota(clock, warehouse.usage).gate(CALL)


def test_an_app_wide_reading_reaches_the_syncs_of_other_accounts(
    clock: Clock, warehouse: Warehouse
) -> None:
    one = quota(clock, warehouse.usage)
    exchange(one, answer(clock, {APP_USAGE: '{"call_count":85,"total_time":3,"total_cputime":9}'}))
    other = Quota("act_2", store=warehouse.usage, clock=clock)
    nobody = Quota(None, store=warehouse.usage, clock=clock)
    assert other.decide().reason.startswith("act_2 stopped until ")
    assert not nobody.decide().may_call


def test_the_snapshot_shares_what_was_not_shared_yet(clock: Clock, warehouse: Warehouse) -> None:
    one = quota(clock, warehouse.usage)
    exchange(one, answer(clock, {BUSINESS: business(3)}))
    clock.advance(0.5)
    exchange(one, answer(clock, {BUSINESS: business(4)}))
    assert [row.usage_pct for row in warehouse.usage.current(["act_1"])] == [3]
    snapshot = one.snapshot()
    assert snapshot["account_pct"] == 4
    assert [row.usage_pct for row in warehouse.usage.current(["act_1"])] == [4]


def test_a_reading_of_a_clock_that_was_ahead_stops_nobody(
    clock: Clock, warehouse: Warehouse
) -> None:
    full = UsageReading(
        scope="account",
        key="act_1",
        use_case="ads_insights",
        usage_pct=100,
        read_at=START + timedelta(days=400),
        regain_at=START + timedelta(days=401),
    )
    warehouse.usage.remember([full])
    assert quota(clock, warehouse.usage).decide().may_call
    right = replace(full, usage_pct=97, read_at=START, regain_at=None)
    warehouse.usage.remember([right], now=START)
    assert warehouse.usage.current(["act_1"]) == [right], "and it does not keep the right one out"


@pytest.mark.parametrize(
    "header",
    [
        '{"1":[{"type":"threads","call_count":100,"estimated_time_to_regain_access":60}]}',
        '{"1":[{"type":"ads_insights","call_count":3}],"9":[{"type":"new","total_time":300}]}',
        '{"1":[{"type":["x"],"call_count":100},null,7,"x",{"type":"","call_count":"NaN"}]}',
        '{"1":{"type":"threads","call_count":1e999},"2":null,"3":[[]]}',
        '{"\\ud800":[{"type":"threads","call_count":100}]}',
        '[1,2]', 'null', '"', '', '{}', '{"1":', "\x00", "9" * 5000, "[" * 5000,
    ],
)  # fmt: skip
def test_other_use_cases_and_garbage_stop_nothing(clock: Clock, header: str) -> None:
    under_test = quota(clock)
    under_test.gate(CALL)
    under_test.observe(answer(clock, {BUSINESS: header}))
    assert under_test.decide().action is Action.GO


def test_a_store_that_fails_costs_the_sharing_not_the_sync(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def remember(self, readings: Iterable[UsageReading], *, now: datetime) -> None:
            raise OSError("no connection")

        def current(self, keys: list[str]) -> list[UsageReading]:
            raise OSError("no connection")

    one = quota(clock, Broken())
    exchange(one, answer(clock, {BUSINESS: business(95)}))
    assert not one.decide().may_call
    assert "could not be shared: no connection" in caplog.text


def test_a_pause_is_logged_with_the_call_that_it_held_back(clock: Clock) -> None:
    rows: list[Any] = []
    pauses = Pauses()
    one = quota(clock, on_pause=pauses.note)
    counter = CallCounter("run", rows.append, one.observe, Weights(), pauses)
    for _ in range(4):
        one.gate(CALL)
        counter.note(answer(clock, {BUSINESS: business(66)}))
    waited = [row for row in rows if row.get("waited_ms")]
    assert sum(row["waited_ms"] for row in waited) == pytest.approx(1000 * sum(clock.slept))
    assert all("goes slower" in row["wait_reason"] for row in waited)
    assert len(waited) == len(clock.slept) < len(rows)
