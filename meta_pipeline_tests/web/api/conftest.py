from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx2
import pytest

from meta_pipeline.metrics import load_dictionary
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.tenancy import enforce
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.api_keys import Scope, new_key
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync_requests.rows import account
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served

Client = Callable[..., httpx2.Client]


@pytest.fixture(scope="module")
def tables(postgres: TestPostgres) -> Iterator[Warehouse]:
    """Two tenants: default has act_1 and act_2, other has act_3; each account a campaign."""
    with postgres.fresh_database() as url, Warehouse(url, max_connections=8) as opened:
        for number in (1, 2, 3):
            account(opened, f"act_{number}")
        with opened.connection() as connection:
            for number in (1, 2, 3):
                for index in range(3):
                    connection.execute(
                        "INSERT INTO meta_ads.meta_campaigns "
                        "(campaign_id, account_id, name, effective_status, data_as_of) "
                        "VALUES (%s, %s, %s, %s, now())",
                        (f"{number}{index}", f"act_{number}", f"C {index}", "ACTIVE"),
                    )
        load_dictionary(opened)
        make_tenants(opened)
        yield opened


def make_tenants(opened: Warehouse) -> None:
    now = datetime.now(UTC)
    opened.tenants.add("other", "Other", at=now)
    opened.tenants.revoke("default", ["act_3"])
    opened.tenants.grant("other", ["act_3"], at=now)
    with opened.connection() as connection:
        enforce(connection)


@pytest.fixture(scope="module")
def site(tables: Warehouse) -> Site:
    settings = Settings.load(env_file=None, api_requests_per_minute=100_000)
    return Site(settings, tables, Secret("x" * 32), sign_in_of(settings, "127.0.0.1"))


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with served.running(web_application(site)) as found:
        yield found


@pytest.fixture(scope="module")
def client(tables: Warehouse, url: str) -> Iterator[Client]:
    """Makes clients that come in with a key of a tenant."""
    opened: list[httpx2.Client] = []

    def make(*scopes: Scope, tenant: str = "default") -> httpx2.Client:
        _, text = new_key(
            tables,
            f"tests {len(opened)}",
            tenant=tenant,
            scopes=scopes or tuple(Scope),
            created_by="tests",
            now=datetime.now(UTC),
        )
        headers = {"Authorization": f"Bearer {text}"}
        opened.append(
            httpx2.Client(base_url=f"{url}/v1", headers=headers, timeout=PATIENCE_SECONDS)
        )
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def mine(client: Client) -> httpx2.Client:
    """A program of the tenant default that may do everything."""
    return client()


@pytest.fixture(scope="module")
def theirs(client: Client) -> httpx2.Client:
    """A program of another tenant that may do everything."""
    return client(tenant="other")
