"""No connection is held by who says nothing; no request is cut that was heard."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect as connect_websocket

from meta_pipeline.serving import BoundedHttp
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web.served import running

# More than the kernel keeps for a peer that does not read.
LARGE_BYTES = 32 * 2**20
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n"


class Hasty(BoundedHttp):
    """Has less patience than a test with a head."""

    head_seconds = 0.2


class HastyWithBodies(BoundedHttp):
    """Has less patience than a test with a body."""

    body_seconds = 0.2


class HastyWithAnswers(BoundedHttp):
    """Has less patience than a test with who reads no answer."""

    unread_seconds = 0.2


class Application(Starlette):
    """Answers at once, after the body, in two parts, and over a WebSocket."""

    def __init__(self) -> None:
        self.may_go_on = Event()
        super().__init__(
            routes=[
                Route("/", self.refused, methods=["GET", "POST"]),
                Route("/body", self.body, methods=["POST"]),
                Route("/large", self.large),
                Route("/download", self.download),
                WebSocketRoute("/live", self.live),
            ]
        )

    async def refused(self, _request: Request) -> Response:
        return PlainTextResponse("unread")

    async def body(self, request: Request) -> Response:
        return Response(await request.body())

    async def large(self, _request: Request) -> Response:
        return Response(bytes(LARGE_BYTES))

    async def download(self, _request: Request) -> Response:
        async def parts() -> Any:
            yield b"first, "
            await run_in_threadpool(self.may_go_on.wait, PATIENCE_SECONDS)
            yield b"last"

        return StreamingResponse(parts())

    async def live(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_text(await websocket.receive_text())


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    # Longer than the test: what closes a connection is what is tested.
    with running(application, http=Hasty, timeout_keep_alive=PATIENCE_SECONDS) as url:
        yield url


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = urlsplit(url)
    assert address.hostname
    with socket.create_connection(
        (address.hostname, address.port or 80), timeout=PATIENCE_SECONDS
    ) as connection:
        yield connection


def heard(connection: socket.socket, *, until: bytes) -> bytes:
    """All that comes up to `until`."""
    found = b""
    while until not in found:
        more = connection.recv(65_536)
        assert more, found
        found += more
    return found


def await_end_of_patience(url: str) -> None:
    """Until a connection that says nothing, made now, is closed: a whole `head_seconds`."""
    with connected(url) as silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-", GET + b"G", POST % b"" + b"a"],
    ids=["nothing", "a letter", "half a head", "half a second head", "a body nobody reads"],
)
def test_a_connection_that_brings_no_whole_head_is_closed(url: str, said: bytes) -> None:
    with connected(url) as connection:
        asked, is_answered, rest = said.partition(b"\r\n\r\n")
        if is_answered:
            connection.sendall(asked + is_answered)
            heard(connection, until=b"unread")
        connection.sendall(rest if is_answered else said)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["new", "asked before"])
def test_a_head_that_drips_is_given_no_more_time(url: str, before: bytes) -> None:
    with connected(url) as connection:
        if before:
            connection.sendall(before)
            heard(connection, until=b"unread")
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        # Many times in the while that a whole head has: each would be a reason to wait anew.
        connection.settimeout(Hasty.head_seconds / 20)
        said = None
        # Where no time ends it, 64 KiB do, with an answer.
        while said is None:
            with suppress(TimeoutError):
                try:
                    connection.sendall(b"x" * 100)
                    said = connection.recv(65_536)
                except (ConnectionResetError, BrokenPipeError):
                    said = b""
        assert said == b""


def test_who_says_nothing_keeps_nobody_out() -> None:
    with (
        running(Application(), http=Hasty, limit_concurrency=3) as url,
        connected(url),
        connected(url),
        connected(url) as last,
    ):
        assert last.recv(1) == b""
        assert httpx2.get(url, timeout=PATIENCE_SECONDS).status_code == 200


@pytest.mark.parametrize(
    "before",
    [b"", GET, POST % b"" + b"unread"],
    ids=["new", "asked in one breath", "sent in one breath"],
)
@pytest.mark.parametrize("path", [b"body", b""], ids=["waited for", "unread"])
def test_a_body_that_stays_away_ends_its_connection(before: bytes, path: bytes) -> None:
    with (
        running(
            Application(), http=HastyWithBodies, timeout_keep_alive=2 * PATIENCE_SECONDS
        ) as url,
        connected(url) as connection,
    ):
        connection.sendall(before + POST % path + b"sl")
        while connection.recv(65_536):
            pass


def test_bodies_that_stay_away_keep_nobody_out() -> None:
    with (
        running(Application(), http=HastyWithBodies, limit_concurrency=4) as url,
        connected(url) as first,
        connected(url) as second,
        connected(url) as third,
    ):
        for connection in (first, second, third):
            connection.sendall(POST % b"body")
        for connection in (first, second, third):
            while connection.recv(65_536):
                pass
        assert httpx2.get(url, timeout=PATIENCE_SECONDS).status_code == 200


def test_time_for_a_body_is_none_for_its_answer(application: Application) -> None:
    with running(application, http=HastyWithBodies) as url:
        with connected(url) as answered, connected(url) as stalled:
            answered.sendall(POST.replace(b"POST /%b", b"GET /download", 1) + b"a body")
            heard(answered, until=b"first, ")
            stalled.sendall(POST % b"body")
            assert stalled.recv(1) == b""
            application.may_go_on.set()
            heard(answered, until=b"last")
        with (
            connect_websocket(url.replace("http", "ws") + "/live", open_timeout=None) as live,
            connected(url) as stalled,
        ):
            stalled.sendall(POST % b"body")
            assert stalled.recv(1) == b""
            for said in ("one", "two"):
                live.send(said)
                assert live.recv(PATIENCE_SECONDS) == said


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["goes on", "ends"])
def test_who_reads_no_answer_keeps_nobody_out(last: bytes) -> None:
    ask = b"GET /large HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % last
    with (
        running(Application(), http=HastyWithAnswers, limit_concurrency=2) as url,
        connected(url) as connection,
    ):
        connection.sendall(ask)
        heard(connection, until=b"200 OK")
        # As long as that connection stands everybody is answered 503.
        wait_until(
            lambda: httpx2.get(url, timeout=PATIENCE_SECONDS).status_code == 200,
            "the connection that reads nothing ends",
        )


def noted(made: list[BoundedHttp], **given: float) -> type[BoundedHttp]:
    """The protocol with `given`, which notes its connections."""

    class Noted(BoundedHttp):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            made.append(self)

    for name, value in given.items():
        setattr(Noted, name, value)
    return Noted


def read_some(connection: socket.socket, served: BoundedHttp) -> int:
    """Read until less waits to be sent; how many bytes that were."""
    left, read = served.transport.get_write_buffer_size(), 0
    while served.transport.get_write_buffer_size() == left:
        more = len(connection.recv(65_536))
        assert more
        read += more
    return read


def test_who_reads_an_answer_slowly_is_sent_all_of_it() -> None:
    made: list[BoundedHttp] = []
    with running(Application(), http=noted(made)) as url, connected(url) as connection:
        connection.sendall(GET.replace(b"/ ", b"/large ", 1))
        heard(connection, until=b"200 OK")
        read = 0
        while read < LARGE_BYTES // 2:
            look_at_the_answer(made[0])
            read += read_some(connection, made[0])
        look_at_the_answer(made[0])
        look_at_the_answer(made[0])
        # What the kernel has of it still comes.
        with suppress(ConnectionResetError):
            while more := len(connection.recv(65_536)):
                read += more
        assert read < LARGE_BYTES


def test_who_reads_an_answer_without_end_is_sent_no_more_of_it() -> None:
    made: list[BoundedHttp] = []
    hasty = noted(made, answer_seconds=0.0)
    with running(Application(), http=hasty) as url, connected(url) as connection:
        # What was answered and read before takes no time of the next one.
        connection.sendall(GET)
        heard(connection, until=b"unread")
        look_at_the_answer(made[0])
        connection.sendall(GET.replace(b"/ ", b"/large ", 1))
        heard(connection, until=b"200 OK")
        look_at_the_answer(made[0])
        assert not made[0].transport.is_closing()
        read_some(connection, made[0])
        look_at_the_answer(made[0])
        assert made[0].transport.is_closing()


def look_at_the_answer(connection: BoundedHttp) -> None:
    """What it does now and then, now."""
    looked = Event()
    connection.loop.call_soon_threadsafe(connection._mind_the_answer)
    connection.loop.call_soon_threadsafe(looked.set)
    assert looked.wait(PATIENCE_SECONDS)


def test_an_open_connection_is_used_again(url: str) -> None:
    with connected(url) as connection:
        for _ in range(3):
            connection.sendall(GET)
            heard(connection, until=b"unread")
            await_end_of_patience(url)


def test_a_slow_body_is_read_to_its_end(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(POST % b"body" + b"sl")
        for letters in (b"ow", b"ly"):
            await_end_of_patience(url)
            connection.sendall(letters)
        assert heard(connection, until=b"slowly").startswith(b"HTTP/1.1 200")


def test_a_long_answer_is_sent_to_its_end(url: str, application: Application) -> None:
    with connected(url) as connection:
        connection.sendall(GET.replace(b"/ ", b"/download ", 1))
        heard(connection, until=b"first, ")
        await_end_of_patience(url)
        application.may_go_on.set()
        heard(connection, until=b"last")


def test_a_websocket_lives_on(url: str) -> None:
    with connect_websocket(url.replace("http", "ws") + "/live", open_timeout=None) as live:
        for said in ("one", "two"):
            await_end_of_patience(url)
            live.send(said)
            assert live.recv(PATIENCE_SECONDS) == said
