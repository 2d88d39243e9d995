"""docs/simulator.md does what it says, and the pytest fixture works in a project of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from meta_pipeline.simulator import FAULTS, Fault, Latency, Limits, Plan, Simulator
from meta_pipeline.simulator.api.contract import Contract
from meta_pipeline.simulator.api.tokens import Tokens
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text()

STRANGER = """
import requests
from meta_pipeline.simulator import Fault

def read(sim, path="ads?fields=id&limit=50"):
    account = sim.world.accounts()[0].id
    return requests.get(f"{sim.url}/v26.0/{account}/{path}",
                        headers={"Authorization": f"Bearer {sim.token}"}).json()

def test_reads(graph_simulator):
    assert read(graph_simulator)["data"]

def test_fault_that_never_happens(graph_simulator):
    graph_simulator.fail("GET", "/ads", on_call=2, with_=Fault.drop_connection())
    read(graph_simulator)

def test_stray_request(graph_simulator):
    read(graph_simulator, "adverts?x=1")

def test_fails_by_itself(graph_simulator):
    assert len(read(graph_simulator)["data"]) == -1
"""


def test_the_fixture_in_a_strangers_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        'pytest_plugins = ["meta_pipeline.simulator.pytest_plugin"]\n'
    )
    (tmp_path / "test_mine.py").write_text(STRANGER)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert "4 passed" not in done.stdout
    assert re.search(r"PASSED test_mine.py::test_reads", done.stdout)
    assert re.search(r"ERROR test_mine.py::test_fault_that_never_happens", done.stdout)
    assert "drop_connection on GET /ads (call 2): seen 1, fired 0" in done.stdout
    assert re.search(r"ERROR test_mine.py::test_stray_request", done.stdout)
    assert "adverts: unknown_route" in done.stdout
    assert re.search(r"FAILED test_mine.py::test_fails_by_itself", done.stdout)
    assert "Graph API requests" in done.stdout


def test_the_sdk_snippet_runs() -> None:
    pytest.importorskip("facebook_business")
    code = re.findall(r"```python\n(from facebook_business.*?)```", PAGE, re.DOTALL)[0]
    names: dict[str, object] = {}
    exec(code, names)  # the documented lines themselves
    assert "api" in names


def test_the_connecting_snippet_runs(sim: Simulator, graph: Graph) -> None:
    code = re.findall(r"```python\n(from meta_pipeline\S+ import App.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"sim": sim}
    exec(code[0], names)  # the documented lines themselves
    assert {row["name"] for row in graph.rows("me/businesses")} >= {"North", "South"}
    assert sim.tokens.app.configuration("77")


def listed(row: str) -> set[str]:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {row} "))
    return {name.split("(")[0] for name in re.findall(r"`(?:\w+\.)?(\w+)[`(]", line)}


def test_every_documented_name_exists() -> None:
    for row in ("on the socket", "instead of the answer", "a changed answer"):
        assert all(callable(getattr(Fault, name)) for name in listed(row)), row
    assert all(callable(getattr(Plan, name)) for name in listed("reports"))
    assert all(hasattr(Limits, name) for name in listed("limits") - {"Limits"})
    assert all(hasattr(Tokens, name) for name in listed("tokens") - {"App"})
    assert all(hasattr(Contract, name) for name in listed("contract"))


def test_every_fault_is_documented() -> None:
    documented = listed("on the socket") | listed("instead of the answer")
    documented |= listed("a changed answer") | {"world_edit"}
    made = {name for name, value in vars(Fault).items() if isinstance(value, classmethod)}
    assert made == documented
    assert set(FAULTS) <= made


def test_latency_is_repeatable_and_moves_the_virtual_clock(
    sim: Simulator, graph: Graph, account: str
) -> None:
    first, second = (Latency(150, 0.4, seed=3) for _ in range(2))
    drawn = [first.seconds(0) for _ in range(400)]
    assert drawn == [second.seconds(0) for _ in range(400)]
    assert 0.13 < sorted(drawn)[200] < 0.17
    sim.latency = Latency(500, 0.0, row_ms=1)
    before = sim.now()
    graph.get(f"{account}/ads", limit=10)
    assert (sim.now() - before).total_seconds() == pytest.approx(0.51)
    assert sim.journal[-1].latency_ms == pytest.approx(510)


CONTROL = [
    (verb, path, body)
    for line in PAGE.splitlines()
    if (found := re.match(r"\| `(\w+) (/_sim/\S+)`.*?\| (.*) \|$", line))
    for verb, path, examples in [found.groups()]
    for body in re.findall(r"`(\{.*?\}|\?.*?)`", examples) or [""]
]


@pytest.mark.parametrize(("verb", "path", "example"), CONTROL, ids=str)
def test_every_documented_instruction_is_followed(
    sim: Simulator, account: str, verb: str, path: str, example: str
) -> None:
    adset = sim.world.objects("adsets", account)[0].id
    for name, value in (("{account}", account), ("{id}", adset), ("{token}", sim.token)):
        path = path.replace(name, value)
    if "account_status" in example or "lose_conversions" in example:
        path = f"/_sim/objects/{account}"
    if "take_back" in example:
        path = f"/_sim/objects/{sim.world.objects('ads', account)[0].id}"
    body = example.replace("…", adset) if example.startswith("{") else None
    url = f"{sim.url}{path}" + (example if body is None else "")
    response = requests.request(verb, url, data=body, timeout=PATIENCE_SECONDS)
    assert response.status_code == 200, response.text
    sim.faults.clear()
