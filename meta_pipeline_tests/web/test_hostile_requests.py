"""Whatever an address of the pages holds, the answer is a page with a sentence, never a failure."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx2
import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.doors import ROUTES
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.pages import PAGES
from meta_pipeline.web.programs.callbacks import CALLBACKS
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.filled import site, web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT

__all__ = ["site", "web_warehouse"]

ODD = (
    "\x00", f"{ACCOUNT}\x00", "%", "\\", "'", "\u202e", "x" * 5000, "//[", "-1", "²", "٣",
    "9" * 8, "9" * 20, "9" * 400, "1e400", "nan", "0001-01-01", "9999-12-31", "2026-W01-1",
    "act_" + "9" * 30, "c1:", "c1:nan", "c1:1e9999", "c1:-Infinity", "c1:9999-12-31", ":",
    "c1:0001-01-01 BC", "c1:\u0130",
)  # fmt: skip
"""What no page of ours links to, and what reads it may take for a number, a day, a place, an id."""
NAMES = (
    "since", "until", "days", "search", "page", "sort", "order", "metric", "level", "campaign",
    "adset", "status", "attribution", "breakdown", "open", "after", "before", "account", "kind",
    "q", "offset", "tenant", "next", "state", "code", "error", "error_description",
)  # fmt: skip
RANGES = (
    ("0001-01-01", "0001-01-01"), ("0001-01-01", "0003-01-01"), ("1900-01-01", "1900-01-02"),
    ("2999-12-31", "2999-12-31"), ("9999-12-31", "9999-12-31"), ("9998-01-01", "9999-12-31"),
    ("2026-W01-1", "20260107"),
)  # fmt: skip
OF_DAYS = ("/", "/campaigns", "/campaigns.csv", f"/accounts/{ACCOUNT}", "/creatives", "/sync/price")
ORDERS = ("name", "status", "created", "budget", "spend", "ctr")


def paths(given: str = ACCOUNT) -> list[str]:
    """Every address that is read, with what is variable in it replaced."""
    return [
        re.sub(r"\{\w+\}", quote(given, safe=""), route.path)
        for route in (*PAGES, *ROUTES, *CALLBACKS)
        # Who tries links and providers is counted, and after twenty has to wait.
        if "GET" in (route.methods or ()) and not re.match("/enter|/sign-in/", route.path)
    ]


def check(browser: httpx2.Client, path: str, params: dict[str, str]) -> None:
    answer = browser.get(path, params=params, follow_redirects=False)
    assert answer.status_code < 500, (path, params)


@pytest.mark.parametrize("path", OF_DAYS)
def test_days_at_the_ends_of_the_calendar_are_answered(browser: httpx2.Client, path: str) -> None:
    for since, until in RANGES:
        check(browser, path, {"since": since, "until": until, "account": ACCOUNT})


def test_an_odd_part_of_an_address_is_answered(browser: httpx2.Client) -> None:
    for odd in ODD:
        for path in paths(odd[:1000]):
            if odd[:5] in path or quote(odd[:3], safe="") in path:
                check(browser, path, {})


def test_an_odd_parameter_is_answered(browser: httpx2.Client) -> None:
    """A third of the parameters at each address, with one odd value: which, changes every time."""
    for turn, path in enumerate(paths()):
        for number, name in enumerate(NAMES[turn % 3 :: 3]):
            check(browser, path, {name: ODD[(turn * 5 + number) % len(ODD)]})


@pytest.mark.slow
@pytest.mark.parametrize("path", paths())
def test_every_odd_parameter_is_answered(browser: httpx2.Client, path: str) -> None:
    for name in NAMES:
        for odd in ODD:
            check(browser, path, {name: odd})


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_every_odd_place_in_a_table_is_answered(browser: httpx2.Client, order: str) -> None:
    for odd in ODD:
        for name in ("after", "before"):
            check(browser, "/campaigns", {"sort": order, name: odd})


def test_a_database_that_is_away_is_not_described_to_visitors() -> None:
    """Its host, name and user are for the log: pages and answers are for anybody."""
    secrets = ("dbhost.invalid", "agency_prod", "meta_owner", "DATABASE_URL", "5433")
    url = "postgresql://meta_owner:pw@dbhost.invalid:5433/agency_prod"
    settings = Settings.load(
        env_file=None,
        web_proxy_header="X-User",
        web_proxy_addresses="127.0.0.1",
        web_admins="boss",
        app_secret="s" * 32,
        app_id="1",
    )
    away = Site(settings, Warehouse(url), SECRET, SignIn.PROXY)
    reads = [*paths(), "/v1/health", "/v1/accounts", f"/v1/accounts/{ACCOUNT}", "/meta/deletions/a"]
    key = {"Authorization": f"Bearer mp_{'0' * 12}_{'0' * 64}"}
    with (
        served.running(web_application(away)) as base,
        httpx2.Client(base_url=base, timeout=PATIENCE_SECONDS) as visitor,
    ):
        unavailable = 0
        for path in reads:
            for headers in ({}, {"X-User": "boss"}, key):
                answer = visitor.get(path, headers=headers, follow_redirects=False)
                unavailable += answer.status_code == 503
                for one in secrets:
                    assert one not in answer.text, (path, headers, answer.text)
    assert unavailable > len(PAGES) / 2, "the database was not asked"
