"""The simulator's own tests talk to it as strangers do: over the socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from meta_pipeline.simulator import Simulator
from meta_pipeline.simulator.pytest_plugin import (
    graph_simulator,
    graph_simulator_server,
    pytest_runtest_makereport,
)
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

__all__ = ["graph_simulator", "graph_simulator_server", "pytest_runtest_makereport"]


class Graph:
    """The plainest possible client: one request, one response, no cleverness."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.session = requests.Session()

    def call(self, method: str, path: str, **params: Any) -> requests.Response:
        shown = {"access_token": self.sim.token, **params}
        kept = {key: value for key, value in shown.items() if value is not None}
        url = f"{self.sim.url}/v26.0/{path.lstrip('/')}"
        if method == "POST":
            return self.session.post(url, data=kept, timeout=PATIENCE_SECONDS)
        return self.session.request(method, url, params=kept, timeout=PATIENCE_SECONDS)

    def get(self, path: str, **params: Any) -> Any:
        """The document of a successful GET."""
        response = self.call("GET", path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, path: str, *, method: str = "GET", **params: Any) -> tuple[int, Any]:
        """(HTTP status, error object) of a refused call."""
        response = self.call(method, path, **params)
        assert "error" in response.json(), response.text
        return response.status_code, response.json()["error"]

    def pages(self, path: str, **params: Any) -> list[list[Any]]:
        """Every page of an edge by cursor, as the official SDK does."""
        found, after = [], None
        while True:
            body = self.get(path, **params, after=after)
            found.append(body["data"])
            if "next" not in body.get("paging", {}):
                return found
            after = body["paging"]["cursors"]["after"]

    def rows(self, path: str, **params: Any) -> list[Any]:
        return [row for page in self.pages(path, **params) for row in page]


@pytest.fixture
def sim(graph_simulator: Simulator) -> Simulator:
    return graph_simulator


@pytest.fixture
def graph(sim: Simulator) -> Iterator[Graph]:
    client = Graph(sim)
    yield client
    client.session.close()


@pytest.fixture
def account(sim: Simulator) -> str:
    """The first account of the default world: 6 campaigns, 14 ad sets, 40 ads."""
    return str(sim.world.accounts()[0].id)
