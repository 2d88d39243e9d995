"""The dispatcher over real tables: asked, claimed, waited for, settled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.governor import Thresholds
from meta_pipeline.model.part import Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.settings import Settings
from meta_pipeline.sync_requests import (
    Dispatcher,
    RequestRefused,
    RunState,
    Wish,
    ask,
    cancel,
    price,
)
from meta_pipeline.warehouse import SyncRequestRow, Warehouse
from meta_pipeline.warehouse.stores.sync_requests import RequestSource
from meta_pipeline_tests.sync_requests.rows import NOW, SECOND, account

MINUTE = timedelta(minutes=1)


@pytest.fixture
def dispatcher(warehouse: Warehouse) -> Dispatcher:
    account(warehouse)
    account(warehouse, "act_2")
    return Dispatcher(warehouse, Thresholds())


def asked(warehouse: Warehouse, account_id: str = "act_1", **wish: object) -> SyncRequestRow:
    wanted = Wish(account_id, **wish)  # type: ignore[arg-type]
    return ask(warehouse, wanted, source="api", requested_by="key 7", now=NOW)


def now_of(dispatcher: Dispatcher, one: SyncRequestRow) -> SyncRequestRow:
    found = dispatcher.warehouse.sync_requests.get(one.request_id)
    assert found is not None
    return found


def ran(
    dispatcher: Dispatcher, run_id: str, status: Status, account_id: str = "act_1", **more: object
) -> None:
    run = SyncRun(f"{run_id}-{account_id}", account_id, "ads", NOW, status=status)
    run.dagster_run_id, run.finished_at = run_id, NOW
    for name, value in more.items():
        setattr(run, name, value)
    dispatcher.warehouse.runs.close(run)


def test_a_wish_is_claimed_and_its_outcome_is_told(dispatcher: Dispatcher) -> None:
    one, two = asked(dispatcher.warehouse), asked(dispatcher.warehouse)
    (claim,) = dispatcher.take(NOW)
    assert dispatcher.take(NOW) == [], "what is claimed is not claimed again"
    assert now_of(dispatcher, one).state == "running"
    dispatcher.settle({claim.claim_id: RunState("run1", is_finished=False)}, NOW)
    assert now_of(dispatcher, one).dagster_run_id == "run1"
    dispatcher.warehouse.sync_requests.note_progress(claim.claim_id, "act_1", {"rows": 7})
    assert now_of(dispatcher, two).progress == {"rows": 7}
    ran(dispatcher, "run1", Status.SUCCESS, meta_call_count_total=4)
    dispatcher.settle({claim.claim_id: RunState("run1", is_finished=True)}, NOW + SECOND)
    for each in (one, two):
        done = now_of(dispatcher, each)
        assert (done.state, done.outcome, done.finished_at) == ("done", "success", NOW + SECOND)
        assert done.sync_run_ids == ["run1-act_1"]
        assert done.message is not None
        assert "4 calls" in done.message


def test_a_blocked_account_waits_and_the_others_go(dispatcher: Dispatcher) -> None:
    until = NOW + 10 * MINUTE
    dispatcher.warehouse.usage.remember(
        [
            UsageReading(
                scope="insights_account",
                key="act_1",
                use_case="ads_insights",
                usage_pct=100,
                read_at=NOW - SECOND,
                regain_at=until,
                source="x-business-use-case-usage",
            )
        ]
    )
    blocked, free = asked(dispatcher.warehouse), asked(dispatcher.warehouse, "act_2")
    named = asked(dispatcher.warehouse, objects={Part.ADS: ["1"]})
    (claim,) = dispatcher.take(NOW)
    assert list(claim.rows) == ["act_2"]
    for one in (blocked, named):
        waits = now_of(dispatcher, one)
        assert waits.state == "pending"
        assert waits.not_before is not None
        assert waits.not_before >= until
        assert "Meta refuses calls until" in (waits.message or "")
    assert now_of(dispatcher, free).state == "running"
    assert dispatcher.take(until - SECOND) == []
    assert {name for one in dispatcher.take(until + MINUTE) for name in one.rows} == {"act_1"}


def test_an_account_waits_for_the_limits_of_the_app_it_is_read_as(dispatcher: Dispatcher) -> None:
    ran(dispatcher, "earlier", Status.SUCCESS, "act_2", app_key="app_77")
    dispatcher.warehouse.usage.remember(
        [UsageReading("app", "app_77", "", 100, NOW - SECOND, None, None, "x-app-usage")]
    )
    own, other = asked(dispatcher.warehouse), asked(dispatcher.warehouse, "act_2")
    settings = Settings.load(env_file=None, database_url=dispatcher.warehouse.url)
    obstacles = [
        price(dispatcher.warehouse, settings, Wish(one), NOW).obstacle for one in ("act_1", "act_2")
    ]
    assert obstacles[0] is None
    assert "app 77" in str(obstacles[1])
    dispatcher.take(NOW)
    assert now_of(dispatcher, own).state == "running"
    waits = now_of(dispatcher, other)
    assert waits.state == "pending"
    assert "app 77" in str(waits.message)


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (Status.THROTTLED, "pending", "It waits: no quota"),
        (Status.REFUSED, "pending", "Another sync of the account runs"),
        (Status.FAIL, "failed", "no quota"),
        (Status.RUNNING, "pending", "ended before the sync did"),
        (Status.PARTIAL, "done", "no quota"),
    ],
)
def test_every_end_of_a_sync_is_told(
    dispatcher: Dispatcher, status: Status, state: str, words: str
) -> None:
    one = asked(dispatcher.warehouse)
    (claim,) = dispatcher.take(NOW)
    ran(dispatcher, "run1", status, error_summary="no quota", not_before=NOW + MINUTE)
    dispatcher.settle({claim.claim_id: RunState("run1", is_finished=True)}, NOW)
    found = now_of(dispatcher, one)
    assert found.state == state
    assert words in (found.message or "")
    if state == "pending":
        assert found.not_before is not None
        assert dispatcher.take(NOW + SECOND) == []
        assert len(dispatcher.take(found.not_before)) == 1


def test_a_tick_that_died_and_runs_that_die_are_survived_a_few_times(
    dispatcher: Dispatcher,
) -> None:
    one, at = asked(dispatcher.warehouse), NOW
    for number in range(3):
        (claim,) = dispatcher.take(at)
        if number:
            dispatcher.settle({claim.claim_id: RunState(f"run{number}", is_finished=True)}, at)
        else:
            dispatcher.settle({}, at)
            assert now_of(dispatcher, one).state == "running", "its run may be on the way"
            at += 2 * MINUTE
            dispatcher.settle({}, at)
        at += MINUTE
    found = now_of(dispatcher, one)
    assert found.state == "failed"
    assert "happened 3 times" in (found.message or "")


def test_two_daemons_share_the_requests_out(dispatcher: Dispatcher) -> None:
    one = asked(dispatcher.warehouse)
    (claim,) = dispatcher.take(NOW)
    assert dispatcher.warehouse.sync_requests.claim([one.request_id], "other", NOW) == []
    assert now_of(dispatcher, one).claim_id == claim.claim_id


def test_a_wish_is_taken_back_only_while_it_waits(dispatcher: Dispatcher) -> None:
    one, two = asked(dispatcher.warehouse), asked(dispatcher.warehouse, "act_2")
    assert cancel(dispatcher.warehouse, one, by="ana", now=NOW)
    assert now_of(dispatcher, one).state == "cancelled"
    dispatcher.take(NOW)
    assert not cancel(dispatcher.warehouse, now_of(dispatcher, two), by="ana", now=NOW)


@pytest.mark.parametrize(("source", "told"), [("webhook", "Taken back."), ("cli", "by ana.")])
def test_who_took_back_what_meta_asked_for_is_not_told_to_other_tenants(
    dispatcher: Dispatcher, source: RequestSource, told: str
) -> None:
    one = ask(dispatcher.warehouse, Wish("act_1"), source=source, requested_by="Meta", now=NOW)
    assert cancel(dispatcher.warehouse, one, by="ana", now=NOW)
    message = now_of(dispatcher, one).message
    assert message is not None
    assert message.endswith(told)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"account_id": "act_99"}, "account_id"),
        ({"account_id": "99"}, "account_id"),
        ({"account_id": "act_1", "parts": frozenset()}, "parts"),
        ({"account_id": "act_1", "objects": {Part.INSIGHTS: ["1"]}}, "objects"),
        ({"account_id": "act_1", "objects": {Part.ADS: ["x"]}}, "objects"),
        ({"account_id": "act_1", "objects": {Part.ADS: ["1"]}, "since": NOW.date()}, "objects"),
        (
            {"account_id": "act_1", "since": NOW.date(), "until": NOW.date() - timedelta(days=1)},
            "since",
        ),
    ],
)
def test_what_cannot_be_synced_is_refused_with_its_field(
    dispatcher: Dispatcher, wish: dict[str, object], field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        ask(dispatcher.warehouse, Wish(**wish), source="web", requested_by="ana", now=NOW)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert dispatcher.warehouse.sync_requests.open() == []


def test_a_backfill_has_its_price_before_it_starts(dispatcher: Dispatcher) -> None:
    settings = Settings.load(env_file=None, database_url=dispatcher.warehouse.url)
    since = NOW.date() - timedelta(days=60)
    wish = Wish("act_1", frozenset({Part.INSIGHTS}), since=since, until=NOW.date())
    facts = price(dispatcher.warehouse, settings, wish, NOW).facts()
    assert facts["since"] == since
    assert 0 < facts["calls_least"] <= facts["calls_most"]
    assert facts["hour_share_pct"] > 0
    assert facts["minutes"] > 0
    assert facts["obstacle"] is None
    assert any("calls" in one for one in facts["sentences"])
