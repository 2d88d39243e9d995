"""Limits stop the client for as long as Meta says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.graph import Attempt, GraphClient, Throttled
from meta_pipeline.simulator import Limits, Simulator, VirtualClock, demo_world
from meta_pipeline_tests.graph.simulated.reading import START, new_client, read


def test_usage_at_the_limit_and_the_wait_it_names(
    sim: Simulator, client: GraphClient, log: list[Attempt], account_id: str
) -> None:
    sim.limits.exhaust(account_id, use_case="ads_management", regain_minutes=17)
    sim.expect("call during")
    with pytest.raises(Throttled) as caught:
        read(client, account_id)
    stop = caught.value
    assert stop.limit.use_case == "ads_management"
    assert stop.hint == "header"
    assert timedelta(minutes=16) <= stop.until - START <= timedelta(minutes=18)
    assert log[0].throttled
    assert max(reading.usage_pct for reading in log[0].usage) >= 100


@pytest.mark.parametrize(
    ("tier", "seconds"), [("development_access", 300), ("standard_access", 60)]
)
def test_the_score_blocks_for_as_long_as_its_tier(
    sim: Simulator, account_id: str, tier: Any, seconds: float
) -> None:
    sim.reset(
        demo_world(VirtualClock(START)), limits=Limits(tier=tier, score_limit=5, scoring=True)
    )
    with new_client(sim) as client, pytest.raises(Throttled) as caught:
        read(client, account_id, page_size=50)
    assert (caught.value.code, caught.value.subcode) == (17, 2446079)
    assert caught.value.seconds >= seconds
