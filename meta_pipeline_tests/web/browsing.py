"""A real browser for tests of the pages: the distribution's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from meta_pipeline_tests.waiting import PATIENCE_SECONDS

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
SIZES = {"desk": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}


@contextmanager
def launched() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # where there is a browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def pages(chromium: Any, base_url: str, cookie: Any) -> Iterator[Callable[..., Any]]:
    """Open pages as whoever has this session; a message on the console fails the test."""
    said: list[str] = []
    contexts = []

    def open_page(path: str, size: str = "desk", **options: Any) -> Any:
        context = chromium.new_context(viewport=SIZES[size], accept_downloads=True, **options)
        contexts.append(context)
        context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": base_url}])
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.goto(base_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
