"""Deauthorize and data deletion callbacks, as the app at the other end of a socket sees them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from meta_pipeline.simulator import App, Simulator
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

USER = "9000000001"


class Receiver(HTTPServer):
    """An app's web server: keeps what it was sent, and answers 200 with JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, self.headers["content-type"], body))
        answer = json.dumps({"url": "https://app.example.org/s", "confirmation_code": "c"})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: Any) -> None:
        """A test's output is not the place."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_SECONDS)


def padded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(signed: str, secret: str) -> Any:
    """The payload as a careful app reads it; None for a request it must refuse."""
    signature, dot, payload = signed.partition(".")
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    if not dot or not hmac.compare_digest(padded(signature), expected):
        return None
    content = json.loads(padded(payload))
    return content if content["algorithm"] == "HMAC-SHA256" else None


def received(receiver: Receiver) -> str:
    _, kind, body = receiver.seen.pop()
    assert kind == "application/x-www-form-urlencoded"
    return parse_qs(body.decode())["signed_request"][0]


CALLS = [("deauthorize", "deauthorize_url"), ("request_deletion", "deletion_url")]


@pytest.mark.parametrize(("method", "field"), CALLS)
def test_the_app_is_told_in_a_signed_request(
    sim: Simulator, graph: Graph, receiver: Receiver, method: str, field: str
) -> None:
    sim.tokens.change_app(**{field: f"{receiver.url}/{field}"})
    answer = getattr(sim, method)(USER)
    assert (answer.status, json.loads(answer.body)["confirmation_code"]) == (200, "c")
    assert receiver.seen[-1][0] == f"/{field}"
    signed = received(receiver)
    assert "=" not in signed
    assert verified(signed, sim.tokens.app.secret) == {
        "user_id": USER,
        "algorithm": "HMAC-SHA256",
        "issued_at": int(sim.now().timestamp()),
    }
    assert graph.error("me")[1]["error_subcode"] == 458, "the tokens have ended"


@pytest.mark.parametrize("forged", ["signature", "payload", "algorithm", "malformed"])
def test_a_forged_one_is_not_metas_and_ends_nothing(
    sim: Simulator, graph: Graph, receiver: Receiver, forged: Any
) -> None:
    sim.deauthorize(USER, url=receiver.url, forged=forged)
    assert verified(received(receiver), sim.tokens.app.secret) is None
    assert graph.get("me")["id"] == USER


def test_an_old_one_says_so(sim: Simulator, receiver: Receiver) -> None:
    sim.deauthorize("5", url=receiver.url, age_seconds=7200)
    content = verified(received(receiver), sim.tokens.app.secret)
    assert content["issued_at"] == int(sim.now().timestamp()) - 7200


def test_each_app_signs_with_its_own_secret(
    sim: Simulator, graph: Graph, receiver: Receiver
) -> None:
    other = sim.tokens.add_app(App(id="5", secret="five", name="Five"))
    theirs = sim.issue(scopes=["ads_read"], app_id=other.id)
    sim.deauthorize(USER, url=receiver.url, app_id=other.id)
    signed = received(receiver)
    assert verified(signed, sim.tokens.app.secret) is None
    assert verified(signed, other.secret)["user_id"] == USER
    assert graph.error("me", access_token=theirs)[1]["error_subcode"] == 458
    assert graph.get("me")["id"] == USER


def test_nobody_there(sim: Simulator, receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="no deauthorize callback"):
        sim.deauthorize(USER)
    gone = Receiver()
    gone.server_close()
    answer = sim.deauthorize(USER, url=gone.url)
    assert (answer.status, "Connection" in str(answer.error)) == (None, True)


def test_from_the_control_plane(sim: Simulator, graph: Graph, receiver: Receiver) -> None:
    def post(**body: Any) -> requests.Response:
        return requests.post(f"{sim.url}/_sim/callbacks", json=body, timeout=PATIENCE_SECONDS)

    url = f"{sim.url}/_sim/oauth"
    there = {"deauthorize_url": receiver.url}
    assert requests.put(url, json=there, timeout=PATIENCE_SECONDS).ok
    assert post(kind="deauthorize", user_id=USER).json()["status"] == 200
    assert verified(received(receiver), sim.tokens.app.secret)["user_id"] == USER
    for wrong in ({"kind": "other", "user_id": USER}, {"kind": "deauthorize"},
                  {"kind": "deauthorize", "user_id": USER, "forged": "nicely"},
                  {"kind": "data_deletion", "user_id": USER}):  # fmt: skip
        assert post(**wrong).status_code == 400, wrong


def test_who_is_called_may_ask_the_simulator_first(sim: Simulator) -> None:
    # The simulator's own socket is what is called: it answers itself while it waits.
    body = {"kind": "deauthorize", "user_id": USER, "url": f"{sim.url}/_sim/reset"}
    answer = requests.post(f"{sim.url}/_sim/callbacks", json=body, timeout=PATIENCE_SECONDS)
    assert answer.json()["status"] is not None
