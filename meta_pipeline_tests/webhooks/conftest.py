from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web import served
from meta_pipeline_tests.webhooks.deliveries import BEFORE, SECRET

VERIFY = "a verify token of our own"


@pytest.fixture(scope="module")
def keeper(postgres: TestPostgres) -> Iterator[Warehouse]:
    """The migrated database of this module."""
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(keeper: Warehouse) -> Iterator[str]:
    """Where the web application listens that takes Meta's deliveries."""
    settings = Settings.load(
        env_file=None,
        app_secret=SECRET,
        app_secret_previous=BEFORE,
        webhook_verify_token=VERIFY,
    )
    secret = Secret("for tests alone, thirty-two characters")
    site = Site(settings, keeper, secret, sign_in_of(settings, "127.0.0.1"))
    with served.running(web_application(site)) as url:
        yield f"{url}/webhooks/meta"
