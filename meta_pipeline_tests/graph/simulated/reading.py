"""What the tests of client and simulator read, and how."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meta_pipeline.graph import GraphClient
from meta_pipeline.simulator import Simulator

START = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
EDGES = {"campaigns": 49, "adsets": 182, "ads": 798}
EVERY_STATUS = [
    "ACTIVE", "PAUSED", "DELETED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED",
    "PENDING_BILLING_INFO", "CAMPAIGN_PAUSED", "ARCHIVED", "ADSET_PAUSED", "IN_PROCESS",
    "WITH_ISSUES",
]  # fmt: skip
INSIGHTS = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-11-08", "until": "2026-11-14"},
    "fields": ["ad_id", "spend", "impressions", "actions"],
}


def new_client(sim: Simulator, **settings: Any) -> GraphClient:
    return GraphClient(
        base_url=sim.url,
        access_token=sim.token,
        clock=sim.now,
        sleep=sim.sleep,
        **{"read_timeout_seconds": 30, **settings},
    )


def read(
    client: GraphClient, account_id: str, edge: str = "ads", page_size: int = 100, **more: Any
) -> list[str]:
    params = {"fields": ["id", "name", "effective_status"], "effective_status": statuses(edge)}
    pages = client.pages(
        f"{account_id}/{edge}",
        params,
        account_id=account_id,
        endpoint_key=f"{edge}_list",
        page_size=page_size,
        **more,
    )
    return [row["id"] for page in pages for row in page.rows]


def statuses(edge: str) -> list[str]:
    shared = ["ACTIVE", "PAUSED", "DELETED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES"]
    return {"campaigns": shared, "adsets": [*shared, "CAMPAIGN_PAUSED"]}.get(edge, EVERY_STATUS)


def world_ids(sim: Simulator, account_id: str, edge: str) -> list[str]:
    return [str(entity.id) for entity in sim.world.objects(edge, account_id)]
