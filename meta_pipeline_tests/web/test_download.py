"""A table of thousands as CSV: every row once, in order, while others read; never torn unseen."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from meta_pipeline import metrics
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import CannotTell, Warehouse
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.download_limit import MOST, Downloads
from meta_pipeline.web.pages.campaigns import PER_PAGE
from meta_pipeline.web.pages.download import CHUNK_ROWS, File
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web.conftest import SECRET

ADS = 2 * CHUNK_ROWS + 100
_ADS = """
    INSERT INTO meta_ads.meta_ads (ad_id, account_id, adset_id, campaign_id, name, data_as_of)
    SELECT 'b' || n, %s, 's1', 'c1', 'Ad ' || n || repeat(' and so on', 20), now()
    FROM generate_series(1, %s) AS n
"""
TABLE = f"/campaigns.csv?account={ACCOUNT}&level=ad&since={ago(1)}&until={ago(1)}"


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        opened.migrate()
        with opened.connection() as connection:
            rows = Rows(connection)
            rows.tree()
            connection.execute(_ADS, (ACCOUNT, ADS))
            for number in range(1, 6):
                rows.insight(f"b{number}", ago(1), spend=number)
            rows.fetched([ago(1)])
            metrics.rollup(connection, ACCOUNT)
        yield opened


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Site:
    settings, downloads = Settings.load(env_file=None), Downloads(patience_seconds=0)
    return Site(settings, web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW, downloads=downloads)


def test_every_row_is_there_once_and_in_order(browser: httpx2.Client) -> None:
    text = browser.get(f"{TABLE}&metric=spend").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in rows[:5]] == ["b5", "b4", "b3", "b2", "b1"]
    assert [row["spend"] for row in rows[:6]] == ["5", "4", "3", "2", "1", "0"]
    expected = {f"b{n}" for n in range(1, ADS + 1)} | {"a1", "a2", "a3", "a4"}
    assert len(rows) == len(expected)
    assert {row["id"] for row in rows} == expected


@pytest.mark.parametrize(
    "order",
    [
        "sort=spend",
        "sort=name",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("sort=spend&order=asc", "sort=ctr")
        ),
    ],
)
def test_pages_follow_each_other_there_and_back(browser: httpx2.Client, order: str) -> None:
    """Each link goes on where the page ends; each page is the one its number has."""
    table = f"/campaigns?account={ACCOUNT}&level=ad&since={ago(1)}&until={ago(1)}&{order}"
    found = [_ids(browser.get(table).text)]
    address = table
    for number in (2, 3):
        address = _turn(browser.get(address).text, "next")
        assert "after=" in address
        found.append(_ids(browser.get(address).text))
        assert found[-1] == _ids(browser.get(f"{table}&page={number}").text)
    assert len({one for page in found for one in page}) == 3 * PER_PAGE
    back = _turn(browser.get(address).text, "prev")
    assert "before=" in back
    assert _ids(browser.get(back).text) == found[1]
    assert _ids(browser.get(_turn(browser.get(back).text, "prev")).text) == found[0]


def test_a_place_that_is_none_says_so(browser: httpx2.Client) -> None:
    for place in ("b1:much", "b1:1e400000", "b1:" + "9" * 300, "b1:NaN"):
        answer = browser.get("/campaigns", params={"after": place})
        assert answer.status_code == 400, place
        assert "first page" in answer.text
    assert browser.get("/campaigns", params={"after": "\x00:1"}).status_code == 400
    last = browser.get("/campaigns", params={"after": "zzz:-1", "page": "3"})
    assert "3 campaigns" in last.text


@pytest.mark.parametrize(
    "moment",
    [
        "2026-W01-1",
        "20260101T0102",
        "2026-01-01T00:00:00+00:00:30.5",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01",
    ],
)
@pytest.mark.parametrize("way", ["after", "before"])
def test_a_time_in_a_place_may_be_any_that_python_reads(
    browser: httpx2.Client, moment: str, way: str
) -> None:
    """Postgres reads fewer: what it does not read would be told as a database that is away."""
    answer = browser.get("/campaigns", params={"sort": "created", way: f"c1:{moment}"})
    assert answer.status_code in (200, 400)


def _ids(page: str) -> list[str]:
    return re.findall(r"selected_ad_ids=(\w+)", page)


def _turn(page: str, which: str) -> str:
    found = re.search(rf'rel="{which}" href="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def test_an_empty_table_has_its_headings(browser: httpx2.Client) -> None:
    text = browser.get(f"{TABLE}&search=nothing-is-called-so").content.decode("utf-8-sig")
    assert text.startswith("level,id,name")
    assert len(text.splitlines()) == 1


def test_who_stops_reading_keeps_nobody_waiting(
    browser: httpx2.Client, base_url: str, site: Site
) -> None:
    for _ in range(MOST + 1):
        with browser.stream("GET", TABLE) as answer:
            assert answer.status_code == 200
            next(answer.iter_bytes())
        # Left half read: the connection is closed, and what was kept for it is let go.
        wait_until(lambda: _is_free(site), "the place of the download is free again")
    assert browser.get("/campaigns").status_code == 200


async def silent() -> Message:
    """As a browser that goes on waiting: nothing comes from it."""
    await asyncio.Event().wait()
    raise AssertionError


def test_who_keeps_a_download_open_and_reads_nothing_keeps_it_for_so_long() -> None:
    """As a socket that is full and not read: the answer's `send` never returns."""
    downloads = Downloads(most=1, patience_seconds=0, longest_seconds=0.01)

    def lines() -> Generator[str, None, None]:
        with downloads.one_more("acme"):
            while True:
                yield "row\n"

    async def stalled(_: Message) -> None:
        await asyncio.Event().wait()

    rest = lines()
    file = File(next(rest), rest, longest_seconds=downloads.longest_seconds)
    asyncio.run(file({"type": "http", "asgi": {"spec_version": "2.3"}}, silent, stalled))
    with downloads.one_more("acme"):
        pass


