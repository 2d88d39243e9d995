"""Two tenants in two browsers: every page of one has nothing of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import psycopg
import pytest
from psycopg import sql

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.ways import Way
from meta_pipeline.web.pages import PAGES
from meta_pipeline_tests.metrics.rows import Rows
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.world import ACCOUNT, NOW, OTHER, fill

ANN, BOB = "ann@alpha.example", "bob@beta.example"
OF_ALPHA = re.compile(rf"\b{ACCOUNT}\b|(?<![-\w])(?:[csa]|h[as])[0-9]+\b|{re.escape(ANN)}")
"""What is alpha's alone: its account, the ids in it, its member."""


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        fill(opened)
        with opened.connection() as connection:
            Rows(connection).tree(OTHER, prefix="b-")
            groups = group_names(connection)
        for tenant, account_id, member in (("alpha", ACCOUNT, ANN), ("beta", OTHER, BOB)):
            opened.tenants.add(tenant, tenant.title(), NOW)
            opened.tenants.grant(tenant, [account_id], NOW)
            opened.tenants.set_member(tenant, member, "admin", at=NOW, added_by="the test")
        opened.keep_tenants_apart()
        yield opened
        opened.close()
        with psycopg.connect(url, autocommit=True) as connection:
            for group in groups:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(group)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(group)))


@pytest.fixture(scope="module")
def base_url(web_warehouse: Warehouse) -> Iterator[str]:
    settings = Settings.load(
        env_file=None, web_proxy_header="X-User", web_proxy_addresses="127.0.0.1"
    )
    site = Site(settings, web_warehouse, SECRET, Way.PROXY, now=lambda: NOW)
    with served.running(web_application(site)) as url:
        yield url


@pytest.fixture
def bob(base_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=base_url, headers={"X-User": BOB}, timeout=PATIENCE_SECONDS
    ) as browser:
        yield browser


@pytest.fixture
def ann(base_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=base_url, headers={"X-User": ANN}, timeout=PATIENCE_SECONDS
    ) as browser:
        yield browser


def pages(account_id: str, entity_id: str, query: str = "") -> list[str]:
    """Every page there is, of one account and entity where it is of one."""
    given = {"account_id": account_id, "entity_id": entity_id, "pending_id": "none"}
    paths = [route.path.format(**given) for route in PAGES if "GET" in (route.methods or ())]
    return [f"{path}{query}" for path in paths]


@pytest.mark.slow
def test_no_page_has_anything_of_another_tenant(ann: httpx2.Client, bob: httpx2.Client) -> None:
    own = [ann.get(path) for path in pages(ACCOUNT, "c1")]
    assert all(page.status_code < 500 for page in own)
    assert sum(bool(OF_ALPHA.search(page.text)) for page in own) > 5, "there is nothing to hide"
    asked = [
        *((path, "") for path in pages(OTHER, "b-c1")),
        *((path, ACCOUNT) for path in pages(ACCOUNT, "c1", f"?account={ACCOUNT}")),
    ]
    for path, said in asked:
        page = bob.get(path)
        assert page.status_code < 500, path
        text = page.text if not said else page.text.replace(said, "").replace("c1", "")
        assert not OF_ALPHA.search(text), (path, OF_ALPHA.search(text))


def test_what_one_tenant_changes_is_its_own(
    ann: httpx2.Client, bob: httpx2.Client, web_warehouse: Warehouse
) -> None:
    csrf = csrf_of(bob.get("/members").text)
    for path, form in (
        ("/members", {"subject": "carol", "role": "viewer"}),
        ("/members/remove", {"subject": ANN}),
        ("/sync", {"account": ACCOUNT, "account_id": ACCOUNT, "reason": "mine?"}),
        ("/sync", {"account": OTHER, "account_id": OTHER, "reason": "ours"}),
    ):
        answer = bob.post(path, data=form | {"csrf": csrf}, follow_redirects=False)
        assert answer.status_code < 500, (path, answer.text)
    with web_warehouse.connection() as connection:
        members = connection.execute(
            "SELECT tenant, subject FROM meta_ads.members ORDER BY 1, 2"
        ).fetchall()
        asked = connection.execute(
            "SELECT account_id, requested_by FROM meta_ads.sync_requests"
        ).fetchall()
    assert members == [("alpha", ANN), ("beta", BOB), ("beta", "carol")]
    assert asked == [(OTHER, BOB)]
    assert "carol" in bob.get("/members").text
    assert "carol" not in ann.get("/members").text


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]
