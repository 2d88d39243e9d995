"""A second client style: follow `paging.next` as it stands, know nothing of cursors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from meta_pipeline.simulator import Simulator
from meta_pipeline_tests.waiting import PATIENCE_SECONDS


def follow(session: requests.Session, url: str) -> Iterator[Any]:
    while url:
        body = session.get(url, timeout=PATIENCE_SECONDS).json()
        yield from body["data"]
        url = body.get("paging", {}).get("next", "")


PATHS = [
    "me/adaccounts?fields=name&limit=2",
    "{account}/campaigns?fields=name,status&limit=2",
    '{account}/adsets?effective_status=["ACTIVE","PAUSED"]&limit=3&summary=true',
    "{account}/ads?fields=id,name,creative{{id,name}}&limit=7",
    "{account}/adcreatives?fields=name&limit=4",
    "{account}/activities?limit=20",
    "{account}/insights?level=ad&time_increment=1&date_preset=last_3d&fields=ad_id,spend&limit=6",
    "{account}/insights?level=campaign&breakdowns=age,gender&limit=9",
]


@pytest.mark.parametrize("path", PATHS)
def test_next_urls_and_one_large_page_agree(sim: Simulator, account: str, path: str) -> None:
    with requests.Session() as session:
        base = f"{sim.url}/v26.0/{path.format(account=account)}&access_token={sim.token}"
        small = list(follow(session, base))
        head, _, tail = base.rpartition("limit=")
        whole = list(follow(session, f"{head}limit=1000{tail[tail.index('&') :]}"))
    assert small == whole
    assert len(small) > 2


def test_next_carries_what_a_bearer_token_left_out(sim: Simulator, account: str) -> None:
    response = requests.get(
        f"{sim.url}/v26.0/{account}/ads?limit=5",
        headers={"Authorization": f"Bearer {sim.token}"},
        timeout=PATIENCE_SECONDS,
    )
    following = requests.get(response.json()["paging"]["next"], timeout=PATIENCE_SECONDS)
    assert following.status_code == 200
