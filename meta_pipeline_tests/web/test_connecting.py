"""Connecting Meta from the browser: dialog, choice of accounts, removal, and what is no answer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline_tests.connections.place import KEY, Place, place_of
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET

pytestmark = pytest.mark.slow


@dataclass
class Opened:
    """A signed-in browser at the application of a place."""

    place: Place
    site: Site
    url: str
    browser: httpx2.Client

    def answered(self, answer: str = "grant") -> str:
        """Where Meta's dialog leads back to once the person agreed to all it asks, or not."""
        link = re.search(
            r'href="(/connections/connect[^"]+)"', self.browser.get("/connections").text
        )
        assert link
        dialog = self.browser.get(html.unescape(link[1]))
        form = html.unescape(dialog.text.partition("<form")[2].partition("</form>")[0])
        fields = re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form)
        given: dict[str, list[str]] = {"answer": [answer]}
        for name, value in fields:
            given.setdefault(name, []).append(value)
        led = httpx2.post(
            str(dialog.url), data=given, follow_redirects=False, timeout=PATIENCE_SECONDS
        )
        return str(led.headers["location"])

    def csrf(self, page: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found
        return found[1]


@pytest.fixture
def opened(database_url: str) -> Iterator[Opened]:
    # Its pool has one connection: whoever held it while they ask Meta or the tables again would
    # wait for themselves.
    with place_of(database_url) as place, Warehouse(database_url, max_connections=1) as warehouse:
        settings = place.book.access.settings.model_copy(update={"token_keys": SecretStr(KEY)})
        site = Site(settings, warehouse, SECRET, SignIn.LINK, now=place.clock.now)
        with served.running(web_application(site)) as listening:
            url = listening.replace("127.0.0.1", "localhost")  # as Meta leads back to
            with httpx2.Client(
                base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS
            ) as browser:
                browser.get(new_link(site.secret, url))
                yield Opened(place, site, url, browser)


def test_accounts_are_connected_by_name_and_removed_again(opened: Opened) -> None:
    page = opened.browser.get(opened.answered())
    assert page.url.path.startswith("/connections/choose/"), page.text
    assert "Shop 0" in page.text
    pending = re.search(r'name="pending_id" value="([^"]+)"', page.text)
    accounts = re.findall(r'name="account" value="([^"]+)"', page.text)
    assert pending
    assert accounts
    given = {"csrf": opened.csrf(page.text), "pending_id": pending[1]}
    none = opened.browser.post("/connections/choose", data=given)
    assert none.status_code == 400
    assert "at least one" in none.text
    done = opened.browser.post("/connections/choose", data={**given, "account": accounts[:1]})
    assert "is connected" in done.text
    (row,) = opened.place.warehouse.connections.all()
    assert row.chosen_accounts == accounts[:1]
    token = opened.place.book.token(row)
    assert token not in done.text
    assert [one.action for one in opened.place.warehouse.web.events(1)] == ["connected"]
    gone = opened.browser.post(
        "/connections/remove",
        data={"csrf": opened.csrf(done.text), "connection": row.connection_id},
    )
    assert "is removed" in gone.text
    assert opened.place.warehouse.connections.all() == []


def test_meta_that_never_answers_is_told_in_time_and_keeps_no_other_page_waiting(
    opened: Opened,
) -> None:
    row = opened.place.book.add(opened.place.issue())
    back, page = opened.answered(), opened.browser.get("/connections").text
    form = {"csrf": opened.csrf(page), "connection": row.connection_id}
    opened.place.sim.fail("*", "*", times=None, with_=Fault.stall(PATIENCE_SECONDS))
    hasty = replace(opened.site, meta_seconds=1)
    with served.running(web_application(hasty)) as listening, ThreadPoolExecutor() as threads:
        url = listening.replace("127.0.0.1", "localhost")
        led = threads.submit(
            opened.browser.get, f"{url}{urlsplit(back).path}?{urlsplit(back).query}"
        )
        (rule,) = opened.place.sim.faults
        wait_until(lambda: rule.fired, "Meta is asked")
        assert opened.browser.get(f"{url}/connections").status_code == 200
        assert (led.result().status_code, "Meta" in led.result().text) == (403, True)
        for path, told in (("accounts", "does not say"), ("remove", "did not end")):
            given = form | {"revoke": "yes"}
            answer = opened.browser.post(f"{url}/connections/{path}", data=given)
            assert (answer.status_code, told in answer.text) == (400, True), answer.text
    assert [one.connection_id for one in opened.place.warehouse.connections.all()] == [
        row.connection_id
    ]


def fields(page: str) -> dict[str, list[str]]:
    """What the form of a page would send, but for its buttons."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r' name="([^"]+)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        if name and (" checked" in tag or 'type="checkbox"' not in tag):
            found.setdefault(name[1], []).append(html.unescape(value[1]) if value else "")
    return found


def test_ticks_are_kept_from_page_to_page_and_a_choice_is_changed_later(opened: Opened) -> None:
    page = opened.browser.get(opened.answered())
    pending = fields(page.text)["pending_id"][0]
    many = {f"act_7{number:06d}": f"Branch {number:03d}" for number in range(250)}
    with opened.place.warehouse.connection() as connection:
        opened.place.warehouse.logins.set_accounts(pending, many, connection)

    def send(page: httpx2.Response, *ticked: str, **button: str) -> httpx2.Response:
        form = fields(page.text)
        form["account"] = [*form.get("account", []), *ticked]
        answer = opened.browser.post("/connections/choose", data=form | button)
        assert answer.status_code == 200, answer.text
        return answer

    page = opened.browser.get(str(page.url))
    assert "Previous accounts" not in page.text
    page = send(page, "act_7000001", go="next")
    assert "Previous accounts" in page.text
    assert "More accounts" not in page.text
    page = send(page, "act_7000249", go="previous")
    assert "2 ticked" in page.text
    assert fields(page.text)["account"] == ["act_7000001"]
    page = send(page, go="search", search="Branch 1")
    page = send(page, go="tick")
    assert "102 ticked" in page.text
    page = send(page, go="untick")
    assert "act_7000249" in opened.place.warehouse.logins.ticked(pending)
    page = send(page, opened.place.ids[0], "act_7000100")
    (row,) = opened.place.warehouse.connections.all()
    ticked = ["act_7000001", "act_7000100", "act_7000249", opened.place.ids[0]]
    assert row.chosen_accounts == ticked
    change = {"csrf": opened.csrf(page.text), "connection": row.connection_id}
    page = opened.browser.post("/connections/accounts", data=change)
    assert fields(page.text)["account"] == opened.place.ids[:1], "the others are not reached"
    page = send(page, opened.place.ids[1])
    assert "now reads 2 accounts" in page.text
    assert opened.place.row(row.connection_id).chosen_accounts == sorted(opened.place.ids[:2])
    actions = [one.action for one in opened.place.warehouse.web.events(2)]
    assert actions == ["accounts chosen", "connected"], "turning pages is no change"


@pytest.mark.parametrize(
    "query", ["", "?state=x&code=y", "?error=access_denied", "?state=%01&code=%3Cscript%3E"]
)
def test_an_answer_of_nobodys_login_connects_nothing(opened: Opened, query: str) -> None:
    answer = opened.browser.get(f"/connections/back{query}")
    assert answer.status_code == 403
    assert "<script>" not in answer.text
    assert opened.place.warehouse.connections.all() == []


def test_a_login_is_answered_in_the_browser_that_began_it(opened: Opened) -> None:
    back = opened.answered()
    with httpx2.Client(
        base_url=opened.url, follow_redirects=True, timeout=PATIENCE_SECONDS
    ) as other:
        other.get(new_link(opened.site.secret, opened.url))
        answer = other.get(back)
        assert answer.status_code == 403
        assert "another" in answer.text.lower()
    assert opened.browser.get(back).status_code == 200


def test_who_says_no_in_the_dialog_connects_nothing(opened: Opened) -> None:
    answer = opened.browser.get(opened.answered("deny"))
    assert answer.status_code == 403
    assert "Nothing was connected" in answer.text
    assert "Connect again" in answer.text
    assert opened.place.warehouse.connections.all() == []
