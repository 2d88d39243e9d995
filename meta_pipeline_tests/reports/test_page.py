"""The page: whole, self-contained, honest about what it does not know."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from meta_pipeline.reports import Report, make_report, questions
from meta_pipeline.reports.page import render
from meta_pipeline.warehouse import Warehouse

from .conftest import Morning

VOID = {"meta", "br", "link", "img", "input", "hr", "path", "rect"}


class Page(HTMLParser):
    """Tags that close, texts, ids and links."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if given.get("href"):
            self.links.append(str(given["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def report(morning: Morning) -> Report:
    with Warehouse(morning.url) as warehouse:
        return make_report(warehouse, days=1, now=morning.now)


@pytest.fixture(scope="module")
def markup(report: Report, morning: Morning) -> str:
    return render(report, generated_at=morning.now, thresholds={"account stops at": 70.0})


@pytest.fixture(scope="module")
def page(markup: str) -> Page:
    return Page(markup)


def test_it_is_whole(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_it_asks_nobody_for_anything(markup: str, page: Page) -> None:
    assert all(link.startswith("#") for link in page.links)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "object", "embed"}
    assert not re.search(r"https?://|url\(|@import|@font-face| src=| on\w+=", markup)


def test_title_period_and_time(page: Page) -> None:
    assert "Meta Ads operations, last day" in page.text
    assert "generated" in page.text


def test_every_question_with_its_words_and_its_query(page: Page) -> None:
    for question in questions():
        assert question.key in page.ids
        assert question.words in page.text
        assert question.sql in page.text
        assert all(meaning in page.text for meaning in question.columns.values())
    assert page.tags.count("details") == 2 * len(questions())


def test_the_six_questions_are_answered_first(report: Report, page: Page) -> None:
    said = page.text.replace("\xa0", " ")
    for one in report.findings:
        assert one.words in said
    first = [one.key for one in report.findings][:6]
    assert first == [
        "throttle_envelope",
        "time_by_phase",
        "throttled_syncs",
        "cost_per_account",
        "expensive_accounts",
        "rows_per_call",
    ]


def test_plots(markup: str, page: Page) -> None:
    for caption in (
        "Highest usage of each limit",
        "Calls of each account",
        "Seconds of an average sync, by phase",
        "who stopped the others",
        "Hours since the last successful sync",
    ):
        assert caption in page.text
    assert 'class="threshold"' in markup
    assert "ads_insights" in page.text


def test_simulated_data_says_so(page: Page, report: Report, morning: Morning) -> None:
    assert "Simulated data" in page.text
    real = Report(report.since, report.until, False, report.answers)
    assert "Simulated data" not in render(real, generated_at=morning.now)


def test_hostile_names_are_text(markup: str) -> None:
    assert "Quiet &amp; Sons &lt;Ltd&gt;" in markup
    assert "<Ltd>" not in markup


def test_an_empty_database_is_a_page_too(warehouse: Warehouse, morning: Morning) -> None:
    page = Page(render(make_report(warehouse), generated_at=morning.now))
    assert page.open == []
    assert page.text.count("Not enough data: 0 of at least") >= len(questions())
    assert "table" not in page.tags
    assert "Meta refused no call in this period." in page.text


def test_both_themes_and_both_widths(markup: str) -> None:
    assert "prefers-color-scheme: dark" in markup
    assert "max-width: 640px" in markup
    assert 'name="viewport"' in markup
    names = set(re.findall(r"var\((--[a-z0-9-]+)\)", markup))
    defined = re.findall(r"(--[a-z0-9-]+):", markup)
    for name in names - {"--c"}:
        assert defined.count(name) == 2, f"{name} needs a light and a dark value"
