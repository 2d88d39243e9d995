"""nginx with the shipped configuration before the web application and Dagster: one login for both.

The configuration is deploy/nginx/front.conf, whose ports and paths become those of the test and
nothing else; the web application is its systemd unit's command in its unit's environment, Dagster
the real webserver without code. Skipped aloud where there is no nginx.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from meta_pipeline.local.children import Children
from meta_pipeline.local.ports import answers, free_port
from meta_pipeline_tests.e2e.nginx import configured, needs_nginx, trusting
from meta_pipeline_tests.e2e.stand import until
from meta_pipeline_tests.e2e.units import SYSTEMD, Machine, Unit
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import provider

HOST = "ads.example.com"
BOSS, ANN = "boss@example.com", "ann@example.com"
QUERY = {"query": "{ version }"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_nginx]


@dataclass(frozen=True)
class Front:
    """The running front door; `person` says who the identity provider signs in next."""

    port: int
    plain_port: int
    folder: Path
    person: Path

    def signs_in(self, email: str) -> None:
        claims = {"sub": email.partition("@")[0], "email": email, "email_verified": True}
        self.person.write_text(json.dumps({"claims": claims}), encoding="utf-8")

    def log(self) -> str:
        return (self.folder / "front.log").read_text(encoding="utf-8")


ADDRESSES = (f"127.0.1.{number}" for number in count(1))
"""Each browser comes from an address of its own."""


class Resolved(httpx2.HTTPTransport):
    """Reaches HOST where nginx listens, from an address of its own; everything else as it is."""

    def __init__(self, front: Front) -> None:
        super().__init__(verify=trusting(front.folder), local_address=next(ADDRESSES))
        self._port = front.port

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == HOST:
            # A request of its own: cookies and redirects go by the one that was made.
            request = httpx2.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1", port=self._port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": HOST},
            )
        return super().handle_request(request)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with postgres.fresh_database() as url, Children(folder / "logs") as children:
        yield started(folder, children, url)


def started(folder: Path, children: Children, database_url: str) -> Front:
    identity, web, dagster, tls = (free_port() for _ in range(4))
    found = Front(tls, free_port(), folder, folder / "person.json")
    found.signs_in(BOSS)
    children.start(
        "provider",
        [sys.executable, "-m", "meta_pipeline_tests.web.provider", str(identity)],
        env={**os.environ, "PROVIDER_PERSON": str(found.person)},
        cwd=Path.cwd(),
    )
    machine = Machine(
        folder / "machine",
        children,
        credentials={
            "database_url": database_url,
            "meta_web_oidc_client_secret": provider.SECRET,
        },
        settings={
            "META_WEB_URL": f"https://{HOST}",
            "META_WEB_OIDC_ISSUER": f"http://127.0.0.1:{identity}",
            "META_WEB_OIDC_CLIENT_ID": provider.CLIENT,
            "META_WEB_PROXY_ADDRESSES": "127.0.0.1",
            "META_WEB_ADMINS": BOSS,
            "META_DAGSTER_UI_URL": f"https://{HOST}/dagster",
            "DAGSTER_WEBSERVER_PATH_PREFIX": "/dagster",
        },
        web_port=dagster,
        app_port=web,
    )
    machine.finish(Unit.read(SYSTEMD / "meta-pipeline-migrate.service"))
    until(lambda: answers(identity), "the identity provider answers")
    machine.start(Unit.read(SYSTEMD / "meta-pipeline-web.service", SYSTEMD / "openid.conf"))
    # Who may come in has nothing to do with our code.
    (machine.folder / "etc/workspace.yaml").write_text("load_from: []\n", encoding="utf-8")
    machine.start(Unit.read(SYSTEMD / "meta-pipeline-webserver.service"))
    command = configured(
        folder,
        "front.conf",
        HOST,
        {
            "/var/log/nginx": str(folder),
            "127.0.0.1:8350": f"127.0.0.1:{web}",
            "127.0.0.1:3000": f"127.0.0.1:{dagster}",
            "listen 443 ": f"listen 127.0.0.1:{tls} ",
            "listen 80;": f"listen 127.0.0.1:{found.plain_port};",
        },
    )
    children.start(
        "nginx",
        command,
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
    )
    until(lambda: all(map(answers, (tls, web, dagster))), "nginx and what is behind it answer", 180)
    return found


def fresh(front: Front) -> httpx2.Client:
    """A browser that was never here."""
    return httpx2.Client(
        base_url=f"https://{HOST}",
        transport=Resolved(front),
        follow_redirects=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
def browser(front: Front) -> Iterator[httpx2.Client]:
    with fresh(front) as opened:
        yield opened


def cookies(browser: httpx2.Client) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)


def signed_in(front: Front, browser: httpx2.Client, email: str) -> httpx2.Client:
    front.signs_in(email)
    assert browser.get("/sign-in/provider").status_code in (200, 403)
    return browser


def test_nobody_passes_before_signing_in(front: Front, browser: httpx2.Client) -> None:
    page = browser.get("/dagster/runs")
    assert page.url.path == "/sign-in"
    assert page.url.params["next"] == "/dagster/runs"
    assert page.headers["strict-transport-security"]
    assert browser.post("/dagster/graphql", json=QUERY).status_code == 401
    assert browser.get("/allowed/dagster").status_code == 404, "nginx alone asks that"
    assert browser.get("/accounts/act_1").url.path == "/sign-in"
    assert browser.get("/v1/accounts").status_code == 401


def test_one_login_opens_both_and_leads_back(front: Front, browser: httpx2.Client) -> None:
    front.signs_in(BOSS)
    page = browser.get("/sign-in/provider", params={"next": "/dagster/"})
    assert page.status_code == 200, page.text
    assert page.url.path.startswith("/dagster/")
    assert "<title>Dagster</title>" in page.text or "dagster" in page.text.lower()
    asked = browser.post("/dagster/graphql", json=QUERY)
    assert asked.status_code == 200, asked.text
    assert asked.json()["data"]["version"]
    members = browser.get("/members")
    assert members.status_code == 200
    csrf = members.text.partition('name="csrf" value="')[2].partition('"')[0]
    assert browser.post("/sign-out", data={"csrf": csrf}).url.path == "/sign-in"
    assert browser.post("/dagster/graphql", json=QUERY).status_code == 401
    log = front.log()
    assert f'"{BOSS}"' in log, "who asked is in the log"
    assert "code=" not in log
    assert "?" not in log


def test_who_is_no_administrator_of_the_house_opens_the_pages_alone(
    front: Front, browser: httpx2.Client
) -> None:
    boss = signed_in(front, browser, BOSS)
    csrf = boss.get("/members").text.partition('name="csrf" value="')[2].partition('"')[0]
    invited = {"csrf": csrf, "subject": ANN, "role": "analyst", "days": "1"}
    assert boss.post("/members/invite", data=invited).status_code == 200
    with fresh(front) as ann:
        assert signed_in(front, ann, ANN).get("/").status_code == 200
        assert ann.get("/dagster/").status_code == 403
        assert ann.post("/dagster/graphql", json=QUERY).status_code == 403
        assert signed_in(front, ann, "eve@example.com").get("/dagster/").status_code == 403


def test_foreign_names_and_pages_are_refused(front: Front, browser: httpx2.Client) -> None:
    boss = signed_in(front, browser, BOSS)
    for origin in ("https://evil.example", "null", f"https://{HOST}.evil.example"):
        refused = boss.post("/dagster/graphql", json=QUERY, headers={"Origin": origin})
        assert refused.status_code == 403, origin
    same = boss.post("/dagster/graphql", json=QUERY, headers={"Origin": f"https://{HOST}"})
    assert same.status_code == 200
    assert boss.get("/", headers={"Host": "evil.example"}).status_code == 421
    plain = ssl.create_default_context()
    plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
    with (
        httpx2.Client(verify=plain, timeout=PATIENCE_SECONDS) as stranger,
        pytest.raises(httpx2.ConnectError),
    ):
        stranger.get(
            f"https://127.0.0.1:{front.port}/", extensions={"sni_hostname": "evil.example"}
        )


def test_web_sockets_pass_for_those_alone_who_are_let_in(
    front: Front, browser: httpx2.Client
) -> None:
    def opened(cookie: str, origin: str = f"https://{HOST}") -> ClientConnection:
        return connect(
            f"wss://{HOST}/dagster/graphql",
            sock=socket.create_connection(("127.0.0.1", front.port), PATIENCE_SECONDS),
            ssl=trusting(front.folder),
            server_hostname=HOST,
            origin=Origin(origin),
            subprotocols=[Subprotocol("graphql-ws")],
            additional_headers={"Cookie": cookie} if cookie else {},
            open_timeout=PATIENCE_SECONDS,
        )

    with pytest.raises(InvalidStatus):
        opened("")
    cookie = cookies(signed_in(front, browser, BOSS))
    with pytest.raises(InvalidStatus):
        opened(cookie, "https://evil.example")
    with opened(cookie) as talking:
        talking.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(talking.recv(PATIENCE_SECONDS))["type"] == "connection_ack"


def test_every_visitor_has_their_own_pace(front: Front, browser: httpx2.Client) -> None:
    """The application sees the visitor's address, not nginx's; what they claim is dropped."""
    tried = [
        browser.get("/sign-in/back?state=x", headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(21)
    ]
    assert tried[-1].status_code == 429, "a made-up address escapes the limit"
    with fresh(front) as other:
        assert signed_in(front, other, BOSS).get("/members").status_code == 200


def test_the_plain_port_leads_to_tls(front: Front) -> None:
    address = f"http://127.0.0.1:{front.plain_port}/campaigns?x=1"
    answer = httpx2.get(address, headers={"Host": HOST}, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{HOST}/campaigns?x=1"
