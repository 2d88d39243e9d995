"""An account that changed its currency has no numbers over both; all others keep theirs.

Numbers of one of the two are shown in that one, whatever the account's currency is today.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import httpx2
import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics.kpi import Verdict
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
                            one,
                            ago(day),
                            account,
                            level=level,
                            spend=12.34,
                            clicks=2,
                            currency=currency,
                        )
                rows.fetched(map(ago, DAYS), account)
                connection.execute(
                    "UPDATE meta_ads.meta_ads SET creative_id = %s WHERE ad_id = %s",
                    (f"{prefix}cr1", f"{prefix}a1"),
                )
                connection.execute(
                    "UPDATE meta_ads.meta_campaigns SET daily_budget = 50 WHERE campaign_id = %s",
                    (f"{prefix}c1",),
                )
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


@pytest.mark.parametrize("sort", ["spend", "name", "cost_per_result"])
def test_campaigns_of_all_accounts_are_those_of_the_others(
    browser: httpx2.Client, sort: str
) -> None:
    answer = browser.get("/campaigns", params={**days(6, 1), "sort": sort})
    assert answer.status_code == 200
    assert answer.text.count("74.04") == 2  # the campaign, and all of them together
    assert f"{WHY} They cannot be added: ask for each range by itself. It is left out here." in (
        answer.text
    )
    for narrowed in ({"account": CHANGED}, {"account": CHANGED, "level": "ad"}):
        refused = browser.get("/campaigns", params={**days(6, 1), **narrowed})
        assert refused.status_code == 400
        assert WHY in refused.text
    # A file has no place for a note: it is refused rather than short.
    assert browser.get("/campaigns.csv", params=days(6, 1)).status_code == 400


def test_days_after_the_change_have_numbers_whatever_was_before(browser: httpx2.Client) -> None:
    """The four days before those two are of both currencies, or of the other one."""
    for path in ("/", f"/accounts/{CHANGED}"):
        answer = browser.get(path, params=days(2, 1))
        assert answer.status_code == 200, path
    told = browser.get(f"/accounts/{CHANGED}", params=days(2, 1)).text
    assert f"EUR from {ago(4)} to {ago(4)} and JPY from {ago(3)} to {ago(3)}" in told


@pytest.mark.parametrize(
    "path",
    [
        f"/?search={CHANGED}&",
        f"/accounts/{CHANGED}?",
        f"/campaigns?account={CHANGED}&level=ad&",
        f"/creatives?account={CHANGED}&",
    ],
)
def test_amounts_have_the_sign_of_the_currency_they_are_stored_in(
    browser: httpx2.Client, path: str
) -> None:
    """Three days of 12.34 in JPY, which has no minor units, of an account of EUR."""
    answer = browser.get(f"{path}since={ago(3)}&until={ago(1)}")
    assert answer.status_code == 200
    assert "¥37" in answer.text
    assert "€37.02" not in answer.text.replace("not compared with €37.02", "")
    # Of days before the change the same pages show the other one.
    assert "€37.02" in browser.get(f"{path}since={ago(6)}&until={ago(4)}").text


def test_all_accounts_are_shown_in_their_own_currency(browser: httpx2.Client) -> None:
    for path in ("/", "/campaigns"):
        told = browser.get(path, params=days(3, 1)).text
        assert "¥37" in told, path
        assert "€37.02" in told, path


def test_campaigns_stored_in_several_currencies_have_no_total_and_the_page_says_so(
    browser: httpx2.Client,
) -> None:
    """Both accounts are in EUR today, and one of them was in JPY on these days."""
    told = "Amounts have no total: these accounts have several currencies."
    answer = browser.get("/campaigns", params=days(3, 1)).text
    assert told in answer
    assert "74.04" not in answer
    assert "<dt>Currency</dt><dd>EUR, JPY</dd>" in answer
    assert "<dt>Currency</dt><dd>EUR</dd>" not in answer
    in_one = browser.get("/campaigns", params=days(6, 4)).text
    assert told not in in_one
    assert "€74.04" in in_one


def test_days_and_their_proof_are_in_the_stored_currency(browser: httpx2.Client) -> None:
    told = browser.get(f"/accounts/{CHANGED}", params=days(3, 1)).text
    assert "¥12" in told
    assert "€12.34" not in told


def test_amounts_of_two_currencies_are_not_compared_and_the_page_says_so(
    browser: httpx2.Client,
) -> None:
    told = browser.get(f"/accounts/{CHANGED}", params=days(3, 1)).text
    assert (
        f"{CHANGED} changed its currency: its amounts of these days are in JPY, those of the days "
        "before in EUR. They are not compared."
    ) in told
    assert "not compared with €37.02" in told
    assert "against €37.02" not in told
    assert "against €37.02" in browser.get(f"/accounts/{STAYED}", params=days(3, 1)).text


def test_a_row_of_the_csv_says_what_its_numbers_and_its_budget_are_in(
    browser: httpx2.Client,
) -> None:
    answer = browser.get("/campaigns.csv", params={**days(3, 1), "metric": "spend"})
    rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    of = {row["id"]: row for row in rows}
    named = ("daily budget", "budget currency", "spend", "currency")
    assert [of["xc1"][name] for name in named] == ["50", "EUR", "37.02", "JPY"]
    assert [of["c1"][name] for name in named] == ["50", "EUR", "37.02", "EUR"]


def test_a_target_in_another_currency_is_not_judged_and_the_pages_say_why(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    kpis = metrics.KPIs(web_warehouse)
    why = (
        f"{CHANGED} changed its currency: its cpc of these days is in JPY, its target in EUR. "
        "It cannot be judged."
    )
    kpis.set(CHANGED, "cpc", 20, is_primary=True)
    try:
        (judged,) = kpis.performance(CHANGED, (ago(3), ago(1)), now=NOW)
        assert (judged.verdict, judged.distance_pct) == (Verdict.UNKNOWN, None)
        assert why in judged.notes
        for path in ("/", f"/accounts/{CHANGED}"):
            assert why in browser.get(path, params=days(3, 1)).text, path
            assert "It cannot be judged" not in browser.get(path, params=days(6, 4)).text, path
    finally:
        kpis.remove(CHANGED, "cpc")
