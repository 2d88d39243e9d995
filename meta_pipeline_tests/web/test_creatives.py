"""Pictures of creatives: Meta's addresses expire; what is dead leaves a neutral place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from meta_pipeline import metrics
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, Rows, ago
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.web.conftest import SECRET

META = "https://scontent.xx.fbcdn.net/v/t45"


def ends(hours: int) -> str:
    return f"oe={int((NOW + timedelta(hours=hours)).timestamp()):08X}"


PICTURES: dict[str, tuple[str | None, str | None, str | None]] = {
    "good": (f"{META}/1.jpg?oh=0&{ends(1)}", None, f"{META}/1.jpg"),
    "expired": (f"{META}/2.jpg?oh=0&{ends(-1)}", None, None),
    "the larger lives": (f"{META}/3.jpg?{ends(-1)}", f"{META}/4.jpg?{ends(1)}", f"{META}/4.jpg"),
    "nobody knows": (f"{META}/5.jpg?oe=soon", None, f"{META}/5.jpg"),
    "not Meta's": ("https://fbcdn.net.example.com/6.jpg", None, None),
    "no address": ("https://[scontent.fbcdn.net/7.jpg", None, None),
    "none": (None, None, None),
}
"""By name of the creative: its two addresses, and where the picture shown begins."""


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        with opened.connection() as connection:
            rows = Rows(connection)
            rows.account()
            rows.campaign("c")
            rows.adset("s", "c")
            for number, (name, (small, large, _)) in enumerate(PICTURES.items()):
                rows.insert(
                    "meta_creatives",
                    creative_id=f"cr{number}",
                    account_id=ACCOUNT,
                    name=name,
                    object_type="VIDEO",
                    thumbnail_url=small,
                    image_url=large,
                    data_as_of=READ_AT,
                )
                rows.ad(f"ad{number}", "s", "c", creative_id=f"cr{number}")
                rows.insight(f"ad{number}", ago(1), spend=1, impressions=10)
            rows.fetched([ago(1)])
            metrics.rollup(connection, ACCOUNT)
        yield opened


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Site:
    return Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)


def test_a_picture_is_shown_while_its_address_is_good(browser: httpx2.Client) -> None:
    page = browser.get(f"/creatives?account={ACCOUNT}").text
    cards = page.split("<li>\n")[1:]
    assert len(cards) == len(PICTURES)
    shown = {}
    for card in cards:
        (name,) = re.findall(r"<h2><bdi>(.+?)</bdi></h2>", card)
        picture = re.search(r'<img src="([^"?]+)[^>]*data-instead="video"', card)
        shown[name.replace("&#39;", "'")] = picture[1] if picture else None
        assert picture or '<div class="picture"><span aria-hidden="true">video</span>' in card, name
    assert shown == {name: expected for name, (_, _, expected) in PICTURES.items()}
