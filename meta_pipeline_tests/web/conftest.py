"""A served web application: one database and one world for all tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import browsing, served

SECRET = Secret("for tests alone, thirty-two characters")


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    """The migrated database of this module."""
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        opened.migrate()
        yield opened


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Site:
    settings = Settings.load(env_file=None)
    return Site(settings, web_warehouse, SECRET, sign_in_of(settings, "127.0.0.1"))


@pytest.fixture(scope="module")
def base_url(site: Site) -> Iterator[str]:
    """Where the application of `site` listens."""
    with served.running(web_application(site)) as url:
        yield url


@pytest.fixture(scope="module")
def sign_in(site: Site, base_url: str) -> Iterator[Callable[[], httpx2.Client]]:
    """Make a browser that came in by a one-time link."""

    opened = []

    def come_in() -> httpx2.Client:
        browser = httpx2.Client(base_url=base_url, follow_redirects=True, timeout=PATIENCE_SECONDS)
        opened.append(browser)
        assert browser.get(new_link(site.secret, base_url)).status_code == 200
        return browser

    yield come_in
    for browser in opened:
        browser.close()


@pytest.fixture(scope="module")
def browser(sign_in: Callable[[], httpx2.Client]) -> httpx2.Client:
    """A browser that is signed in, for all tests that change nothing about that."""
    return sign_in()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The distribution's browser; tests that want it are skipped where there is none."""
    with browsing.launched() as opened:
        yield opened


@pytest.fixture
def opened(chromium: Any, base_url: str, browser: httpx2.Client) -> Iterator[Callable[..., Any]]:
    """Open a page as somebody who is signed in; a message on the console fails the test."""
    (cookie,) = browser.cookies.jar
    with browsing.pages(chromium, base_url, cookie) as open_page:
        yield open_page
