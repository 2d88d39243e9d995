"""Facts over the API, and beside Meta's numbers in the metric layer."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import orjson

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.api.test_api import problem

DAY = "2026-11-19"


def fact(level: str, entity: str, value: str, metric: str = "qualified", **more: object) -> object:
    found = {"provider": "crm", "account_id": "act_1", "level": level, "entity_id": entity}
    found |= {"metric": metric, "date": DAY, "value": value}
    return found | {"observed_at": "2026-11-20T00:00:00Z"} | more


def test_facts_stand_beside_metas_numbers(mine: httpx2.Client, theirs: httpx2.Client) -> None:
    sent = [
        fact("campaign", "10", "5"),
        fact("campaign", "11", "2.5", date="2026-11-18"),
        *(fact("campaign", "12", "1", hour=hour) for hour in range(3)),
        fact("ad", "999", "100", metric="other"),
        fact("account", "act_1", "50", metric="other"),
    ]
    answer = mine.post("/facts", json=sent).json()
    assert answer == {"written": 7, "unchanged": 0, "rejected": []}
    assert mine.post("/facts", json=sent).json()["unchanged"] == 7
    question = {"account": "act_1", "since": "2026-11-18", "until": DAY}
    by_campaign = mine.post(
        "/metrics/query",
        json=question | {"metrics": ["spend", "crm.qualified"], "by": ["campaign"]},
    ).json()
    assert {row["campaign_id"]: row["crm.qualified"] for row in by_campaign["data"]} == {
        "10": 5,
        "11": 2.5,
        "12": 3,
    }
    assert by_campaign["about"]["formulas"]["crm.qualified"] == "sum of what crm sent"
    in_all = mine.post(
        "/metrics/query", json=question | {"metrics": ["crm.qualified", "crm.other"]}
    ).json()
    (row,) = in_all["data"]
    assert (row["crm.qualified"], row["crm.other"]) == (10.5, 50)
    near = mine.post("/metrics/query", json=question | {"metrics": ["crm.qualifid"]})
    assert problem(near, 400, "unknown_name")["suggestions"] == ["crm.qualified"]
    split = mine.post(
        "/metrics/query", json=question | {"metrics": ["crm.qualified"], "by": ["age"]}
    )
    assert split.status_code == 400
    unseen = theirs.post("/metrics/query", json={"metrics": ["crm.qualified"]})
    problem(unseen, 400, "unknown_name")


def test_lines_atomic_and_what_is_too_much(mine: httpx2.Client) -> None:
    lines = b"\n".join(orjson.dumps(fact("campaign", "10", str(n), metric=f"m{n}")) for n in (1, 2))
    headers = {"Content-Type": "application/x-ndjson"}
    assert mine.post("/facts", content=lines, headers=headers).json()["written"] == 2
    wrong = [fact("campaign", "10", "1", metric="m9"), fact("campaign", "10", "x", metric="m8")]
    refused = mine.post("/facts", params={"atomic": "true"}, json=wrong)
    told = problem(refused, 422, "rejected_facts")
    assert [(one["index"], one["field"]) for one in told["rejected"]] == [(1, "value")]
    partly = mine.post("/facts", json=wrong).json()
    assert (partly["written"], len(partly["rejected"])) == (1, 1)
    problem(mine.post("/facts", content=b"x" * 1_048_577, headers=headers), 413, "too_large")
    problem(
        mine.post("/facts", content=b"a,b", headers={"Content-Type": "text/csv"}),
        415,
        "unsupported_media_type",
    )
    problem(mine.post("/facts", json=[]), 400, "bad_request")
    rows = mine.get("/facts", params={"metric": "m1", "limit": 1}).json()["data"]
    assert [(one["value"], one["hour"]) for one in rows] == [("1", None)]


def test_a_tenant_sends_no_more_facts_than_may_be_kept_of_it(
    tables: Warehouse, site: Site, mine: httpx2.Client, theirs: httpx2.Client
) -> None:
    with tables.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.facts (tenant, provider, account_id, level, entity_id, metric,"
            " date_start, hour, breakdown, value, observed_at, received_at)"
            " SELECT 'other', 'crm', 'shop', 'ad', n::text, 'sales', '2026-11-19', -1, '', 1,"
            " now(), now() FROM generate_series(1, 1000) AS n"
        )
    with tables.connection() as connection:
        connection.execute("ANALYZE meta_ads.facts")
    assert theirs.post("/facts", json=[fact("ad", "1", "1")]).json()["written"] == 1
    settings = site.settings.model_copy(update={"api_facts_per_tenant": 900})
    with served.running(web_application(replace(site, settings=settings))) as url:
        full, written = (
            httpx2.post(
                f"{url}/v1/facts",
                json=[fact("ad", "2", "1")],
                headers=program.headers,
                timeout=PATIENCE_SECONDS,
            )
            for program in (theirs, mine)
        )
    assert "META_API_FACTS_PER_TENANT" in problem(full, 403, "full")["detail"]
    assert written.json()["written"] == 1
