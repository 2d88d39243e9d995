"""Who is let into another tenant, by whomever, goes on in the one that they saw: everywhere."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from meta_pipeline.simulator import VirtualClock
from meta_pipeline.warehouse import ConnectionRow, Warehouse
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.pages import PAGES
from meta_pipeline_tests.connections.place import KEY, Place, place_of
from meta_pipeline_tests.metrics.rows import Rows
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.world import ACCOUNT, NOW, fill

pytestmark = pytest.mark.slow
ANN, MALLORY = "ann@zeta.example", "mallory@alpha.example"
GETS = {route.path for route in PAGES if "GET" in (route.methods or ())}
POSTS = {route.path for route in PAGES if "POST" in (route.methods or ())}
LEADS_ON = {"/connections/connect", "/connections/back"}
"""They show nothing themselves: what they lead to is looked at."""


@dataclass
class Two:
    """Ann's tenant zeta and Mallory's tenant alpha at one application, `url`."""

    place: Place
    url: str

    @contextmanager
    def browser(self, who: str) -> Iterator[httpx2.Client]:
        with httpx2.Client(
            base_url=self.url,
            headers={"X-User": who},
            follow_redirects=True,
            timeout=PATIENCE_SECONDS,
        ) as opened:
            yield opened

    def let_in(self, path: str, role: str = "admin") -> None:
        """Mallory lets Ann into alpha, an hour after whatever was."""
        self.place.clock.advance(3600)
        with self.browser(MALLORY) as mallory:
            sent = first_form(mallory.get("/members").text, "/members/invite")
            sent |= {"subject": ANN, "role": role}
            assert mallory.post(path, data=sent).status_code == 200

    def begun_for(self) -> list[str]:
        """The tenants that logins were begun for."""
        rows = self.place.query("SELECT tenant FROM meta_ads.login_states ORDER BY begun_at")
        return [tenant for (tenant,) in rows]


@pytest.fixture
def two(database_url: str) -> Iterator[Two]:
    with place_of(database_url, clock=VirtualClock(NOW)) as place:
        warehouse = place.warehouse
        fill(warehouse)
        for tenant, admin in (("alpha", MALLORY), ("zeta", ANN)):
            warehouse.tenants.add(tenant, tenant.title(), NOW)
            warehouse.tenants.set_member(tenant, admin, "admin", at=NOW, added_by="the test")
        warehouse.tenants.grant("zeta", [ACCOUNT], NOW)
        warehouse.keep_tenants_apart()
        settings = place.book.access.settings.model_copy(
            update={
                "token_keys": SecretStr(KEY),
                "web_proxy_header": "X-User",
                "web_proxy_addresses": "127.0.0.1",
            }
        )
        site = Site(settings, warehouse, SECRET, SignIn.PROXY, now=place.clock.now)
        with served.running(web_application(site)) as listening:
            yield Two(place, listening.replace("127.0.0.1", "localhost"))
        drop_groups(warehouse, database_url)


def drop_groups(warehouse: Warehouse, url: str) -> None:
    with warehouse.connection() as connection:
        groups = group_names(connection)
    warehouse.close()
    with psycopg.connect(url, autocommit=True) as connection:
        for group in groups:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(group)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(group)))


def forms(page: str) -> list[tuple[str, str]]:
    """Each form of a page: its tag, and what is in it."""
    return re.findall(r"(<form[^>]*>)(.*?)</form>", page, re.DOTALL)


def first_form(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the first form that is sent to `action`."""
    inner = next(inner for tag, inner in forms(page) if f'"post" action="{action}"' in tag)
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', inner)
    return {name: html.unescape(value) for name, value in hidden}


def links(page: str) -> list[str]:
    """The addresses of this application that a page leads to."""
    found = [html.unescape(one) for one in re.findall(r'<a [^>]*?href="(/[^"]*)"', page)]
    return [one for one in found if not one.startswith("//")]


def offered(page: str) -> list[str]:
    """The addresses that a page offers for the tenants of its visitor."""
    return [one for one in links(page) if "tenant=" in one]


