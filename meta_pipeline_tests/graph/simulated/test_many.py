"""Several objects or operations in one call."""

from __future__ import annotations

from meta_pipeline.graph import Attempt, BatchOperation, GraphClient, ObjectMissing
from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline_tests.graph.simulated.reading import world_ids


def test_ids_with_bad_ones_among_them(
    sim: Simulator, client: GraphClient, account_id: str, log: list[Attempt]
) -> None:
    sim.expect("unknown")
    good = world_ids(sim, account_id, "ads")[:120]
    bad = ["999999999999999999", "888888888888888888"]
    asked = [*good[:60], bad[0], *good[60:], bad[1]]
    got = client.ids(asked, {"fields": ["id", "effective_status"]}, account_id=account_id)
    assert set(got.found) == set(good)
    assert {id_: type(error) for id_, error in got.missing.items()} == dict.fromkeys(
        bad, ObjectMissing
    )
    # Where one is missing, the account itself is asked whether it can still be read.
    assert [attempt.counted_calls for attempt in log] == [50, 50, 1, 22, 1]


def test_a_batch_with_unfinished_operations(
    sim: Simulator, client: GraphClient, account_id: str
) -> None:
    ids = world_ids(sim, account_id, "campaigns")
    sim.fail("POST", "/", with_=Fault.null_batch_entries([0, 3]))
    answers = client.batch([BatchOperation(id_, {"fields": "id"}) for id_ in ids])
    assert [answer.value()["id"] for answer in answers] == ids


def test_a_batch_that_times_out_once(sim: Simulator, client: GraphClient, account_id: str) -> None:
    ids = world_ids(sim, account_id, "campaigns")
    sim.fail("POST", "/", with_=Fault.batch_timeout())
    answers = client.batch([BatchOperation(id_, {"fields": "id"}) for id_ in ids])
    assert [answer.value()["id"] for answer in answers] == ids
