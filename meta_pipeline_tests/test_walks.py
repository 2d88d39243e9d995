"""The walks that ARCHITECTURE.md draws are those that the code goes."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.skip_reason import skip_reason
from meta_pipeline.fleet.tick import look
from meta_pipeline.governor import Weights
from meta_pipeline.graph import GraphClient
from meta_pipeline.settings import Settings
from meta_pipeline.sync.limits.calls import CallCounter, Pauses
from meta_pipeline.sync.limits.quota import Quota
from meta_pipeline.warehouse import Warehouse

from .fleet.stored import Stored
from .graph.scripted import Reply, ScriptedServer
from .sync.lab import lab
from .walks import walk, ways

PAGE = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def drawn(heading: str) -> list[str]:
    """The functions of a walk, as the page lists them."""
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", section, re.MULTILINE)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


def test_from_a_usage_header_to_the_skip_reason(database_url: str, server: ScriptedServer) -> None:
    marker = "97.125"
    header = {"1": [{"type": "ads_insights", "call_count": float(marker)}]}
    server.answer(Reply({"data": []}, headers={"X-Business-Use-Case-Usage": json.dumps(header)}))
    said: list[str] = []

    def live() -> None:
        client.get("act_1/insights", {}, account_id="act_1", endpoint_key="insights_ad")
        now = datetime.now(UTC)
        tick = look(warehouse, now, Rotation.of(Settings.load(env_file=None)), slots=3)
        said.append(skip_reason(tick, 0, now, warehouse.accounts))

    with Warehouse(database_url) as warehouse:
        with warehouse.connection() as connection:
            Stored(connection).account(
                "act_1", first_seen_at=datetime.now(UTC) - timedelta(hours=1)
            )
        quota = Quota("act_1", store=warehouse.usage, clock=lambda: datetime.now(UTC))
        counter = CallCounter("r", lambda row: None, quota.observe, Weights(), Pauses())
        client = GraphClient(
            base_url=server.url, access_token="EAAx", on_attempt=counter.note, gate=quota.gate
        )
        found = walk(live, marker)
    assert "ads_insights is at 97 %" in said[0]
    steps = drawn("From a usage header to the skip reason")
    assert len(steps) >= 8
    assert [step for step in found if step in steps] == steps


def test_from_the_tick_to_the_first_written_page(database_url: str) -> None:
    rotation = Rotation.of(Settings.load(env_file=None))
    with lab(database_url) as room:
        room.engine.discover()
        now = room.clock.now()
        picked = walk(lambda: look(room.warehouse, now, rotation, slots=1), room.account_id)
        read, written = ways(
            room.sync,
            {
                "graph/transport.Transport.send": f"{room.account_id}/campaigns",
                "warehouse/write/upserts.upsert": "meta_campaigns",
            },
        ).values()
    steps = drawn("From the sensor's tick to the first written page")
    # The look itself is for all accounts; what it calls is handed this one.
    of_fleet = [step for step in steps if step.startswith("fleet/")]
    assert [step for step in picked if step in steps] == of_fleet[1:]
    # A page is asked for in a thread that step 12 starts, and written by the one that started it.
    assert steps[7:] == [*written[:5], *read, *written[5:]]


@pytest.mark.parametrize("room", ["fleet", "orchestration", "sync", "graph", "warehouse"])
def test_every_step_that_is_drawn_is_there(room: str) -> None:
    steps: list[str] = re.findall(r"^\d+\. `([\w/.]+)`", PAGE, re.MULTILINE)
    for place, _, name in (step.partition(".") for step in steps if step.startswith(f"{room}/")):
        there: Any = importlib.import_module(f"meta_pipeline.{place.replace('/', '.')}")
        for part in name.split("."):
            there = getattr(there, part)
