"""Batches and reads by id: one bad operation costs itself, never the others (FACTS §4.6, §7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from meta_pipeline.graph import (
    Attempt,
    BatchOperation,
    FieldRejected,
    GraphClient,
    GraphError,
    MalformedAnswer,
    MustSplit,
    ObjectMissing,
    PermissionDenied,
    Reauthorize,
    ServerTrouble,
    Throttled,
)
from meta_pipeline_tests.graph.conftest import TOKEN, MakeClient, Time
from meta_pipeline_tests.graph.scripted import Asked, Reply, ScriptedServer, batch_reply, error

GONE = {"error": {"message": "Unsupported get request.", "code": 100, "error_subcode": 33}}
LIMIT = {"error": {"message": "too many calls", "code": 80004, "error_subcode": 2446079}}
TROUBLE = {"error": {"message": "Service temporarily unavailable", "code": 2}}

World = Callable[[str], tuple[int, Any] | None]


def operations(*names: str) -> list[BatchOperation]:
    return [BatchOperation(name, {"fields": ["id"]}) for name in names]


def test_a_batch_goes_as_a_form_and_answers_come_in_order(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer_with(lambda asked: batch_reply(asked, lambda url: (200, {"url": url})))
    answers = client.batch(operations("1", "2"), account_id="act_1")
    assert [answer.value() for answer in answers] == [
        {"url": "1?fields=id"},
        {"url": "2?fields=id"},
    ]
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.query) == ("POST", "/v26.0/", {})
    assert asked.form["access_token"] == TOKEN
    assert json.loads(asked.form["batch"])[0] == {"method": "GET", "relative_url": "1?fields=id"}
    assert (attempts[0].endpoint_key, attempts[0].counted_calls) == ("batch", 2)


@pytest.mark.parametrize("body", ["slow down", "", "{}", '{"error":{"message":"?","code":987}}'])
def test_an_operation_with_http_429_is_a_limit_whatever_it_says(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt], body: str
) -> None:
    server.answer_with(
        lambda asked: batch_reply(
            asked, lambda url: (429, body) if url.startswith("2") else (200, {"id": "1"})
        )
    )
    fine, refused = client.batch(operations("1", "2"), account_id="act_1")
    assert fine.value() == {"id": "1"}
    assert isinstance(refused.error, Throttled)
    assert len(server.asked) == 1, "a limit is not asked again"
    assert attempts[0].throttled
    assert [one.throttled for one in attempts[0].operations] == [False, True]


def test_more_than_fifty_go_in_several_calls(client: GraphClient, server: ScriptedServer) -> None:
    server.answer_with(lambda asked: batch_reply(asked, lambda url: (200, {"id": url})))
    answers = client.batch([BatchOperation(str(n)) for n in range(120)])
    assert [answer.value()["id"] for answer in answers] == [str(n) for n in range(120)]
    assert [len(json.loads(asked.form["batch"])) for asked in server.asked] == [50, 50, 20]


def test_an_operation_that_failed_costs_only_itself(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    world = {"1": (200, {"id": "1"}), "2": (400, GONE), "3": (403, {"error": {"code": 200}})}
    server.answer_with(lambda asked: batch_reply(asked, lambda url: world[url]))
    one, two, three = client.batch([BatchOperation(name) for name in world])
    assert one.value() == {"id": "1"}
    assert isinstance(two.error, ObjectMissing)
    assert isinstance(three.error, PermissionDenied)
    assert (two.status, three.status) == (400, 403)
    with pytest.raises(ObjectMissing):
        two.value()
    assert attempts[0].status_code == 200
    assert attempts[0].error_code == 100
    assert not attempts[0].throttled


def test_null_and_passing_trouble_are_asked_again_alone(
    client: GraphClient, server: ScriptedServer, time: Time
) -> None:
    given: dict[str, list[tuple[int, Any] | None]] = {
        "1": [(200, {"id": "1"})],
        "2": [None, None, (200, {"id": "2"})],
        "3": [(503, TROUBLE), (200, {"id": "3"})],
        "4": [(200, "<html>"), (200, {"id": "4"})],
    }
    server.answer_with(lambda asked: batch_reply(asked, lambda url: given[url].pop(0)))
    answers = client.batch([BatchOperation(name) for name in given])
    assert [answer.value()["id"] for answer in answers] == ["1", "2", "3", "4"]
    sent = [[o["relative_url"] for o in json.loads(a.form["batch"])] for a in server.asked]
    assert sent == [["1", "2", "3", "4"], ["2", "3", "4"], ["2"]]
    assert time.slept == [1, 2]


def test_an_unanswered_write_is_never_repeated(client: GraphClient, server: ScriptedServer) -> None:
    server.answer_with(lambda asked: batch_reply(asked, lambda url: None))
    (answer,) = client.batch([BatchOperation("1", {"name": "x y"}, method="POST")])
    assert isinstance(answer.error, ServerTrouble)
    assert len(server.asked) == 1
    (sent,) = json.loads(server.asked[0].form["batch"])
    assert sent == {"method": "POST", "relative_url": "1", "body": "name=x+y"}


def test_what_stays_unanswered_is_an_error_of_its_own(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer_with(
        lambda asked: batch_reply(asked, lambda url: (200, {"id": "1"}) if url == "1" else None)
    )
    one, two = client.batch([BatchOperation("1"), BatchOperation("2")])
    assert one.value() == {"id": "1"}
    assert isinstance(two.error, ServerTrouble)
    assert len(server.asked) == 4


def test_a_batch_that_times_out_is_halved(client: GraphClient, server: ScriptedServer) -> None:
    def answer(asked: Asked) -> Reply:
        if len(json.loads(asked.form["batch"])) > 2:
            return error(960, message="Request aborted")
        return batch_reply(asked, lambda url: (200, {"id": url}))

    server.answer_with(answer)
    answers = client.batch([BatchOperation(str(n)) for n in range(7)])
    assert [answer.value()["id"] for answer in answers] == [str(n) for n in range(7)]


def test_one_operation_that_times_out_is_raised(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer_with(lambda asked: error(960))
    with pytest.raises(MustSplit):
        client.batch(operations("1"))


@pytest.mark.parametrize("body", [{}, [], [None, None, None], "x", b"<html>"])
def test_a_batch_answer_of_the_wrong_shape_is_malformed(
    client: GraphClient, server: ScriptedServer, body: object
) -> None:
    server.answer_with(lambda asked: Reply(body))
    with pytest.raises(MalformedAnswer):
        client.batch(operations("1", "2"))


def test_usage_inside_a_batch_is_on_record(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    def entry(account: str, calls: int, insights: float) -> dict[str, object]:
        business = {account: [{"type": "ads_insights", "call_count": calls}]}
        throttle = {"app_id_util_pct": insights, "acc_id_util_pct": 0}
        headers = [
            {"name": "X-Business-Use-Case-Usage", "value": json.dumps(business)},
            {"name": "X-FB-Ads-Insights-Throttle", "value": json.dumps(throttle)},
        ]
        return {"code": 200, "headers": headers, "body": "{}"}

    server.answer(Reply([entry("1", 10, 5), entry("1", 12, 50), entry("2", 90, 7)]))
    answers = client.batch(operations("1", "2", "3"), account_id="act_1")
    assert answers[2].usage[0].usage_pct == 90
    readings = {(r.scope, r.key): r.usage_pct for r in attempts[0].usage}
    assert readings == {
        ("account", "act_1"): 12,
        ("account", "act_2"): 90,
        ("insights_app", "app"): 50,
        ("insights_account", "act_1"): 0,
    }


def test_a_throttle_inside_a_batch_is_on_record_and_in_its_answer(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    world = {"1": (400, GONE), "2": (400, LIMIT)}
    server.answer_with(lambda asked: batch_reply(asked, lambda url: world[url]))
    _, two = client.batch([BatchOperation(name) for name in world])
    assert isinstance(two.error, Throttled)
    assert attempts[0].throttled
    assert attempts[0].error_code == 80004


@pytest.mark.parametrize("status", [2**31, 2**63, -1, 0, 99, 1000, True])
def test_a_number_that_is_no_http_status_is_none(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt], status: int
) -> None:
    server.answer(Reply([{"code": status, "headers": [], "body": json.dumps(TROUBLE)}]))
    (answer,) = client.batch([BatchOperation("1", method="POST")])
    assert isinstance(answer.error, GraphError)
    assert [one.status_code for one in attempts[0].operations] == [None]


def by_ids(world: World, account: Reply | None = None) -> Callable[[Asked], Reply]:
    """Meta to an app made after 2026-11-04: batches only, `?ids=` is refused.

    `account` is what is answered about the account itself; it can be read without.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/act_1/campaigns"):
            return account or Reply({"data": []})
        if "ids" in asked.params:
            return error(3, message="multi-id requests are not available to this app")
        return batch_reply(asked, lambda url: world(unquote(url.split("?")[0])))

    return answer


