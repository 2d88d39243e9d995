"""deploy/nginx/dagster.conf under the real nginx: who passes, who does not, what is handed on."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from meta_pipeline.local.children import Children
from meta_pipeline.local.ports import answers, free_port
from meta_pipeline_tests.e2e.nginx import configured, needs_nginx, trusting
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

HOST = "dagster.example.com"
SIGNED_IN = {"Authorization": "Basic Ym9zczpvcGVuIHNlc2FtZQ=="}  # boss:open sesame
pytestmark = needs_nginx


class Dagster(BaseHTTPRequestHandler):
    """Stands where Dagster's webserver does, and says which headers came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Proxy:
    """The running nginx."""

    port: int
    folder: Path

    def ask(
        self, headers: dict[str, str], *, method: str = "POST", server_name: str = HOST
    ) -> tuple[int, dict[str, str]]:
        """Status and what Dagster was told; `headers` over a Host of ours."""
        with self._connected(trusting(self.folder), server_name) as plain:
            connection = HTTPSConnection(HOST)
            connection.sock = plain
            body = "{}" if method == "POST" else None
            connection.request(method, "/graphql", body, {"Host": HOST, **headers})
            answer: HTTPResponse = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if answer.status == 200 else {}

    @contextmanager
    def _connected(self, context: ssl.SSLContext, server_name: str) -> Iterator[ssl.SSLSocket]:
        address = ("127.0.0.1", self.port)
        with (
            socket.create_connection(address, PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=server_name) as wrapped,
        ):
            yield wrapped


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    dagster = ThreadingHTTPServer(("127.0.0.1", 0), Dagster)
    Thread(target=dagster.serve_forever, daemon=True).start()
    port = free_port()
    (folder / "htpasswd").write_text("boss:{PLAIN}open sesame\n", encoding="utf-8")
    command = configured(
        folder,
        "dagster.conf",
        HOST,
        {
            "/etc/nginx/dagster.htpasswd": f"{folder}/htpasswd",
            "127.0.0.1:3000": f"127.0.0.1:{dagster.server_port}",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
        },
    )
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "warn" not in tried.stderr
    with Children(folder / "logs") as children:
        nginx = children.start("nginx", command, env={}, cwd=folder)
        assert nginx.wait_for(lambda: answers(port), PATIENCE_SECONDS)
        yield Proxy(port, folder)
    dagster.shutdown()
    dagster.server_close()


def test_who_signs_in_passes_with_the_name_they_asked_for(proxy: Proxy) -> None:
    for headers in ({}, {"Origin": f"https://{HOST}"}):
        status, told = proxy.ask({**SIGNED_IN, **headers})
        assert status == 200
        assert told["Host"] == HOST, "the doorkeeper would refuse another one"
        assert told["Connection"] == "close"
        assert "Authorization" not in told, "Dagster is told the password"


def test_a_web_socket_is_handed_on(proxy: Proxy) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": f"https://{HOST}"}
    status, told = proxy.ask({**SIGNED_IN, **upgrade}, method="GET")
    assert status == 200
    assert (told["Upgrade"], told["Connection"]) == ("websocket", "upgrade")


def test_nobody_passes_without_a_password(proxy: Proxy) -> None:
    assert proxy.ask({})[0] == 401
    assert proxy.ask({"Authorization": "Basic Ym9zczp3cm9uZw=="})[0] == 401


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"http://{HOST}", f"https://{HOST}.evil.example"],
)
def test_a_foreign_page_is_refused_whoever_is_signed_in(proxy: Proxy, origin: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert proxy.ask({**SIGNED_IN, "Origin": origin})[0] == 403
    assert proxy.ask({**SIGNED_IN, "Origin": origin, **upgrade}, method="GET")[0] == 403


def test_a_foreign_name_gets_no_answer(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        proxy.ask(SIGNED_IN, server_name="evil.example")
    assert proxy.ask({**SIGNED_IN, "Host": "evil.example"})[0] == 421


def test_codes_of_logins_are_in_no_log_where_the_application_is_down(tmp_path: Path) -> None:
    tls, nobody = free_port(), free_port()
    name = "ads.example.com"
    places = {
        "/var/log/nginx": str(tmp_path),
        "127.0.0.1:8350": f"127.0.0.1:{nobody}",
        "listen 443 ": f"listen 127.0.0.1:{tls} ",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
    }
    command = configured(tmp_path, "front.conf", name, places)
    with Children(tmp_path / "logs") as children:
        nginx = children.start("nginx", command, env={}, cwd=tmp_path)
        assert nginx.wait_for(lambda: answers(tls), PATIENCE_SECONDS)
        context = trusting(tmp_path)
        with (
            socket.create_connection(("127.0.0.1", tls), PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as wrapped,
        ):
            wrapped.sendall(
                b"GET /connections/back?code=C4NARY HTTP/1.1\r\nHost: ads.example.com\r\n\r\n"
            )
            assert wrapped.recv(1_000).startswith(b"HTTP/1.1 502")
        assert nginx.wait_for(
            lambda: "/connections/back" in (tmp_path / "front.log").read_text("utf-8"),
            PATIENCE_SECONDS,
        )
    written = {one: one.read_text("utf-8") for one in tmp_path.glob("**/*.log")}
    assert written
    assert not [one.name for one, text in written.items() if "C4NARY" in text]
