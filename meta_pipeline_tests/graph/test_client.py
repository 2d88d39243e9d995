"""One call: what goes over the wire, what comes back, what is on record."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from pathlib import Path

import pytest

from meta_pipeline.graph import (
    Attempt,
    Call,
    ConnectionLost,
    GraphClient,
    GraphError,
    InvalidRequest,
    MalformedAnswer,
    RetryPolicy,
    ServerTrouble,
    Throttled,
)
from meta_pipeline_tests.graph.conftest import APP_SECRET, NOW, TOKEN, MakeClient, Time
from meta_pipeline_tests.graph.scripted import Asked, Reply, ScriptedServer, error

USAGE = {"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":25}'}


def ask(client: GraphClient, **params: object) -> dict[str, object]:
    return client.get("act_1", params, account_id="act_1", endpoint_key="ad_accounts_list").body


def test_a_get_sends_parameters_as_meta_wants_them(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"id": "act_1"}))
    ask(
        client,
        fields=["id", "name"],
        filtering=[{"operator": "IN", "field": "ad.effective_status", "value": ["ACTIVE"]}],
        time_range={"until": "2026-11-02", "since": "2026-11-01"},
        summary=True,
        time_increment=1,
        breakdowns=None,
    )
    asked = server.asked[0]
    assert asked.path == "/v26.0/act_1"
    assert asked.query == {
        "fields": "id,name",
        "filtering": '[{"field":"ad.effective_status","operator":"IN","value":["ACTIVE"]}]',
        "time_range": '{"since":"2026-11-01","until":"2026-11-02"}',
        "summary": "true",
        "time_increment": "1",
    }


def test_the_token_is_a_header_and_the_proof_a_parameter(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"id": "act_1"}))
    ask(make_client(app_secret=APP_SECRET))
    asked = server.asked[0]
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in asked.raw_target
    proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    assert asked.query == {"appsecret_proof": proof}


def test_a_netrc_entry_does_not_replace_the_token(
    make_client: MakeClient,
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer(Reply({"id": "act_1"}))
    ask(make_client())
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_an_attempt_tells_everything_about_a_success(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer(Reply({"id": "act_1"}, headers=USAGE))
    response = client.get("act_1", {"fields": "id"}, account_id="act_1", endpoint_key="me")
    (attempt,) = attempts
    assert response.attempt is attempt
    assert (attempt.account_id, attempt.endpoint_key, attempt.method) == ("act_1", "me", "GET")
    assert (attempt.status_code, attempt.error_code, attempt.error_message) == (200, None, None)
    assert attempt.usage_headers == {"x-app-usage": USAGE["X-App-Usage"]}
    assert attempt.response_size_bytes == len(b'{"id": "act_1"}')
    assert attempt.latency_ms > 0
    assert attempt.timestamp == NOW
    assert not attempt.throttled
    assert [reading.usage_pct for reading in response.usage] == [28]


def test_compressed_answers_are_read(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"id": "act_1", "name": "é" * 1000}, zipped=True))
    assert ask(client)["name"] == "é" * 1000
    assert "gzip" in server.asked[0].headers["accept-encoding"]


def test_one_connection_serves_many_calls(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(*[Reply({"id": "act_1"})] * 5)
    for _ in range(5):
        ask(client)
    assert len({asked.client_port for asked in server.asked}) == 1


def test_threads_share_the_pool_and_mix_nothing_up(
    make_client: MakeClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer_with(lambda asked: Reply({"id": asked.path.rsplit("/", 1)[1]}))
    client = make_client(max_connections=3)
    wrong: list[str] = []

    def work(name: int) -> None:
        for turn in range(10):
            path = f"{name}{turn}"
            body = client.get(path, {}, account_id=None, endpoint_key="me").body
            if body["id"] != path:
                wrong.append(path)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(attempts) == 60
    assert len({asked.client_port for asked in server.asked}) <= 3


FAULTS = {
    "html": Reply(b"<html><body>Sorry, something went wrong.</body></html>"),
    "service unavailable": Reply(b"Service Unavailable"),
    "empty": Reply(b""),
    "list": Reply([]),
    "string": Reply("Service temporarily unavailable"),
    "true": Reply(True),
    "null": Reply(None),
    "half a JSON": Reply(b'{"id":"act_1","na'),
    "not UTF-8": Reply(b'\xff\xfe{\0"\0'),
    "without the member": Reply({"name": "x"}),
    "half a body": Reply({"id": "act_1", "name": "x" * 1000}, fault="half"),
    "damaged compression": Reply({"id": "act_1", "name": "x" * 1000}, fault="bad_gzip"),
    "dropped": Reply(fault="drop"),
    "503 html": Reply(b"<html>", status=503),
    "500 without error": Reply({}, status=500),
    "502 empty": Reply(b"", status=502),
    "redirect": Reply(b"", status=302, headers={"Location": "https://evil.example/"}),
    "code 2": error(2, message="(#2) Service temporarily unavailable", status=503),
    "bare 500": Reply({"error": {"code": 1, "message": "An unknown error"}}, status=500),
    "error in a 200": error(2, status=200),
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id":"1","name":"Caf\xe9 \xff\xfe \xf0\x9f\x8e\xaf"}', "Caf\ufffd \ufffd\ufffd 🎯"),
        (b'\xef\xbb\xbf{"id":"1","name":"Caf\xc3\xa9"}', "Café"),
        (b'{"id":"1","name":NaN}', "NaN"),
        (b'{"id":"1","name":-Infinity}', "-Infinity"),
    ],
    ids=["another encoding", "byte order mark", "no number", "infinite"],
)
def test_a_value_that_is_no_json_costs_itself(
    client: GraphClient, server: ScriptedServer, body: bytes, expected: str
) -> None:
    """A page has thousands of rows: the text or number of one that is odd ends none of them."""
    server.answer(Reply(body))
    found = client.get("act_1", {}, account_id="act_1", endpoint_key="me", required=("id",)).body
    assert found == {"id": "1", "name": expected}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_tried_again_and_on_record(
    client: GraphClient, server: ScriptedServer, time: Time, attempts: list[Attempt], fault: Reply
) -> None:
    server.answer(fault, fault, Reply({"id": "act_1"}))
    body = client.get("act_1", {}, account_id="act_1", endpoint_key="me", required=("id",)).body
    assert body == {"id": "act_1"}
    assert [attempt.retry_count for attempt in attempts] == [0, 1, 2]
    assert [attempt.ok for attempt in attempts] == [False, False, True]
    assert [round(seconds - 0.25) for seconds in time.slept] == [1, 2]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_lasting_fault_ends_after_three_more_tries(
    client: GraphClient, server: ScriptedServer, time: Time, fault: Reply
) -> None:
    server.answer_with(lambda asked: fault)
    with pytest.raises((MalformedAnswer, ConnectionLost, ServerTrouble)) as caught:
        client.get("act_1", {}, account_id="act_1", endpoint_key="me", required=("id",))
    assert len(server.asked) == 4
    assert 7 <= sum(time.slept) <= 8.5
    assert caught.value.retry_count == 3
    assert "me of act_1: " in str(caught.value)
    assert "Next: " in str(caught.value)


def test_no_answer_in_time_is_a_lost_connection(
    make_client: MakeClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    client = make_client(read_timeout_seconds=0.05, retry=RetryPolicy(retries=1))
    server.answer(Reply(fault="silent"), Reply(fault="silent"))
    with pytest.raises(ConnectionLost, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.05 s"):
        ask(client)
    assert [attempt.status_code for attempt in attempts] == [None, None]
    assert all(attempt.latency_ms >= 50 for attempt in attempts)


def test_nobody_listening_is_a_lost_connection(make_client: MakeClient) -> None:
    client = make_client(base_url="http://127.0.0.1:9", retry=RetryPolicy(retries=0))
    with pytest.raises(ConnectionLost, match="refused"):
        ask(client)


def test_a_permanent_error_is_not_repeated(
    client: GraphClient, server: ScriptedServer, time: Time, attempts: list[Attempt]
) -> None:
    server.answer(
        error(
            100,
            1885272,
            "Invalid parameter",
            error_data='{"blame_field_specs":[["daily_budget"]]}',
            error_user_title="Budget is too low",
        )
    )
    with pytest.raises(InvalidRequest) as caught:
        ask(client)
    assert len(server.asked) == 1
    assert time.slept == []
    error_ = caught.value
    assert (error_.code, error_.subcode, error_.fbtrace_id) == (100, 1885272, "AbCdEf")
    assert (error_.http_status, error_.account_id) == (400, "act_1")
    assert "daily_budget" in str(error_)
    assert "Budget is too low" in str(error_)
    assert (attempts[0].error_code, attempts[0].error_subcode) == (100, 1885272)
    assert attempts[0].fbtrace_id == "AbCdEf"
    assert not attempts[0].throttled


def test_a_throttle_is_raised_at_once_with_metas_own_time(
    client: GraphClient, server: ScriptedServer, time: Time, attempts: list[Attempt]
) -> None:
    usage = {
        "339410370": [
            {"type": "ads_insights", "call_count": 103, "estimated_time_to_regain_access": 7}
        ]
    }
    server.answer(error(80000, 2446079, headers={"X-Business-Use-Case-Usage": json.dumps(usage)}))
    with pytest.raises(Throttled) as caught:
        ask(client)
    assert len(server.asked) == 1
    assert time.slept == []
    stop = caught.value
    assert (stop.seconds, stop.hint) == (420, "header")
    assert (stop.until - NOW).total_seconds() == 420
    assert (stop.limit.scope, stop.limit.use_case) == ("account", "ads_insights")
    assert stop.usage[0].usage_pct == 103
    assert "2026-11-20 12:07:00 UTC" in str(stop)
    assert attempts[0].throttled
    assert attempts[0].usage_headers


def test_a_short_throttle_is_waited_out(
    client: GraphClient, server: ScriptedServer, time: Time, attempts: list[Attempt]
) -> None:
    server.answer(error(613, 5044001), Reply({"id": "act_1"}))
    ask(client)
    assert time.slept == [1]
    assert [attempt.throttled for attempt in attempts] == [True, False]


def test_a_longer_throttle_is_waited_out_only_on_request(
    make_client: MakeClient, server: ScriptedServer, time: Time
) -> None:
    client = make_client(retry=RetryPolicy(max_wait_seconds=300))
    server.answer(error(17, 2446079), Reply({"id": "act_1"}))
    ask(client)
    assert time.slept == [300]


def test_429_is_a_throttle_even_without_a_graph_body(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(Reply(b"<html>Too Many Requests</html>", status=429))
    with pytest.raises(Throttled):
        ask(client)
    assert len(server.asked) == 1


def test_the_gate_is_asked_before_every_attempt(
    client: GraphClient, server: ScriptedServer
) -> None:
    calls: list[Call] = []
    server.answer(error(2, status=503), Reply({"id": "act_1"}))
    ask(client.with_options(gate=calls.append), fields="id")
    assert [call.retry_count for call in calls] == [0, 1]
    assert calls[0].query_shape == "fields=1"
    assert calls[0].account_id == "act_1"


def test_a_gate_that_refuses_means_no_call(
    client: GraphClient, server: ScriptedServer, time: Time, attempts: list[Attempt]
) -> None:
    def refuse(call: Call) -> None:
        raise Throttled("account at 97 %", until=NOW, seconds=1, account_id=call.account_id)

    with pytest.raises(Throttled, match="97 %"):
        ask(client.with_options(gate=refuse))
    assert server.asked == []
    assert attempts == []
    assert time.slept == []


def test_a_sync_has_its_own_log_and_the_same_connections(
    client: GraphClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    server.answer(*[Reply({"id": "act_1"})] * 3)
    own: list[Attempt] = []
    ask(client)
    ask(client.with_options(on_attempt=own.append))
    ask(client)
    assert (len(attempts), len(own)) == (2, 1)
    assert len({asked.client_port for asked in server.asked}) == 1


def test_half_an_emoji_costs_the_character_not_the_page(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(
        Reply(b'{"id":"1","name":"Sale \\ud83d","ok":"\\ud83d\\ude00","nul":"a\\u0000b"}')
    )
    body = ask(client)
    assert body["name"] == "Sale \N{REPLACEMENT CHARACTER}"
    assert body["ok"] == "\N{GRINNING FACE}"
    assert body["nul"] == "a\0b"


@pytest.mark.parametrize(
    ("given", "normal", "is_meta"),
    [
        ("https://graph.facebook.com", "https://graph.facebook.com", True),
        ("https://graph.facebook.com/", "https://graph.facebook.com", True),
        (" graph.facebook.com ", "https://graph.facebook.com", True),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000", False),
        ("https://graph.facebook.com/v26.0", "https://graph.facebook.com", True),
        ("https://graph.internal.example", "https://graph.internal.example", False),
    ],
)
def test_the_base_url_is_normalised(
    make_client: MakeClient, given: str, normal: str, is_meta: bool
) -> None:
    client = make_client(base_url=given, trusted_url="https://graph.internal.example/")
    assert client.base_url == normal
    assert client.is_meta is is_meta


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ftp://x",
        "https://",
        "https://x/?access_token=EAABsecret1234",
        "https://graph.facebook.com.evil.example",
        "http://graph.facebook.com",
        "http://10.0.0.7:8765",
    ],
)
def test_a_wrong_base_url_is_named(make_client: MakeClient, wrong: str) -> None:
    with pytest.raises(ValueError, match="META_GRAPH_URL") as caught:
        make_client(base_url=wrong)
    assert "EAABsecret" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "  ", "EAAB secret", "EAAB\nsecret", "“EAABsecret”"])
def test_a_token_that_cannot_be_one_is_named_without_showing_it(
    make_client: MakeClient, wrong: str
) -> None:
    with pytest.raises(ValueError, match="META_ACCESS_TOKEN") as caught:
        make_client(access_token=wrong)
    assert "EAAB" not in str(caught.value)


def test_a_mapping_of_every_try_survives_an_error_in_error_shape(
    client: GraphClient, server: ScriptedServer
) -> None:
    for odd in ("down", ["x"], {"code": "abc"}, {"message": None, "code": True}):
        server.answer_with(lambda asked, odd=odd: Reply({"error": odd}, status=400))  # type: ignore[misc]
        with pytest.raises(GraphError):
            ask(client)


def test_me(client: GraphClient, server: ScriptedServer) -> None:
    def answer(asked: Asked) -> Reply:
        assert asked.path == "/v26.0/me"
        return Reply({"id": "7", "name": "System user"})

    server.answer_with(answer)
    assert client.me() == {"id": "7", "name": "System user"}


@pytest.mark.parametrize("refused", [[], [error(190, 463, status=400)]], ids=["first", "second"])
def test_how_often_is_asked_is_the_callers_own_over_every_way(
    make_client: MakeClient, server: ScriptedServer, time: Time, refused: list[Reply]
) -> None:
    following = make_client(access_token=f"{TOKEN}2")
    client = make_client().with_options(successor=lambda _: following)
    probe = client.with_options(retry=RetryPolicy(retries=0))
    server.answer(*refused, *[error(2, status=503)] * 4)
    with pytest.raises(ServerTrouble):
        ask(probe)
    assert len(server.asked) == len(refused) + 1
    assert time.slept == []
