"""Creatives whose cursors go round, with one in the circle that Meta cannot read."""

from __future__ import annotations

import json
from itertools import count

import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline.simulator.api.requests import GraphRequest
from meta_pipeline.sync import Part, Status
from meta_pipeline_tests.sync.lab import lab

MOST_CALLS = 60


@pytest.mark.parametrize(("length", "bad"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_a_circle_of_cursors_with_an_unreadable_creative_in_it_ends(
    database_url: str, length: int, bad: int
) -> None:
    asked = count(1)

    def over(_: GraphRequest) -> bool:
        return next(asked) > MOST_CALLS  # without an end of ours the test would have none

    with lab(database_url) as found:
        found.sim.expect("unknown_object")
        for at in range(length):
            following = f"c{(at + 1) % length}"
            paging = {"cursors": {"after": following}, "next": f"http://x/?after={following}"}
            page = Fault.wrong_shape(json.dumps({"data": [{"id": f"7{at}"}], "paging": paging}))
            asks: dict[str, str] = {"after": f"c{at}"}
            if at == bad:
                ids = {**asks, "fields": "id"}
                found.sim.fail("GET", "/adcreatives", with_=page, until=over, params=ids)
                unreadable = Fault.graph_error(100, 2446289)
                found.sim.fail("GET", "/adcreatives", with_=unreadable, until=over, params=asks)
            else:
                found.sim.fail("GET", "/adcreatives", with_=page, until=over, params=asks)
        # Whatever else is asked has no cursor: the page before the circle.
        found.sim.fail("GET", "/adcreatives", with_=page, until=over)
        record = found.sync(parts=frozenset({Part.CREATIVES}))
    assert record.status is not Status.SUCCESS
    assert "the same cursor came twice" in (record.error_summary or "")
    assert next(asked) < MOST_CALLS