def test_a_slow_database_keeps_a_download_no_longer_than_a_slow_reader(
    web_warehouse: Warehouse,
) -> None:
    """However many statements a part of it takes: the thread that asks them cannot be stopped."""
    downloads = Downloads(most=1, patience_seconds=0, longest_seconds=0.2)
    statements: list[int] = []

    def lines() -> Generator[str, None, None]:
        with downloads.one_more("acme"), web_warehouse.connection() as connection:
            yield "row\n"
            for number in range(20_000):
                connection.execute("SELECT 1")
                statements.append(number)
            yield "row\n"

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    rest = lines()
    file = File(next(rest), rest, longest_seconds=downloads.longest_seconds)
    with pytest.raises(CannotTell, match="no time is left"):
        asyncio.run(file({"type": "http", "asgi": {"spec_version": "2.3"}}, silent, send))
    assert 0 < len(statements) < 20_000
    # Not ended: whoever reads it sees that it is no whole file.
    assert all(message.get("more_body", True) for message in sent)
    with downloads.one_more("acme"), web_warehouse.connection():
        pass


def test_more_downloads_than_may_be_are_refused_in_words(
    browser: httpx2.Client, site: Site
) -> None:
    with ExitStack() as held:
        for number in range(MOST):
            held.enter_context(site.downloads.one_more(f"tenant-{number}"))
        answer = browser.get(TABLE)
        assert answer.status_code == 503
        assert "being downloaded" in answer.text
        assert browser.get("/campaigns").status_code == 200
    assert browser.get(TABLE).status_code == 200


def test_a_tenant_leaves_a_place_to_others_however_much_it_downloads(
    browser: httpx2.Client, site: Site
) -> None:
    with ExitStack() as held:
        for _ in range(MOST - 1):
            held.enter_context(site.downloads.one_more("acme"))
        with pytest.raises(HTTPException):
            held.enter_context(site.downloads.one_more("acme"))
        assert browser.get(TABLE).status_code == 200
    assert _is_free(site)


def test_who_comes_when_all_places_are_taken_has_the_next_that_is_free() -> None:
    downloads = Downloads(most=1, patience_seconds=PATIENCE_SECONDS)
    began, had = threading.Event(), threading.Event()

    def come() -> None:
        began.set()
        with downloads.one_more("acme"):
            had.set()

    with downloads.one_more("acme"):
        other = threading.Thread(target=come, daemon=True)
        other.start()
        assert began.wait(PATIENCE_SECONDS)
        assert not had.is_set()
    assert had.wait(PATIENCE_SECONDS)
    other.join(PATIENCE_SECONDS)


def test_a_question_without_answer_is_a_page_and_frees_its_place(
    browser: httpx2.Client, site: Site
) -> None:
    for _ in range(MOST + 1):
        assert browser.get(f"{TABLE}&sort=reach").status_code == 400
    assert _is_free(site)


def _is_free(site: Site) -> bool:
    """Whether as many downloads as may be could begin now."""
    with ExitStack() as held:
        try:
            for number in range(MOST):
                held.enter_context(site.downloads.one_more(f"tenant-{number}"))
        except HTTPException:
            return False
    return True
