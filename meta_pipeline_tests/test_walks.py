"""The walks that ARCHITECTURE.md draws are those that the code goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from .walks import walk

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
