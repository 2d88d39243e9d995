"""`/v1` over a socket: keys, tenants, pages, problems, requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meta_pipeline.concurrency import FairLimiter
from meta_pipeline.metrics import MOST_DAYS, Bound
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.redaction import redact
from meta_pipeline.settings import Settings
from meta_pipeline.sync_requests.asking import MOST_OPEN
from meta_pipeline.warehouse import SyncRequestRow, Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.api_keys import KeyRefused, Scope, key_of, new_key
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline.web.programs.v1 import metrics as v1_metrics
from meta_pipeline.web.programs.v1 import syncs as v1_syncs
from meta_pipeline.web.programs.v1.paging import cursor_of
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.api.conftest import Client

NOW = datetime.now(UTC)


def walk(client: httpx2.Client, path: str, limit: int, **params: Any) -> Iterator[dict[str, Any]]:
    """All rows of a listing, page by page."""
    cursor: str | None = None
    while True:
        given = params | {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = client.get(path, params=given)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["data"]) <= limit
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"]) == (status, code)
    assert found["detail"]
    return found


def test_accounts_and_entities_by_pages(mine: httpx2.Client) -> None:
    assert [one["account_id"] for one in walk(mine, "/accounts", 1)] == ["act_1", "act_2"]
    rows = list(walk(mine, "/accounts/act_1/campaigns", 2))
    assert [row["campaign_id"] for row in rows] == ["10", "11", "12"]
    assert mine.get("/accounts/act_1").json()["staleness"] == "never"
    none = mine.get("/accounts/act_1/campaigns", params={"effective_status": ["PAUSED", "\x00"]})
    assert none.json()["data"] == []


def test_a_cursor_of_values_that_no_row_has_is_none_of_ours(mine: httpx2.Client) -> None:
    """A cursor is base64 of JSON: anybody makes one of whatever Python reads and Postgres not."""
    odd: list[Any] = ["", "x", "\x00", "2026-W01-1", "0000-01-01", "2026-01-01", 10**18, -(10**18)]
    odd += [True, None, [], {}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
    odd += ["2026-01-01T00:00:00+00:00:00.000001", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z"]
    listings: dict[str, tuple[Any, ...]] = {
        "/accounts": ("act_1",),
        "/accounts/act_1/campaigns": ("10",),
        "/advice": ("2026-01-01", "1"),
        "/advice/recommendations": ("1",),
        "/advice/scores": ("2026-01-01",),
        "/sync-requests": ("2026-01-01T00:00:00+00:00", "1"),
        "/sync-runs": ("2026-01-01T00:00:00+00:00", "1"),
        "/facts": ("a", "act_1", "ad", "1", "m", "2026-01-01", 0, ""),
    }
    for path, key in listings.items():
        also = {"account_id": "act_1"} if path == "/advice/scores" else {}
        first = mine.get(path, params=also | {"cursor": cursor_of(*key)})
        assert first.status_code == 200, first.text
        for position in range(len(key)):
            for value in odd:
                cursor = cursor_of(*key[:position], value, *key[position + 1 :])
                answer = mine.get(path, params=also | {"cursor": cursor})
                assert answer.status_code in (200, 400), (path, position, value)
                if answer.status_code == 400:
                    problem(answer, 400, "bad_cursor")


def test_a_key_is_recognised_in_any_text_that_leaves(mine: httpx2.Client) -> None:
    key = mine.headers["authorization"].removeprefix("Bearer ")
    secret = key.rpartition("_")[2]
    for text in (key, f"?key={key}&x=1", f'{{"key": "{key}"}}', f"it was {key}."):
        assert secret not in redact(text)
        assert key.removesuffix(secret) in redact(text), "which of them to revoke"


def test_a_range_of_centuries_is_refused(mine: httpx2.Client) -> None:
    """Each day of each account is looked at: ten thousand years of them fill any memory."""
    for since, until in (
        ("0001-01-01", "9999-12-31"),
        ("1900-01-01", "2999-12-31"),
        ("0001-01-01", "0001-01-02"),
        ("9999-12-31", "9999-12-31"),
        ("2010-01-01", "2020-02-01"),
    ):
        for by in (["day"], ["campaign"], ["day", "campaign"], ["month"]):
            asked = {"metrics": ["spend"], "since": since, "until": until, "by": by}
            problem(mine.post("/metrics/query", json=asked), 400, "impossible_question")
    asked = {"metrics": ["spend"], "since": "2017-01-01", "until": "2026-12-31", "by": ["day"]}
    assert mine.post("/metrics/query", json=asked).status_code == 200


@pytest.mark.parametrize(
    "question",
    [
        *("spend in january 0000", "spend since january 0000", "spend on 3/4/0000"),
        *("spend on 4.4.0000", "spend on 1 may 0000", "spend in january 0001 vs the month before"),
        *("spend on 0001-01-01 vs the day before", "spend since 0001-01-01 by day"),
        *("spend on 0001-01-01 vs the year before", "9999 weeks ago spend"),
        *("spend from 2 may 0001 to 5 may 0001", "spend last 1200 months by day"),
        *("what changed since 0001-01-01", "does january 0001 reconcile"),
    ],
)
def test_a_year_of_no_calendar_is_answered_in_a_sentence(
    mine: httpx2.Client, question: str
) -> None:
    answer = mine.post("/ask", json={"question": question})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] in ("refused", "asked_back"), answer.json()
    assert answer.json()["message"]


def test_another_tenants_rows_are_not_there(mine: httpx2.Client, theirs: httpx2.Client) -> None:
    assert [one["account_id"] for one in walk(theirs, "/accounts", 9)] == ["act_3"]
    for path in ("/accounts/act_1", "/accounts/act_1/campaigns"):
        problem(theirs.get(path), 404, "not_found")
    made = mine.post("/sync-requests", json={"account_id": "act_1"}).json()
    problem(theirs.get(f"/sync-requests/{made['request_id']}"), 404, "not_found")
    problem(theirs.delete(f"/sync-requests/{made['request_id']}"), 404, "not_found")
    problem(theirs.post("/sync-requests", json={"account_id": "act_1"}), 404, "not_found")
    assert list(walk(theirs, "/sync-requests", 9)) == []
    found = theirs.post("/metrics/query", json={"account": "act_1"})
    assert "act_1" not in str(problem(found, 400, "unknown_name")["suggestions"])
    fact = {"provider": "crm", "account_id": "act_1", "metric": "leads", "date": "2026-11-01"}
    fact |= {"value": "5", "observed_at": "2026-11-02T00:00:00Z"}
    assert theirs.post("/facts", json=[fact]).json()["written"] == 1
    assert [one["value"] for one in walk(theirs, "/facts", 9)] == ["5"]
    assert list(walk(mine, "/facts", 9, metric="leads", account_id="act_1")) == []


def test_no_operation_gives_another_tenant_anything_by_its_id(
    mine: httpx2.Client, theirs: httpx2.Client, tables: Warehouse
) -> None:
    """Every operation of the document, asked for what is not the key's, wherever it takes an id."""
    made = mine.post("/sync-requests", json={"account_id": "act_1", "reason": "of mine"}).json()
    run = SyncRun("run-of-mine", "act_1", "ads", NOW, status=Status.SUCCESS)
    tables.runs.close(run)
    ids = {"request_id": made["request_id"], "sync_run_id": run.sync_run_id, "account_id": "act_1"}
    bodies = (
        {"account_id": "act_1"},
        {"account": "act_1"},
        {"question": "spend", "accounts": ["act_1"]},
    )
    asked = 0
    for path, operations in mine.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            taken = {one["name"] for one in operation.get("parameters", ())}
            if not (taken & ids.keys() or "requestBody" in operation) or path == "/facts":
                continue
            where = path.format(**ids, edge="campaigns")
            params = {name: ids[name] for name in taken & ids.keys() if f"{{{name}}}" not in path}
            for body in bodies if "requestBody" in operation else (None,):
                answer = theirs.request(method.upper(), where, params=params, json=body)
                asked += 1
                if answer.status_code == 200:
                    found = answer.json()
                    assert not found.get("data"), where
                    assert not found.get("rows"), where
                else:
                    assert 400 <= answer.status_code < 500, (where, answer.text)
                for secret in (made["requested_by"], "of mine", "C 0"):
                    assert secret not in answer.text, where
    assert asked >= 12
    assert mine.get(f"/sync-requests/{made['request_id']}").json()["state"] == "pending"