def opened(page: str) -> str:
    found = re.search(r'<body data-tenant="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("path", ["/members", "/members/invite"])
def test_a_page_that_is_open_stays_with_its_tenant(two: Two, path: str) -> None:
    with two.browser(ANN) as ann:
        before, people = ann.get("/connections").text, ann.get("/members").text
        two.let_in(path)
        (link,) = {one for one in links(before) if one.startswith("/connections/connect")}
        led = ann.get(link, follow_redirects=False)
        assert led.headers["location"].startswith(two.place.sim.url)
        assert two.begun_for() == ["zeta"]
        sent = first_form(people, "/members/invite") | {"subject": "bob", "role": "viewer"}
        assert ann.post("/members/invite", data=sent).status_code == 200
        rows = two.place.query("SELECT tenant FROM meta_ads.invitations WHERE subject = 'bob'")
        assert rows == [("zeta",)]
        assert opened(ann.get("/").text) == "zeta"
    with two.browser(ANN) as elsewhere:
        which = elsewhere.get("/connections")
        assert which.status_code == 300
        assert "data-tenant" not in which.text, "one of them opens by itself"
        assert "let in" in which.text
        assert MALLORY in which.text
        assert offered(which.text) == ["/connections?tenant=zeta", "/connections?tenant=alpha"]


@pytest.mark.parametrize("path", ["/members", "/members/invite"])
def test_a_membership_that_is_older_than_ones_own_opens_nothing_by_itself(
    two: Two, path: str
) -> None:
    tenants = two.place.warehouse.tenants
    tenants.remove_member("zeta", ANN)
    two.let_in(path)
    invited = two.place.warehouse.invitations.invite
    invited("zeta", ANN, "admin", at=two.place.clock.now(), invited_by="the house")
    with two.browser(ANN) as ann:
        which = ann.get("/sync?search=shop")
        assert "data-tenant" not in which.text
        assert [one.tenant for one in tenants.memberships(ANN)] == ["alpha", "zeta"]
        links = offered(which.text)
        assert links == ["/sync?search=shop&tenant=alpha", "/sync?search=shop&tenant=zeta"]
        chosen = ann.get(links[1])
        assert opened(chosen.text) == "zeta"
        assert "let into" not in chosen.text, "the choice told it"
        assert opened(ann.get("/").text) == "zeta", "the choice is kept"
        tenants.remove_member("zeta", ANN)
        assert opened(ann.get("/").text) == "alpha", "it is the only one"


def test_who_has_opened_nothing_yet_changes_nothing(two: Two) -> None:
    tenants = two.place.warehouse.tenants
    with two.browser(ANN) as ann:
        sent = first_form(ann.get("/members").text, "/members/invite")
        tenants.add("third", "Third", NOW)
        tenants.set_member("third", ANN, "admin", at=NOW, added_by="the test")
        two.let_in("/members")
        tenants.remove_member("zeta", ANN)
        del sent["tenant"]
        before = two.place.dump()
        answer = ann.post("/members/invite", data=sent | {"subject": "bob", "role": "viewer"})
        assert answer.status_code == 300
        assert offered(answer.text) == ["/?tenant=third", "/?tenant=alpha"]
        assert two.place.dump() == before


def test_who_comes_by_a_link_that_names_a_tenant_is_told_of_the_others(two: Two) -> None:
    two.let_in("/members")
    with two.browser(ANN) as ann:
        page = ann.get("/sync?tenant=zeta")
        assert opened(page.text) == "zeta"
        assert "You were let into Alpha. What you look at is Zeta" in page.text
        assert opened(ann.get("/").text) == "zeta"


def test_a_page_that_reads_itself_again_takes_no_notice_away_and_opens_nothing(two: Two) -> None:
    def polled(tenant: str) -> str:
        return ann.get(f"/sync?tenant={tenant}", headers={"X-Live": "1"}).text

    with two.browser(ANN) as ann:
        ann.get("/sync")
        two.let_in("/members")
        for tenant in ("zeta", "alpha"):
            page = polled(tenant)
            assert opened(page) == tenant, "it stays the tenant of its page"
            assert "let into" not in page
        told = ann.get("/members")
        assert opened(told.text) == "zeta"
        assert "You were let into Alpha" in told.text
        sent = first_form(told.text, "/members/invite") | {"subject": "bob", "role": "viewer"}
        ann.post("/members/invite", data=sent, follow_redirects=False)
        assert 'role="status"' not in polled("zeta")
        assert 'role="status"' in ann.get("/sync").text


def test_who_was_let_into_another_tenant_is_told_once(two: Two) -> None:
    with two.browser(ANN) as ann:
        assert "let into" not in ann.get("/").text
        two.let_in("/members")
        assert "You were let into Alpha. What you look at is Zeta" in ann.get("/sync").text
        assert "let into" not in ann.get("/").text
        assert opened(ann.get("/", params={"tenant": "alpha"}).text) == "alpha"
        assert opened(ann.get("/sync").text) == "alpha", "what was opened stays open"
        two.place.warehouse.tenants.remove_member("alpha", ANN)
        assert opened(ann.get("/").text) == "zeta"


def test_a_login_belongs_to_the_tenant_that_it_was_begun_for(two: Two) -> None:
    two.let_in("/members", "viewer")
    with two.browser(ANN) as ann:
        page = ann.get("/connections", params={"tenant": "zeta"}).text
        assert "becomes a connection of <strong>Zeta</strong>" in page
        back = granted(ann, next(one for one in links(page) if "/connect?" in one))
        assert opened(ann.get("/", params={"tenant": "alpha"}).text) == "alpha"
        choice = ann.get(back)
        assert choice.status_code == 200, choice.text
        assert opened(choice.text) == "zeta"
        assert "The connection is one of <strong>Zeta</strong>" in choice.text
        ann.get("/", params={"tenant": "alpha"})
        sent = first_form(choice.text, "/connections/choose") | {"all": "1"}
        done = ann.post("/connections/choose", data=sent)
        assert "is connected" in done.text
        assert opened(done.text) == "zeta"
    (row,) = two.place.warehouse.connections.all()
    assert row.tenant == "zeta"


CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize("sent", [CROSS_SITE, {"Sec-Fetch-Site": "same-site"}, {}])
def test_the_same_foreign_link_followed_twice_begins_no_login(
    two: Two, sent: dict[str, str]
) -> None:
    two.let_in("/members")
    with two.browser(ANN) as ann:
        ann.get("/?tenant=zeta")
        for _ in range(3):
            page = ann.get("/connections/connect?tenant=alpha", headers=sent)
            assert page.url.path == "/connections"
            assert opened(page.text) == "alpha"
        assert two.begun_for() == []
        link = next(one for one in links(page.text) if "/connect?" in one)
        with two.browser(ANN) as other:
            other.get("/?tenant=alpha")
            assert other.get(link).url.path == "/connections", "a link of another session"
        led = ann.get(link, follow_redirects=False)
        assert led.headers["location"].startswith(two.place.sim.url)
        assert two.begun_for() == ["alpha"], "the person's own click on a page that names it"


def test_a_link_of_another_site_shows_its_tenant_and_opens_it_in_no_other_page(two: Two) -> None:
    two.let_in("/members")
    with two.browser(ANN) as ann:
        ann.get("/?tenant=zeta")
        page = ann.get("/sync?tenant=alpha", headers=CROSS_SITE)
        assert opened(page.text) == "alpha"
        assert opened(ann.get("/").text) == "zeta"
        assert opened(ann.get(links(page.text)[0]).text) == "alpha", "their own click opens it"
        assert opened(ann.get("/").text) == "alpha"
        two.place.warehouse.tenants.remove_member("alpha", ANN)
        assert ann.get("/sync?tenant=alpha", headers=CROSS_SITE).status_code == 403


def granted(browser: httpx2.Client, link: str) -> str:
    """Where Meta's dialog leads back to once the person agreed to all that it asks."""
    dialog = browser.get(link)
    form = html.unescape(dialog.text.partition("<form")[2].partition("</form>")[0])
    given: dict[str, list[str]] = {"answer": ["grant"]}
    for name, value in re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form):
        given.setdefault(name, []).append(value)
    led = httpx2.post(str(dialog.url), data=given, timeout=PATIENCE_SECONDS)
    return str(led.headers["location"])


