"""Two tenants at one application: neither sees a name, a number or an address of the other."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy import enforce
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.warehouse.tenancy import two
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.world import ACCOUNT, NOW, OTHER, fill

ACCOUNTS = {"ann": ACCOUNT, "bob": OTHER}
pytestmark = pytest.mark.slow
PAGES = (
    "/",
    "/campaigns",
    "/campaigns.csv?level=ad",
    "/creatives",
    "/sync",
    "/health",
    "/connections",
    "/members",
)


@pytest.fixture(scope="module")
def url(postgres: TestPostgres) -> Iterator[str]:
    """The application behind a proxy, for both."""
    with postgres.fresh_database() as database, Warehouse(database) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            groups = group_names(connection)
        try:
            fill(warehouse)
            for who, account in ACCOUNTS.items():
                tenant = f"of-{who}"
                warehouse.tenants.add(tenant, tenant, NOW)
                warehouse.tenants.grant(tenant, [account], NOW)
                warehouse.tenants.set_member(tenant, who, "admin", at=NOW, added_by="test")
            with warehouse.connection() as connection:
                enforce(connection)
            settings = Settings.load(
                env_file=None, web_proxy_header="X-User", web_proxy_addresses="127.0.0.1"
            )
            site = Site(settings, warehouse, SECRET, SignIn.PROXY, now=lambda: NOW)
            with served.running(web_application(site)) as listening:
                yield listening
        finally:
            warehouse.close()
            two._drop(postgres, database, tuple(groups))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_of_the_others(url: str, path: str) -> None:
    with httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS, follow_redirects=True) as browser:
        for who, account in ACCOUNTS.items():
            other = next(name for name in ACCOUNTS if name != who)
            answer = browser.get(path, headers={"x-user": who})
            assert answer.status_code == 200, answer.text
            assert ACCOUNTS[other] not in answer.text
            assert other not in answer.text
            if path in ("/", "/sync"):
                assert account in answer.text
            browser.cookies.clear()


def test_an_address_of_the_others_is_not_there(url: str) -> None:
    with httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as browser:
        for path in (f"/accounts/{ACCOUNT}", "/timeline/c1", f"/timeline/{ACCOUNT}"):
            assert browser.get(path, headers={"x-user": "bob"}).status_code == 404, path
        for path in (f"/campaigns?account={ACCOUNT}", f"/creatives?account={ACCOUNT}"):
            assert browser.get(path, headers={"x-user": "bob"}).status_code == 400, path
        assert browser.get(f"/accounts/{ACCOUNT}", headers={"x-user": "ann"}).status_code == 200
