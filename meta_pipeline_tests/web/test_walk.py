"""A marketer's morning in a browser, at a desk and on a phone, on an account synced for real.

Finds the account that overspends, sorts, opens, exports, asks for a sync, watches it finish and
sees the new number. Every page on the way passes axe. Skipped aloud where there is no Chromium.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from babel import Locale

from meta_pipeline import metrics
from meta_pipeline.governor import Thresholds
from meta_pipeline.orchestration.runs.requested import CLAIM_TAG, note_for
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import SyncRequest
from meta_pipeline.sync_requests import Dispatcher, RunState
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.reader import Reader
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.sync.lab import Lab, lab
from meta_pipeline_tests.web.browsing import CHROMIUM, SIZES
from meta_pipeline_tests.web.conftest import SECRET

OVER, WITHIN = "Nordwind Shop", "Südwind Outlet"
PATIENCE_MS = 120_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER: pages were not walked; install chromium"),
]


@pytest.fixture(scope="module")
def found(postgres: TestPostgres) -> Iterator[Lab]:
    """Two accounts after their first sync: the one that spends less is far over its target."""
    specs = [
        AccountSpec(OVER, 3, 6, 12, (2, 3, 6), zone="Europe/Berlin", currency="EUR"),
        AccountSpec(WITHIN, 6, 12, 24, (4, 6, 12), zone="Europe/Berlin", currency="EUR"),
    ]
    with postgres.fresh_database() as url, lab(url, *specs) as opened:
        opened.engine.discover()
        kpis = metrics.KPIs(opened.warehouse)
        for name, target in ((OVER, 0.01), (WITHIN, 1_000_000)):
            account_id = id_of(opened, name)
            assert opened.sync(account_id).exit_code == 0
            kpis.set(account_id, "cpc", target, is_primary=True)
            roll_up(opened, account_id)
        yield opened


@pytest.fixture(scope="module")
def web_warehouse(found: Lab) -> Warehouse:
    return found.warehouse


@pytest.fixture(scope="module")
def site(found: Lab) -> Site:
    return Site(
        Settings.load(env_file=None), found.warehouse, SECRET, SignIn.LINK, now=found.clock.now
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_marketer_finds_mends_and_sees(
    opened: Callable[..., Any], found: Lab, tmp_path: Path, size: str
) -> None:
    account_id = id_of(found, OVER)
    page = opened("/?days=last_3d", size)
    passes_axe(page)
    first = page.locator("tbody tr").first
    assert first.locator("th a").inner_text() == OVER, "what overspends comes first"
    assert "worse" in first.locator("[data-label='Target']").inner_text()

    first.get_by_role("link", name=OVER).click()
    assert OVER in page.get_by_role("heading", level=1).inner_text()
    passes_axe(page)

    page.get_by_role("link", name="Campaigns").last.click()
    page.get_by_role("link", name="Impressions").click()
    assert "Impressions" in page.locator("th[aria-sort='descending']").inner_text()
    passes_axe(page)
    rows = csv_of(page, tmp_path)
    counts = [Decimal(row["impressions"] or 0) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) > 1
    page.get_by_role("link", name=f"Open {rows[0]['name']}").first.click()
    assert "open=" in page.url
    assert page.locator("tr.depth1").count() >= 1

    found.advance(hours=3)
    page.goto(f"{page.url.partition('/campaigns')[0]}/?days=today")
    before = spend_of(page, account_id)
    page.get_by_role("navigation").get_by_role("link", name="Sync").click()
    page.get_by_role("button", name=f"Sync {OVER} now").click()
    assert "Asked for" in page.get_by_role("status").inner_text()
    passes_axe(page)
    page.evaluate("window.stays = true")
    serve(found, account_id, page)
    page.get_by_text("Synced with").first.wait_for(timeout=PATIENCE_MS)
    assert page.evaluate("window.stays") is True, "the page was reloaded"

    page.goto(f"{page.url.partition('/sync')[0]}/?days=today")
    after = spend_of(page, account_id)
    assert after != before
    assert after == shown(found, account_id)


def serve(found: Lab, account_id: str, page: Any) -> None:
    """Do what the sensor and its run do with the request; the page tells how far it is."""
    dispatcher, now = Dispatcher(found.warehouse, Thresholds()), found.clock.now()
    (claim,) = dispatcher.take(now)
    run_id = f"run of {claim.claim_id}"
    found.warehouse.sync_requests.serve(claim.claim_id, run_id)
    note = note_for(found.warehouse, {CLAIM_TAG: claim.claim_id}, account_id, found.clock.now)
    assert note is not None
    record = found.engine.sync(SyncRequest(account_id, dagster_run_id=run_id), note)
    assert record.exit_code == 0, record.error_summary
    (row,) = [one for one in found.warehouse.sync_requests.open() if one.state == "running"]
    assert row.progress is not None
    page.get_by_text(row.progress["sentence"]).first.wait_for(timeout=PATIENCE_MS)
    roll_up(found, account_id)
    dispatcher.settle({claim.claim_id: RunState(run_id, is_finished=True)}, found.clock.now())


def roll_up(found: Lab, account_id: str) -> None:
    with found.warehouse.connection() as connection:
        metrics.rollup(connection, account_id)


def id_of(found: Lab, name: str) -> str:
    return next(one.id for one in found.world.accounts() if one.values["name"] == name)


def shown(found: Lab, account_id: str) -> str:
    """What Meta itself says was spent today, as the page writes it."""
    today = found.today(account_id)
    rows = found.expected_insights(today, today, account_id=account_id)
    spent = sum((Decimal(row["spend"]) for row in rows.values()), Decimal(0))
    return Reader(Locale("en", "US")).money(spent, "EUR")


def spend_of(page: Any, account_id: str) -> str:
    row = page.locator("tbody tr").filter(has=page.locator(f"a[href*='{account_id}']"))
    text: str = row.locator("td.number").first.inner_text()
    return next(line for line in map(str.strip, text.splitlines()) if line.startswith("€")).split(
        " "
    )[0]


def csv_of(page: Any, folder: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    file = folder / "table.csv"
    download.value.save_as(file)
    return list(csv.DictReader(StringIO(file.read_text(encoding="utf-8-sig"))))


def passes_axe(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415

    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{page.url} scrolls sideways"
