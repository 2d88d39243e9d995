"""Async reports: create, poll, read, and every way in which they fail (FACTS §6)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meta_pipeline.graph import (
    Attempt,
    GraphClient,
    InvalidRequest,
    MustSplit,
    NewReportNeeded,
    ReportRun,
    ReportState,
    ReportStatus,
    ReportWatch,
    Throttled,
)
from meta_pipeline_tests.graph.conftest import NOW, Time
from meta_pipeline_tests.graph.scripted import (
    Asked,
    Reply,
    ScriptedServer,
    batch_reply,
    error,
    page,
)

PARAMS = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-11-01", "until": "2026-11-07"},
    "fields": ["ad_id", "spend"],
}
REPORT = ReportRun("77", "act_1/insights", PARAMS, "act_1", NOW - timedelta(hours=1))
YOUNG = ReportRun("77", "act_1/insights", PARAMS, "act_1", NOW)


ABSENT = object()


def run(status: str, percent: object = 0, **more: object) -> Reply:
    told = {} if percent is ABSENT else {"async_percent_completion": percent}
    return Reply({"id": "77", "async_status": status, **told, **more})


@pytest.mark.parametrize("run_id", ["1496466178359684", 1496466178359684])
def test_a_report_is_created_with_the_insights_parameters(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt], run_id: object
) -> None:
    server.answer(Reply({"report_run_id": run_id}))
    report = client.create_report("act_1/insights", PARAMS, account_id="act_1")
    assert (report.id, report.created_at) == ("1496466178359684", NOW)
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v26.0/act_1/insights")
    assert asked.form["time_range"] == '{"since":"2026-11-01","until":"2026-11-07"}'
    assert asked.query == {}
    assert (attempts[0].endpoint_key, attempts[0].method) == ("report_create", "POST")
    assert attempts[0].query_shape == "level=ad increment=1 days=7 fields=2"


def test_an_answer_without_an_id_is_asked_again(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"success": True}), Reply({"report_run_id": "1"}))
    assert client.create_report("act_1/insights", {}, account_id="act_1").id == "1"


@pytest.mark.parametrize(
    "odd", [None, "", {}, [], True, "../me", "1/insights", "٣", -1, 1.5], ids=repr
)
def test_an_id_that_is_none_is_asked_for_again_and_never_sent(
    client: GraphClient, server: ScriptedServer, odd: object
) -> None:
    server.answer(Reply({"report_run_id": odd}), Reply({"report_run_id": "1"}))
    assert client.create_report("act_1/insights", {}, account_id="act_1").id == "1"
    assert {asked.path for asked in server.asked} == {"/v26.0/act_1/insights"}


@pytest.mark.parametrize(
    ("status", "percent", "state", "done"),
    [
        ("Job Not Started", 0, ReportState.RUNNING, False),
        ("Job Started", 0, ReportState.RUNNING, False),
        ("Job Running", 40, ReportState.RUNNING, False),
        ("Job Running", 100, ReportState.RUNNING, False),
        ("Job Completed", 99, ReportState.RUNNING, False),
        ("Job Completed", 100, ReportState.COMPLETED, True),
        ("Job Completed", "100", ReportState.COMPLETED, True),
        ("Job Completed", "99", ReportState.RUNNING, False),
        ("Job Completed", None, ReportState.COMPLETED, True),
        ("Job Completed", "", ReportState.COMPLETED, True),
        ("Job Completed", "all", ReportState.COMPLETED, True),
        ("Job Completed", [], ReportState.COMPLETED, True),
        ("Job Completed", ABSENT, ReportState.COMPLETED, True),
        ("Job Completed", 10**12, ReportState.COMPLETED, True),
        ("Job Running", -(10**12), ReportState.RUNNING, False),
        ("Job Failed", 100, ReportState.FAILED, False),
        ("Job Failed", 0, ReportState.FAILED, False),
        ("Job Skipped", 0, ReportState.SKIPPED, False),
        ("Job Invented Tomorrow", 7, ReportState.RUNNING, False),
    ],
)
def test_done_means_completed_and_100_percent(
    client: GraphClient,
    server: ScriptedServer,
    status: str,
    percent: object,
    state: ReportState,
    done: bool,
) -> None:
    server.answer(run(status, percent))
    got = client.report_status(REPORT)
    assert (got.state, got.done, got.async_status) == (state, done, status)
    assert (got.error is None) == (state in {ReportState.RUNNING, ReportState.COMPLETED})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, NewReportNeeded),
        ({"error_code": 2601, "error_subcode": 1487742}, NewReportNeeded),
        ({"error_code": -2, "error_subcode": 2490547}, NewReportNeeded),
        ({"error_code": 2, "error_message": "Service temporarily unavailable"}, NewReportNeeded),
        ({"error_code": 4711, "error_message": "something new"}, NewReportNeeded),
        ({"error_code": -3, "error_subcode": 1504045}, MustSplit),
        ({"error_code": -9, "error_subcode": 1504045}, MustSplit),
        ({"error_code": 2, "error_subcode": 1504041}, InvalidRequest),
        ({"error_code": 80000, "error_subcode": 2446079}, Throttled),
    ],
)
def test_a_failed_report_says_what_to_do(
    client: GraphClient, server: ScriptedServer, facts: dict[str, object], expected: type[Exception]
) -> None:
    server.answer(run("Job Failed", 100, **facts))
    failure = client.report_status(REPORT).error
    assert type(failure) is expected
    assert failure is not None
    assert failure.account_id == "act_1"


def test_a_report_that_is_not_everywhere_yet_is_asked_for_a_few_seconds(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    missing = error(100, 33)
    server.answer(missing, missing, missing, run("Job Started"))
    assert client.report_status(YOUNG).state is ReportState.RUNNING
    assert time.slept == [1, 1, 1]


def test_an_old_report_that_is_missing_is_created_anew_without_asking_on(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    server.answer(error(100, 33))
    status = client.report_status(REPORT)
    assert status.state is ReportState.FAILED
    assert isinstance(status.error, NewReportNeeded)
    assert "30 days" in str(status.error)
    assert time.slept == []


def test_many_reports_are_polled_in_one_call(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    reports = [
        ReportRun(str(n), "act_1/insights", PARAMS, "act_1", REPORT.created_at) for n in range(60)
    ]

    def answer(asked: Asked) -> Reply:
        return batch_reply(asked, lambda url: (200, {"async_status": "Job Running", "id": url}))

    server.answer_with(answer)
    statuses = client.report_statuses(reports)
    assert [status.report for status in statuses] == reports
    assert len(server.asked) == 2
    assert [attempt.counted_calls for attempt in attempts] == [50, 10]
    assert {attempt.endpoint_key for attempt in attempts} == {"report_status"}


def test_among_many_a_missing_report_depends_on_its_age(
    client: GraphClient, server: ScriptedServer
) -> None:
    gone = {"error": {"message": "Unsupported get request", "code": 100, "error_subcode": 33}}
    server.answer_with(lambda asked: batch_reply(asked, lambda url: (400, gone)))
    young, old = client.report_statuses([YOUNG, REPORT])
    assert (young.state, old.state) == (ReportState.RUNNING, ReportState.FAILED)
    assert isinstance(old.error, NewReportNeeded)


def test_a_throttle_while_polling_many_is_raised(
    client: GraphClient, server: ScriptedServer
) -> None:
    refused = {"error": {"message": "too many calls", "code": 80000, "error_subcode": 2446079}}
    server.answer_with(lambda asked: batch_reply(asked, lambda url: (400, refused)))
    with pytest.raises(Throttled):
        client.report_statuses([REPORT])


def test_rows_are_pages(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer(page([{"ad_id": "1"}], "c1", more=True), page([{"ad_id": "2"}], "c2"))
    pages = list(client.report_pages(REPORT, page_size=500))
    assert [row["ad_id"] for each in pages for row in each.rows] == ["1", "2"]
    assert [asked.path for asked in server.asked] == ["/v26.0/77/insights"] * 2
    assert server.asked[0].query == {"limit": "500"}
    assert attempts[0].endpoint_key == "report_rows"
    assert attempts[0].query_shape == "level=ad increment=1 days=7 fields=2"


def test_rows_of_a_young_report_may_come_late(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(error(100, 33), page([{"ad_id": "1"}]))
    assert len(list(client.report_pages(YOUNG, page_size=5))) == 1


@pytest.mark.parametrize("refusal", [error(100, 33), error(2601, message="Loading failed")])
def test_rows_of_a_report_that_is_gone_take_a_new_report(
    client: GraphClient, server: ScriptedServer, refusal: Reply
) -> None:
    server.answer(page([{"ad_id": "1"}], "c1", more=True), refusal)
    pages = client.report_pages(REPORT, page_size=5)
    next(pages)
    with pytest.raises(NewReportNeeded):
        next(pages)


def test_a_watch_counts_standing_still_not_age(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    watch = ReportWatch()
    still: list[float] = []
    for status, percent in (
        ("Job Started", 0),
        ("Job Running", 1),
        ("Job Running", 1),
        ("Job Running", 1),
        ("Job Running", 2),
    ):
        server.answer(run(status, percent))
        still.append(watch.saw(client.report_status(REPORT)).total_seconds())
        time.sleep(100)
    assert still == [0, 0, 100, 200, 0]


@given(
    percents=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    words=st.lists(
        st.sampled_from(["Job Not Started", "Job Started", "Job Running", "Odd", "Odder"]),
        min_size=1,
        max_size=4,
    ),
    invented=st.booleans(),
)
@example(percents=[10, 11], words=["Job Running"], invented=False)
@example(percents=[10], words=["Job Started", "Job Running"], invented=False)
def test_a_report_that_moves_back_and_forth_stands_still(
    percents: list[int], words: list[str], invented: bool
) -> None:
    watch, at, stood = ReportWatch(), REPORT.created_at, timedelta()
    for look in range(40):
        word = f"{words[look % len(words)]} {look}" if invented else words[look % len(words)]
        percent = percents[look % len(percents)]
        at += timedelta(seconds=30)
        stood = watch.saw(ReportStatus(REPORT, ReportState.RUNNING, word, percent, at))
    assert stood >= timedelta(seconds=30 * (40 - len(percents) - len(words)))
