"""One tenant's slow questions hold up nobody else: no page, no program, no delivery of Meta's."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import psycopg
import pytest

from meta_pipeline.commands.processes.web import _CONNECTIONS
from meta_pipeline.concurrency import MOST, FairLimiter
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.unread import bodiless, noted, unread

LOCK = "LOCK meta_ads.meta_campaigns IN ACCESS EXCLUSIVE MODE"
# As long as the test holds the table, and nobody is answered because a lock took too long.
LASTING = Patience(statement_seconds=2 * PATIENCE_SECONDS, lock_seconds=2 * PATIENCE_SECONDS)
DELIVERY = b'{"object": "ad_account", "entry": []}'
SECRET = "of the app, for tests"


@pytest.fixture(scope="module")
def site(tables: Warehouse) -> Iterator[Site]:
    """People come by a proxy that names them; who finds no slot is told so at once."""
    for who, tenant in (("ann", "default"), ("bob", "other")):
        tables.tenants.set_member(tenant, who, "admin", at=datetime.now(UTC), added_by="test")
    settings = Settings.load(
        env_file=None,
        api_requests_per_minute=100_000,
        app_secret=SECRET,
        web_proxy_header="X-User",
        web_proxy_addresses="127.0.0.1",
    )
    with Warehouse(tables.url, max_connections=_CONNECTIONS, patience=LASTING) as opened:
        limiter = FairLimiter(patience_seconds=0)
        yield Site(settings, opened, Secret("x" * 32), SignIn.PROXY, limiter=limiter)


def held_up(tables: Warehouse) -> int:
    """How many questions wait for a lock."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    with psycopg.connect(tables.url) as connection:
        (count,) = connection.execute(query).fetchall()
        return int(count[0])


def deliver(url: str) -> httpx2.Response:
    signed = hmac.new(SECRET.encode(), DELIVERY, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": f"sha256={signed}"}
    return httpx2.post(
        f"{url}/webhooks/meta", content=DELIVERY, headers=headers, timeout=PATIENCE_SECONDS
    )


def seen(url: str, who: str, path: str) -> httpx2.Response:
    return httpx2.get(url + path, headers={"x-user": who}, timeout=PATIENCE_SECONDS)


def test_forty_questions_of_one_key_hold_up_nobody_else(
    tables: Warehouse, url: str, mine: httpx2.Client, theirs: httpx2.Client
) -> None:
    def ask() -> httpx2.Response:
        return mine.get("/accounts/act_1/campaigns")

    with psycopg.connect(tables.url) as holder, ThreadPoolExecutor(40) as threads:
        holder.execute(LOCK)
        asked: list[Future[httpx2.Response]] = [threads.submit(ask) for _ in range(40)]
        wait_until(lambda: held_up(tables) >= MOST // 2, "as many questions wait as may")
        assert deliver(url).status_code == 200
        assert seen(url, "bob", "/connections").status_code == 200
        assert theirs.get("/sync-runs").status_code == 200
        # Its own people are not held up by its programs either.
        assert seen(url, "ann", "/connections").status_code == 200
        wait_until(lambda: sum(one.done() for one in asked) == 40 - MOST // 2, "the rest is told")
        assert httpx2.get(f"{url}/v1/health", timeout=PATIENCE_SECONDS).status_code == 200
        holder.rollback()
        answers = [one.result() for one in asked]
    refused = [one for one in answers if one.status_code != 200]
    assert len(refused) == 40 - MOST // 2
    assert {one.json()["code"] for one in refused} == {"too_many_requests"}
    assert {one.headers["retry-after"] for one in refused} == {"5"}


def test_pages_of_one_tenant_leave_room_for_the_others(tables: Warehouse, url: str) -> None:
    with psycopg.connect(tables.url) as holder, ThreadPoolExecutor(40) as threads:
        holder.execute(LOCK)
        opened = [threads.submit(seen, url, "ann", "/campaigns") for _ in range(40)]
        wait_until(lambda: sum(one.done() for one in opened) == 40 - MOST // 2, "the rest is told")
        assert deliver(url).status_code == 200
        assert seen(url, "bob", "/connections").status_code == 200
        refused = seen(url, "ann", "/campaigns")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "try again in 5 s" in refused.text
        holder.rollback()
        statuses = [one.result().status_code for one in opened]
    assert statuses.count(200) == MOST // 2


def head_of(program: httpx2.Client, first: str) -> bytes:
    key = program.headers["authorization"]
    return f"{first} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\n".encode()


def test_an_answer_that_nobody_reads_holds_no_slot(site: Site, mine: httpx2.Client) -> None:
    protocol = noted()
    with served.running(web_application(site), http=protocol) as url:
        ask = head_of(mine, "GET /v1/metrics") + b"\r\n"
        with unread(url, ask, protocol, MOST // 2):
            found = httpx2.get(
                f"{url}/v1/sync-runs", headers=mine.headers, timeout=PATIENCE_SECONDS
            )
            assert found.status_code == 200


def test_a_body_that_drips_holds_no_slot(url: str, mine: httpx2.Client) -> None:
    kind = b"Content-Type: application/json\r\n"
    with bodiless(url, head_of(mine, "POST /v1/facts") + kind, MOST // 2):
        assert mine.get("/sync-runs").status_code == 200
