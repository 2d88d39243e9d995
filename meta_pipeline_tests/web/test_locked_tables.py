"""Nobody waits for long: not for a table that somebody holds, nor for a second connection."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import psycopg
import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.pages import PAGES
from meta_pipeline_tests.connections.place import KEY
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.filled import web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT, NOW

__all__ = ["web_warehouse"]

QUICK = Patience(statement_seconds=60, lock_seconds=0.05)
MEMBER = {"subject": "ann@example.com", "role": "viewer"}
FORMS = {
    "/members": MEMBER,
    "/members/remove": MEMBER,
    "/members/invite": MEMBER,
    "/members/revoke": MEMBER,
    "/sync": {"account": ACCOUNT},
    "/sync/cancel": {},
    "/advice/judge": {"account": ACCOUNT},
    "/advice/dismiss": {"reason": "No."},
    # Those of a connection that there is are in test_connecting.
    "/connections/choose": {},
    "/connections/accounts": {"connection": "none"},
    "/connections/remove": {"connection": "none"},
}


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Iterator[Site]:
    """Its pool has one connection: who asked for a second beside it would wait for themselves."""
    with Warehouse(web_warehouse.url, patience=QUICK, max_connections=1) as impatient:
        settings = Settings.load(env_file=None, token_keys=KEY)
        yield Site(settings, impatient, SECRET, SignIn.LINK, now=lambda: NOW)


@pytest.mark.parametrize(
    "table", ["meta_ad_accounts", "metric_definitions", "meta_insights", "campaign_rollups"]
)
def test_no_page_waits_for_it_or_breaks(
    browser: httpx2.Client, web_warehouse: Warehouse, table: str
) -> None:
    given = {"account_id": ACCOUNT, "entity_id": ACCOUNT, "pending_id": "none"}
    paths = [page.path.format(**given) for page in PAGES if "GET" in (page.methods or ())]
    with psycopg.connect(web_warehouse.url) as other:
        other.execute(f"LOCK meta_ads.{table} IN ACCESS EXCLUSIVE MODE")
        answers = {path: browser.get(path).status_code for path in paths}
    assert not {path for path, status in answers.items() if status >= 500 and status != 503}
    assert 503 in answers.values()


def test_every_page_is_answered_by_one_connection(browser: httpx2.Client) -> None:
    given = {"account_id": ACCOUNT, "entity_id": ACCOUNT, "pending_id": "none"}
    for page in PAGES:
        if "GET" in (page.methods or ()):
            answer = browser.get(page.path.format(**given), follow_redirects=False)
            assert answer.status_code < 500, (page.path, answer.text)


def test_every_form_is_answered_by_one_connection(browser: httpx2.Client) -> None:
    assert set(FORMS) == {page.path for page in PAGES if "POST" in (page.methods or ())}
    for path, fields in FORMS.items():
        room = re.match("/[a-z]+", path)
        assert room
        page = browser.get(room[0]).text
        hidden = re.findall(r'name="(csrf|request|advice)" value="([^"]+)"', page)
        answer = browser.post(path, data=dict(reversed(hidden)) | fields)
        is_of_meta = room[0] == "/connections"
        assert answer.status_code == (400 if is_of_meta else 200), (path, answer.text)
