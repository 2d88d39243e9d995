"""A day that Meta cannot answer: every way of it, for pages and for reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from meta_pipeline.simulator import Simulator
from meta_pipeline.simulator.world.data_gaps import REFUSALS, REPORTS
from meta_pipeline_tests.simulator.conftest import Graph


@pytest.mark.parametrize("refusal", sorted(REFUSALS - {"cut"}))
def test_a_spoiled_day_refuses_every_page_that_holds_it(
    sim: Simulator, graph: Graph, account: str, refusal: str
) -> None:
    asked: dict[str, Any] = {
        "level": "ad",
        "date_preset": "last_7d",
        "fields": "ad_id,impressions",
        "limit": 100,
    }
    ad = delivering(graph, account)
    sim.world.spoil_day(ad, yesterday(sim), refusal=refusal)
    status, error = graph.error(f"{account}/insights", **asked)
    assert status in {400, 500}
    assert error["code"] in {1, 100}
    graph.get(f"{account}/insights", **{**asked, "level": "campaign"})
    sim.world.mend_days(ad)
    graph.get(f"{account}/insights", **asked)


def test_a_spoiled_day_may_be_answered_with_half_a_body(
    sim: Simulator, graph: Graph, account: str
) -> None:
    ad = delivering(graph, account)
    sim.world.spoil_day(ad, yesterday(sim), refusal="cut")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        graph.get(f"{account}/insights", level="ad", date_preset="last_7d", fields="ad_id")


@pytest.mark.parametrize("report", sorted(REPORTS))
def test_a_spoiled_day_ends_every_report_that_holds_it(
    sim: Simulator, graph: Graph, account: str, report: str
) -> None:
    asked: dict[str, Any] = {"level": "ad", "date_preset": "last_7d", "fields": "ad_id,impressions"}
    ad = delivering(graph, account)
    sim.world.spoil_day(ad, yesterday(sim), report=report)
    run = graph.call("POST", f"{account}/insights", **asked).json()["report_run_id"]
    sim.sleep(600)
    assert graph.get(run)["async_status"] in {"Job Failed", "Job Skipped"}


def yesterday(sim: Simulator) -> str:
    """Of an account in Sydney, where it is afternoon when the world begins."""
    return (sim.now() - timedelta(days=1)).date().isoformat()


def delivering(graph: Graph, account: str) -> str:
    """An ad with a row yesterday."""
    params = {"level": "ad", "date_preset": "yesterday", "fields": "ad_id,impressions"}
    return str(graph.get(f"{account}/insights", **params)["data"][0]["ad_id"])
