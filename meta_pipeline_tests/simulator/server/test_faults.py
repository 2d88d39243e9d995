"""Every row of the fault catalogue, seen by a client on the other side of a socket."""

from __future__ import annotations

import gzip
import json
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout  # noqa: A004

from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.limits import throttles
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

WIRE: list[tuple[Fault, tuple[type[Exception], ...]]] = [
    (Fault.drop_connection(), (ConnectionError,)),
    (Fault.truncate(after=15), (ChunkedEncodingError,)),
    (Fault.truncate(after=0), (ChunkedEncodingError,)),
    (Fault.reset_connection(after=40), (ChunkedEncodingError, ConnectionError)),
]


@pytest.mark.parametrize(("fault", "error"), WIRE, ids=[fault.name for fault, _ in WIRE])
def test_the_wire_breaks_once_and_the_next_call_is_whole(
    sim: Simulator, graph: Graph, account: str, fault: Fault, error: type[Exception]
) -> None:
    sim.fail("GET", "/ads", with_=fault)
    with pytest.raises(error):
        graph.call("GET", f"{account}/ads")
    assert graph.get(f"{account}/ads")["data"]
    assert sim.journal.count(fault=fault.name) == 1


def raw(sim: Simulator, path: str) -> bytes:
    """Everything that comes over a bare socket until the server closes it."""
    host, port = urlsplit(sim.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(
            f"GET /v26.0/{path} HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {sim.token}\r\n\r\n".encode()
        )
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_drop_sends_not_one_byte(sim: Simulator, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.drop_connection())
    with suppress(ConnectionResetError):  # a reset and a clean close are both a drop
        assert raw(sim, f"{account}/ads") == b""


def test_truncate_promises_more_than_it_sends(sim: Simulator, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.truncate(after=15))
    head, _, body = raw(sim, f"{account}/ads").partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == 15 < length


@pytest.mark.parametrize("after", [0, 20])
def test_stall_is_silence_until_the_client_gives_up(
    sim: Simulator, account: str, after: int
) -> None:
    sim.fail("GET", "/ads", with_=Fault.stall(3600, after=after))
    with pytest.raises((ReadTimeout, ConnectionError)):
        requests.get(
            f"{sim.url}/v26.0/{account}/ads", params={"access_token": sim.token}, timeout=0.2
        ).json()


def test_slow_moves_the_clock_instead_of_waiting(
    sim: Simulator, graph: Graph, account: str
) -> None:
    before = sim.now()
    sim.fail("GET", "/ads", with_=Fault.slow(90))
    graph.get(f"{account}/ads")
    assert (sim.now() - before).total_seconds() == 90


REPLIES = [
    (Fault.html_200(), 200, "text/html", "Service Unavailable"),
    (Fault.empty_200(), 200, "application/json", ""),
    (Fault.not_json(), 200, "application/json", '{"data":[{"id":'),
    (Fault.wrong_shape(), 200, "application/json", '["unexpected"]'),
    (Fault.http(502, "<h1>Bad Gateway</h1>"), 502, "text/html", "Bad Gateway"),
]


@pytest.mark.parametrize(
    ("fault", "status", "kind", "text"), REPLIES, ids=[fault.name for fault, *_ in REPLIES]
)
def test_wrong_answers(
    sim: Simulator, graph: Graph, account: str, fault: Fault, status: int, kind: str, text: str
) -> None:
    sim.fail("GET", "/ads", with_=fault)
    response = graph.call("GET", f"{account}/ads")
    assert response.status_code == status
    assert response.headers["content-type"].startswith(kind)
    assert text in response.text
    assert "error" not in response.text


@pytest.mark.parametrize(
    ("error", "status", "code", "subcode"),
    [
        (errors.unavailable(), 503, 2, None),
        (errors.unknown_error(), 500, 1, 99),
        (throttles.user_limit(), 400, 17, 2446079),
        (throttles.insights_limit(), 400, 4, 1504022),
        (throttles.app_limit(), 403, 4, None),
        (errors.reduce_data(), 500, 1, None),
        (errors.too_much_insights_data(), 400, 100, 1487534),
    ],
)
def test_named_errors_have_metas_status_and_code(
    sim: Simulator,
    graph: Graph,
    account: str,
    error: errors.GraphError,
    status: int,
    code: int,
    subcode: int | None,
) -> None:
    sim.fail("GET", "/ads", with_=Fault.error_of(error))
    found_status, found = graph.error(f"{account}/ads")
    assert (found_status, found["code"], found.get("error_subcode")) == (status, code, subcode)
    assert "retry-after" not in graph.call("GET", f"{account}/ads").headers


def test_a_cursor_that_does_not_move(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.same_cursor_twice(), on_call=2)
    first = graph.get(f"{account}/ads", limit=5)
    second = requests.get(first["paging"]["next"], timeout=PATIENCE_SECONDS).json()
    assert second["paging"]["cursors"]["after"] == first["paging"]["cursors"]["after"]
    assert second["paging"]["next"] == first["paging"]["next"]


@pytest.mark.parametrize("edge", ["ads", "insights?level=ad"])
def test_a_first_page_whose_next_leads_back(
    sim: Simulator, graph: Graph, account: str, edge: str
) -> None:
    sim.fail("GET", f"/{edge.partition('?')[0]}", with_=Fault.same_cursor_twice())
    first = graph.get(f"{account}/{edge}", limit=5)
    assert (
        requests.get(first["paging"]["next"], timeout=PATIENCE_SECONDS).json()["data"]
        == first["data"]
    )


@pytest.mark.parametrize("edge", ["ads", "insights?level=ad"])
@pytest.mark.parametrize("on_call", [1, 2])
def test_empty_pages_in_a_row_move_on_and_lose_nothing(
    sim: Simulator, graph: Graph, account: str, edge: str, on_call: int
) -> None:
    whole = graph.rows(f"{account}/{edge}", limit=5)
    path = f"/{edge.partition('?')[0]}"
    sim.fail("GET", path, on_call=on_call, times=2, with_=Fault.empty_page_with_next())
    assert graph.rows(f"{account}/{edge}", limit=5) == whole
    cursors = [
        entry.params.get("after") for entry in sim.journal.find(fault="empty_page_with_next")
    ]
    sim.faults.clear()
    sim.fail("GET", path, on_call=on_call, times=2, with_=Fault.empty_page_with_next())
    found = graph.get(f"{account}/{edge}", limit=5)
    rows, links = found["data"], []
    while link := found.get("paging", {}).get("next"):
        links.append(link)
        found = requests.get(link, timeout=PATIENCE_SECONDS).json()
        rows += found["data"]
    assert rows == whole
    assert len(set(links)) == len(links)
    assert len(set(cursors)) == 2


def test_an_empty_page_whose_next_has_the_rows(sim: Simulator, graph: Graph, account: str) -> None:
    whole = [row["id"] for row in graph.rows(f"{account}/ads", limit=10)]
    for call in (1, 2):
        sim.faults.clear()
        sim.fail("GET", "/ads", with_=Fault.empty_page_with_next(), on_call=call)
        url, seen, pages = f"{sim.url}/v26.0/{account}/ads?limit=10", [], 0
        headers = {"Authorization": f"Bearer {sim.token}"}
        while url:
            body = requests.get(url, headers=headers, timeout=PATIENCE_SECONDS).json()
            seen += [row["id"] for row in body["data"]]
            pages += 1
            url = body.get("paging", {}).get("next")
        assert seen == whole
        assert pages == -(-len(whole) // 10) + 1


def test_an_expired_cursor(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.cursor_expired(), on_call=2)
    graph.get(f"{account}/ads", limit=5)
    assert graph.error(f"{account}/ads", limit=5, after="x")[1]["code"] == 2642


def test_a_page_without_data_and_one_with_null_rows(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.fail("GET", "/ads", with_=Fault.missing_data())
    assert "data" not in graph.get(f"{account}/ads")
    sim.fail("GET", "/ads", with_=Fault.null_rows())
    assert None in graph.get(f"{account}/ads")["data"]


def test_fields_and_values_nobody_knows(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.unknown_content(effective_status="ON_THE_MOON", new={}))
    rows = graph.get(f"{account}/ads")["data"]
    assert {row["effective_status"] for row in rows} == {"ON_THE_MOON"}


ROWS = {"level": "ad", "time_increment": 1, "fields": "ad_id,spend,actions,action_values",
        "time_range": '{"since":"2026-11-10","until":"2026-11-13"}'}  # fmt: skip


@pytest.mark.parametrize("entry", ['{"action_type":"purchase","value":"1,234"}', "null", '"text"'])
def test_an_odd_entry_ends_every_action_list(
    sim: Simulator, graph: Graph, account: str, entry: str
) -> None:
    whole = graph.rows(f"{account}/insights", **ROWS)
    sim.fail("GET", "/insights", with_=Fault.odd_actions(entry))
    odd = graph.get(f"{account}/insights", **ROWS, limit=len(whole))["data"]
    lists = 0
    for row, right in zip(odd, whole, strict=True):
        assert row.keys() == right.keys()
        for name in {"actions", "action_values"} & row.keys():
            assert row[name] == [*right[name], json.loads(entry)]
            lists += 1
    assert lists
    sim.fail("GET", "/ads", with_=Fault.odd_actions(entry))
    assert graph.get(f"{account}/ads")["data"], "other rows stay as they are"


@pytest.mark.parametrize("every", [1, 2])
def test_days_come_back_empty_or_short(
    sim: Simulator, graph: Graph, account: str, every: int
) -> None:
    whole = graph.rows(f"{account}/insights", **ROWS)
    lost = ["2026-11-11", "2026-11-12"]
    sim.fail("GET", "/insights", with_=Fault.lost_days(lost, every=every))
    found = graph.get(f"{account}/insights", **ROWS, limit=len(whole))["data"]
    others = [row for row in whole if row["date_start"] not in lost]
    assert [row for row in found if row["date_start"] not in lost] == others
    for day in lost:
        before, after = (sum(row["date_start"] == day for row in rows) for rows in (whole, found))
        assert before - after == before // every > 0


def test_a_rule_may_choose_by_parameters(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/insights", with_=Fault.no_rows(), params={"level": "ad"})
    assert graph.get(f"{account}/insights", level="account")["data"]
    assert not graph.get(f"{account}/insights", level="ad")["data"]


def test_a_token_can_end_beyond_all_calendars(sim: Simulator, graph: Graph) -> None:
    sim.fail("GET", "/debug_token", with_=Fault.endless_token())
    found = graph.get("debug_token", input_token=sim.token)["data"]
    assert found["is_valid"]
    assert found["expires_at"] == found["data_access_expires_at"] == 99_999_999_999_999


def test_headers_can_be_put_on_an_answer(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.headers(x_app_usage='{"call_count":"broken"'))
    response = graph.call("GET", f"{account}/ads")
    assert response.headers["x-app-usage"] == '{"call_count":"broken"'


def test_the_world_changes_between_two_pages(sim: Simulator, graph: Graph, account: str) -> None:
    adset = sim.world.objects("adsets", account)[0].id
    added: list[Any] = []
    sim.fail(
        "GET",
        "/ads",
        on_call=2,
        with_=Fault.world_edit(lambda s: added.append(s.world.add_ad(adset))),
    )
    rows = graph.rows(f"{account}/ads", limit=10)
    assert added
    assert added[0].id not in [row["id"] for row in rows]  # newest first: it came too late
    assert len({row["id"] for row in rows}) == len(rows)


def test_ordinals(sim: Simulator, graph: Graph, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.error_of(errors.unavailable()), on_call=2, times=2)
    statuses = [graph.call("GET", f"{account}/ads").status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]


def test_times_until_and_account(sim: Simulator, graph: Graph, account: str) -> None:
    other = sim.world.accounts()[1].id
    sim.fail(
        "GET", "/ads", with_=Fault.error_of(errors.unavailable()), times=None, account_id=other
    )
    sim.fail(
        "GET",
        "/campaigns",
        with_=Fault.error_of(errors.unavailable()),
        until=lambda request: request.params.get("limit") == "5",
    )
    assert graph.call("GET", f"{account}/ads").status_code == 200
    assert [graph.call("GET", f"{other}/ads").status_code for _ in range(3)] == [503] * 3
    found = [graph.call("GET", f"{account}/campaigns", limit=n).status_code for n in (20, 10, 5)]
    assert found == [503, 503, 200]


def test_a_fault_that_never_happened_fails_the_test(sim: Simulator, graph: Graph) -> None:
    sim.fail("GET", "/ads", on_call=3, with_=Fault.drop_connection())
    with pytest.raises(AssertionError, match=r"drop_connection on GET /ads \(call 3\): seen 0"):
        sim.check()
    sim.faults.clear()


def test_a_request_nobody_expects_fails_the_test(
    sim: Simulator, graph: Graph, account: str
) -> None:
    graph.error(f"{account}/adverts")
    graph.error(f"{account}/ads", fields="id,nonsense")
    with pytest.raises(AssertionError, match="unknown_route") as caught:
        sim.check()
    assert "unknown_field" in str(caught.value)
    sim.expect("unknown_route", "unknown_field")
    sim.check()


def test_the_journal_holds_no_secret(sim: Simulator, graph: Graph, account: str) -> None:
    graph.get(f"{account}/ads", limit=1)
    graph.call("GET", "debug_token", input_token=sim.token)
    graph.call(
        "POST", "/", batch=f'[{{"method":"GET","relative_url":"me?access_token={sim.token}"}}]'
    )
    shown = sim.journal.table() + repr(list(sim.journal))
    assert sim.token not in shown
    assert "REDACTED" in shown


def test_the_journal_is_counted_and_shown(sim: Simulator, graph: Graph, account: str) -> None:
    graph.rows(f"{account}/ads", limit=10)
    graph.error("12345")
    assert sim.journal.count(path="/ads", method="GET", status=200) == 3
    assert sim.journal.count(code=100, subcode=33) == 1
    assert "100/33" in sim.journal.table()
    assert sim.journal.total == 4


def test_a_defect_of_the_simulator_does_not_look_like_meta(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.world.activities = None  # type: ignore[assignment,method-assign]
    response = graph.call("GET", f"{account}/activities")
    assert response.status_code == 500
    assert "error" not in response.json()
    with pytest.raises(AssertionError, match="simulator_failure TypeError"):
        sim.check()
    sim.expect("simulator_failure")


def test_an_error_without_type_and_one_that_blames(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.fail("GET", "/ads", with_=Fault.graph_error(1, status=500, bare=True))
    assert graph.error(f"{account}/ads")[1].keys() == {"message", "code"}
    sim.fail("GET", "/ads", with_=Fault.graph_error(100, 1885272, blame=["daily_budget"]))
    blamed = json.loads(graph.error(f"{account}/ads")[1]["error_data"])
    assert blamed == {"blame_field_specs": [["daily_budget"]]}


def test_gzip_is_the_same_answer(sim: Simulator, graph: Graph, account: str) -> None:
    plain = graph.call("GET", f"{account}/ads")
    sim.fail("GET", "/ads", with_=Fault.gzipped())
    zipped = graph.call("GET", f"{account}/ads")
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.json() == plain.json()


def test_a_huge_answer_is_valid_json_of_any_size(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.fail("GET", "/ads", with_=Fault.huge(3))
    answer = graph.call("GET", f"{account}/ads")
    assert len(answer.content) > 3_000_000
    assert answer.json()["data"]


def test_a_bomb_is_a_thousandth_of_what_it_unpacks_to(sim: Simulator, account: str) -> None:
    sim.fail("GET", "/ads", with_=Fault.gzip_bomb(64))
    with requests.get(
        f"{sim.url}/v26.0/{account}/ads",
        params={"access_token": sim.token},
        stream=True,
        timeout=PATIENCE_SECONDS,
    ) as answer:
        packed = answer.raw.read(decode_content=False)
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) > 64_000_000


def test_a_drip_has_no_end_and_stops_when_the_client_goes(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.fail("GET", "/ads", with_=Fault.drip(0))
    with requests.get(
        f"{sim.url}/v26.0/{account}/ads",
        params={"access_token": sim.token},
        stream=True,
        timeout=PATIENCE_SECONDS,
    ) as answer:
        assert answer.raw.read(5_000) == b" " * 5_000
    assert graph.get(f"{account}/ads")["data"], "and the next call is answered"
