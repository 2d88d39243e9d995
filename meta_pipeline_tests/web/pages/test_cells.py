"""Rows that are opened and broken down: a page reads what it shows, at once; a file has it all."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import httpx2
import pytest

from meta_pipeline import metrics
from meta_pipeline.settings import Settings
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.metrics.counted import Counted
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web.conftest import SECRET

REGIONS, SHOWN, OPENED = 200, 20, 20
ADS = ["a1", "a2", "a3", "a4"]
TABLE = f"account={ACCOUNT}&since={ago(1)}&until={ago(1)}&breakdown=region"
# What is spent most on is shown least.
_CELLS = """
    INSERT INTO meta_ads.meta_insights_breakdown (entity_type, entity_id, date_start, breakdown,
        cell, cell_values, account_id, campaign_id, adset_id, ad_id, currency, spend, impressions,
        reach, clicks, data_as_of)
    SELECT 'ad', ad_id, %s, 'region', jsonb_build_array(region)::text,
        jsonb_build_object('region', region), account_id, campaign_id, adset_id, ad_id, 'EUR',
        n, 1000 - n, 300 + n, 0, now()
    FROM meta_ads.meta_ads, generate_series(1, %s) AS n, LATERAL (SELECT 'Region ' || n AS region) r
"""


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Counted]:
    with postgres.fresh_database() as url, Counted(url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            rows = Rows(connection)
            rows.tree()
            for number in range(OPENED):
                rows.campaign(f"n{number}")
                rows.adset(f"ns{number}", f"n{number}")
            for ad in ADS:
                rows.insight(ad, ago(1), spend=1, impressions=1)
            connection.execute(_CELLS, (ago(1), REGIONS))
            rows.fetched([ago(1)])
            rows.fetched([ago(1)], dataset="breakdown:region")
            metrics.rollup(connection, ACCOUNT)
        yield warehouse


@pytest.fixture(scope="module")
def site(web_warehouse: Counted) -> Site:
    return Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)


def regions(page: str) -> list[str]:
    return re.findall(r"<bdi>Region (\d+)</bdi>", page)


@pytest.mark.parametrize(
    ("view", "rows"),
    [("level=ad", 4), ("open=c1&open=c2&open=s1&open=s2&open=s3", 2 + 3 + 4)],
)
def test_a_page_reads_the_cells_that_it_shows_and_counts_the_others(
    browser: httpx2.Client, web_warehouse: Counted, view: str, rows: int
) -> None:
    web_warehouse.most_rows = 0
    page = browser.get(f"/campaigns?{TABLE}&metric=spend&{view}")
    assert page.status_code == 200, page.text
    highest = [str(REGIONS - n) for n in range(SHOWN)]
    assert regions(page.text) == highest * rows
    assert page.text.count("180 more: the CSV has them all") == rows
    assert web_warehouse.most_rows <= SHOWN * len(ADS)


@pytest.mark.parametrize("chosen", ["metric=spend&metric=reach", "metric=reach&metric=spend"])
def test_people_are_told_of_the_cells_that_are_shown(browser: httpx2.Client, chosen: str) -> None:
    page = browser.get(f"/campaigns?{TABLE}&level=ad&{chosen}").text
    assert regions(page) == [str(REGIONS - n) for n in range(SHOWN)] * len(ADS)
    for region in (200, 181):
        cell = page.partition(f"<bdi>Region {region}</bdi>")[2].partition("</tr>")[0]
        assert {f"€{region}.00", str(300 + region)} <= set(re.findall(r">([^<>]+)</td>", cell))


def test_people_alone_say_which_cells_come_first(browser: httpx2.Client) -> None:
    page = browser.get(f"/campaigns?{TABLE}&level=ad&metric=reach").text
    assert regions(page) == [str(REGIONS - n) for n in range(SHOWN)] * len(ADS)
    assert page.count("180 more: the CSV has them all") == len(ADS)


@pytest.mark.parametrize("most_rows", [50_000, REGIONS + 1])
def test_the_csv_has_all_cells_however_few_are_read_at_once(
    browser: httpx2.Client,
    web_warehouse: Counted,
    monkeypatch: pytest.MonkeyPatch,
    most_rows: int,
) -> None:
    bound = metrics.Bound(rows=most_rows)
    monkeypatch.setattr(metrics, "Bound", lambda: bound)
    web_warehouse.most_rows = 0
    answer = browser.get(f"/campaigns.csv?{TABLE}&metric=spend&level=ad")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {row["id"] for row in rows} == set(ADS)
    for ad in ADS:
        cells = [row["region"] for row in rows if row["id"] == ad]
        assert cells == ["", *(f"Region {REGIONS - n}" for n in range(REGIONS))]
    assert web_warehouse.most_rows <= most_rows + 1


def test_more_cells_than_fit_are_refused(
    browser: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = metrics.Bound(rows=SHOWN * len(ADS) - 1)
    monkeypatch.setattr(metrics, "Bound", lambda: bound)
    assert browser.get(f"/campaigns?{TABLE}&metric=spend").status_code == 200
    page = browser.get(f"/campaigns?{TABLE}&metric=spend&level=ad")
    assert (page.status_code, f"more than {bound.rows} rows: ask for" in page.text) == (400, True)
    assert browser.get(f"/campaigns.csv?{TABLE}&metric=spend&level=ad").status_code == 400


def test_each_row_that_is_opened_costs_its_order_and_its_numbers_are_asked_together(
    browser: httpx2.Client, web_warehouse: Counted
) -> None:
    spent = {}
    for count in (1, OPENED):
        opened = "&".join(f"open=n{number}" for number in range(count))
        before = web_warehouse.statements
        page = browser.get(f"/campaigns?{TABLE}&metric=spend&attribution=7d_click&{opened}")
        spent[count] = web_warehouse.statements - before
        assert len(re.findall('<tr class="depth1">', page.text)) == count
    assert spent[OPENED] - spent[1] <= OPENED - 1
