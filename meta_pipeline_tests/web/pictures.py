"""Make the pictures of docs/pictures from a running web application, such as that of `make demo`.

    python -m meta_pipeline_tests.web.pictures "$(meta-pipeline web --link --demo)" docs/pictures

The first argument is a fresh one-time link; the account with the highest spend is shown.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

SHOWN = {
    "overview": "/",
    "campaigns": "/campaigns?account={account}",
    "account": "/accounts/{account}?days=last_90d",
    "sync": "/sync",
}


def main(link: str, folder: Path) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # where there is a browser

    found = re.search(r"https?://\S+", link)
    assert found, "the first argument has a one-time link in it"
    base = f"{urlsplit(found[0]).scheme}://{urlsplit(found[0]).netloc}"
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context(viewport={"width": 1200, "height": 760})
        page = context.new_page()
        page.goto(found[0])
        address = page.locator("tbody th a").nth(1).get_attribute("href") or ""
        account = address.rpartition("/")[2].partition("?")[0]
        for name, path in SHOWN.items():
            page.goto(base + path.format(account=account))
            page.screenshot(path=folder / f"{name}.png")
        page.set_viewport_size({"width": 390, "height": 760})
        page.emulate_media(color_scheme="dark")
        page.goto(base)
        page.screenshot(path=folder / "overview-phone.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
