"""The web application that is started on this machine: whose settings and whose secret it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from meta_pipeline.commands.processes.demo import Demo
from meta_pipeline.local.children import Children
from meta_pipeline.local.environment import without_ours
from meta_pipeline.local.simulated import demo_settings
from meta_pipeline.local.web import noted_address, secret_of, start_web
from meta_pipeline.settings import Settings
from meta_pipeline.settings.secret_files import concealed, private_folder
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served

THEIRS = {
    "META_WEB_SECRET": "the caller's own secret, which opens every tenant",
    "META_WEB_URL": "https://ads.example.com",
    "META_WEB_OIDC_ISSUER": "https://id.example.com",
    "META_WEB_OIDC_CLIENT_ID": "ads",
    "META_WEB_OIDC_CLIENT_SECRET": "secret of a client",
}
"""A real site is set up on this machine."""


@pytest.fixture
def other_url(postgres: TestPostgres) -> Iterator[str]:
    """The database of another site."""
    with postgres.fresh_database() as url:
        yield url


def browser_in(base_url: str = "") -> httpx2.Client:
    return httpx2.Client(base_url=base_url, follow_redirects=True, timeout=PATIENCE_SECONDS)


def assert_refused_at(
    settings: Settings, url: str, address: str, cookies: Mapping[str, str]
) -> None:
    """Neither the link nor the cookies of one site open another, which has its own database."""
    with Warehouse(url) as warehouse:
        site = Site(settings, warehouse, secret_of(settings), SignIn.LINK)
        with served.running(web_application(site)) as base, browser_in(base) as browser:
            assert browser.get(f"/enter?{urlsplit(address).query}").status_code == 403
            for name, value in cookies.items():
                browser.cookies.set(name, value)
            assert browser.get("/").url.path == "/sign-in"


@pytest.mark.parametrize("given", [{}, {"web_secret": THEIRS["META_WEB_SECRET"]}])
def test_what_the_demo_lets_in_is_refused_by_the_site_beside_it(
    tmp_path: Path, database_url: str, other_url: str, given: dict[str, str]
) -> None:
    settings = Settings.load(env_file=None, data_dir=str(tmp_path), **given)
    with (
        demo_settings(settings, database_url, with_graph=False) as of_demo,
        Warehouse(database_url) as warehouse,
    ):
        secret = secret_of(of_demo)
        site = Site(of_demo, warehouse, secret, SignIn.LINK)
        with served.running(web_application(site)) as base, browser_in() as browser:
            address = new_link(secret, base)
            assert "Overview" in browser.get(address).text
            cookies = dict(browser.cookies)
    assert cookies
    assert_refused_at(settings, other_url, address, cookies)


def test_the_link_is_that_of_the_process_whatever_is_set_here(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in THEIRS.items():
        monkeypatch.setenv(name, value)
    own = {"DATABASE_URL": database_url, "META_PIPELINE_DATA": str(tmp_path)}
    concealed(THEIRS, private_folder(tmp_path))  # of an earlier start
    with Children(tmp_path / "logs") as children:
        environment = without_ours() | own
        address = start_web(children, environment, folder=tmp_path, tell=print)
        assert address is not None
        assert {one.name for one in private_folder(tmp_path).iterdir()} == {"database_url"}
        with browser_in() as browser:
            assert "Overview" in browser.get(address).text


@pytest.mark.slow
def test_the_demo_has_a_web_application_of_its_own(
    tmp_path: Path, database_url: str, other_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in THEIRS.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(env_file=None, data_dir=str(tmp_path))
    with ExitStack() as stack:
        demo = Demo(settings, stack, 3000, 0, is_own=True)
        lock = stack.enter_context(demo._home.taken())
        warehouse = stack.enter_context(Warehouse(database_url))
        demo._start(database_url, warehouse, lock, ui=True)
        assert demo._address is not None
        browser = stack.enter_context(browser_in())
        assert "Overview" in browser.get(demo._address).text
        with demo_settings(settings, database_url, with_graph=False) as of_demo:
            base = noted_address(of_demo)
            assert base is not None
            fresh = new_link(secret_of(of_demo), base)
        assert "Overview" in stack.enter_context(browser_in()).get(fresh).text
        cookies = dict(browser.cookies)
    assert_refused_at(settings, other_url, demo._address, cookies)
