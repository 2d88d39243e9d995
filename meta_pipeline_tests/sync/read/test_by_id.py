"""What a listing no longer shows is read by id, in the only form that new apps have: batches."""

from __future__ import annotations

import pytest

from meta_pipeline.model.sync_run import Status
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import ENTITIES
from meta_pipeline_tests.sync.lab import lab


@pytest.mark.parametrize("field", ["issues_info", "conversion_domain"])
def test_a_field_that_one_object_does_not_have_costs_its_row_that_field(
    database_url: str, field: str
) -> None:
    """Whatever is asked by id: one refusal leaves the others whole, and the sync goes on."""
    with lab(database_url) as laboratory:
        laboratory.sync()
        world = laboratory.world
        living = [
            one.id
            for one in world.objects("ads", laboratory.account_id)
            if one.values["effective_status"] == "ACTIVE"
        ]
        *unlisted, gone = living[:4]
        world.vanish(gone)
        for one in unlisted:
            world.patch(one, effective_status="LEVITATING")  # in no listing, and there by id
        for one in unlisted[:2]:  # each in its own words
            laboratory.sim.fail(
                "GET",
                f"/{one}",
                until=lambda call: field not in (call.text("fields") or "").split(","),
                with_=Fault.graph_error(
                    100,
                    message=f"(#100) Tried accessing nonexisting field ({field}) on node {one}",
                ),
            )
        laboratory.sim.expect("unknown_object")
        laboratory.advance(days=1, hours=1)

        record = laboratory.sync(force=True, parts=ENTITIES)

        assert record.status is Status.SUCCESS, record.error_summary
        stored = laboratory.stored_entities("ads")
        for one in unlisted:
            assert stored[one]["effective_status"] == "LEVITATING"
            assert not stored[one]["is_deleted"]
        assert stored[gone]["is_deleted"]
        assert {"field": field, "reason": "refused_field"} in laboratory.query(
            "SELECT field, reason FROM meta_ads.unrecognized_values"
        )
        laboratory.sim.faults.clear()


def test_ads_by_id_are_one_request_and_a_logged_call_each(database_url: str) -> None:
    with lab(database_url) as laboratory:
        laboratory.sync()
        world = laboratory.world
        gone = [one.id for one in world.objects("ads", laboratory.account_id)][:5]
        for one in gone:
            world.vanish(one)
        laboratory.advance(days=1, hours=1)
        laboratory.sim.fail("POST", "/", with_=Fault.null_batch_entries([0]))
        record = laboratory.sync(force=True)
        laboratory.telemetry.flush()
        rows = laboratory.query(
            "SELECT * FROM meta_ads.meta_api_logs WHERE sync_run_id = %s", record.sync_run_id
        )
        stored = laboratory.stored_entities("ads")
    by_id = [row for row in rows if row["endpoint_key"] == "objects_by_id"]
    assert all(stored[one]["is_deleted"] for one in gone)
    outcomes = [(row["status_code"], row["error_code"], row["error_subcode"]) for row in by_id]
    assert sorted(outcomes, key=str) == [(400, 100, 33)] * 5 + [(None, None, None)]
    assert len({row["timestamp"] for row in by_id}) == 2, "all five, then the one that was null"
    assert len(rows) == record.meta_call_count_total, "a row for every call that Meta counts"
    cost = sum(float(row["weighted_cost"]) for row in rows)
    assert abs(cost - record.weighted_cost_total) < 1e-6
