"""A browser walks the pages as a marketer would: at a desk and on a phone, in light and in dark.

Skipped aloud where there is no Chromium.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.sync_requests.rows import row as request
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web.browsing import CHROMIUM, SIZES
from meta_pipeline_tests.web.filled import site, web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT

__all__ = ["site", "web_warehouse"]

WEEK = "since=2026-03-11&until=2026-03-17"
PAGES = {
    "overview": f"/?{WEEK}",
    "campaigns": f"/campaigns?account={ACCOUNT}&{WEEK}&open=c1",
    "account": f"/accounts/{ACCOUNT}",
    "creatives": f"/creatives?account={ACCOUNT}",
    "advice": "/advice",
    "ask": "/ask?q=spend+by+account+last+week",
    "sync": "/sync",
    "health": "/health",
    "connections": "/connections",
    "members": "/members",
    "timeline": f"/timeline/{ACCOUNT}",
    "price": f"/sync/price?account={ACCOUNT}&since=2026-01-01&until=2026-01-31",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER: pages were not walked; install chromium"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_is_accessible(opened: Callable[..., Any], name: str, size: str) -> None:
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415

    for scheme in ("light", "dark"):
        page = opened(PAGES[name], size, color_scheme=scheme)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size]["width"], f"{name} scrolls sideways"
        found = Axe().run(page)
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"


def test_a_marketer_finds_sorts_opens_exports_and_asks(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    page = opened(f"/?{WEEK}")
    assert page.locator("tbody tr").first.inner_text().startswith("Shop 1")
    page.get_by_role("link", name="Shop 1").click()
    assert "Shop 1" in page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Campaigns").last.click()
    page.get_by_role("link", name="Impressions").click()
    assert "sort=impressions" in page.url
    page.get_by_role("link", name="Open Campaign c1").click()
    assert page.get_by_text("Ad set s1").is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    file = tmp_path / "table.csv"
    download.value.save_as(file)
    text = file.read_text(encoding="utf-8-sig")
    assert "Ad set s1" in text
    page.goto(page.url.split("/campaigns")[0] + "/sync")
    page.get_by_role("button", name="Sync Shop 1 now").click()
    assert "Asked for" in page.get_by_role("status").inner_text()


def test_progress_shows_without_a_reload(
    opened: Callable[..., Any], web_warehouse: Warehouse
) -> None:
    page = opened("/sync")
    page.get_by_role("button", name="Sync Shop 1 now").click()
    row = web_warehouse.sync_requests.open()[-1]
    page.evaluate("window.stays = true")
    ids = [one.request_id for one in web_warehouse.sync_requests.open()]
    now = datetime.now(UTC)
    web_warehouse.sync_requests.claim(ids, "claim", now)
    web_warehouse.sync_requests.note_progress(
        "claim", row.account_id, {"sentence": "Campaigns are in, 12 calls"}
    )
    page.get_by_text("Campaigns are in, 12 calls").first.wait_for(timeout=PATIENCE_SECONDS * 1000)
    web_warehouse.sync_requests.finish(
        ids, now, state="done", outcome="success", message="Synced with 12 calls."
    )
    page.get_by_text("Synced with 12 calls.").first.wait_for(timeout=PATIENCE_SECONDS * 1000)
    assert page.evaluate("window.stays") is True


def test_a_page_nobody_looks_at_is_not_read_again_and_a_slow_one_rarely(
    opened: Callable[..., Any], web_warehouse: Warehouse
) -> None:
    web_warehouse.sync_requests.add([request("looked at", ACCOUNT)])
    page = opened("/sync")
    page.add_init_script(
        """
        window.waits = [];
        window.setTimeout = (run, wait) => { window.waits.push(wait); window.next = run; };
        let now = 0;
        performance.now = () => (now += 1000);
        Object.defineProperty(document, "hidden", { get: () => window.isAway });
        """
    )
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.resource_type))
    page.reload()
    wait_until(lambda: page.evaluate("waits.length") == 1, "look 1 is planned", every_seconds=0.1)
    page.evaluate("window.isAway = true; next()")
    page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: page.evaluate("waits.length") == 2, "look 2 is planned", every_seconds=0.1)
    assert page.evaluate("waits") == [4_000, 20_000]
    assert asked.count("fetch") == 1


@pytest.mark.parametrize("name", ["overview", "campaigns", "sync"])
def test_a_page_works_without_scripts_and_by_keyboard(
    opened: Callable[..., Any], name: str
) -> None:
    page = opened(PAGES[name], java_script_enabled=False)
    assert page.locator("tbody tr").count() > 1
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to content"
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.locator(":focus").count() == 1
