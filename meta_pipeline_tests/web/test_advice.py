"""The page of advice: the rules are asked, the evidence is shown, a no is kept with its reason."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web.conftest import SECRET

HOSTILE = '<script>alert("ad")</script>'
ISSUE = {"error_code": "1815869", "error_message": "The pixel is missing."}


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        with opened.connection() as connection:
            rows = Rows(connection)
            rows.account(name=HOSTILE)
            rows.campaign("c", daily_budget=100)
            rows.adset("s", "c")
            rows.ad("broken", "s", "c", issues_info=[ISSUE], name=HOSTILE)
            for at, gone in enumerate((None, NOW)):
                rows.insert(
                    "meta_recommendations",
                    recommendation_id=str(at),
                    account_id=ACCOUNT,
                    recommendation_type=("AUTOMATIC_PLACEMENTS", "MUSIC")[at],
                    object_ids=Jsonb(["s"]),
                    body=HOSTILE,
                    lift_estimate="Up to 3% more traffic",
                    opportunity_score_lift=14,
                    url="javascript:alert(1)",
                    first_seen_at=NOW,
                    last_seen_at=NOW,
                    gone_at=gone,
                    data_as_of=NOW,
                )
            for days, score in ((0, 83), (28, 79)):
                rows.insert(
                    "opportunity_scores",
                    account_id=ACCOUNT,
                    day=NOW.date() - timedelta(days=days),
                    live_score=score,
                    data_as_of=NOW,
                )
        yield opened


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Site:
    return Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)


def sent(browser: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    page = browser.get("/advice").text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    return browser.post(path, data={"csrf": token[1], **fields})


def test_the_rules_are_asked_and_a_no_is_kept_with_its_reason(browser: httpx2.Client) -> None:
    assert "No advice is open" in browser.get("/advice").text
    asked = sent(browser, "/advice/judge", account=ACCOUNT)
    assert asked.status_code == 200, asked.text
    assert re.search(r"[1-9]\d* new, 0 said before", asked.text)
    for word in ("Numbers", "Method", "Doubt", "Look again on", "Open in Ads Manager"):
        assert word in asked.text, word
    assert "error codes 1815869" in asked.text
    assert HOSTILE not in asked.text
    assert "The rules were asked last at" in asked.text
    assert "What became of it" not in asked.text, "all of it is open, and stands above"
    chosen = re.findall(r'name="advice" value="([0-9a-f]+)"', asked.text)[0]
    assert "Say why not" in sent(browser, "/advice/dismiss", advice=chosen, reason="  ").text
    done = sent(browser, "/advice/dismiss", advice=chosen, reason="the pixel comes on Monday")
    assert f'value="{chosen}"' not in done.text
    assert "the pixel comes on Monday" in done.text
    assert "dismissed" in done.text
    assert "What became of it" in done.text
    again = sent(browser, "/advice/dismiss", advice=chosen, reason="twice")
    assert (again.status_code, "only one that is open" in again.text) == (400, True)
    assert "0 new" in sent(browser, "/advice/judge", account=ACCOUNT).text
    assert "the pixel comes on Monday" in browser.get("/members").text, "it is in the audit"


def test_what_meta_recommends_is_a_section_of_its_own(browser: httpx2.Client) -> None:
    page = browser.get("/advice").text
    ours, _, theirs = page.partition('<h2 id="of-meta">What Meta recommends</h2>')
    assert "Automatic placements" in theirs
    assert "Automatic placements" not in ours
    assert "Music" not in theirs, "it is gone"
    assert "Opportunity score 83 of 100" in theirs
    assert "79 four weeks before" in theirs
    assert "Up to 3% more traffic" in theirs
    assert "javascript:" not in page
    assert HOSTILE not in page


def test_what_there_is_not_is_told(browser: httpx2.Client) -> None:
    assert browser.get("/advice?account=act_404").status_code == 404
    assert sent(browser, "/advice/dismiss", advice="0" * 32, reason="x").status_code == 404
    assert sent(browser, "/advice/judge", account="act_404").status_code in (400, 404)
    assert browser.post("/advice/judge", data={"account": ACCOUNT}).status_code == 403


MORE = """
    INSERT INTO meta_ads.advice
    SELECT (jsonb_populate_record(a, jsonb_build_object(
        'advice_id', md5(n::text), 'advice_key', 'more ' || n, 'kind', 'rehearsed',
        'what', 'More of it, number ' || n, 'as_of', a.as_of - n % 3,
        'severity', (ARRAY['high', 'medium', 'low'])[1 + n % 3]))).*
    FROM meta_ads.advice AS a, generate_series(1, 45) AS n
    WHERE a.advice_id = (SELECT min(advice_id) FROM meta_ads.advice)