def test_no_link_begins_a_login_for_a_tenant_that_was_not_open(two: Two) -> None:
    two.let_in("/members")
    with two.browser(ANN) as ann:
        ann.get("/")
        for sent, shown in (("?tenant=alpha", "alpha"), ("", "alpha"), ("?tenant=zeta", "zeta")):
            page = ann.get(f"/connections/connect{sent}")
            assert page.url.path == "/connections", sent
            assert opened(page.text) == shown
            assert f"becomes a connection of <strong>{shown.title()}</strong>" in page.text
    assert two.begun_for() == []


@dataclass
class Crawl:
    """Follows every link of every page, one address for each page and set of parameters."""

    browser: httpx2.Client
    seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)

    def look(self, *addresses: str) -> None:
        left = list(addresses)
        while left:
            address = left.pop()
            parts = urlsplit(address)
            route = next(
                one for one in GETS if re.fullmatch(re.sub(r"{\w+}", "[^/]+", one), parts.path)
            )
            known = (route, tuple(sorted(parse_qs(parts.query))))
            if route in LEADS_ON or known in self.seen:
                continue
            self.seen.add(known)
            self.pages.add(route)
            answer = self.browser.get(address)
            assert answer.status_code == 200, (address, answer.text)
            left += self.checked(address, answer.text)

    def checked(self, address: str, page: str) -> list[str]:
        """The links of a page; each of them and every form has to name the tenant."""
        for tag, inner in forms(page):
            action = re.search(r'action="([^"]*)"', tag)
            assert action, (address, tag)
            self.actions.add(action[1])
            if 'class="whose"' not in tag:  # the choice of a tenant
                assert inner.count('type="hidden" name="tenant" value="zeta"') == 1, (address, tag)
        found = links(page)
        for one in found:
            assert parse_qs(urlsplit(one).query).get("tenant") == ["zeta"], (address, one)
        return found


