"""Two tenants in two browsers: every page of one has nothing of the other.

And people of both of them: they open one at a time, and what they send is for the one they saw.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psycopg
import pytest
from psycopg import sql

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import ConnectionRow, Warehouse
from meta_pipeline.warehouse.tenancy.groups import group_names
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.pages import PAGES
from meta_pipeline_tests.metrics.rows import Rows
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.world import ACCOUNT, NOW, OTHER, fill

ANN, BOB = "ann@alpha.example", "bob@beta.example"
EVE, BOSS = "eve@agency.example", "boss@agency.example"
OF_ALPHA = re.compile(rf"\b{ACCOUNT}\b|(?<![-\w])(?:[csa]|h[as])[0-9]+\b|{re.escape(ANN)}")
"""What is alpha's alone: its account, the ids in it, its member."""
FIELDS = (
    "account", "account_id", "advice", "connection", "pending_id", "reason", "request", "since",
    "subject", "until",
)  # fmt: skip
"""Fields of forms that name something."""


@pytest.fixture(scope="module")
def web_warehouse(postgres: TestPostgres) -> Iterator[Warehouse]:
    with postgres.fresh_database() as url, Warehouse(url) as opened:
        fill(opened)
        with opened.connection() as connection:
            Rows(connection).tree(OTHER, prefix="b-")
            groups = group_names(connection)
        for tenant, account_id, member in (("alpha", ACCOUNT, ANN), ("beta", OTHER, BOB)):
            opened.tenants.add(tenant, tenant.title(), NOW)
            opened.tenants.grant(tenant, [account_id], NOW)
            opened.tenants.set_member(tenant, member, "admin", at=NOW, added_by="the test")
        opened.tenants.set_member("alpha", EVE, "viewer", at=NOW, added_by="the test")
        opened.tenants.set_member("beta", EVE, "admin", at=NOW, added_by="the test")
        opened.tenants.set_member("alpha", BOSS, "analyst", at=NOW, added_by="the test")
        opened.keep_tenants_apart()
        yield opened
        opened.close()
        with psycopg.connect(url, autocommit=True) as connection:
            for group in groups:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(group)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(group)))


@pytest.fixture(scope="module")
def base_url(web_warehouse: Warehouse) -> Iterator[str]:
    settings = Settings.load(
        env_file=None,
        web_proxy_header="X-User",
        web_proxy_addresses="127.0.0.1",
        web_admins=BOSS,
        access_token="EAAHOUSE",
    )
    site = Site(settings, web_warehouse, SECRET, SignIn.PROXY, now=lambda: NOW)
    with served.running(web_application(site)) as url:
        yield url


@contextmanager
def browser_of(who: str, base_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=base_url, headers={"X-User": who}, follow_redirects=True, timeout=PATIENCE_SECONDS
    ) as browser:
        yield browser


@pytest.fixture
def bob(base_url: str) -> Iterator[httpx2.Client]:
    with browser_of(BOB, base_url) as browser:
        yield browser


@pytest.fixture
def ann(base_url: str) -> Iterator[httpx2.Client]:
    with browser_of(ANN, base_url) as browser:
        yield browser


@pytest.fixture
def eve(base_url: str) -> Iterator[httpx2.Client]:
    with browser_of(EVE, base_url) as browser:
        yield browser


def pages(account_id: str, entity_id: str, query: str = "") -> list[str]:
    """Every page there is, of one account and entity where it is of one."""
    given = {"account_id": account_id, "entity_id": entity_id, "pending_id": "none"}
    paths = [route.path.format(**given) for route in PAGES if "GET" in (route.methods or ())]
    return [f"{path}{query}" for path in paths]


@pytest.mark.slow
def test_no_page_has_anything_of_another_tenant(ann: httpx2.Client, bob: httpx2.Client) -> None:
    own = [ann.get(path) for path in pages(ACCOUNT, "c1")]
    assert all(page.status_code < 500 for page in own)
    assert sum(bool(OF_ALPHA.search(page.text)) for page in own) > 5, "there is nothing to hide"
    asked = [
        *((path, "") for path in pages(OTHER, "b-c1")),
        *((path, ACCOUNT) for path in pages(ACCOUNT, "c1", f"?account={ACCOUNT}")),
    ]
    for path, said in asked:
        page = bob.get(path)
        assert page.status_code < 500, path
        text = page.text if not said else page.text.replace(said, "").replace("c1", "")
        assert not OF_ALPHA.search(text), (path, OF_ALPHA.search(text))


def test_the_houses_token_is_told_to_the_houses_people_alone(
    ann: httpx2.Client, eve: httpx2.Client, base_url: str
) -> None:
    card = 'aria-label="META_ACCESS_TOKEN"'
    for client in (ann, eve):
        page = client.get("/connections?tenant=alpha")
        assert page.status_code == 200
        assert card not in page.text
    with browser_of(BOSS, base_url) as boss:
        assert card in boss.get("/connections?tenant=default").text
        assert card not in boss.get("/connections?tenant=alpha").text


