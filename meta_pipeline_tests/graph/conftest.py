from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meta_pipeline.graph import Attempt, GraphClient
from meta_pipeline_tests.graph.scripted import ScriptedServer

TOKEN = "EAABsbCS1iHgBAKZC0testtoken7ZCq"
APP_SECRET = "5f4dcc3b5aa765d61d8327deb882cf99"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.slept))

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def attempts() -> list[Attempt]:
    return []


MakeClient = Callable[..., GraphClient]


@pytest.fixture
def make_client(
    server: ScriptedServer, time: Time, attempts: list[Attempt]
) -> Iterator[MakeClient]:
    made: list[GraphClient] = []

    def make(**settings: Any) -> GraphClient:
        settings = {
            "base_url": server.url,
            "access_token": TOKEN,
            "on_attempt": attempts.append,
            "clock": time.now,
            "sleep": time.sleep,
            **settings,
        }
        made.append(GraphClient(**settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> GraphClient:
    return make_client()
