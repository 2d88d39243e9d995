"""A table that somebody holds for long: every page says that there is no answer now, and soon."""

from __future__ import annotations

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
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.filled import web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT, NOW

__all__ = ["web_warehouse"]

QUICK = Patience(statement_seconds=60, lock_seconds=0.05)


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Iterator[Site]:
    with Warehouse(web_warehouse.url, patience=QUICK, max_connections=4) as impatient:
        settings = Settings.load(env_file=None)
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