def test_what_one_tenant_changes_is_its_own(
    ann: httpx2.Client, bob: httpx2.Client, web_warehouse: Warehouse
) -> None:
    csrf = csrf_of(bob.get("/members").text)
    for path, form in (
        ("/members", {"subject": "carol", "role": "viewer"}),
        ("/members/remove", {"subject": ANN}),
        ("/sync", {"account": ACCOUNT, "account_id": ACCOUNT, "reason": "mine?"}),
        ("/sync", {"account": OTHER, "account_id": OTHER, "reason": "ours"}),
    ):
        answer = bob.post(path, data=form | {"csrf": csrf}, follow_redirects=False)
        assert answer.status_code < 500, (path, answer.text)
    with web_warehouse.connection() as connection:
        members = connection.execute(
            "SELECT tenant, subject FROM meta_ads.members ORDER BY 1, 2"
        ).fetchall()
        asked = connection.execute(
            "SELECT account_id, requested_by FROM meta_ads.sync_requests"
        ).fetchall()
    both = {EVE, BOSS}
    assert [one for one in members if one[1] not in both] == [
        ("alpha", ANN),
        ("beta", BOB),
        ("beta", "carol"),
    ]
    assert asked == [(OTHER, BOB)]
    assert "carol" in bob.get("/members").text
    assert "carol" not in ann.get("/members").text


def test_no_form_tells_of_a_connection_of_another_tenant(
    bob: httpx2.Client, web_warehouse: Warehouse
) -> None:
    theirs = connection_of("alpha", "conn_a1fa00000001", "Alpha's Own Agency")
    ours = connection_of("beta", "conn_be7a00000001", "Beta's Own Agency")
    for row in (theirs, ours):
        web_warehouse.connections.save(row)
    csrf = csrf_of(bob.get("/members").text)
    forms = [route.path for route in PAGES if "POST" in (route.methods or ())]
    for path in forms:
        # By its id, by its name, and by what is neither: a list of what is there is an answer too.
        named = (theirs.connection_id, theirs.name) if path.startswith("/connections") else ()
        for given in ("nobody", "", "conn_", *named):
            form = {"csrf": csrf, **dict.fromkeys(FIELDS, given), "revoke": "1"}
            answer = bob.post(path, data=form)
            assert answer.status_code < 500, (path, given)
            said = answer.text.replace(html.escape(given), "") if given else answer.text
            for name in (theirs.connection_id, theirs.name, html.escape(theirs.name)):
                assert name not in said, (path, given)
    assert {row.connection_id for row in web_warehouse.connections.all()} == {
        theirs.connection_id, ours.connection_id,
    }  # fmt: skip
    told = bob.post("/connections/remove", data={"csrf": csrf, "connection": "nobody"})
    assert ours.connection_id in told.text, "one's own are named, to choose from"
    with web_warehouse.connection() as connection:
        for row in (theirs, ours):
            web_warehouse.connections.erase(row.connection_id, connection)


def connection_of(tenant: str, connection_id: str, name: str) -> ConnectionRow:
    return ConnectionRow(
        connection_id=connection_id,
        tenant=tenant,
        kind="system_user",
        name=name,
        app_id="1",
        user_id=f"1{len(tenant)}",
        scopes=["ads_read"],
        state="active",
        added_at=NOW,
        checked_at=NOW,
    )


def test_a_member_of_one_tenant_is_not_asked_which(ann: httpx2.Client) -> None:
    page = ann.get("/").text
    assert '<select name="tenant"' not in page
    assert set(re.findall(r'name="tenant" value="(\w+)"', page)) == {"alpha"}, "but says so"
    assert "Beta" not in page
    for tenant in ("beta", "default", "nobody", ""):
        assert ann.get("/", params={"tenant": tenant}).status_code == 403, tenant
    assert ann.get(f"/accounts/{ACCOUNT}").status_code == 200


def test_a_member_of_several_opens_one_at_a_time(eve: httpx2.Client) -> None:
    which = eve.get("/")
    assert which.status_code == 300
    assert "data-tenant" not in which.text, "neither opens by itself"
    offered = re.findall(r'<a href="([^"]+)"><bdi>(\w+)</bdi></a> \((\w+)\), as (\w+)', which.text)
    assert offered == [
        ("/?tenant=alpha", "Alpha", "alpha", "viewer"),
        ("/?tenant=beta", "Beta", "beta", "admin"),
    ]
    assert opened(eve.get(offered[0][0]).text) == "alpha"
    assert eve.get(f"/accounts/{ACCOUNT}").status_code == 200
    hidden = eve.get(f"/accounts/{OTHER}")
    assert hidden.status_code == 404
    assert "You look at Alpha" in hidden.text
    there = eve.get(f"/accounts/{OTHER}", params={"tenant": "beta", "days": "last_3d"})
    assert there.status_code == 200
    assert str(there.url).endswith(f"/accounts/{OTHER}?days=last_3d")
    assert opened(eve.get("/health").text) == "beta"
    assert eve.get(f"/accounts/{ACCOUNT}").status_code == 404
    assert eve.get("/members").status_code == 200
    assert eve.get("/members", params={"tenant": "alpha"}).status_code == 403
    assert opened(eve.get("/").text) == "alpha"


