"""An answer that never ends, or is endless, costs a call's time and a bounded piece of memory."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_pipeline.graph import (
    AnswerTooLarge,
    DeadlineExceeded,
    GraphClient,
    GraphError,
    MalformedAnswer,
    Misconfigured,
    RetryPolicy,
    ServerTrouble,
    TooMuchData,
)
from meta_pipeline_tests.graph.conftest import TOKEN, MakeClient, Time
from meta_pipeline_tests.graph.scripted import Asked, Reply, ScriptedServer, page

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MOST = 1_000_000
Speak = Callable[[socket.socket], None]


class RawServer:
    """Reads one request of each connection and lets `speak` say whatever it likes."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.asked += 1
            with connection:
                try:
                    connection.recv(65_536)
                    self._speak(connection)
                except OSError:
                    continue  # the client has had enough

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def speaking() -> Iterator[Callable[[Speak], RawServer]]:
    made: list[RawServer] = []

    def make(speak: Speak) -> RawServer:
        made.append(RawServer(speak))
        return made[-1]

    yield make
    for server in made:
        server.close()


def forever(byte: bytes, after: bytes = b"") -> Speak:
    """`after`, then one byte at a time for as long as somebody listens."""

    def speak(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(after)
        while True:
            connection.sendall(byte)

    return speak


DRIPS = {
    "status line": forever(b"H"),
    "header": forever(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "body": forever(b" ", HEAD + b"Content-Length: 9999999999\r\n\r\n"),
    "chunks": forever(b"1\r\n \r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    "body without a length": forever(b" ", HEAD + b"Connection: close\r\n\r\n"),
    "gzip": forever(
        b"\0\1\0\xfe\xff ",
        HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"")[:10],
    ),
    "interim answers": forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_a_drip_ends_with_the_calls_time(
    speaking: Callable[[Speak], RawServer], make_client: MakeClient, time: Time, drip: str
) -> None:
    """Each look at the clock is a second later: no second of real time passes."""
    server = speaking(DRIPS[drip])
    seconds = itertools.count()
    client = make_client(
        base_url=server.url,
        timer=lambda: float(next(seconds)),
        deadline_seconds=9,
        max_answer_bytes=10**9,
    )
    with pytest.raises(ServerTrouble) as caught:
        client.me()
    if drip not in {"status line", "header"}:  # http.client may find the line too long first
        assert isinstance(caught.value, DeadlineExceeded)
        assert "did not end its answer within 9 s" in str(caught.value)
        assert "META_CALL_DEADLINE_SECONDS" in str(caught.value)
    assert server.asked == 3, "two more tries, then somebody else decides"
    assert len(time.slept) == 2


def test_calls_of_one_time_are_over_together(
    speaking: Callable[[Speak], RawServer], make_client: MakeClient, time: Time
) -> None:
    """The first takes all of it: no later one is made, nor the same one again after a pause."""
    server = speaking(DRIPS["body"])
    seconds = itertools.count()
    client = make_client(
        base_url=server.url, timer=lambda: float(next(seconds)), max_answer_bytes=10**9
    )
    bound = client.within(9)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded, match="did not end its answer within 9 s"):
            bound.me()
    assert server.asked == 1
    assert time.slept == []


def test_a_server_that_says_nothing_is_left_at_the_deadline(
    speaking: Callable[[Speak], RawServer], make_client: MakeClient
) -> None:
    """The read time-out may be longer than what is left of the call."""
    release = threading.Event()

    def silent(_: socket.socket) -> None:
        release.wait(5)

    server = speaking(silent)
    client = make_client(
        base_url=server.url,
        read_timeout_seconds=60,
        deadline_seconds=0.05,
        retry=RetryPolicy(retries=0),
    )
    with pytest.raises(DeadlineExceeded):
        client.me()
    release.set()


def bomb(size_bytes: int) -> bytes:
    """Gzip that unpacks to `size_bytes` spaces, in members of 16 MB."""
    member = gzip.compress(b" " * 16_000_000, mtime=0)
    return member * (size_bytes // 16_000_000)


HUGE: dict[str, Callable[[], Reply]] = {
    "gzip bomb": lambda: Reply(bomb(640_000_000), headers={"Content-Encoding": "gzip"}),
    "deflate bomb": lambda: Reply(
        zlib.compress(b" " * 64_000_000), headers={"Content-Encoding": "deflate"}
    ),
    "plain": lambda: Reply(b" " * 3_000_000),
    "redirect with a bomb": lambda: Reply(
        bomb(64_000_000), 302, {"Location": "/x", "Content-Encoding": "gzip"}
    ),
    "endless redirect": lambda: Reply(b" " * 3_000_000, 307, {"Location": "/v26.0/me"}),
    "compressed and large": lambda: Reply(
        gzip.compress(bytes(range(256)) * 8_000, compresslevel=0),
        headers={"Content-Encoding": "gzip"},
    ),
}


@pytest.mark.parametrize("huge", HUGE)
def test_what_is_too_large_is_given_up_before_it_is_in_memory(
    server: ScriptedServer, make_client: MakeClient, huge: str
) -> None:
    reply = HUGE[huge]()
    server.answer_with(lambda _: reply)
    client = make_client(max_answer_bytes=MOST)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge) as caught:
            client.me()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(caught.value, TooMuchData)
    assert "larger than 1 MB" in str(caught.value)
    assert len(server.asked) == 1, "the same would come again"
    assert peak < 20 * MOST


def test_a_page_that_is_too_large_is_asked_smaller(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    rows = [{"id": str(number), "name": "x" * 1000} for number in range(100)]

    def answer(asked: Asked) -> Reply:
        start, size = int(asked.query.get("after") or 0), int(asked.query["limit"])
        end = start + size
        return page(rows[start:end], str(end), more=end < len(rows), zipped=True)

    server.answer_with(answer)
    client = make_client(max_answer_bytes=40_000)
    found = client.pages(
        "act_1/ads", {}, account_id="act_1", endpoint_key="ads_list", page_size=100
    )
    assert [row["id"] for one in found for row in one.rows] == [row["id"] for row in rows]


@pytest.mark.parametrize("parts", [1, 3])
def test_gzip_in_one_or_several_members_is_read(
    server: ScriptedServer, client: GraphClient, parts: int
) -> None:
    text = json.dumps({"id": "1", "name": "é" * 300_000}).encode()
    step = -(-len(text) // parts)
    cut = [text[at : at + step] for at in range(0, len(text), step)]
    packed = b"".join(map(gzip.compress, cut))
    server.answer(Reply(packed, headers={"Content-Encoding": "gzip"}))
    assert client.me()["name"] == "é" * 300_000


def test_connections_are_kept_for_the_next_call(
    server: ScriptedServer, client: GraphClient
) -> None:
    server.answer_with(lambda _: Reply({"id": "1"}, zipped=True))
    for _ in range(3):
        client.me()
    assert len({asked.client_port for asked in server.asked}) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
def test_a_compression_nobody_asked_for_is_no_answer(
    server: ScriptedServer, make_client: MakeClient, encoding: str
) -> None:
    server.answer(Reply(b"\x0b\x02", headers={"Content-Encoding": encoding}), Reply({"id": "1"}))
    assert make_client().me()["id"] == "1", "asked again"


DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"id":' * 900 + b"1" + b"}" * 900,
    "in a page": b'{"data":[{"id":"1","x":' + b"[" * 400 + b"]" * 400 + b"}]}",
    "half a surrogate inside": b'{"id":' + b"[" * 600 + b'"\\ud83d"' + b"]" * 600 + b"}",
    "a huge number inside": b'{"id":"\\ud83d","x":' + b"[" * 990 + b"9" * 400 + b"]" * 990 + b"}",
}


@pytest.mark.parametrize("deep", DEEP)
def test_json_that_is_nested_too_deep_is_no_answer(
    server: ScriptedServer, make_client: MakeClient, deep: str
) -> None:
    server.answer(Reply(DEEP[deep]))
    with pytest.raises(MalformedAnswer):
        make_client(retry=RetryPolicy(retries=0)).me()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect(
    server: ScriptedServer, make_client: MakeClient, status: int
) -> None:
    other = ScriptedServer()
    try:
        server.answer(Reply({}, status=status, headers={"Location": f"{other.url}/x"}))
        with pytest.raises(MalformedAnswer):
            make_client(retry=RetryPolicy(retries=0)).me()
        assert other.asked == []
    finally:
        other.close()


_WORDS = st.sampled_from(
    [
        *("Location", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Set-Cookie"),
        *("Content-Type", "Connection", "Link", "Refresh", "X-App-Usage", "Retry-After"),
    ]
)
_VALUES = st.sampled_from(
    [
        *(b"http://[", b"http://[::1", b"http://x:99999999/", b"//", b"\xff\xfe", b"/\xed\xa0\xbd"),
        *(b"http://\xc2\xad/", b"gopher://x/", b"http://" + b"a" * 300 + b"/", b"?", b"", b"0"),
        *(b"-1", b"1, 2", b"2", b"abc", b"chunked", b"gzip", b"deflate", b"br", b"identity"),
        *(b"close", b"text/html; charset=\xff", b"a=b; expires=never; max-age=x", b"9" * 400),
    ]
) | st.binary(max_size=30)
_BODIES = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b"<html>",
        b"zz\r\n{}",
        b"-2\r\n{}\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
        b"\x1f\x8b",
    ]
) | st.binary(max_size=60)
_STATUS = st.sampled_from(
    [100, 101, 200, 204, 206, 301, 302, 303, 304, 305, 307, 308, 401, 407, 418, 429, 500, 503, 999]
).map(str) | st.sampled_from(["000", "-1", "abc", "", "9999999", "2 00"])


@given(
    status=_STATUS,
    headers=st.lists(st.tuples(_WORDS, _VALUES), max_size=5),
    body=_BODIES,
)
@settings(max_examples=300)
def test_whatever_comes_over_the_wire_is_an_answer_or_none(
    status: str, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    """No answer of a broken or hostile host is an exception of some library."""
    head = b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in headers)
    sent = b"HTTP/1.1 %s OK\r\n%s\r\n%s" % (status.encode(), head, body)
    server = RawServer(lambda connection: connection.sendall(sent))
    client = GraphClient(
        access_token=TOKEN,
        base_url=server.url,
        retry=RetryPolicy(retries=0),
        deadline_seconds=2,
        sleep=lambda _: None,
    )
    try:
        with suppress(GraphError):
            client.me()
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("kind", ["missing", "no certificates", "not text"])
def test_a_wrong_bundle_of_certificates_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, time: Time, name: str, kind: str
) -> None:
    path = tmp_path / "bundle.pem"
    if kind != "missing":
        path.write_bytes(b"hello\n" if kind == "no certificates" else b"\xff\xfe\0\x01")
    for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, str(path))
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with (
        listener,
        GraphClient(
            access_token=TOKEN, base_url=url, sleep=time.sleep, deadline_seconds=2
        ) as client,
    ):
        # A proxy and a bundle of the environment are not for this machine: it is read all the same.
        client._caller.transport._session.trust_env = True
        with pytest.raises(Misconfigured) as caught:
            client.me()
    assert f"{name} names {path}" in str(caught.value)
    assert time.slept == [], "no second try can help"