def read(client: GraphClient, ids: list[str]) -> tuple[set[str], dict[str, type]]:
    got = client.ids(ids, {"fields": ["id", "name"]}, account_id="act_1")
    return set(got.found), {id_: type(error) for id_, error in got.missing.items()}


def test_good_ids_take_one_call_for_fifty(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer_with(by_ids(lambda id_: (200, {"id": id_})))
    ids = [str(n) for n in range(120)]
    assert read(client, [*ids, *ids]) == (set(ids), {})
    assert [attempt.counted_calls for attempt in attempts] == [50, 50, 20]
    assert {attempt.endpoint_key for attempt in attempts} == {"objects_by_id"}
    assert len({attempt.params_hash for attempt in attempts}) == 1


@pytest.mark.parametrize("found", [0, 39], ids=["none is given", "one is not"])
@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (error(200, message="(#200) Permissions error"), PermissionDenied),
        (error(100, 33), ObjectMissing),
        (error(190, 463), Reauthorize),
    ],
)
def test_ids_of_an_account_that_cannot_be_read_are_not_gone(
    client: GraphClient,
    server: ScriptedServer,
    refusal: Reply,
    expected: type[Exception],
    found: int,
) -> None:
    server.answer_with(
        by_ids(lambda id_: (200, {"id": id_}) if int(id_) < found else (400, GONE), refusal)
    )
    with pytest.raises(expected):
        read(client, [str(n) for n in range(40)])
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "bad",
    [
        (400, GONE),
        (404, {"error": {"code": 803, "message": "alias"}}),
        (403, {"error": {"code": 10}}),
        (400, {"error": {"code": 100, "error_subcode": 2446289}}),
        (400, {"error": {"code": 987654, "message": "?"}}),
    ],
)
def test_bad_ids_are_named_and_cost_the_others_nothing(
    client: GraphClient, server: ScriptedServer, bad: tuple[int, Any]
) -> None:
    server.answer_with(by_ids(lambda id_: bad if id_ in {"3", "33"} else (200, {"id": id_})))
    found, missing = read(client, [str(n) for n in range(40)])
    assert found == {str(n) for n in range(40)} - {"3", "33"}
    assert set(missing) == {"3", "33"}
    assert sum("batch" in asked.form for asked in server.asked) == 1


