"""The pages over a real socket: what they show, what addresses keep, what cannot harm them."""

from __future__ import annotations

import csv
import io
import re
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from markupsafe import Markup

from meta_pipeline.printable import printable
from meta_pipeline.settings import Settings
from meta_pipeline.sync_requests.asking import MOST_OPEN
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.rendering import templates
from meta_pipeline_tests.metrics.rows import Rows
from meta_pipeline_tests.sync_requests.rows import NOW
from meta_pipeline_tests.sync_requests.rows import row as request
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served, world
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.filled import site, web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT, CELLS, HOSTILE, OTHER

__all__ = ["site", "web_warehouse"]

WHOLE = (
    "/",
    "/campaigns",
    f"/accounts/{ACCOUNT}",
    f"/accounts/{OTHER}",
    f"/creatives?account={ACCOUNT}",
    "/sync",
    "/health",
    "/advice",
    f"/advice?account={ACCOUNT}",
    "/ask",
    "/ask?q=spend+by+account+last+week",
    "/ask?q=conversions",
    "/ask?q=spend+by+%3Cscript%3E",
    "/connections",
    "/members",
    f"/timeline/{ACCOUNT}",
)
WEEK = "since=2026-03-11&until=2026-03-17"


class Table(HTMLParser):
    """The rows of the first table of a page, as texts, and every tag and attribute in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def row(self, name: str) -> list[str]:
        return next([" ".join(c.split()) for c in row] for row in self.rows if name in row[0])


@pytest.mark.parametrize("address", WHOLE)
def test_every_page_is_whole(browser: httpx2.Client, address: str) -> None:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    assert 'lang="en"' in answer.text
    assert answer.text.count("<h1>") == 1
    assert answer.text.rstrip().endswith("</html>")
    assert len(answer.content) < 150_000


@pytest.mark.parametrize("address", WHOLE)
def test_no_name_becomes_markup(browser: httpx2.Client, address: str) -> None:
    tags = Table(browser.get(address).text).tags
    assert not [tag for tag, _ in tags if tag == "img"]
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "style" not in attributes, (tag, attributes)  # the policy would not let it work
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/")
        assert not (attributes.get("href") or "").lower().startswith("javascript")


def test_the_overview_says_spend_results_cost_and_change(browser: httpx2.Client) -> None:
    row = Table(browser.get(f"/?{WEEK}").text).row("Shop 1")
    assert "€105.00" in row[1]
    assert "0.0" in row[1]  # the week before was the same
    assert "worse" in row[4]  # 7.5 a purchase, where 4 is the target
    assert "CPA" in row[4] or "acquisition" in row[4].lower()


def test_the_overview_begins_with_what_needs_a_look(browser: httpx2.Client) -> None:
    first = Table(browser.get(f"/?{WEEK}").text).rows[1]
    assert "Shop 1" in first[0]


def test_an_account_of_which_no_day_was_read_has_no_numbers(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    """Not even a zero, also beside accounts that have some: nobody asked Meta yet."""
    with web_warehouse.connection() as connection:
        Rows(connection).account("act_3", name="Just found")
    try:
        row = Table(browser.get(f"/?{WEEK}").text).row("Just found")
        assert not re.search("[0-9]", " ".join(row[1:4])), row
    finally:
        with web_warehouse.connection() as connection:
            connection.execute(
                "DELETE FROM meta_ads.meta_ad_accounts WHERE account_id = %s", ("act_3",)
            )


def test_things_without_delivery_are_shown_with_zeros(browser: httpx2.Client) -> None:
    table = Table(browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}").text)
    assert "€70.00" in " ".join(table.row("Campaign c1"))
    assert "€0.00" in " ".join(table.row("Campaign c3"))
    assert len(table.rows) == 1 + 3 + len(HOSTILE) + 1
    assert "€105.00" in " ".join(table.rows[-1])


def test_of_several_currencies_only_amounts_have_no_total(browser: httpx2.Client) -> None:
    view = f"{WEEK}&metric=spend&metric=impressions&metric=ctr&metric=cpa"
    page = browser.get(f"/campaigns?{view}").text
    spend, impressions, ctr, cpa = (cell.split()[0] for cell in Table(page).rows[-1][-4:])
    assert (spend, cpa) == ("–", "–")  # noqa: RUF001
    assert impressions == "7,700"
    assert ctr.startswith("1.9")
    assert "Amounts have no total" in page


def test_the_tree_opens_down_to_the_ads(browser: httpx2.Client) -> None:
    page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&open=c1&open=s1").text
    table = Table(page)
    names = [row[0] for row in table.rows]
    order = [
        next(n for n, name in enumerate(names) if wanted in name)
        for wanted in ("Campaign c1", "Ad set s1", "Ad a1", "Ad a2", "Ad set s2", "Campaign c2")
    ]
    assert order == sorted(order)
    assert "€70.00" in " ".join(table.row("Ad a1"))


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("sort=spend", "Campaign c1"),
        ("sort=spend&order=asc", "Campaign c3"),
        ("sort=cpa", "Campaign c1"),
        ("sort=ctr&order=asc", "Campaign c2"),
        ("sort=budget", "&lt;b&gt;&amp;"),
        ("sort=name&search=campaign", "Campaign c3"),
        ("status=active&sort=name&order=asc", "Campaign c1"),
        ("search=c2", "Campaign c2"),
        ("level=ad&sort=impressions", "Ad a1"),
        ("level=adset&campaign=c2", "Ad set s3"),
    ],
)
def test_the_table_is_sorted_searched_and_filtered(
    browser: httpx2.Client, question: str, first: str
) -> None:
    page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&{question}").text
    assert first in Table(page).rows[1][0], question


@pytest.mark.parametrize("sort", ["status", "cpa"])
def test_pages_turn_without_losing_or_repeating_anything(
    browser: httpx2.Client, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr(sys.modules["meta_pipeline.web.pages.campaigns"], "PER_PAGE", 4)
    seen: list[str] = []
    for number in range(1, 6):
        page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&sort={sort}&page={number}").text
        seen += re.findall(r'id="e([ch]\d+)"', page)
    assert len(seen) == len(set(seen)) == 3 + len(HOSTILE)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("metric=spendd", "spend"),
        ("days=last_8d", "last_7d"),
        ("since=2026-13-01&until=2026-03-01", "2026-11-05"),
        ("since=2026-03-05&until=2026-03-01", "before it begins"),
        ("since=2026-03-05", "first and a last day"),
        ("since=0001-01-01&until=9999-12-31", "no numbers of 0001-01-01"),
        ("since=2020-01-01&until=2026-03-01", "37 months"),
        ("level=account", "campaign"),
        ("account=act_9", "act_1"),
        ("sort=reach", "people"),
        ("status=asleep", "active"),
        ("attribution=28d_view", "no data"),
    ],
)
def test_what_has_no_answer_says_what_has(browser: httpx2.Client, question: str, said: str) -> None:
    answer = browser.get(f"/campaigns?{question}")
    assert answer.status_code == 400
    assert said in answer.text


def test_the_tab_of_campaigns_opens_from_within_an_ad_set(browser: httpx2.Client) -> None:
    page = browser.get("/campaigns?level=ad&campaign=c1&adset=s1")
    tab = re.search(r'href="(/campaigns\?[^"]*adset=s1[^"]*)">Campaigns<', page.text)
    assert tab, "the tab leads to the view as it is, but for its level"
    whole = browser.get(tab[1].replace("&amp;", "&"))
    assert whole.status_code == 200
    assert 'id="ec1"' in whole.text


def test_people_that_cannot_be_added_up_are_unknown_and_a_note_says_why(
    browser: httpx2.Client,
) -> None:
    page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&metric=spend&metric=reach").text
    assert "–" in " ".join(Table(page).row("Campaign c1"))  # noqa: RUF001
    assert "counts people" in page


def test_the_csv_has_exactly_what_is_shown(browser: httpx2.Client) -> None:
    view = f"account={ACCOUNT}&{WEEK}&open=c1&metric=spend&metric=results&sort=name&order=asc"
    answer = browser.get(f"/campaigns.csv?{view}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    shown = [row[0] for row in Table(browser.get(f"/campaigns?{view}").text).rows[1:-1]]
    assert len(rows) == len(shown) == 3 + 2 + len(HOSTILE)
    for row, text in zip(rows, shown, strict=True):
        name = printable(row["name"].removeprefix("'"))
        assert " ".join(name.split())[:60] in " ".join(text.split())
    (first,) = [row for row in rows if row["id"] == "c1"]
    assert (first["spend"], first["currency"], first["since"]) == ("70", "EUR", "2026-03-11")


def test_a_breakdown_stands_below_its_row(browser: httpx2.Client) -> None:
    view = f"account={ACCOUNT}&{WEEK}&search=c1&metric=spend"
    page = browser.get(f"/campaigns?{view}").text
    assert '<option value="age,gender">' in page
    assert '<option value="gender">' in page
    page = browser.get(f"/campaigns?{view}&breakdown=age%2Cgender").text
    assert '<option value="age,gender" selected>' in page
    shown = [[" ".join(cell.split()) for cell in row] for row in Table(page).rows[2:-1]]
    assert shown == [
        ["18-24, female", "€6.00"],
        [f"18-24, {HOSTILE[0]}", "€3.00"],
        ["25-34, female", "€1.00"],
    ]
    assert "€70.00" in " ".join(Table(page).row("Campaign c1"))
    by_age = Table(browser.get(f"/campaigns?{view}&breakdown=age").text)
    assert "€9.00" in by_age.row("18-24")


def test_a_breakdown_that_was_never_read_says_how_to_read_it(browser: httpx2.Client) -> None:
    page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&breakdown=country").text
    assert "--breakdown country" in page
    assert "€70.00" in " ".join(Table(page).row("Campaign c1"))
    refused = browser.get("/campaigns?breakdown=hair")
    assert refused.status_code == 400
    assert "publisher_platform" in refused.text


def test_the_csv_has_the_cells_of_a_breakdown(browser: httpx2.Client) -> None:
    view = f"account={ACCOUNT}&{WEEK}&search=c1&metric=spend&breakdown=age,gender"
    text = browser.get(f"/campaigns.csv?{view}").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["age"], row["gender"], row["spend"]) for row in rows] == [
        ("", "", "70"),
        *((age, gender, str(spend)) for (age, gender), spend in CELLS.items()),
    ]
    assert {row["id"] for row in rows} == {"c1"}


def test_the_csv_runs_no_formula(browser: httpx2.Client) -> None:
    text = browser.get(f"/campaigns.csv?account={ACCOUNT}&{WEEK}").content.decode("utf-8-sig")
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not re.match(r"\s*[=+@\t\r]", cell), cell


def test_amounts_of_an_answer_have_their_currency(browser: httpx2.Client) -> None:
    one = browser.get("/ask?q=spend+and+impressions+by+campaign+of+Shop+1+last+week").text
    assert "€70.00" in one
    assert "7,000" in one
    assert "€7,000" not in one
    several = browser.get("/ask?q=spend+by+account+last+week").text
    assert "€105.00" in several
    assert "¥0" in several


@pytest.mark.parametrize("path", [f"/campaigns?account={ACCOUNT}", "/timeline/h7"])
def test_a_direction_mark_of_a_name_changes_no_line(browser: httpx2.Client, path: str) -> None:
    page = browser.get(path).text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)
    assert "إعلان" in page


def test_no_template_has_to_remember_what_others_may_have_written() -> None:
    odd = "\u202egnp.exe\x1b[2J\x00<b>"
    environment = templates()
    made = environment.from_string("{% macro m(a) %}<i>{{ a }}</i>{% endmacro %}{{ a }}{{ m(a) }}")
    assert made.render(a=odd) == "gnp.exe[2J&lt;b&gt;<i>gnp.exe[2J&lt;b&gt;</i>"
    assert made.render(a=Markup("<b>x</b>")) == "<b>x</b><i><b>x</b></i>"
    assert made.render(a=7) == "7<i>7</i>"


@pytest.mark.parametrize(
    ("language", "spend", "day"),
    [
        ("de-DE,de;q=0.9,en;q=0.5", "105,00\xa0€", "11.03.2026"),
        ("en-US", "€105.00", "Mar 11, 2026"),
        ("fr", "105,00\xa0€", "11 mars 2026"),
        ("xx-nonsense, ;;q=", "€105.00", "Mar 11, 2026"),
        ("*", "€105.00", "Mar 11, 2026"),
    ],
)
def test_numbers_and_dates_are_those_of_the_browsers_language(
    browser: httpx2.Client, language: str, spend: str, day: str
) -> None:
    page = browser.get(f"/accounts/{ACCOUNT}?{WEEK}", headers={"accept-language": language}).text
    assert spend in page
    assert day in page


def test_a_number_says_what_it_is(browser: httpx2.Client) -> None:
    page = browser.get(f"/accounts/{ACCOUNT}?{WEEK}").text
    for said in ("sum(spend)", "7d_click", "EUR", "Europe/Berlin", "Mar 18, 2026"):
        assert said in page


def test_days_that_may_move_stand_on_a_band(browser: httpx2.Client) -> None:
    page = browser.get(f"/accounts/{ACCOUNT}?days=last_28d").text
    assert 'class="band"' in page
    assert 'class="bar unknown"' in page  # of days before the first that was read


@pytest.mark.parametrize(
    "path", ["/accounts/act_9", "/timeline/nothing", "/accounts/%3Cscript%3E", "/nowhere", "/v9"]
)
def test_what_is_not_here_is_said_so(browser: httpx2.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_sync_now_is_a_wish_in_the_inbox_and_in_the_audit(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sync").text)
    assert token
    given = {"csrf": token[1], "account": ACCOUNT}
    for _ in range(3):
        assert "Asked for" in browser.post("/sync", data=given).text
    rows = web_warehouse.sync_requests.open()
    assert [(row.account_id, row.source, row.requested_by) for row in rows] == [
        (ACCOUNT, "web", "owner")
    ] * 3
    assert [one.action for one in web_warehouse.web.events(3)] == ["sync asked for"] * 3
    back = browser.post("/sync/cancel", data={"csrf": token[1], "request": rows[0].request_id})
    assert "Cancelled" in back.text
    assert len(web_warehouse.sync_requests.open()) == 2


def test_where_too_many_wait_the_page_says_what_to_do(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    store = web_warehouse.sync_requests
    others = [one.request_id for one in store.open()]
    store.finish(others, NOW, state="cancelled", outcome=None, message=None)
    store.add([request(f"r{number}", ACCOUNT) for number in range(MOST_OPEN)])
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sync").text)
    assert token
    answer = browser.post("/sync", data={"csrf": token[1], "account": ACCOUNT})
    assert answer.status_code == 400
    assert "take back those that are not needed" in answer.text
    back = browser.post("/sync/cancel", data={"csrf": token[1], "request": "r1"})
    assert "Cancelled" in back.text
    assert "Asked for" in browser.post("/sync", data={"csrf": token[1], "account": ACCOUNT}).text
    all_open = [one.request_id for one in store.open()]
    assert store.finish(all_open, NOW, state="done", outcome=None, message=None) == MOST_OPEN


def test_the_page_of_syncs_is_live_while_something_on_it_moves(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    def is_live(page: str) -> bool:
        (live,) = set(re.findall(r'data-live="([^"]*)"', browser.get(page).text))
        return bool(live)

    store = web_warehouse.sync_requests
    # The last that were asked for, whatever other tests have left.
    last = {"requested_at": NOW + timedelta(minutes=1)}
    store.add([request("later", ACCOUNT, not_before=world.NOW + timedelta(hours=1), **last)])
    assert not is_live("/sync"), "it waits for an hour"
    with web_warehouse.connection() as connection:
        rows, hold = Rows(connection), "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
        for number in range(60):
            rows.account(f"act_{900 + number}", name=f"aaa {number}")
        connection.execute(hold, ["meta_ads:sync:act_900"])
        connection.commit()
        assert not is_live("/sync?search=aaa"), "first come those that were never synced"
        assert is_live("/sync?search=aaa&page=2")
        assert not is_live(f"/sync?account={ACCOUNT}")
        connection.execute("SELECT pg_advisory_unlock_all()")
        connection.execute("DELETE FROM meta_ads.meta_ad_accounts WHERE name LIKE 'aaa %'")
    store.add([request("now", ACCOUNT, **last)])
    assert is_live("/sync")
    all_open = [one.request_id for one in store.open()]
    store.finish(all_open, NOW, state="cancelled", outcome=None, message=None)


def test_a_backfill_says_its_price_before_it_is_asked_for(browser: httpx2.Client) -> None:
    question = urlencode({"account": ACCOUNT, "since": "2026-01-01", "until": "2026-01-31"})
    page = browser.get(f"/sync/price?{question}").text
    for said in ("Calls", "quota", "Minutes", "Ask for it"):
        assert said in page


@pytest.mark.parametrize("sign_in", [SignIn.LINK, SignIn.PROXY])
def test_reports_that_cannot_be_used_are_a_sentence(
    sign_in: SignIn, web_warehouse: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "reports.yaml"
    file.write_text("reports: [{preset: of-nobody}]")
    settings = Settings.load(
        env_file=None,
        reports_file=file,
        web_proxy_header="X-Visitor",
        web_proxy_addresses="127.0.0.1",
        web_admins="ann",
    )
    site = Site(settings, web_warehouse, SECRET, sign_in, now=lambda: NOW)
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as visitor,
    ):
        visitor.headers["X-Visitor"] = "ann"
        if sign_in is SignIn.LINK:
            visitor.get(new_link(SECRET, url))
        answer = visitor.get(f"/sync/price?account={ACCOUNT}&{WEEK}")
    assert answer.status_code == 503
    said = answer.text if sign_in is SignIn.LINK else caplog.text
    assert "of-nobody" in said
    assert (str(tmp_path) in answer.text) is (sign_in is SignIn.LINK)
    assert sign_in is SignIn.LINK or "META_REPORTS_FILE" in answer.text


def test_nothing_of_an_account_that_is_not_known_is_asked_for(browser: httpx2.Client) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sync").text)
    assert token
    answer = browser.post("/sync", data={"csrf": token[1], "account": "act_9"})
    assert answer.status_code == 400
    assert "act_9" in answer.text


def test_members_are_let_in_changed_and_removed(
    browser: httpx2.Client, web_warehouse: Warehouse
) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/members").text)
    assert token
    given = {"csrf": token[1], "subject": " Ann@Example.com ", "role": "viewer"}
    browser.post("/members", data=given)
    browser.post("/members", data=given | {"role": "analyst"})
    assert [(one.subject, one.role) for one in web_warehouse.tenants.members()] == [
        ("ann@example.com", "analyst")
    ]
    assert browser.post("/members", data=given | {"role": "king"}).status_code == 400
    browser.post("/members/remove", data=given)
    assert web_warehouse.tenants.members() == []


def test_an_address_that_is_shared_shows_the_same(browser: httpx2.Client) -> None:
    page = browser.get(f"/campaigns?account={ACCOUNT}&{WEEK}&status=active&sort=ctr").text
    link = re.search(r'href="(/campaigns\?[^"]*level=ad[^"]*)"', page)
    assert link
    address = link[1].replace("&amp;", "&")
    for kept in (f"account={ACCOUNT}", "since=2026-03-11", "status=active", "sort=ctr"):
        assert kept in address
    assert browser.get(address).status_code == 200