"""
TOLD = re.compile(r'<span class="standing[ \w]*">(\w+)</span> (More of it, number \d+)</h2>')


def test_a_long_list_comes_in_pages(browser: httpx2.Client, web_warehouse: Warehouse) -> None:
    sent(browser, "/advice/judge", account=ACCOUNT)
    with web_warehouse.connection() as connection:
        connection.execute(MORE)
    told = []
    page = browser.get(f"/advice?kind=rehearsed&account={ACCOUNT}").text
    assert 'value="rehearsed" selected>rehearsed (45)' in page
    while True:
        told.append(TOLD.findall(page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        page = browser.get(html.unescape(following[1])).text
    assert [len(some) for some in told] == [20, 20, 5]
    assert len({what for some in told for _, what in some}) == 45
    assert {severity for severity, _ in told[2]} == {"low"}, "the most urgent came first"
    back = re.search(r'rel="prev" href="([^"]+)"', page)
    assert back
    assert TOLD.findall(browser.get(html.unescape(back[1])).text) == told[1]


def test_who_dismisses_stays_on_the_page(browser: httpx2.Client) -> None:
    first = browser.get("/advice?kind=rehearsed").text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    here = html.unescape(following[1])
    chosen = re.findall(r'name="advice" value="([0-9a-f]+)"', browser.get(here).text)
    done = sent(browser, "/advice/dismiss", advice=chosen[-1], reason="no", here=here)
    assert dict(done.url.params) == dict(httpx2.URL(f"http://x{here}").params)
    assert "of 44" in done.text
    elsewhere = "https://elsewhere.example/?page=2"
    away = sent(browser, "/advice/dismiss", advice=chosen[0], reason="no", here=elsewhere)
    assert (away.url.host, away.url.path) == (browser.base_url.host, "/advice")
    nowhere = browser.get(f"/advice?kind=rehearsed&after={'0' * 32}&page=3").text
    assert TOLD.findall(nowhere), "what stood there is gone: the first page"


def test_of_what_meta_recommends_a_page_has_the_first(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    account = "act_78"
    with web_warehouse.connection() as connection:
        Rows(connection).account(account)
        connection.execute(
            "INSERT INTO meta_ads.meta_recommendations (recommendation_id, account_id,"
            " recommendation_type, object_ids, first_seen_at, last_seen_at, data_as_of)"
            " SELECT 'of-78-' || n, %s, 'MUSIC', '[]', %s, %s, %s FROM generate_series(1, 51) AS n",
            (account, NOW, NOW, NOW),
        )
    page = browser.get(f"/advice?account={account}").text
    assert page.count(">Music</th>") == 50
    assert "There is more: all of it is in <code>meta-pipeline advice meta</code>" in page
    assert "There is more: choose an account" in browser.get("/advice").text
    with web_warehouse.connection() as connection:
        connection.execute(
            "DELETE FROM meta_ads.meta_recommendations WHERE account_id = %s", (account,)
        )
    assert "There is more" not in browser.get("/advice").text


def test_what_is_too_much_for_a_page_is_asked_on_a_terminal(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    large = "act_77"
    with web_warehouse.connection() as connection:
        rows = Rows(connection)
        rows.account(large)
        connection.execute(
            "INSERT INTO meta_ads.meta_ads (ad_id, account_id, adset_id, campaign_id, data_as_of)"
            " SELECT 'of-' || n, %s, 's', 'c', %s FROM generate_series(1, 200001) AS n",
            (large, NOW),
        )
    refused = sent(browser, "/advice/judge", account=large)
    assert refused.status_code == 400
    assert "more than 200,000" in refused.text
    assert f"meta-pipeline advice judge -a {large}" in refused.text
