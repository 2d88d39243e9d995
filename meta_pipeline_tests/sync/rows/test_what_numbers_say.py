"""From Meta's answer to what people are told: never a zero, a match or a result that is none."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from meta_pipeline import metrics
from meta_pipeline.quality import find
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import Part
from meta_pipeline_tests.sync.lab import Lab


def settle(small: Lab, since: Any, until: Any) -> list[metrics.Reconciliation]:
    with small.warehouse.connection() as connection:
        metrics.rollup(connection, small.account_id)
        return metrics.reconcile(connection, small.account_id, since, until)


def ask(small: Lab, *names: str, day: Any, **options: Any) -> Any:
    return metrics.query(
        small.warehouse, account=small.account_id, metrics=names, date_range=(day, day),
        now=small.clock.now(), **options,
    )  # fmt: skip


def test_spend_of_ads_that_are_gone_is_never_nothing(small: Lab) -> None:
    day = small.today() - timedelta(days=43)
    small.sim.fail(
        "GET", f"{small.account_id}/insights", with_=Fault.wrong_shape(b'{"data":[]}'),
        until=lambda request: request.params.get("level") != "ad",
    )  # fmt: skip
    row = {"account_id": small.account_id[4:], "spend": "3.00", "impressions": "40",
           "date_start": str(day), "date_stop": str(day)}  # fmt: skip
    small.sim.fail(
        "GET", f"{small.account_id}/insights",
        with_=Fault.wrong_shape(json.dumps({"data": [row]}).encode()),
        until=lambda request: request.params.get("level") != "account",
    )  # fmt: skip
    small.sync(parts=frozenset({Part.INSIGHTS}), since=day, until=day)
    (compared,) = settle(small, day, day)
    assert compared.status is metrics.ComparisonOutcome.DIFFERS
    answer = ask(small, "spend", day=day)
    assert any("The account row has 3.00 EUR" in one for one in answer.attrs["notes"])
    assert answer.attrs["completeness"]["is_complete"] is False


def test_purchases_missing_at_ad_level_on_a_final_day_are_found(small: Lab) -> None:
    last = small.today() - timedelta(days=40)
    first = last - timedelta(days=9)
    small.world.lose_conversions(small.account_id, first, last)
    small.sync(since=first, until=last)
    compared = {row.date_start: row for row in settle(small, first, last)}
    lost = [day for day, row in compared.items() if row.conversions.get("purchases", [0, 0])[1]]
    assert lost
    assert all(compared[day].status is metrics.ComparisonOutcome.DIFFERS for day in lost)
    notes = ask(small, "purchases", "revenue", "roas", day=lost[0]).attrs["notes"]
    assert any("purchases 0 in the ad rows" in one for one in notes)
    with small.warehouse.connection() as connection:
        connection.execute(f"SET meta_ads.now = '{small.clock.now().isoformat()}'")
        assert find("reconciliation").run(connection).count == len(lost)
    small.world.find_conversions(small.account_id)
    small.sync(since=first, until=last, force=True)
    assert {row.status for row in settle(small, first, last)} == {metrics.ComparisonOutcome.MATCH}


def test_results_of_a_custom_conversion_come_from_metas_rows(small: Lab) -> None:
    promoted = {"pixel_id": "1", "custom_event_type": "OTHER", "custom_conversion_id": "777"}
    for adset in small.world.objects("adsets", small.account_id):
        small.world.patch(adset.id, promoted_object=promoted)
    small.sync()
    since, until = small.today() - timedelta(days=9), small.today() - timedelta(days=1)
    settle(small, since, until)
    for day in (since, until):
        rows = small.expected_insights(day, day).values()
        wanted = sum(
            int(entry["value"])
            for row in rows
            for entry in row.get("actions", ())
            if entry["action_type"] == "offsite_conversion.custom.777"
        )
        assert ask(small, "results", day=day)["results"][0] == wanted
