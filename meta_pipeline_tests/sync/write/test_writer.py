"""The writer: what slices bring is committed with what was noted about them."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_pipeline.model.part import Part
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.unrecognized import Findings, Reason
from meta_pipeline.sync.write.slices import Slice
from meta_pipeline.sync.write.writer import Writer
from meta_pipeline.warehouse import Warehouse, render, schema

SOURCE = Source("act_1", "EUR", "Europe/Berlin", datetime(2026, 11, 20, tzinfo=UTC), "0" * 32)
CAMPAIGNS = schema.meta_campaigns
COLUMNS = ("campaign_id",)
BOUND = 1_000


def test_a_sync_lists_so_many_values_however_many_slices_it_has(warehouse: Warehouse) -> None:
    findings = Findings()
    with warehouse.connection() as connection:
        writer = Writer(connection, SOURCE, findings, warehouse.unrecognized)
        for page in range(3):
            for number in range(BOUND):
                odd = f"{page}-{number}"
                findings.note("insights_ad", "spend", odd, Reason.WRONG_TYPE, odd)
                findings.note("insights_ad", f"x_{odd}", "", Reason.UNKNOWN_FIELD, odd)
            findings.note("insights_ad", "spend", "0-1", Reason.WRONG_TYPE)
            rows = render(CAMPAIGNS, COLUMNS, [])
            writer.write(Slice(Part.CAMPAIGNS, CAMPAIGNS, COLUMNS, rows, 0))
    with warehouse.connection() as connection:
        listed = connection.execute(
            "SELECT field, value, seen_count FROM meta_ads.unrecognized_values"
        ).fetchall()
    assert sum(count for _, _, count in listed) == 3 * (2 * BOUND + 1)
    assert len(listed) == BOUND + 2, "one for the other values, one for the other fields"
    known = {(field, value): count for field, value, count in listed}
    assert known["spend", "0-1"] == 4
    assert (
        known["spend", "(many different values)"] == known["(many different fields)", ""] == 2_500
    )
