"""Pages about a fleet: as many statements as about two accounts, and no more days than fit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from meta_pipeline import web
from meta_pipeline.settings import Settings
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.metrics.counted import Counted
from meta_pipeline_tests.metrics.rows import NOW, TODAY, ago
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web.conftest import SECRET

ACCOUNTS = 400
MONTHS = f"since={ago(37 * 31 - 1)}&until={TODAY}"
ASKS = {"answer", "ranking", "ranked", "query", "performance"}
"""What asks the metric layer for as much as somebody names."""


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Counted]:
    """Accounts in two zones, each read since another day: two are called few, half of them many."""
    with postgres.fresh_database() as url, Counted(url) as warehouse:
        warehouse.migrate()
        with warehouse.connection() as connection:
            connection.execute(
                "INSERT INTO meta_ads.meta_ad_accounts"
                " (account_id, name, currency, timezone_name, last_listed_at, data_as_of)"
                " SELECT 'act_' || n, CASE WHEN n <= 2 THEN 'few ' ELSE '' END"
                " || CASE WHEN n <= %s THEN 'many ' ELSE '' END || n, 'EUR',"
                " CASE n %% 2 WHEN 0 THEN 'Europe/Berlin' ELSE 'Pacific/Auckland' END, %s, %s"
                " FROM generate_series(1, %s::int) AS n",
                (ACCOUNTS // 2, NOW, NOW, ACCOUNTS),
            )
            connection.execute(
                "INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop,"
                " account_id, currency, spend, impressions, clicks, data_as_of)"
                " SELECT 'account', 'act_' || n, day, day, 'act_' || n, 'EUR', 0, 0, 0, %s"
                " FROM generate_series(1, %s::int) AS n, LATERAL (SELECT %s::date - n AS day) AS d",
                (NOW, ACCOUNTS, TODAY),
            )
            connection.execute(
                "INSERT INTO meta_ads.sync_windows"
                " SELECT account_id, dataset, date_start, %s, 0, false, NULL"
                " FROM meta_ads.meta_insights,"
                " unnest(ARRAY['insights_ad', 'insights_account']) AS dataset",
                (NOW,),
            )
            connection.execute("ANALYZE")
        yield warehouse


@pytest.fixture(scope="module")
def site(web_warehouse: Counted) -> Site:
    return Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)


@pytest.mark.parametrize("days", ["maximum", "last_7d"])
def test_the_overview_takes_as_many_statements_however_many_accounts(
    browser: httpx2.Client, web_warehouse: Counted, days: str
) -> None:
    spent = {}
    for name, count in (("few", 2), ("many", ACCOUNTS // 2)):
        before = web_warehouse.statements
        page = browser.get(f"/?days={days}&search={name}")
        spent[name] = web_warehouse.statements - before
        assert page.status_code == 200, page.text
        assert len(re.findall(r"<small>act_\d+</small>", page.text)) == min(count, 100)
    assert spent["many"] <= spent["few"] < 60


@pytest.mark.parametrize(
    ("path", "told"), [("/", "as many days before"), ("/accounts/act_1", "days before")]
)
def test_nothing_is_before_everything(browser: httpx2.Client, path: str, told: str) -> None:
    for days, has_before in (("last_7d", True), ("maximum", False)):
        page = browser.get(f"{path}?days={days}")
        assert page.status_code == 200, page.text
        assert (told in page.text) is has_before


@pytest.mark.parametrize("path", ["/?", "/campaigns?", "/campaigns?sort=name&", "/campaigns.csv?"])
def test_more_days_than_fit_are_refused_before_they_are_read(
    browser: httpx2.Client, web_warehouse: Counted, path: str
) -> None:
    before = web_warehouse.statements
    page = browser.get(path + MONTHS)
    assert page.status_code == 400
    assert "ask for fewer days or accounts, 400,000 days at most" in page.text
    assert page.text.rstrip().endswith("</html>")
    assert web_warehouse.statements - before < 20
    assert browser.get(f"{path}{MONTHS}&search=few&account=act_1").status_code == 200


def test_all_that_pages_and_programs_ask_has_a_bound() -> None:
    """Whoever asks shares the memory of one process with everybody else."""
    asked = [
        (path.name, call.lineno, {one.arg for one in call.keywords})
        for path in Path(web.__path__[0]).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and is_of_metrics(call.func)
    ]
    assert len(asked) > 6
    assert not [place for *place, given in asked if "bound" not in given]


def is_of_metrics(called: ast.expr) -> bool:
    """Whether it is one of `ASKS`: of `metrics`, imported from there, or of KPIs."""
    if isinstance(called, ast.Name):
        return called.id in ASKS
    if not isinstance(called, ast.Attribute) or called.attr not in ASKS:
        return False
    return called.attr == "performance" or ast.unparse(called.value) == "metrics"