def test_days_at_the_ends_of_the_calendar_have_a_price(mine: httpx2.Client) -> None:
    days = (None, "0001-01-01", "0001-01-02", "2003-01-01", "9999-12-30", "9999-12-31")
    for since, until in product(days, days):
        if since and until and since > until:
            continue
        for parts in (None, ["insights"], ["hourly"], ["breakdowns"], ["activities"]):
            wish = {"account_id": "act_1", "parts": parts, "since": since, "until": until}
            answer = mine.post("/sync-requests/price", json=wish)
            assert answer.status_code in (200, 422), (wish, answer.text)


def test_reports_that_cannot_be_used_are_a_problem_that_says_so(
    site: Site, mine: httpx2.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text("reports: [{preset: of-nobody}]")
    broken = replace(site, settings=site.settings.model_copy(update={"reports_file": file}))
    wish = {"account_id": "act_1", "since": "2026-01-01", "until": "2026-01-31"}
    with served.running(web_application(broken)) as url:
        answer = httpx2.post(
            f"{url}/v1/sync-requests/price",
            json=wish,
            headers={"Authorization": mine.headers["Authorization"]},
            timeout=PATIENCE_SECONDS,
        )
    found = problem(answer, 503, "unavailable")
    assert "META_REPORTS_FILE" in found["detail"]
    assert "of-nobody" in caplog.text
    assert "of-nobody" not in answer.text
    assert str(tmp_path) not in answer.text


def test_a_body_of_nothing_but_faults_has_a_short_answer(mine: httpx2.Client) -> None:
    unknown = {f"field{number}": number for number in range(5_000)}
    for path in ("/metrics/query", "/ask", "/sync-requests"):
        answer = mine.post(path, json=unknown)
        found = problem(answer, 422, "invalid")
        assert len(found["errors"]) == 20
        assert "more than the 20" in found["detail"]
        assert len(answer.content) < 5_000
    assert len(mine.post("/ask", json={"x" * 50_000: 1}).content) < 5_000


def test_a_question_is_shorter_than_a_batch_of_facts(mine: httpx2.Client) -> None:
    ids = [str(10**19 + number) for number in range(5_000)]
    longest = {"account_id": "act_2", "objects": {"ads": ids}, "reason": "x" * 500}
    assert mine.post("/sync-requests/price", json=longest).status_code == 200
    for path in ("/metrics/query", "/ask", "/sync-requests"):
        problem(mine.post(path, content=b" " * 262_145), 413, "too_large")


def test_a_request_from_its_price_to_its_end(mine: httpx2.Client, tables: Warehouse) -> None:
    wish = {"account_id": "act_2", "parts": ["insights"], "since": "2026-10-01"}
    cost = mine.post("/sync-requests/price", json=wish).json()
    assert cost["calls_most"] > 0
    assert cost["sentences"]
    asked = mine.post("/sync-requests", json=wish | {"reason": "month end"})
    assert asked.status_code == 202
    row = asked.json()
    assert (row["state"], row["source"], row["reason"]) == ("pending", "api", "month end")
    assert "key" in row["requested_by"]
    found = list(walk(mine, "/sync-requests", 1, account_id="act_2"))
    assert [one["request_id"] for one in found] == [row["request_id"]]
    assert mine.delete(f"/sync-requests/{row['request_id']}").json()["state"] == "cancelled"
    (event,) = tables.web.events(1)
    assert (event.action, event.detail) == ("sync request taken back", row["request_id"])
    assert "key" in event.actor
    problem(mine.delete(f"/sync-requests/{row['request_id']}"), 409, "not_pending")
    named = mine.post(
        "/sync-requests", json={"account_id": "act_2", "objects": {"ads": ["1", "2", "1"]}}
    )
    assert named.json()["objects"] == {"ads": ["1", "2"]}
    listed = mine.get("/sync-requests", params={"account_id": "act_2"}).json()["data"][0]
    assert "objects" not in listed, "a row may name thousands"
    assert listed["object_counts"] == {"ads": 2}
    shown = mine.get(f"/sync-requests/{listed['request_id']}").json()
    assert (shown["objects"], shown["object_counts"]) == ({"ads": ["1", "2"]}, {"ads": 2})
    run = SyncRun("r" * 32, "act_2", "ads", NOW, status=Status.SUCCESS)
    tables.runs.close(run)
    assert [one["sync_run_id"] for one in walk(mine, "/sync-runs", 1, account_id="act_2")] == [
        "r" * 32
    ]
    assert mine.get(f"/sync-runs/{'r' * 32}").json()["status"] == "success"
    problem(mine.get("/sync-runs/none"), 404, "not_found")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"account_id": "act_2", "objects": {"insights": ["1"]}}, "objects"),
        ({"account_id": "act_2", "objects": {"ads": ["1"]}, "since": "2026-01-01"}, "objects"),
        ({"account_id": "act_2", "since": "2026-02-01", "until": "2026-01-01"}, "since"),
        ({"account_id": "2"}, "body.account_id"),
        ({"account_id": "act_2", "parts": ["nothing"]}, "body.parts.0"),
        ({"account_id": "act_2", "force": "yes please"}, "body.force"),
        ({"account_id": "act_2", "surprise": 1}, "body.surprise"),
        ({}, "body.account_id"),
    ],
    ids=["no ids", "ids and days", "order", "account", "part", "force", "unknown", "empty"],
)
def test_a_wish_that_cannot_be_names_its_field(
    mine: httpx2.Client, wish: dict[str, Any], field: str
) -> None:
    found = problem(mine.post("/sync-requests", json=wish), 422, "invalid")
    assert [one["field"] for one in found["errors"]] == [field]


