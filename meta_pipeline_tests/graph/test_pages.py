"""An edge page by page: FACTS §4.3, and the page size that adapts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.graph import (
    Attempt,
    ConnectionLost,
    CursorLost,
    GraphClient,
    MalformedAnswer,
    MustGoAsync,
    MustSplit,
    Page,
    PagingLoop,
    RetryPolicy,
    ServerTrouble,
    Throttled,
    TooMuchData,
)
from meta_pipeline.graph.pages import MOST_ALIKE_PAGES, MOST_EMPTY_PAGES, PageSize
from meta_pipeline_tests.graph.conftest import MakeClient, Time
from meta_pipeline_tests.graph.scripted import Asked, Reply, ScriptedServer, error, page

REDUCE = "Please reduce the amount of data you're asking for, then retry your request"


def walk(client: GraphClient, page_size: int = 2, **more: object) -> Iterator[Page]:
    return client.pages(
        "act_1/ads",
        {"fields": ["id"]},
        account_id="act_1",
        endpoint_key="ads_list",
        page_size=page_size,
        **more,  # type: ignore[arg-type]
    )


def ids(pages: Iterator[Page]) -> list[str]:
    return [row["id"] for each in pages for row in each.rows]


def rows(*names: str) -> list[dict[str, str]]:
    return [{"id": name} for name in names]


def edge(count: int, *, refuse_above: int = 10**9, refusal: Reply | None = None):  # type: ignore[no-untyped-def]
    """An edge of `count` rows whose cursor is an offset; refuses pages above a size."""

    def answer(asked: Asked) -> Reply:
        limit, start = int(asked.query["limit"]), int(asked.query.get("after", 0))
        if limit > refuse_above:
            return refusal or error(1, message=REDUCE, status=500)
        end = min(start + limit, count)
        return page(rows(*map(str, range(start, end))), after=str(end), more=end < count)

    return answer


def test_every_page_is_asked_with_its_own_parameters_and_the_cursor(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer(page(rows("1", "2"), "c1", more=True), page(rows("3"), "c2"))
    pages = list(walk(client))
    assert [(each.number, each.after, each.page_size) for each in pages] == [
        (1, "c1", 2),
        (2, None, 2),
    ]
    assert [asked.query for asked in server.asked] == [
        {"fields": "id", "limit": "2"},
        {"fields": "id", "limit": "2", "after": "c1"},
    ]
    assert [attempt.rows for attempt in attempts] == [2, 1]
    assert [attempt.page_size for attempt in attempts] == [2, 2]
    assert len({attempt.params_hash for attempt in attempts}) == 1
    assert pages[0].size_bytes == attempts[0].response_size_bytes > 0


def test_the_next_url_itself_is_never_followed(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(page(rows("1"), "c1", more=True), page(rows("2"), "c2"))
    assert ids(walk(client)) == ["1", "2"]
    assert all("access_token" not in asked.raw_target for asked in server.asked)
    assert [asked.path for asked in server.asked] == ["/v26.0/act_1/ads"] * 2


def test_the_last_page_has_a_cursor_that_is_not_followed(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(page(rows("1"), "c1"))
    assert ids(walk(client)) == ["1"]
    assert len(server.asked) == 1


def test_an_edge_without_rows_has_one_empty_page(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"data": []}))
    (only,) = walk(client)
    assert (only.rows, only.after) == ([], None)


def test_an_empty_page_with_next_goes_on(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(page([], "c1", more=True), page([], "c2", more=True), page(rows("1"), "c3"))
    assert ids(walk(client)) == ["1"]


def test_a_next_without_cursors_is_read_for_its_cursor(
    client: GraphClient, server: ScriptedServer
) -> None:
    first = {
        "data": rows("1"),
        "paging": {"next": "https://graph.facebook.com/v26.0/x?access_token=EAABx&after=QVFI"},
    }
    server.answer(Reply(first), page(rows("2")))
    assert ids(walk(client)) == ["1", "2"]
    assert server.asked[1].query["after"] == "QVFI"


def test_a_next_without_any_cursor_is_an_error_not_an_end(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"data": rows("1"), "paging": {"next": "https://graph.facebook.com/x"}}))
    with pytest.raises(MalformedAnswer, match="no cursor"):
        ids(walk(client))


def test_an_empty_page_that_points_at_itself_is_asked_again(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(
        page(rows("1"), "c1", more=True),
        page([], "c1", more=True),
        page([], "c1", more=True),
        page(rows("2"), "c2"),
    )
    assert ids(walk(client)) == ["1", "2"]


def test_an_empty_page_that_always_points_at_itself_is_a_circle(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer_with(lambda asked: page([], "c1", more=True))
    with pytest.raises(PagingLoop, match="same cursor"):
        ids(walk(client))
    assert len(server.asked) <= 5


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_cursors_is_an_error(
    client: GraphClient, server: ScriptedServer, length: int
) -> None:
    circle = [f"c{n}" for n in range(length)]

    def answer(asked: Asked) -> Reply:
        at = circle.index(asked.query["after"]) if "after" in asked.query else -1
        return page(rows("1"), circle[(at + 1) % length], more=True)

    server.answer_with(answer)
    with pytest.raises(PagingLoop, match="same cursor"):
        ids(walk(client))
    assert len(server.asked) == length + 1


def test_empty_pages_without_end_are_an_error(client: GraphClient, server: ScriptedServer) -> None:
    server.answer_with(lambda asked: page([], str(int(asked.query.get("after", 0)) + 1), more=True))
    with pytest.raises(PagingLoop, match="empty pages"):
        ids(walk(client))
    assert len(server.asked) == MOST_EMPTY_PAGES


@given(circle=st.lists(st.integers(1, 5), min_size=1, max_size=4), start=st.integers(0, 6))
def test_the_same_rows_under_ever_new_cursors_are_an_error(
    make_client: MakeClient, server: ScriptedServer, circle: list[int], start: int
) -> None:
    """`circle` has the number of rows of each page that comes round, after `start` others."""
    named = [rows(*(f"{n}.{row}" for row in range(size))) for n, size in enumerate(circle)]

    def answer(asked: Asked) -> Reply:
        at = int(asked.query.get("after", 0))
        here = rows(f"first{at}") if at < start else named[(at - start) % len(named)]
        return page(here, str(at + 1), more=True)

    server.answer_with(answer)
    before = len(server.asked)
    with pytest.raises(PagingLoop, match="same rows"):
        ids(walk(make_client()))
    assert len(server.asked) - before == start + MOST_ALIKE_PAGES * len(circle) + 1


def test_rows_that_are_alike_on_a_few_pages_are_all_read(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer_with(
        lambda asked: page(
            rows("1"), str(at := int(asked.query.get("after", 0)) + 1), more=at < MOST_ALIKE_PAGES
        )
    )
    assert ids(walk(client)) == ["1"] * MOST_ALIKE_PAGES


BAD_PAGES = {
    "no data": Reply({"paging": {}}),
    "data is an object": Reply({"data": {}}),
    "data is null": Reply({"data": None}),
    "data is text": Reply({"data": "[]"}),
    "rows are texts": Reply({"data": ["1"]}),
    "a null row": Reply({"data": [{"id": "1"}, None]}),
    "paging is a list": Reply({"data": [], "paging": ["x"]}),
    "html": Reply(b"<html>"),
    "list": Reply([{"id": "1"}]),
    "string": Reply("x"),
    "cut": Reply(page(rows("1", "2"), "c1", more=True).payload()[:40]),
    "half": Reply(page(rows("1", "2"), "c1", more=True).payload(), fault="half"),
}


@pytest.mark.parametrize("bad", BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_page_that_is_none_is_asked_again(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt], bad: Reply
) -> None:
    server.answer(page(rows("1"), "c1", more=True), bad, page(rows("2"), "c2"))
    assert ids(walk(client)) == ["1", "2"]
    assert [attempt.rows for attempt in attempts] == [1, None, 1]
    assert server.asked[1].query == server.asked[2].query


@pytest.mark.parametrize("bad", BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_page_that_stays_none_is_never_half_given(
    make_client: MakeClient, server: ScriptedServer, bad: Reply
) -> None:
    client = make_client(retry=RetryPolicy(retries=1))
    server.answer(page(rows("1"), "c1", more=True), bad, bad)
    pages = walk(client)
    assert next(pages).rows == rows("1")
    with pytest.raises((MalformedAnswer, ConnectionLost)):
        next(pages)
    assert next(pages, None) is None


SHRINKING = {
    "1 by its text": error(1, message=REDUCE, status=500),
    "1/99": error(1, 99, "An unknown error occurred", status=500),
    "1 bare": Reply({"error": {"code": 1, "message": "An unknown error occurred"}}, status=500),
    "100/1487534": error(100, 1487534, "Too much data"),
}


@pytest.mark.each_value
@pytest.mark.parametrize("refusal", SHRINKING.values(), ids=SHRINKING)
@pytest.mark.parametrize("limit", [1, 3, 7, 24, 100])
def test_a_refused_amount_shrinks_the_page_and_loses_nothing(
    client: GraphClient, server: ScriptedServer, limit: int, refusal: Reply
) -> None:
    server.answer_with(edge(60, refuse_above=limit, refusal=refusal))
    sizes: list[int] = []
    got = ids(walk(client, page_size=100, on_page_size=sizes.append))
    assert got == [str(n) for n in range(60)]
    assert sizes[:1] == ([50] if limit < 100 else [])


def test_shrinking_goes_on_from_the_same_cursor(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(
        page(rows("1"), "c1", more=True),
        error(1, message=REDUCE, status=500),
        page(rows("2"), "c2", more=True),
        page(rows("3"), "c3"),
    )
    assert ids(walk(client, page_size=8)) == ["1", "2", "3"]
    asked = [(a.query.get("after"), a.query["limit"]) for a in server.asked]
    assert asked == [(None, "8"), ("c1", "8"), ("c1", "4"), ("c2", "4")]


def test_a_known_refusal_costs_no_wait_an_unknown_error_one_retry(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    server.answer(error(1, message=REDUCE, status=500), page(rows("1")))
    ids(walk(client, page_size=8))
    assert (len(server.asked), time.slept) == (2, [])
    server.answer(*[error(1, 99, status=500)] * 2, page(rows("1")))
    ids(walk(client, page_size=8))
    assert (len(server.asked) - 2, len(time.slept)) == (3, 1)


def test_the_smallest_page_refused_is_too_much_data(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    server.answer_with(edge(60, refuse_above=0))
    with pytest.raises(TooMuchData) as caught:
        ids(walk(client, page_size=100, min_page_size=25))
    assert caught.value.page_size == 25
    assert [asked.query["limit"] for asked in server.asked] == ["100", "50", "25"]
    assert time.slept == []


@pytest.mark.parametrize("smaller", [[], ["100", "50", "25", "12", "6", "3"]])
def test_an_unknown_error_on_the_smallest_page_is_trouble_not_size(
    client: GraphClient, server: ScriptedServer, smaller: list[str]
) -> None:
    server.answer_with(lambda asked: error(1, 99, status=500))
    size = "200" if smaller else "2"
    with pytest.raises(ServerTrouble):
        ids(walk(client, page_size=int(size)))
    # Each smaller page is the repetition of the larger one.
    expected = [size, size, *smaller, *["1"] * 4]
    assert [asked.query["limit"] for asked in server.asked] == expected


def test_the_page_grows_back_carefully_and_never_above_what_was_asked(
    client: GraphClient, server: ScriptedServer
) -> None:
    refused = iter([True])

    def answer(asked: Asked) -> Reply:
        if next(refused, False):
            return error(1, message=REDUCE, status=500)
        reply: Reply = edge(200)(asked)
        return reply

    server.answer_with(answer)
    sizes: list[int] = []
    got = ids(walk(client, page_size=8, on_page_size=sizes.append))
    assert got == [str(n) for n in range(200)]
    assert sizes == [4, 8]
    asked = [asked.query["limit"] for asked in server.asked]
    assert asked.count("4") == 10
    assert asked[-1] == "8"


def test_a_size_that_does_not_work_is_tried_ever_more_rarely(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer_with(edge(2000, refuse_above=7))
    ids(walk(client, page_size=8))
    refused = [n for n, asked in enumerate(server.asked) if asked.query["limit"] == "8"]
    gaps = [b - a for a, b in pairwise(refused)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 4 * gaps[0]


def test_a_remembered_size_is_where_it_starts(client: GraphClient, server: ScriptedServer) -> None:
    server.answer_with(edge(300))
    ids(walk(client, page_size=100, start_page_size=20))
    limits = [asked.query["limit"] for asked in server.asked]
    assert limits[:6] == ["20"] * 5 + ["40"]


@pytest.mark.parametrize("wrong", [{"page_size": 0}, {"page_size": 5, "min_page_size": 6}])
def test_page_sizes_that_make_no_sense(client: GraphClient, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="min_page_size <= page_size"):
        walk(client, **wrong)


def test_a_stop_in_the_middle_goes_on_from_the_last_page(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(page(rows("1"), "c1", more=True), error(80004, 2446079), page(rows("2"), "c2"))
    pages = walk(client)
    first = next(pages)
    with pytest.raises(Throttled):
        next(pages)
    assert ids(walk(client, after=first.after)) == ["2"]
    assert server.asked[2].query["after"] == "c1"


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (error(2642, message="Invalid cursors values"), CursorLost),
        (error(100, message="(#100) Invalid cursor"), CursorLost),
        (error(100, 1504018), MustGoAsync),
        (error(-3, 1504045), MustSplit),
    ],
)
def test_what_no_page_size_helps_is_raised(
    client: GraphClient, server: ScriptedServer, refusal: Reply, expected: type[Exception]
) -> None:
    server.answer(page(rows("1"), "c1", more=True), refusal)
    with pytest.raises(expected):
        ids(walk(client))
    assert len(server.asked) == 2


def test_a_summary_comes_with_its_page(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"data": [], "summary": {"total_count": 0}}))
    assert next(walk(client)).summary == {"total_count": 0}


@settings(max_examples=60)
@given(data=st.data(), page_size=st.integers(1, 9), sizes=st.lists(st.integers(0, 9), max_size=12))
def test_any_sequence_of_short_and_empty_pages_loses_nothing(
    client: GraphClient,
    server: ScriptedServer,
    data: st.DataObject,
    page_size: int,
    sizes: list[int],
) -> None:
    """The server gives any number of rows up to the limit, fails and refuses where it likes."""
    total = sum(sizes)
    short = iter(sizes)
    faults = iter(data.draw(st.lists(st.sampled_from(["", "", "reduce", "html", "503"]))))

    def answer(asked: Asked) -> Reply:
        fault = next(faults, "")
        if fault == "reduce" and int(asked.query["limit"]) > 1:
            return error(1, message=REDUCE, status=500)
        if fault in {"html", "503"} and not answer.failed:  # type: ignore[attr-defined]
            answer.failed = True  # type: ignore[attr-defined]
            return Reply(b"<html>") if fault == "html" else error(2, status=503)
        answer.failed = False  # type: ignore[attr-defined]
        turn, start = map(int, asked.query.get("after", "0.0").split("."))
        end = min(start + min(next(short, 9), int(asked.query["limit"])), total)
        return page(rows(*map(str, range(start, end))), after=f"{turn + 1}.{end}", more=end < total)

    answer.failed = False  # type: ignore[attr-defined]
    server.answer_with(answer)
    assert ids(walk(client, page_size=page_size)) == [str(n) for n in range(total)]


@given(st.integers(1, 5000), st.data())
def test_a_page_size_stays_within_its_bounds(asked: int, data: st.DataObject) -> None:
    minimum = data.draw(st.integers(1, asked))
    size = PageSize(asked, minimum, data.draw(st.integers(0, 9000)))
    for good in data.draw(st.lists(st.booleans(), max_size=200)):
        size.good_page() if good else size.shrink()
        assert minimum <= size.current <= asked
