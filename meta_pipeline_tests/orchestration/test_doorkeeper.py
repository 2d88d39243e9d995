"""Who is let in to Dagster's webserver: real sockets, requests as browsers send them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from meta_pipeline.commands.processes.execute import WEBSERVER, guarded
from meta_pipeline.orchestration.doorkeeper import Doorkeeper
from meta_pipeline.orchestration.webserver import hosts_of
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

MUTATION = "mutation { launchRun { __typename } }"
HOSTS = ["dagster.example.com", "ops.example.com:8443"]


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} in")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A webserver with the doorkeeper, on a free port of 127.0.0.1."""
    routes = [
        WebSocketRoute("/graphql", talk),
        Route("/{path:path}", page, methods=["GET", "POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Doorkeeper, hosts=HOSTS)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def ask(port: int, method: str, path: str, headers: dict[str, str] | list[tuple[str, str]]) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            connection.putheader(name, value.replace("PORT", str(port)))
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


OWN = "127.0.0.1:PORT"


@pytest.mark.parametrize(
    "host", [OWN, "localhost:PORT", "LOCALHOST", "127.0.0.1", "127.9.9.9:1", "[::1]:PORT", *HOSTS]
)
def test_ones_own_names_are_let_in(port: int, host: str) -> None:
    assert ask(port, "GET", "/assets", {"Host": host}) == 200
    same = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    assert ask(port, "POST", "/graphql", same) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "dagster.example.com.evil.example",
        "ops.example.com",
        "ops.example.com:9",
        "192.168.1.7:PORT",
        "10.0.0.1",
        "0.0.0.0:PORT",
        "[fe80::1]",
        "user@localhost",
        "localhost/",
        "localhost:port",
        "local host",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_names_are_not(port: int, host: str, method: str) -> None:
    assert 400 <= ask(port, method, "/graphql", {"Host": host}) < 500


def test_no_host_and_two_hosts_are_not(port: int) -> None:
    assert 400 <= ask(port, "GET", "/", {}) < 500
    assert 400 <= ask(port, "GET", "/", [("Host", OWN), ("Host", "evil.example")]) < 500


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost.evil.example:PORT"},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": ""},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/graphql"), ("GET", "/graphql?query={a}")])
def test_foreign_pages_are_not(port: int, headers: dict[str, str], method: str, path: str) -> None:
    assert ask(port, method, path, {"Host": OWN, **headers}) == 403
    posted = "/report_asset_materialization/meta/insights"
    assert ask(port, "POST", posted, {"Host": OWN, **headers}) == 403


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded; charset=utf-8", "multipart/form-data"],
)
def test_a_form_of_an_old_browser_is_not(port: int, kind: str) -> None:
    assert ask(port, "POST", "/graphql", {"Host": OWN, "Content-Type": kind}) == 403


def test_a_program_and_the_page_itself_are_let_in(port: int) -> None:
    json = {"Host": OWN, "Content-Type": "application/json"}
    assert ask(port, "POST", "/graphql", json) == 200
    own = {**json, "Origin": f"http://{OWN}", "Sec-Fetch-Site": "same-origin"}
    assert ask(port, "POST", "/graphql", own) == 200
    proxied = {**json, "Origin": "https://dagster.example.com"}
    assert ask(port, "POST", "/graphql", proxied) == 200


LINK = {"Host": OWN, "Sec-Fetch-Site": "cross-site"}
NAVIGATION = {**LINK, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_a_link_from_elsewhere_opens_a_page_and_asks_nothing(port: int) -> None:
    assert ask(port, "GET", "/runs/abc", NAVIGATION) == 200
    assert ask(port, "GET", "/graphql?query={a}", NAVIGATION) == 403
    framed = {**NAVIGATION, "Sec-Fetch-Dest": "iframe"}
    assert ask(port, "GET", "/runs/abc", framed) == 403


@pytest.mark.parametrize(
    "query",
    [
        MUTATION,
        "mutation M { a } query Q { b }",
        "query Q { b } mutation M { a }",
        "# query\nmutation{a}",
        "\ufeffmutation{a}",
        "subscription { a }",
        "mutation {",
        "{" * 30_000,
    ],
)
def test_a_get_changes_nothing_whoever_sends_it(port: int, query: str) -> None:
    for path in ("/graphql", "/prefix/graphql", "/graphql/"):
        assert ask(port, "GET", f"{path}?query={quote(query)}", {"Host": OWN}) in (403, 431, 400)


def test_a_get_may_ask(port: int) -> None:
    for query in ("{ version }", "query Q { mutation: version }", ""):
        assert ask(port, "GET", f"/graphql?query={quote(query)}", {"Host": OWN}) == 200
    both = f"/graphql?query={quote('{ version }')}&query={quote(MUTATION)}"
    assert ask(port, "GET", both, {"Host": OWN}) == 403


def test_web_sockets_have_the_same_door(port: int) -> None:
    url = f"ws://127.0.0.1:{port}/graphql"
    with connect(url, origin=Origin(f"http://127.0.0.1:{port}")) as own:
        assert own.recv() == "in"
    with connect(url) as program:
        assert program.recv() == "in"
    with pytest.raises(InvalidStatus):
        connect(url, origin=Origin("https://evil.example"))
    with pytest.raises(InvalidStatus):
        connect(url, additional_headers={"Sec-Fetch-Site": "cross-site"})


def test_the_names_come_from_the_settings() -> None:
    given = Settings.load(
        env_file=None,
        dagster_ui_url="https://dagster.example.com/ui",
        dagster_hosts="dagster.lan, 10.0.0.5:3000",
    )
    assert hosts_of(given) == ["dagster.example.com", "dagster.lan", "10.0.0.5:3000"]
    assert hosts_of(Settings.load(env_file=None)) == []
    with pytest.raises(SettingsError, match="META_DAGSTER_HOSTS"):
        Settings.load(env_file=None, dagster_hosts="http://x/")


AS_PROGRAM = (["dagster"], ["/opt/venv/bin/dagster"], ["python", "-m", "dagster"])
CODE_SERVERS = (["api", "grpc"], ["code-server", "start"])


@pytest.mark.parametrize(
    "program",
    [
        ["dagster-webserver"],
        ["/opt/bin/dagster-webserver"],
        ["python3.11", "-m", "dagster_webserver"],
    ],
)
def test_exec_starts_no_webserver_without_the_doorkeeper(program: list[str]) -> None:
    started = guarded([*program, "-p", "3000", "-w", "workspace.yaml"])
    assert started[1:] == ["-m", WEBSERVER, "-p", "3000", "-w", "workspace.yaml"]


@pytest.mark.parametrize(
    "command",
    [
        *(
            [*program, *options, "dev", "-p", "3000"]
            for program in AS_PROGRAM
            for options in ([], ["-v"])
        ),
        ["dg", "dev"],
        ["dagster-webserver-debug", "run.gz"],
        ["python", "-m", "dagster_webserver.debug"],
    ],
)
def test_exec_starts_nothing_that_starts_one_itself(command: list[str]) -> None:
    with pytest.raises(SettingsError, match="meta-pipeline dev"):
        guarded(command)


@pytest.mark.parametrize("program", AS_PROGRAM)
@pytest.mark.parametrize("server", CODE_SERVERS)
@pytest.mark.parametrize(
    "listens",
    [
        ["--port", "4000"],
        ["-p", "4000"],
        ["--port=4000", "--host=127.0.0.1"],
        ["-p4000", "-h", "localhost"],
        ["--host", "::1", "--port", "4000"],
        ["-hlocalhost", "-p4000"],
        [],
    ],
)
def test_exec_puts_no_code_server_on_a_port_of_this_machine(
    program: list[str], server: list[str], listens: list[str]
) -> None:
    with pytest.raises(SettingsError, match="--socket"):
        guarded([*program, *server, "--module-name", "meta_pipeline.definitions", *listens])


@pytest.mark.parametrize("server", CODE_SERVERS)
def test_exec_puts_one_on_a_socket_or_where_somebody_said(
    server: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for listens in (
        ["--socket", "/run/x.sock"],
        ["-s/run/x.sock"],
        ["-h", "0.0.0.0", "-p", "4000"],
    ):
        assert guarded(["dagster", *server, *listens])[1:] == [*server, *listens]
    variables = "DAGSTER_GRPC" if server[0] == "api" else "DAGSTER_CODE_SERVER"
    with monkeypatch.context() as given:
        given.setenv(f"{variables}_PORT", "4000")
        with pytest.raises(SettingsError):
            guarded(["dagster", *server])
        given.setenv(f"{variables}_HOST", "10.0.0.5")
        assert guarded(["dagster", *server])[1:] == server
    monkeypatch.setenv(f"{variables}_SOCKET", "/run/x.sock")
    assert guarded(["dagster", *server])[1:] == server


def test_exec_starts_what_opens_no_door() -> None:
    for command in (
        ["dagster-daemon", "run"],
        ["dagster", "api", "grpc-health-check", "--port", "4000"],
        ["dagster", "job", "list"],
        ["python", "-m", "this"],
        ["python"],
    ):
        assert guarded(command)[1:] == command[1:]


_PARSER = """
import sys
from contextlib import suppress
import uvicorn
from meta_pipeline.orchestration.webserver import main
sys.argv = ["dagster-webserver", "--version"]
with suppress(SystemExit):
    main()
config = uvicorn.Config(lambda scope, receive, send: None)
config.load()
print(config.http_protocol_class.__name__)
"""


def test_the_webserver_bounds_the_head_of_a_request() -> None:
    """By what reads it: `test_serving.py` has its bounds, of bytes and of seconds."""
    ran = subprocess.run(
        [sys.executable, "-c", _PARSER], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split()[-1] == "BoundedHttp", ran.stderr
