"""The address that Meta delivers to, over a socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import psycopg
import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline.webhooks import unpack
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.webhooks.conftest import VERIFY
from meta_pipeline_tests.webhooks.deliveries import BEFORE, SECRET, changed, envelope, signature


def count(keeper: Warehouse, where: str = "true") -> int:
    """Changes, once all deliveries are taken apart."""
    unpack(keeper)
    with keeper.connection() as connection:
        row = connection.execute(
            f"SELECT count(*) FROM meta_ads.webhook_changes WHERE {where}"
        ).fetchone()
    return int(row[0]) if row else 0


def test_metas_question_is_answered_with_its_challenge_alone(address: str) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": VERIFY}
    answer = httpx2.get(address, params=query, timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    for wrong in ({"hub.verify_token": "x"}, {"hub.verify_token": "é"}, {"hub.mode": "other"}):
        assert (
            httpx2.get(address, params=query | wrong, timeout=PATIENCE_SECONDS).status_code == 403
        )
    assert httpx2.get(address, timeout=PATIENCE_SECONDS).status_code == 403


def test_a_delivery_is_kept_once_however_often_it_comes(address: str, keeper: Warehouse) -> None:
    body = envelope(*(changed(str(n)) for n in range(1000)), account="77")
    assert len(body) < 1_048_576
    first = httpx2.post(address, content=body, headers=signature(body), timeout=PATIENCE_SECONDS)
    assert (first.status_code, first.text) == (200, "kept\n")
    again = httpx2.post(
        address, content=body, headers=signature(body, BEFORE), timeout=PATIENCE_SECONDS
    )
    assert (again.status_code, again.text) == (200, "kept before\n")
    unpack(keeper)
    late = httpx2.post(address, content=body, headers=signature(body), timeout=PATIENCE_SECONDS)
    assert (late.status_code, late.text) == (200, "kept\n")
    assert count(keeper, "account_id = 'act_77' AND state = 'pending'") == 1000


def test_what_is_not_metas_or_too_much_is_refused_and_not_kept(
    address: str, keeper: Warehouse
) -> None:
    before, body = count(keeper), envelope(changed("5"), account="66")
    large = json.dumps({"object": "ad_account", "entry": [], "x": "y" * 1_048_577}).encode()

    def chunks() -> Any:
        yield large[:600_000]
        yield large[600_000:]

    answers = {
        "unsigned": httpx2.post(address, content=body, timeout=PATIENCE_SECONDS),
        "other secret": httpx2.post(
            address, content=body, headers=signature(body, "x"), timeout=PATIENCE_SECONDS
        ),
        "other body": httpx2.post(
            address, content=body + b" ", headers=signature(body), timeout=PATIENCE_SECONDS
        ),
        "too large": httpx2.post(
            address, content=large, headers=signature(large), timeout=PATIENCE_SECONDS
        ),
        "chunked": httpx2.post(
            address, content=chunks(), headers=signature(large), timeout=PATIENCE_SECONDS
        ),
        "no JSON": httpx2.post(
            address, content=b"x", headers=signature(b"x"), timeout=PATIENCE_SECONDS
        ),
    }
    codes = {name: answer.status_code for name, answer in answers.items()}
    assert codes == {
        "unsigned": 403,
        "other secret": 403,
        "other body": 403,
        "too large": 413,
        "chunked": 413,
        "no JSON": 400,
    }
    assert not any(SECRET in answer.text for answer in answers.values())
    assert count(keeper) == before


def test_unknown_fields_and_other_objects_are_kept(address: str, keeper: Warehouse) -> None:
    given = {
        "object": "page",
        "entry": [
            {
                "id": "act_55",
                "time": 1,
                "changes": [{"field": "of_tomorrow", "value": {"a": "\x00"}}],
            },
            {"id": "55", "time": "soon", "messaging": [{}]},
            None,
        ],
    }
    body = json.dumps(given).encode()
    answer = httpx2.post(address, content=body, headers=signature(body), timeout=PATIENCE_SECONDS)
    assert answer.text == "kept\n"
    assert count(keeper, "object = 'page' AND state = 'kept' AND account_id IS NULL") == 3


def site_of(keeper: Warehouse, **settings: Any) -> Site:
    made = Settings.load(env_file=None, **settings)
    return Site(made, keeper, Secret("x" * 32), sign_in_of(made, "127.0.0.1"))


def post_in_process(site: Site, body: bytes, on_start: Any) -> int:
    """One POST through the application, looking on at the moment its answer begins."""
    headers = [(b"host", b"127.0.0.1")]
    headers += [(k.lower().encode(), v.encode()) for k, v in signature(body).items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/meta",
        "raw_path": b"/webhooks/meta",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            on_start()

    asyncio.run(web_application(site)(scope, receive, send))
    return statuses[0]


def test_what_is_answered_is_committed_before_the_first_byte(
    keeper: Warehouse, address: str
) -> None:
    seen: list[int] = []
    url = keeper.url

    def look() -> None:
        with psycopg.connect(url) as other:
            row = other.execute(
                "SELECT count(*) FROM meta_ads.webhook_deliveries WHERE body = %s", (body,)
            ).fetchone()
            seen.append(row[0] if row else 0)

    body = envelope(changed("1"), changed("2"), account="44")
    assert post_in_process(site_of(keeper, app_secret=SECRET), body, look) == 200
    assert seen == [1]
    assert count(keeper, "account_id = 'act_44'") == 2


@pytest.mark.parametrize("why", ["no secret", "no database"])
def test_what_cannot_be_kept_now_comes_again(keeper: Warehouse, why: str) -> None:
    body = envelope(changed("1"), account="33")
    if why == "no secret":
        assert post_in_process(site_of(keeper), body, lambda: None) == 503
        return
    with Warehouse("postgresql://nobody@127.0.0.1:9/none") as gone:
        assert post_in_process(site_of(gone, app_secret=SECRET), body, lambda: None) == 503
    assert count(keeper, "account_id = 'act_33'") == 0
