"""The client against the simulator: a second opinion on both, fault by fault."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.graph import (
    Attempt,
    BatchOperation,
    CursorLost,
    FieldRejected,
    GraphClient,
    GraphError,
    MalformedAnswer,
    MustSplit,
    NewReportNeeded,
    ObjectMissing,
    PagingLoop,
    Reauthorize,
    Report,
    ReportState,
    RetryPolicy,
    ServerTrouble,
    Throttled,
    TooMuchData,
    VersionExpired,
)
from meta_pipeline.simulator import (
    App,
    Caps,
    Fault,
    Limits,
    Plan,
    Simulator,
    VirtualClock,
    demo_world,
)

START = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
EDGES = {"campaigns": 49, "adsets": 182, "ads": 798}
EVERY_STATUS = [
    "ACTIVE", "PAUSED", "DELETED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED",
    "PENDING_BILLING_INFO", "CAMPAIGN_PAUSED", "ARCHIVED", "ADSET_PAUSED", "IN_PROCESS",
    "WITH_ISSUES",
]  # fmt: skip
INSIGHTS = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-11-08", "until": "2026-11-14"},
    "fields": ["ad_id", "spend", "impressions", "actions"],
}


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Simulator]:
    with Simulator(demo_world(VirtualClock(START)), app=App(is_new=True)) as simulator:
        yield simulator


@pytest.fixture
def sim(shared_sim: Simulator) -> Iterator[Simulator]:
    shared_sim.reset(demo_world(VirtualClock(START)))
    yield shared_sim
    shared_sim.faults.assert_all_fired()


@pytest.fixture
def account_id(sim: Simulator) -> str:
    """The largest account of the demo, 2EZi."""
    return str(sim.world.accounts()[0].id)


@pytest.fixture
def log() -> list[Attempt]:
    return []


@pytest.fixture
def client(sim: Simulator, log: list[Attempt]) -> Iterator[GraphClient]:
    with new_client(sim, on_attempt=log.append) as made:
        yield made


def new_client(sim: Simulator, **settings: Any) -> GraphClient:
    return GraphClient(
        base_url=sim.url,
        access_token=sim.token,
        clock=sim.now,
        sleep=sim.sleep,
        **{"read_timeout_seconds": 30, **settings},
    )


def read(
    client: GraphClient, account_id: str, edge: str = "ads", page_size: int = 100, **more: Any
) -> list[str]:
    params = {"fields": ["id", "name", "effective_status"], "effective_status": statuses(edge)}
    pages = client.pages(
        f"{account_id}/{edge}",
        params,
        account_id=account_id,
        endpoint_key=f"{edge}_list",
        page_size=page_size,
        **more,
    )
    return [row["id"] for page in pages for row in page.rows]


def statuses(edge: str) -> list[str]:
    shared = ["ACTIVE", "PAUSED", "DELETED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES"]
    return {"campaigns": shared, "adsets": [*shared, "CAMPAIGN_PAUSED"]}.get(edge, EVERY_STATUS)


def world_ids(sim: Simulator, account_id: str, edge: str) -> list[str]:
    return [str(entity.id) for entity in sim.world.objects(edge, account_id)]


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("page_size", [37, 500])
def test_an_edge_is_read_whole(
    sim: Simulator,
    client: GraphClient,
    log: list[Attempt],
    account_id: str,
    edge: str,
    page_size: int,
) -> None:
    got = read(client, account_id, edge, page_size)
    assert sorted(got) == sorted(world_ids(sim, account_id, edge))
    assert len(got) == EDGES[edge]
    assert sum(attempt.rows or 0 for attempt in log) == EDGES[edge]
    assert len(log) == max(1, -(-EDGES[edge] // page_size))


PASSING: dict[str, Callable[[], Fault]] = {
    "drop": Fault.drop_connection,
    "reset": Fault.reset_connection,
    "truncate": Fault.truncate,
    "stall": lambda: Fault.stall(2.0),
    "stall in the body": lambda: Fault.stall(2.0, after=20),
    "502 html": lambda: Fault.http(502, "<html>Bad gateway</html>"),
    "200 html": Fault.html_200,
    "200 empty": Fault.empty_200,
    "200 cut JSON": Fault.not_json,
    "200 list": Fault.wrong_shape,
    "200 string": lambda: Fault.wrong_shape(b'"Service temporarily unavailable"'),
    "no data": Fault.missing_data,
    "null rows": Fault.null_rows,
    "code 2": lambda: Fault.graph_error(2, status=503, transient=True),
    "code 1/99": lambda: Fault.graph_error(1, 99, status=500),
    "too much": Fault.too_much_data,
    "empty page": Fault.empty_page_with_next,
    "new content": lambda: Fault.unknown_content(invented="x", effective_status="TOMORROW"),
    "5044001": lambda: Fault.graph_error(613, 5044001),
}


@pytest.mark.parametrize("on_call", [1, 3, 8], ids=["first", "middle", "last"])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_loses_nothing(
    sim: Simulator,
    log: list[Attempt],
    account_id: str,
    fault: Callable[[], Fault],
    on_call: int,
) -> None:
    if fault == Fault.empty_page_with_next:
        on_call += on_call == 1  # on a first page this fault has no cursor of the edge to give
    sim.fail("GET", "/ads", with_=fault(), on_call=on_call)
    # Shorter than a stall; a busy machine that takes as long costs another attempt, no more.
    with new_client(sim, on_attempt=log.append, read_timeout_seconds=1) as client:
        got = read(client, account_id)
    assert sorted(got) == sorted(world_ids(sim, account_id, "ads"))
    assert len(log) <= 17


ENDING: dict[str, tuple[Callable[[], Fault], type[GraphError], int]] = {
    "80004": (lambda: Fault.graph_error(80004, 2446079), Throttled, 1),
    "190/463": (lambda: Fault.graph_error(190, 463), Reauthorize, 1),
    "2642": (Fault.cursor_expired, CursorLost, 1),
    "2635": (lambda: Fault.graph_error(2635), VersionExpired, 1),
    "same cursor": (Fault.same_cursor_twice, PagingLoop, 1),
    "html": (Fault.html_200, MalformedAnswer, 4),
    "code 2": (lambda: Fault.graph_error(2, status=503), ServerTrouble, 4),
    "too much": (Fault.too_much_data, TooMuchData, 7),
}


@pytest.mark.parametrize(("fault", "expected", "calls"), ENDING.values(), ids=ENDING)
def test_a_lasting_fault_ends_in_its_own_error_and_few_calls(
    sim: Simulator,
    client: GraphClient,
    log: list[Attempt],
    account_id: str,
    fault: Callable[[], Fault],
    expected: type[GraphError],
    calls: int,
) -> None:
    sim.fail("GET", "/ads", with_=fault(), on_call=2, times=100)
    with pytest.raises(expected) as caught:
        read(client, account_id)
    assert caught.value.account_id == account_id
    assert len(log) == 1 + calls


def test_pages_find_the_size_that_meta_allows(
    sim: Simulator, log: list[Attempt], account_id: str
) -> None:
    sim.reset(demo_world(VirtualClock(START)), caps=Caps(page_cells=120))
    with new_client(sim, on_attempt=log.append) as client:
        sizes: list[int] = []
        got = read(client, account_id, page_size=500, on_page_size=sizes.append)
    assert sorted(got) == sorted(world_ids(sim, account_id, "ads"))
    assert sizes
    assert sum(not attempt.ok for attempt in log) <= 6


def test_usage_at_the_limit_and_the_wait_it_names(
    sim: Simulator, client: GraphClient, log: list[Attempt], account_id: str
) -> None:
    sim.limits.exhaust(account_id, use_case="ads_management", regain_minutes=17)
    sim.expect("call during")
    with pytest.raises(Throttled) as caught:
        read(client, account_id)
    stop = caught.value
    assert stop.use_case == "ads_management"
    assert stop.hint == "header"
    assert timedelta(minutes=16) <= stop.until - START <= timedelta(minutes=18)
    assert log[0].throttled
    assert max(reading.usage_pct for reading in log[0].usage) >= 100


@pytest.mark.parametrize(
    ("tier", "seconds"), [("development_access", 300), ("standard_access", 60)]
)
def test_the_score_blocks_for_as_long_as_its_tier(
    sim: Simulator, account_id: str, tier: Any, seconds: float
) -> None:
    sim.reset(
        demo_world(VirtualClock(START)), limits=Limits(tier=tier, score_limit=5, scoring=True)
    )
    with new_client(sim) as client, pytest.raises(Throttled) as caught:
        read(client, account_id, page_size=50)
    assert (caught.value.code, caught.value.subcode) == (17, 2446079)
    assert caught.value.seconds >= seconds


def test_a_field_that_does_not_exist_is_named(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sim.expect("unknown field")
    for edge in EDGES:
        with pytest.raises(FieldRejected) as caught:
            list(
                client.pages(
                    f"{account_id}/{edge}",
                    {"fields": ["id", "wish_upon"]},
                    account_id=account_id,
                    endpoint_key="ads_list",
                    page_size=5,
                )
            )
        assert caught.value.field_name == "wish_upon"


def test_a_report_runs_and_its_rows_are_those_of_the_synchronous_read(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sync = client.pages(
        f"{account_id}/insights",
        INSIGHTS,
        account_id=account_id,
        endpoint_key="insights_ad",
        page_size=500,
    )
    expected = [row for page in sync for row in page.rows]
    sim.reports.plan_next(Plan.lagging(3))
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    for _ in range(60):
        status = client.report_status(report)
        if status.done:
            break
        sim.sleep(5)
    assert status.done
    got = [row for page in client.report_pages(report, page_size=50) for row in page.rows]
    assert got == expected
    assert expected


FAILED: dict[str, tuple[Plan, ReportState, type[GraphError]]] = {
    "failed at 100 %": (Plan.fail(at_pct=100), ReportState.FAILED, NewReportNeeded),
    "failed at 0 %": (Plan.fail(), ReportState.FAILED, NewReportNeeded),
    "skipped": (Plan.skip(), ReportState.SKIPPED, NewReportNeeded),
    "too large": (Plan.too_large(), ReportState.FAILED, MustSplit),
}


@pytest.mark.parametrize(("plan", "state", "error"), FAILED.values(), ids=FAILED)
def test_a_report_that_fails_says_what_to_do(
    sim: Simulator,
    client: GraphClient,
    account_id: str,
    plan: Plan,
    state: ReportState,
    error: type[GraphError],
) -> None:
    sim.reports.plan_next(plan)
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(600)
    alone, among = client.report_status(report), client.report_statuses([report])[0]
    for status in (alone, among):
        assert status.state is state
        assert type(status.error) is error


def test_a_completed_report_whose_rows_are_refused_is_created_anew(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    sim.reports.plan_next(Plan.complete_but_fails())
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(600)
    assert client.report_status(report).done
    with pytest.raises((NewReportNeeded, ServerTrouble)):
        list(client.report_pages(report, page_size=50))


def test_an_expired_report_is_created_anew(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    report = client.create_report(f"{account_id}/insights", INSIGHTS, account_id=account_id)
    sim.sleep(31 * 86_400)
    assert isinstance(client.report_status(report).error, NewReportNeeded)
    forged = Report("999999999999999", report.path, {}, account_id, START)
    with pytest.raises(NewReportNeeded):
        list(client.report_pages(forged, page_size=50))


def test_ids_with_bad_ones_among_them(
    sim: Simulator, client: GraphClient, account_id: str, log: list[Attempt]
) -> None:
    sim.expect("unknown")
    good = world_ids(sim, account_id, "ads")[:120]
    bad = ["999999999999999999", "888888888888888888"]
    asked = [*good[:60], bad[0], *good[60:], bad[1]]
    got = client.ids(asked, {"fields": ["id", "effective_status"]}, account_id=account_id)
    assert set(got.found) == set(good)
    assert {id_: type(error) for id_, error in got.missing.items()} == dict.fromkeys(
        bad, ObjectMissing
    )
    assert [attempt.counted_calls for attempt in log] == [50, 50, 22]


def test_a_batch_with_unfinished_operations(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    ids = world_ids(sim, account_id, "campaigns")
    sim.fail("POST", "/", with_=Fault.null_batch_entries([0, 3]))
    answers = client.batch([BatchOperation(id_, {"fields": "id"}) for id_ in ids])
    assert [answer.value()["id"] for answer in answers] == ids


def test_a_batch_that_times_out_once(sim: Simulator, client: GraphClient, account_id: str) -> None:
    ids = world_ids(sim, account_id, "campaigns")
    sim.fail("POST", "/", with_=Fault.batch_timeout())
    answers = client.batch([BatchOperation(id_, {"fields": "id"}) for id_ in ids])
    assert [answer.value()["id"] for answer in answers] == ids


def test_tokens_are_described_and_exchanged(sim: Simulator) -> None:
    app = sim.tokens.app
    with new_client(sim, app_secret=app.secret) as client:
        info = client.debug_token(app_id=app.id)
        assert info.is_valid
        assert "ads_read" in info.scopes
        assert info.app_id == app.id
        new = client.exchange_token(app_id=app.id)
        assert client.with_token(new.value).me()["id"] == info.user_id


def test_an_unknown_token_asks_for_a_new_one(sim: Simulator, account_id: str) -> None:
    sim.expect("token")
    with new_client(sim) as client, pytest.raises(Reauthorize):
        client.with_token("EAAnobodyknowsthis").me()


def test_edges_are_read_at_once_by_threads(
    sim: Simulator, client: GraphClient, account_id: str, log: list[Attempt]
) -> None:
    sim.fail("GET", "/ads", with_=Fault.drop_connection(), on_call=2)
    sim.fail("GET", "/adsets", with_=Fault.html_200(), on_call=1)
    got: dict[str, list[str]] = {}

    def work(edge: str) -> None:
        got[edge] = read(client, account_id, edge, 50)

    threads = [threading.Thread(target=work, args=(edge,)) for edge in EDGES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for edge in EDGES:
        assert sorted(got[edge]) == sorted(world_ids(sim, account_id, edge))
    assert sum(attempt.retry_count for attempt in log) == 2


def test_rows_that_change_between_pages_break_nothing(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    """No snapshot isolation at Meta: what was there all the time must be there once."""
    before = set(world_ids(sim, account_id, "ads"))
    gone = world_ids(sim, account_id, "ads")[400]
    sim.fail("GET", "/ads", with_=Fault.world_edit(lambda s: s.world.vanish(gone)), on_call=3)
    got = read(client, account_id)
    assert set(got) >= before - {gone}
    assert len(got) == len(set(got))


def test_no_retry_means_none(sim: Simulator, log: list[Attempt], account_id: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.html_200())
    with (
        new_client(sim, on_attempt=log.append, retry=RetryPolicy(retries=0)) as client,
        pytest.raises(MalformedAnswer),
    ):
        read(client, account_id)
    assert len(log) == 1


@pytest.mark.parametrize("fault", [Fault.huge(3), Fault.gzip_bomb(200)], ids=lambda one: one.name)
def test_a_page_beyond_the_size_is_asked_smaller(
    sim: Simulator, account_id: str, fault: Fault
) -> None:
    sim.fail("GET", "/ads", with_=fault)
    with new_client(sim, max_answer_bytes=2_000_000) as client:
        assert len(read(client, account_id)) == EDGES["ads"]


def test_a_drip_is_given_up_and_the_page_asked_again(sim: Simulator, account_id: str) -> None:
    seconds = itertools.count()
    sim.fail("GET", "/ads", with_=Fault.drip(0))
    with new_client(
        sim, deadline_seconds=30, timer=lambda: float(next(seconds)), max_answer_bytes=10**9
    ) as client:
        assert len(read(client, account_id)) == EDGES["ads"]


def test_gzip_all_the_way(sim: Simulator, client: GraphClient, account_id: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.gzipped(), times=None)
    assert sorted(read(client, account_id)) == sorted(world_ids(sim, account_id, "ads"))