def test_who_asks_without_end_is_told_when_to_ask_again(
    mine: httpx2.Client, tables: Warehouse
) -> None:
    def settled() -> None:
        ids = [one.request_id for one in tables.sync_requests.open()]
        tables.sync_requests.finish(ids, NOW, state="cancelled", outcome=None, message=None)

    settled()
    wish = {"account_id": "act_2", "objects": {"ads": [str(number) for number in range(1, 5_001)]}}
    try:
        assert mine.post("/sync-requests", json=wish).status_code == 202
        again = problem(mine.post("/sync-requests", json=wish), 422, "invalid")
        assert [one["field"] for one in again["errors"]] == ["objects"]
        for _ in range(MOST_OPEN):
            answer = mine.post("/sync-requests", json={"account_id": "act_2"})
        assert "take back those" in problem(answer, 429, "too_many_requests")["detail"]
        assert answer.headers["Retry-After"] == "60"
        assert len(tables.sync_requests.open()) == MOST_OPEN
        assert len(mine.get("/sync-requests?limit=1000").content) < 100_000
    finally:
        settled()


def test_a_program_is_told_that_an_answer_is_too_large(
    mine: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = {"metrics": ["spend"], "by": ["campaign"], "account": "act_1", "limit": 1}
    assert mine.post("/metrics/query", json=question).status_code == 200
    for bound, told in ((Bound(rows=2), "more than 2 rows"), (Bound(days=6), "fewer days")):
        monkeypatch.setattr(v1_metrics, "Bound", lambda bound=bound: bound)
        refused = problem(mine.post("/metrics/query", json=question), 400, "impossible_question")
        assert told in refused["detail"]


def test_metrics_are_asked_as_everywhere(mine: httpx2.Client) -> None:
    listed = {one["key"] for one in mine.get("/metrics").json()["data"]}
    assert {"spend", "ctr"} <= listed
    question = {"metrics": ["spend", "ctr"], "by": ["campaign"], "limit": 2, "account": "act_1"}
    first = mine.post("/metrics/query", json=question).json()
    rest = mine.post("/metrics/query", json=question | {"cursor": first["next_cursor"]}).json()
    assert [row["campaign_id"] for row in first["data"] + rest["data"]] == ["10", "11", "12"]
    assert rest["next_cursor"] is None
    assert first["about"]["formulas"]["ctr"]
    near = problem(mine.post("/metrics/query", json={"metrics": ["spent"]}), 400, "unknown_name")
    assert "spend" in near["suggestions"]
    none = mine.post("/metrics/query", json={"account": []})
    assert "leave it out" in problem(none, 400, "impossible_question")["detail"]
    both = {"metrics": ["reach"], "by": ["hour", "week"]}
    problem(mine.post("/metrics/query", json=both), 400, "impossible_question")


def test_each_page_of_an_answer_names_a_thousand_days_and_counts_the_others(
    mine: httpx2.Client,
) -> None:
    # Two accounts of which nothing was ever read.
    question = {"metrics": ["spend"], "since": "2024-01-01", "until": "2025-12-31", "limit": 1}
    for by in (None, ["account"]):
        about = mine.post("/metrics/query", json=question | {"by": by}).json()["about"]
        complete = about["completeness"]
        assert sum(map(len, complete["missing_days"].values())) == MOST_DAYS
        assert complete["days_asked"] == MOST_DAYS + complete["more_days"]["missing_days"] == 1462
        assert len(str(about)) < 20_000
    short = question | {"since": "2025-12-01"}
    complete = mine.post("/metrics/query", json=short).json()["about"]["completeness"]
    assert (sum(map(len, complete["missing_days"].values())), complete["more_days"]) == (62, {})


def test_what_a_program_has_already_is_not_sent_again(mine: httpx2.Client) -> None:
    first = mine.get("/accounts")
    tag = first.headers["etag"]
    again = mine.get("/accounts", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert mine.get("/accounts", headers={"If-None-Match": '"x"'}).status_code == 200
    assert "etag" not in mine.get("/accounts/act_9").headers


@pytest.mark.parametrize(
    "cursor", ["x", "bm9wZQ", "W10", "WzFd", "WyJcdTAwMDAiXQ", "é", "WyJhIiwiYiJd"]
)
def test_a_cursor_that_is_none_of_ours(mine: httpx2.Client, cursor: str) -> None:
    for path in ("/sync-requests", "/facts", "/sync-runs"):
        problem(mine.get(path, params={"cursor": cursor}), 400, "bad_cursor")


def test_who_has_no_key_or_too_little_of_one(url: str, client: Client) -> None:
    for header in ("", "Bearer", "Bearer mp_1_2", "Basic eDp4", f"Bearer mp_{'0' * 12}_{'0' * 64}"):
        answer = httpx2.get(
            f"{url}/v1/accounts", headers={"Authorization": header}, timeout=PATIENCE_SECONDS
        )
        problem(answer, 401, "no_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    reading = client(Scope.READ)
    assert reading.get("/accounts").status_code == 200
    wish = {"account_id": "act_1"}
    told = problem(reading.post("/sync-requests", json=wish), 403, "missing_scope")
    assert "sync" in told["detail"]
    problem(reading.post("/facts", json=[]), 403, "missing_scope")
    problem(client(Scope.FACTS).get("/accounts"), 403, "missing_scope")


def test_addresses_and_methods_there_are_not(mine: httpx2.Client) -> None:
    problem(mine.get("/nothing"), 404, "not_found")
    problem(mine.put("/accounts"), 405, "method_not_allowed")
    problem(mine.get("/accounts/1"), 422, "invalid")
    problem(mine.get("/accounts", params={"limit": 0}), 422, "invalid")


def test_a_filter_that_is_misspelled_is_refused(mine: httpx2.Client, url: str) -> None:
    document = httpx2.get(f"{url}/v1/openapi.json", timeout=PATIENCE_SECONDS).json()
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        address = re.sub(r"\{[^}]*\}", "1", path).lstrip("/")
        answer = mine.get(address, params={"acount_id": "act_1"})
        assert answer.status_code == 400, path
        assert answer.json()["code"] == "unknown_name", path
        assert "'acount_id'" in answer.json()["detail"], path
    assert mine.get("facts", params={"acount_id": "1"}).json()["suggestions"] == ["account_id"]


def test_without_a_key_nobody_is_told_which_version_this_is(url: str) -> None:
    for path in ("/v1/health", "/v1/openapi.json", "/v1/docs", "/v1/accounts", "/v1/none", "/"):
        answer = httpx2.get(f"{url}{path}", timeout=PATIENCE_SECONDS)
        assert version("meta-pipeline") not in f"{answer.text} {dict(answer.headers)}", path


def test_who_asked_for_a_sync_of_a_shared_account_is_its_own_tenants_to_know(
    mine: httpx2.Client, theirs: httpx2.Client, tables: Warehouse
) -> None:
    tables.tenants.grant("other", ["act_1"], NOW)
    try:
        asked = {"account_id": "act_1", "reason": "because of Ann"}
        made = mine.post("/sync-requests", json=asked).json()
        tables.sync_requests.add(
            [
                SyncRequestRow(
                    request_id="of-meta",
                    account_id="act_1",
                    source="webhook",
                    requested_by="Meta",
                    reason="",
                    requested_at=NOW,
                )
            ]
        )
        at = f"/sync-requests/{made['request_id']}"
        for answer in (theirs.get(at), theirs.delete(at), theirs.get("/sync-requests?limit=1000")):
            assert made["requested_by"] not in answer.text
            assert "Ann" not in answer.text
        assert theirs.get(at).status_code == theirs.delete(at).status_code == 404
        assert mine.get(at).json()["state"] == "pending"
        assert theirs.get("/sync-requests/of-meta").status_code == 200
        own = theirs.post("/sync-requests", json={"account_id": "act_1"}).json()
        assert theirs.get(f"/sync-requests/{own['request_id']}").json()["state"] == "pending"
        assert mine.get(f"/sync-requests/{own['request_id']}").status_code == 404
        # For those who start syncs they are all there.
        open_now = {one.request_id for one in tables.sync_requests.open()}
        assert {made["request_id"], own["request_id"], "of-meta"} <= open_now
    finally:
        tables.tenants.revoke("other", ["act_1"])


def test_health_and_the_document_take_no_key(url: str) -> None:
    assert httpx2.get(f"{url}/v1/health", timeout=PATIENCE_SECONDS).json()["status"] == "ok"
    document = httpx2.get(f"{url}/v1/openapi.json", timeout=PATIENCE_SECONDS).json()
    assert document["servers"] == [{"url": "/v1"}]
    page = httpx2.get(f"{url}/v1/docs", timeout=PATIENCE_SECONDS)
    assert page.status_code == 200
    for path in document["paths"]:
        assert f"/v1{path}" in page.text
    assert "<script" not in page.text


def test_a_key_lives_as_long_as_it_was_given(tables: Warehouse) -> None:
    def made(name: str, **more: Any) -> tuple[Any, str]:
        given: dict[str, Any] = {"tenant": "default", "scopes": [Scope.READ], "created_by": "ana"}
        return new_key(tables, name, **({"now": NOW} | given | more))

    row, text = made("short", lasts=timedelta(hours=1))
    assert text.startswith(f"mp_{row.key_id}_")
    assert text.rpartition("_")[2] not in str(tables.api_keys.all())
    assert key_of(tables, text, NOW) is not None
    assert key_of(tables, text, NOW + timedelta(hours=1)) is None
    kept = tables.api_keys.get(row.key_id)
    assert kept is not None
    assert kept.last_used_at == NOW
    assert key_of(tables, text[:-1] + ("0" if text[-1] != "0" else "1"), NOW) is None
    later = NOW + timedelta(minutes=1)
    second, other = made("short", now=later, lasts=timedelta(hours=1))
    with pytest.raises(KeyRefused, match=row.key_id):
        made("short")
    assert tables.api_keys.revoke(row.key_id, NOW)
    assert not tables.api_keys.revoke(row.key_id, NOW)
    assert key_of(tables, text, NOW) is None
    used = key_of(tables, other, later)
    assert used is not None
    assert used.key_id == second.key_id
    made("short")
    with pytest.raises(KeyRefused, match="no tenant"):
        made("x", tenant="nobody")
    with pytest.raises(KeyRefused, match="needs a name"):
        made(" \x00 ")


def test_who_asks_too_often_is_told_when_to_come_back(tables: Warehouse) -> None:
    settings = Settings.load(env_file=None, api_requests_per_minute=2)
    site = Site(settings, tables, Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))
    _, text = new_key(
        tables, "often", tenant="default", scopes=[Scope.READ], created_by="ana", now=NOW
    )
    with served.running(web_application(site)) as url:
        headers = {"Authorization": f"Bearer {text}"}
        answers = [
            httpx2.get(f"{url}/v1/metrics", headers=headers, timeout=PATIENCE_SECONDS)
            for _ in range(3)
        ]
        assert [one.status_code for one in answers] == [200, 200, 429]
        problem(answers[-1], 429, "too_many_requests")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        wrong = [
            httpx2.get(f"{url}/v1/metrics", timeout=PATIENCE_SECONDS).status_code for _ in range(21)
        ]
        assert (wrong[0], wrong[-1]) == (401, 429)


def test_an_address_that_tries_too_many_keys_keeps_no_living_key_out(tables: Warehouse) -> None:
    settings = Settings.load(env_file=None)
    site = Site(settings, tables, Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))
    (row, revoked), (_, living) = (
        new_key(tables, name, tenant="default", scopes=[Scope.READ], created_by="ana", now=NOW)
        for name in ("revoked", "living")
    )
    with served.running(web_application(site)) as url:

        def asked(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            found = httpx2.get(f"{url}/v1/metrics", headers=headers, timeout=PATIENCE_SECONDS)
            return found.status_code

        assert asked(revoked) == 200
        tables.api_keys.revoke(row.key_id, NOW)
        assert [asked(f"mp_{n:012x}_{'0' * 64}") for n in range(20)] == [401] * 20
        assert (asked(f"mp_{'a' * 12}_{'0' * 64}"), asked(revoked)) == (429, 429)
        assert asked(living) == 200, "a program that comes in for the first time"


def test_all_that_a_program_asks_of_the_tables_has_one_end(
    tables: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = []

    def endless(warehouse: Warehouse, *_: object) -> None:
        with warehouse.connection() as connection:
            for number in range(100_000):
                connection.execute("SELECT 1")
                answered.append(number)

    monkeypatch.setattr(v1_syncs, "price", endless)
    settings = Settings.load(env_file=None)
    site = Site(
        settings,
        tables,
        Secret("x" * 32),
        sign_in_of(settings, "127.0.0.1"),
        limiter=FairLimiter(most=1, patience_seconds=0),
        page_seconds=0.3,
    )
    _, text = new_key(
        tables, "endless", tenant="default", scopes=[Scope.READ], created_by="ana", now=NOW
    )
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(
            base_url=f"{url}/v1",
            headers={"Authorization": f"Bearer {text}"},
            timeout=PATIENCE_SECONDS,
        ) as program,
    ):
        ended = program.post("/sync-requests/price", json={"account_id": "act_1"})
        assert "no time is left" in problem(ended, 503, "unavailable")["detail"]
        assert 0 < len(answered) < 100_000
        assert program.get("/sync-runs/none").status_code == 404, "its slot is free again"


def test_while_the_database_is_away_it_says_so() -> None:
    settings = Settings.load(env_file=None)
    with Warehouse("postgresql://nobody@127.0.0.1:9/none") as gone:
        site = Site(settings, gone, Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))
        with served.running(web_application(site)) as url:
            answer = httpx2.get(f"{url}/v1/health", timeout=PATIENCE_SECONDS)
            told = problem(answer, 503, "unavailable")
            assert "127.0.0.1:9" not in told["detail"]
            assert answer.headers["retry-after"] == "5"


def test_a_question_in_words_is_answered_for_the_keys_tenant_alone(
    mine: httpx2.Client, theirs: httpx2.Client
) -> None:
    question = {"question": "which campaigns are live?"}
    answers = [client.post("/ask", json=question).json() for client in (mine, theirs)]

    assert [one["outcome"] for one in answers] == ["answered"] * 2
    assert [{row["account_id"] for row in one["rows"]} for one in answers] == [
        {"act_1", "act_2"},
        {"act_3"},
    ]
    page = mine.post("/ask", json={**question, "limit": 4}).json()
    rest = mine.post("/ask", json={**question, "cursor": page["next_cursor"]}).json()
    assert page["rows"] + rest["rows"] == answers[0]["rows"]
    other = {"question": "which ads are live?", "cursor": page["next_cursor"]}
    problem(mine.post("/ask", json=other), 400, "bad_cursor")
    refused = mine.post("/ask", json={"question": "spend of act_3"}).json()
    assert (refused["outcome"], refused["rows"]) == ("refused", [])
    problem(mine.post("/ask", json={"question": "x" * 501}), 422, "invalid")


def _advised(tables: Warehouse, account_id: str, number: int) -> None:
    with tables.connection() as connection:
        for at in range(number):
            connection.execute(
                """
                INSERT INTO meta_ads.advice (
                    advice_id, account_id, advice_key, kind, severity, entity_type, entity_id,
                    entity_ids, what, why, numbers, method, doubt, confidence, expected_effect,
                    as_of, review_on, ads_manager_url, made_at)
                VALUES (%(id)s, %(account)s, %(id)s, %(kind)s, 'high', 'ad', '7', '["7"]',
                    'Pause it.', 'It is dear.', '{"cpa": 40.5}', 'E-value 30.', 'Bunches.', 0.97,
                    'More.', %(day)s, '2026-12-20', 'https://adsmanager.facebook.com/x', now())
                """,
                {
                    "id": f"{account_id}-{at}",
                    "account": account_id,
                    "kind": "pause" if at % 2 else "pacing",
                    "day": f"2026-11-{10 + at // 2}",
                },
            )
        connection.execute(
            "INSERT INTO meta_ads.advice_outcomes VALUES (%s, 'followed', %s, now(), 'x', 'y')",
            (f"{account_id}-0", account_id),
        )
        connection.execute(
            "INSERT INTO meta_ads.advice_reviews VALUES (%s, %s, 'better', 'Half.', '{}', now())",
            (f"{account_id}-0", account_id),
        )


def test_what_meta_recommends_by_pages(
    tables: Warehouse, mine: httpx2.Client, theirs: httpx2.Client
) -> None:
    with tables.connection() as connection:
        for account_id in ("act_1", "act_3"):
            for at in range(5):
                connection.execute(
                    """
                    INSERT INTO meta_ads.meta_recommendations
                        (recommendation_id, account_id, recommendation_type, object_ids,
                         first_seen_at, last_seen_at, gone_at, data_as_of)
                    VALUES (%s, %s, 'MUSIC', '["1"]', now(), now(),
                            CASE WHEN %s THEN now() END, now())
                    """,
                    (f"{account_id}-{at}", account_id, at == 0),
                )
                connection.execute(
                    "INSERT INTO meta_ads.opportunity_scores (account_id, day, score, data_as_of)"
                    " VALUES (%s, date '2026-11-10' + %s, 80, now())",
                    (account_id, at),
                )
    path = "/advice/recommendations"
    assert [row["recommendation_id"] for row in walk(mine, path, 2, account_id="act_1")] == [
        f"act_1-{at}" for at in range(1, 5)
    ]
    assert len(list(walk(mine, path, 2, account_id="act_1", include_gone=True))) == 5
    assert {row["account_id"] for row in walk(theirs, path, 9)} == {"act_3"}
    days = [row["day"] for row in walk(mine, "/advice/scores", 2, account_id="act_1")]
    assert days == [f"2026-11-{day}" for day in range(14, 9, -1)]
    problem(mine.get("/advice/scores", params={"account_id": "act_3"}), 404, "not_found")
    problem(mine.get(path, params={"account_id": "act_3"}), 404, "not_found")


def test_advice_by_pages_with_what_became_of_it(
    tables: Warehouse, mine: httpx2.Client, theirs: httpx2.Client
) -> None:
    _advised(tables, "act_1", 7)
    _advised(tables, "act_3", 2)
    found = list(walk(mine, "/advice", 2))
    assert sorted(row["advice_id"] for row in found) == [f"act_1-{at}" for at in range(1, 7)]
    assert [row["as_of"] for row in found] == sorted((r["as_of"] for r in found), reverse=True)
    assert (found[0]["numbers"], found[0]["outcome"]) == ({"cpa": 40.5}, None)
    every = list(walk(mine, "/advice", 3, include_settled=True))
    assert [r["verdict"] for r in every if r["outcome"] == "followed"] == ["better"]
    assert {row["kind"] for row in walk(mine, "/advice", 9, kind=["pacing"])} == {"pacing"}
    assert {row["account_id"] for row in walk(theirs, "/advice", 9)} == {"act_3"}
    record = mine.get("/advice/record", params={"account_id": "act_1"}).json()
    assert record["sentence"] == (
        "Your last 7 pieces of advice: 1 followed, 1 of them better, 0 worse."
    )
    problem(mine.get("/advice", params={"account_id": "act_3"}), 404, "not_found")
    problem(mine.get("/advice", params={"kind": "magic"}), 422, "invalid")
    problem(mine.get("/advice", params={"cursor": "bm9uZQ"}), 400, "bad_cursor")
    wrong = mine.get("/accounts", params={"limit": 1}).json()["next_cursor"]
    problem(mine.get("/advice", params={"cursor": wrong}), 400, "bad_cursor")