def test_a_form_is_for_the_tenant_it_was_shown_for(
    eve: httpx2.Client, web_warehouse: Warehouse
) -> None:
    form = eve.get("/members", params={"tenant": "beta"}).text
    sent = {"csrf": csrf_of(form), "tenant": opened(form), "subject": "dan", "role": "viewer"}
    eve.get("/", params={"tenant": "alpha"})
    answer = eve.post("/members", data=sent)
    assert answer.status_code == 200
    assert opened(answer.text) == "beta"
    assert [one.tenant for one in web_warehouse.tenants.memberships("dan")] == ["beta"]
    for tenant in ("alpha", "default", "nobody"):
        assert eve.post("/members", data=sent | {"tenant": tenant}).status_code == 403, tenant
    assert [one.tenant for one in web_warehouse.tenants.memberships("dan")] == ["beta"]
    assert eve.post("/members/remove", data=sent).status_code == 200


def test_an_administrator_of_the_house_opens_what_they_are_a_member_of(base_url: str) -> None:
    with browser_of(BOSS, base_url) as boss:
        page = boss.get("/members").text
        assert opened(page) == "default"
        assert re.findall(r'<option value="(\w+)"', page)[:2] == ["default", "alpha"]
        assert boss.get("/", params={"tenant": "beta"}).status_code == 403
        assert opened(boss.get("/", params={"tenant": "alpha"}).text) == "alpha"
        assert boss.get("/members").status_code == 403, "an analyst there"


def test_who_comes_by_a_link_opens_every_tenant(web_warehouse: Warehouse) -> None:
    site = Site(Settings.load(env_file=None), web_warehouse, SECRET, SignIn.LINK, now=lambda: NOW)
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as owner,
    ):
        assert opened(owner.get(new_link(SECRET, url)).text) == "default"
        for tenant, account_id in (("alpha", ACCOUNT), ("beta", OTHER)):
            assert opened(owner.get("/members", params={"tenant": tenant}).text) == tenant
            seen = [owner.get(f"/accounts/{one}").status_code for one in (ACCOUNT, OTHER)]
            assert seen == [200 if one == account_id else 404 for one in (ACCOUNT, OTHER)]
        assert owner.get("/", params={"tenant": "nobody"}).status_code == 403


def test_an_administrator_invites_into_their_own_tenant(
    ann: httpx2.Client, bob: httpx2.Client, base_url: str, web_warehouse: Warehouse
) -> None:
    csrf = csrf_of(bob.get("/members").text)

    def send(path: str, **form: str) -> httpx2.Response:
        return bob.post(f"/members/{path}", data={"csrf": csrf, "role": "viewer"} | form)

    for wrong in ("", "two words", "x" * 255, BOB, "a\nb"):
        assert send("invite", subject=wrong).status_code == 400, wrong
    for days in ("0", "91", "-1", "many", "9" * 30):
        assert send("invite", subject="fay@beta.example", days=days).status_code == 400, days
    assert send("invite", subject="fay@beta.example", role="owner").status_code == 400
    for who in ("Fay@beta.example", "gus@beta.example", "<b>@beta.example"):
        page = send("invite", subject=who, role="analyst", days="7")
        assert page.status_code == 200
    assert "mailto:fay@beta.example?subject=" in page.text
    assert "&lt;b&gt;@beta.example" in page.text
    assert "is invited no more" in send("revoke", subject="gus@beta.example").text
    assert "fay@beta.example" not in ann.get("/members").text
    csrf_of_ann = csrf_of(ann.get("/members").text)
    ann.post("/members/revoke", data={"csrf": csrf_of_ann, "subject": "fay@beta.example"})
    with browser_of("gus@beta.example", base_url) as gus:
        assert gus.get("/").status_code == 403
    with browser_of("FAY@beta.example", base_url) as fay:
        assert opened(fay.get("/").text) == "beta"
        assert fay.get("/members").status_code == 403
    audit = bob.get("/members").text
    for said in ("invited", "invitation revoked", "invitation accepted"):
        assert f">{said}</td>" in audit, said
    with web_warehouse.of_tenant("alpha").connection() as connection:
        found = connection.execute("SELECT tenant FROM meta_ads.invitations").fetchall()
        assert found == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(
                "INSERT INTO meta_ads.invitations VALUES ('beta', %s, 'admin', now(), 'x', now())",
                (ANN,),
            )
    web_warehouse.tenants.remove_member("beta", "fay@beta.example")


def opened(page: str) -> str:
    found = re.search(r'<body data-tenant="([^"]+)"', page)
    assert found
    return found[1]


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]
