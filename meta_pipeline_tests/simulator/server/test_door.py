"""Who may drive a running simulator: programs and its own pages, no other page on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest

from meta_pipeline.simulator import Fault, Simulator, VirtualClock, World
from meta_pipeline.simulator.server.control import router
from meta_pipeline.simulator.server.faults import FaultRule
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

START = datetime(2026, 11, 10, 1, tzinfo=UTC)
FOREIGN_PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://OWN.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
]
OPENED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
FOREIGN_NAMES = [
    "evil.example",
    "evil.example:PORT",
    "localhost.evil.example:PORT",
    "0.0.0.0:PORT",
    "10.0.0.1",
    "[fe80::1]:PORT",
    "[",
    "",
]


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(World(seed=7, clock=VirtualClock(START))) as running:
        yield running


def ask(
    port: int, method: str, path: str, headers: dict[str, str], *, host: str | None = "OWN"
) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest(method, path, skip_host=True)
        given = {"Host": host, **headers} if host is not None else headers
        for name, value in given.items():
            own = value.replace("OWN", f"127.0.0.1:{port}")
            connection.putheader(name, own.replace("PORT", str(port)))
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def everything(sim: Simulator) -> list[tuple[str, str]]:
    """Every address of the control plane, and two of the Graph API."""
    routes = router(sim).routes
    found = [
        (method, route.path.replace("{", "").replace("}", ""))  # type: ignore[attr-defined]
        for route in routes
        for method in route.methods  # type: ignore[attr-defined]
    ]
    return [*found, ("GET", f"/v26.0/me?access_token={sim.token}"), ("POST", "/v26.0/1/x")]


@pytest.mark.parametrize("headers", FOREIGN_PAGES)
def test_no_other_page_is_let_in(sim: Simulator, headers: dict[str, str]) -> None:
    port = int(sim.address.partition(":")[2])
    sim.faults.clear()
    rule = sim.faults.add(FaultRule("GET", "/of_nothing", Fault.html_200()))
    for method, path in everything(sim):
        assert ask(port, method, path, headers)[0] == 403, (method, path)
    assert list(sim.faults) == [rule], "nothing was done"
    sim.faults.clear()


@pytest.mark.parametrize("host", FOREIGN_NAMES)
def test_no_name_of_somebody_elses_is_served(sim: Simulator, host: str) -> None:
    port = int(sim.address.partition(":")[2])
    own = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, own):
        for method, path in everything(sim):
            status, _ = ask(port, method, path, headers, host=host)
            assert status in (400, 421), (method, path)


@pytest.mark.parametrize(
    "host", ["OWN", "localhost:PORT", "LOCALHOST", "127.9.9.9", "[::1]:PORT", "graph.facebook.com"]
)
def test_programs_and_its_own_pages_are_let_in(sim: Simulator, host: str) -> None:
    port = int(sim.address.partition(":")[2])
    own = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, own, {"Sec-Fetch-Site": "none"}):
        assert ask(port, "GET", "/_sim/ready", headers, host=host)[0] == 200
        assert ask(port, "GET", f"/v26.0/me?access_token={sim.token}", headers, host=host)[0] == 200


def test_an_application_leads_to_the_login_dialog_and_to_no_page_of_control(sim: Simulator) -> None:
    port = int(sim.address.partition(":")[2])
    assert ask(port, "GET", "/v26.0/dialog/oauth", OPENED)[0] != 403
    assert ask(port, "GET", "/_sim/", OPENED)[0] == 403
    assert ask(port, "POST", "/v26.0/dialog/oauth", OPENED)[0] == 403


def test_elsewhere_it_answers_to_every_name_and_to_no_other_page() -> None:
    with Simulator(World(seed=7, clock=VirtualClock(START)), host="0.0.0.0") as sim:
        port = int(sim.address.partition(":")[2])
        assert ask(port, "GET", "/_sim/ready", {}, host="simulator:8765")[0] == 200
        own = {"Origin": "http://simulator:8765"}
        assert ask(port, "GET", "/_sim/ready", own, host="simulator:8765")[0] == 200
        foreign = {"Origin": "https://evil.example"}
        assert ask(port, "POST", "/_sim/reset", foreign, host="simulator:8765")[0] == 403