def test_every_link_and_every_form_of_every_page_names_its_tenant(two: Two) -> None:
    furnish(two)
    with two.browser(ANN) as ann:
        crawl = Crawl(ann)
        crawl.look("/?tenant=zeta")
        priced = f"account={ACCOUNT}&since=2026-03-01&until=2026-03-02&tenant=zeta"
        crawl.look(f"/sync/price?{priced}", f"/creatives?account={ACCOUNT}&tenant=zeta")
        page = ann.get("/connections").text
        back = granted(ann, next(one for one in links(page) if "/connect?" in one))
        chosen = ann.get(back, follow_redirects=False).headers["location"]
        crawl.look(chosen)
        denied = ann.get("/connections/back?error=access_denied")
        crawl.checked("denied", denied.text)
        assert len(links(denied.text)) > 5
        assert crawl.pages == GETS - LEADS_ON
        assert crawl.actions >= POSTS, POSTS - crawl.actions
        assert two.begun_for() == ["zeta"]
        for answer in (
            ann.post("/advice/judge", data=first_form(ann.get("/advice").text, "/advice/judge")
                     | {"account": ACCOUNT}, follow_redirects=False),
            ann.post("/sync", data=first_form(ann.get("/sync").text, "/sync"),
                     follow_redirects=False),
        ):  # fmt: skip
            assert parse_qs(urlsplit(answer.headers["location"]).query)["tenant"] == ["zeta"]


def furnish(two: Two) -> None:
    """Something of each kind that a page has a form or a link for."""
    warehouse = two.place.warehouse
    warehouse.tenants.set_member("zeta", "bob", "viewer", at=NOW, added_by=ANN)
    warehouse.invitations.invite("zeta", "eve@zeta.example", "viewer", at=NOW, invited_by=ANN)
    warehouse.connections.save(
        ConnectionRow(
            connection_id="conn_2e7a00000001",
            tenant="zeta",
            kind="system_user",
            name="Zeta's Own",
            app_id="1",
            user_id="1",
            scopes=["ads_read"],
            state="active",
            added_at=NOW,
            checked_at=NOW,
        )
    )
    with warehouse.connection() as connection:
        rows = Rows(connection)
        rows.ad("broken", "s1", "c1", issues_info=[{"error_code": "1", "error_message": "No."}])
        rows.campaign("budgeted", daily_budget=100)
    with two.browser(ANN) as ann:
        sent = first_form(ann.get("/sync").text, "/sync")
        assert "Asked for" in ann.post("/sync", data=sent).text
        sent = first_form(ann.get("/advice").text, "/advice/judge") | {"account": ACCOUNT}
        assert "new" in ann.post("/advice/judge", data=sent).text


def test_a_form_that_names_no_tenant_is_refused_to_a_member_of_two(two: Two) -> None:
    with two.browser(ANN) as ann:
        sent = first_form(ann.get("/members").text, "/members/invite")
        two.let_in("/members")
        sent |= {"account": ACCOUNT, "subject": "bob", "role": "viewer", "reason": "No."}
        unsaid = {name: value for name, value in sent.items() if name != "tenant"}
        before = two.place.dump()
        for path in sorted(POSTS):
            answer = ann.post(path, data=unsaid)
            assert answer.status_code == 409, path
            assert "for which of your tenants" in answer.text
            assert ann.post(path, data=sent | {"tenant": ""}).status_code == 403, path
        assert two.place.dump() == before