def test_an_id_that_is_not_answered_is_asked_again_alone(
    client: GraphClient, server: ScriptedServer
) -> None:
    given: dict[str, list[tuple[int, Any] | None]] = {
        "1": [(200, {"id": "1"})],
        "2": [None, (400, GONE)],
        "3": [None, None, (200, {"id": "3"})],
        "4": [(200, {})],
        "5": [(200, {"id": "50"})],
    }
    server.answer_with(by_ids(lambda id_: given[id_].pop(0)))
    found, missing = read(client, list(given))
    assert found == {"1", "3"}
    assert missing == {"2": ObjectMissing, "4": ObjectMissing, "5": MalformedAnswer}
    assert not any(given.values())


def test_an_id_is_one_part_of_a_path_whatever_is_in_it(
    client: GraphClient, server: ScriptedServer
) -> None:
    odd = ["1?fields=x", "a/b", "../2", "3&y=1", "{result=x:$.id}", "4\x00", "é\u2028", "%2F", "#"]
    server.answer_with(by_ids(lambda id_: (200, {"id": id_})))
    assert read(client, odd) == (set(odd), {})


@pytest.mark.parametrize("code", [1, 960])
def test_too_much_for_one_call_is_halved(
    client: GraphClient, server: ScriptedServer, code: int
) -> None:
    def answer(asked: Asked) -> Reply:
        if len(json.loads(asked.form["batch"])) > 13:
            return error(code, message="Please reduce the amount of data", status=500)
        return by_ids(lambda id_: (200, {"id": id_}))(asked)

    server.answer_with(answer)
    ids = {str(n) for n in range(50)}
    assert read(client, sorted(ids)) == (ids, {})


def test_each_operation_is_on_record(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    world = {"1": (200, {"id": "1"}), "2": (400, GONE), "3": None, "4": (400, LIMIT)}
    server.answer_with(lambda asked: batch_reply(asked, lambda url: world[url]))
    client.batch([BatchOperation(name) for name in world])
    one, two, three, four = attempts[0].operations
    assert (one.status_code, one.error_message, one.response_size_bytes) == (200, None, 11)
    assert (two.status_code, two.error_code, two.error_subcode) == (400, 100, 33)
    assert (three.status_code, three.error_code, bool(three.error_message)) == (None, None, True)
    assert [one.throttled, two.throttled, four.throttled] == [False, False, True]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (error(80004, 2446079), Throttled),
        (error(190, 463), Reauthorize),
        (error(100, message="(#100) Tried accessing nonexisting field (x) on node"), FieldRejected),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_what_concerns_all_ids_is_raised(
    client: GraphClient,
    server: ScriptedServer,
    refusal: Reply,
    expected: type[Exception],
    inside: bool,
) -> None:
    server.answer_with(by_ids(lambda id_: (400, refusal.body)) if inside else lambda _: refusal)
    with pytest.raises(expected):
        read(client, ["1", "2"])
    assert len(server.asked) == 1


def test_a_field_that_one_object_has_not_costs_that_one(
    client: GraphClient, server: ScriptedServer
) -> None:
    field = {"error": {"code": 100, "message": "(#100) Tried accessing nonexisting field (x) on"}}
    server.answer_with(by_ids(lambda id_: (400, field) if id_ == "2" else (200, {"id": id_})))
    assert read(client, ["1", "2", "3"]) == ({"1", "3"}, {"2": FieldRejected})


def test_each_batch_has_the_token_of_who_sends_it(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    def answer(asked: Asked) -> Reply:
        if "first-token" in asked.headers["authorization"]:
            return error(190, 463, status=400)
        return batch_reply(asked, lambda url: (200, {"id": url}))

    server.answer_with(answer)
    with make_client(access_token="first-token") as first:
        second = first.with_token("second-token")
        client = first.with_options(successor=lambda _: second)
        assert [one.status for one in client.batch(operations("1", "2"))] == [200, 200]
    for asked in server.asked:
        assert asked.form["access_token"] == asked.headers["authorization"].split()[-1]
    assert len(server.asked) == 2
