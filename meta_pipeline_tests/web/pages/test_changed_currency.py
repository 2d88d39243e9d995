"""An account that changed its currency has no numbers over both; all others keep theirs."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from meta_pipeline import metrics
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.metrics.rows import NOW, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web.conftest import SECRET

STAYED, CHANGED = "act_1", "act_2"
DAYS = range(1, 7)
WHY = (
    f"{CHANGED} changed its currency: its stored amounts are in EUR from {ago(6)} to {ago(4)} and "
    f"JPY from {ago(3)} to {ago(1)}."
)


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        opened.migrate()
        with opened.connection() as connection:
            rows = Rows(connection)
            for account, prefix in ((STAYED, ""), (CHANGED, "x")):
                rows.tree(account, prefix)
                for day in DAYS:
                    currency = "JPY" if account == CHANGED and day <= 3 else "EUR"
                    for one, level in ((f"{prefix}a1", "ad"), (account, "account")):
                        rows.insight(
                            one, ago(day), account, level=level, spend=12.34, currency=currency
                        )
                rows.fetched(map(ago, DAYS), account)
                metrics.rollup(connection, account)
        yield opened


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Site:
    return Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)


def days(since: int, until: int) -> dict[str, str]:
    return {"since": str(ago(since)), "until": str(ago(until))}


def test_the_overview_shows_the_others_and_says_why_of_this_one(browser: httpx2.Client) -> None:
    answer = browser.get("/", params=days(6, 1))
    assert answer.status_code == 200
    assert answer.text.count("74.04") == 1
    assert WHY in answer.text
    refused = browser.get(f"/accounts/{CHANGED}", params=days(6, 1))
    assert refused.status_code == 400
    assert WHY in refused.text


def test_the_overview_of_that_account_alone_says_why(browser: httpx2.Client) -> None:
    answer = browser.get("/", params={**days(6, 1), "search": CHANGED})
    assert answer.status_code == 200
    assert WHY in answer.text


def test_days_after_the_change_have_numbers_whatever_was_before(browser: httpx2.Client) -> None:
    """The four days before those two are of both currencies, or of the other one."""
    for path in ("/", f"/accounts/{CHANGED}"):
        answer = browser.get(path, params=days(2, 1))
        assert answer.status_code == 200, path
    told = browser.get(f"/accounts/{CHANGED}", params=days(2, 1)).text
    assert f"EUR from {ago(4)} to {ago(4)} and JPY from {ago(3)} to {ago(3)}" in told
