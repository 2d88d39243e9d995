"""Nobody waits for long: not for a table that somebody holds, nor for a second connection."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx2
import psycopg
import pytest
from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import Mount

from meta_pipeline.concurrency import FairLimiter
from meta_pipeline.quality import CHECKS, Finding, Severity
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Connection, Warehouse
from meta_pipeline.warehouse.connect import Patience
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.role import Role
from meta_pipeline.web.access.sign_in import SignIn
from meta_pipeline.web.check_runs import CheckRuns
from meta_pipeline.web.gate import Done, Visit, change
from meta_pipeline.web.gate import page as page_at
from meta_pipeline.web.pages import PAGES
from meta_pipeline_tests.connections.place import KEY
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET
from meta_pipeline_tests.web.filled import web_warehouse
from meta_pipeline_tests.web.world import ACCOUNT, NOW

__all__ = ["web_warehouse"]

QUICK = Patience(statement_seconds=60, lock_seconds=0.05)
MEMBER = {"subject": "ann@example.com", "role": "viewer"}
FORMS = {
    "/members": MEMBER,
    "/members/remove": MEMBER,
    "/members/invite": MEMBER,
    "/members/revoke": MEMBER,
    "/sync": {"account": ACCOUNT},
    "/sync/cancel": {},
    "/advice/judge": {"account": ACCOUNT},
    "/advice/dismiss": {"reason": "No."},
    # Those of a connection that there is are in test_connecting.
    "/connections/choose": {},
    "/connections/accounts": {"connection": "none"},
    "/connections/remove": {"connection": "none"},
}


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse) -> Iterator[Site]:
    """Its pool has one connection: who asked for a second beside it would wait for themselves."""
    with Warehouse(web_warehouse.url, patience=QUICK, max_connections=1) as impatient:
        settings = Settings.load(env_file=None, token_keys=KEY)
        check_runs = CheckRuns(patience_seconds=0)
        yield Site(settings, impatient, SECRET, SignIn.LINK, now=lambda: NOW, check_runs=check_runs)


@pytest.mark.parametrize(
    "table", ["meta_ad_accounts", "metric_definitions", "meta_insights", "campaign_rollups"]
)
def test_no_page_waits_for_it_or_breaks(
    browser: httpx2.Client, web_warehouse: Warehouse, table: str
) -> None:
    given = {"account_id": ACCOUNT, "entity_id": ACCOUNT, "pending_id": "none"}
    paths = [page.path.format(**given) for page in PAGES if "GET" in (page.methods or ())]
    with psycopg.connect(web_warehouse.url) as other:
        other.execute(f"LOCK meta_ads.{table} IN ACCESS EXCLUSIVE MODE")
        answers = {path: browser.get(path).status_code for path in paths}
    assert not {path for path, status in answers.items() if status >= 500 and status != 503}
    assert 503 in answers.values()


def test_every_page_is_answered_by_one_connection(browser: httpx2.Client) -> None:
    given = {"account_id": ACCOUNT, "entity_id": ACCOUNT, "pending_id": "none"}
    for page in PAGES:
        if "GET" in (page.methods or ()):
            answer = browser.get(page.path.format(**given), follow_redirects=False)
            assert answer.status_code < 500, (page.path, answer.text)


def test_every_form_is_answered_by_one_connection(browser: httpx2.Client) -> None:
    assert set(FORMS) == {page.path for page in PAGES if "POST" in (page.methods or ())}
    for path, fields in FORMS.items():
        room = re.match("/[a-z]+", path)
        assert room
        page = browser.get(room[0]).text
        hidden = re.findall(r'name="(csrf|request|advice)" value="([^"]+)"', page)
        answer = browser.post(path, data=dict(reversed(hidden)) | fields)
        is_of_meta = room[0] == "/connections"
        assert answer.status_code == (400 if is_of_meta else 200), (path, answer.text)


def test_many_short_statements_have_one_end_and_nothing_is_held_after_it(
    site: Site, browser: httpx2.Client
) -> None:
    answered = []

    def ask(connection: Connection) -> None:
        for number in range(100_000):
            connection.execute("SELECT 1")
            answered.append(number)

    def endless(visit: Visit) -> Response:
        with visit.warehouse.connection() as connection:
            ask(connection)
        return Response("all of it")

    def repeated(_: Visit, __: FormData, connection: Connection) -> Done:
        ask(connection)
        return Done("", "", "/free", "")

    def free(_: Visit) -> Response:
        return Response("a slot")

    own = replace(site, page_seconds=0.2, limiter=FairLimiter(most=1, patience_seconds=0))
    application = web_application(own)
    pages = application.routes[-1]
    assert isinstance(pages, Mount)
    pages.routes[:0] = [
        page_at("/endless", endless),
        change("/endless", repeated, needs=Role.VIEWER),
        page_at("/free", free),
    ]
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sync").text)
    assert csrf
    with (
        served.running(application) as url,
        httpx2.Client(base_url=url, cookies=browser.cookies, timeout=PATIENCE_SECONDS) as hasty,
    ):
        for method in ("GET", "POST"):
            answered.clear()
            ended = hasty.request(method, "/endless", data={"csrf": csrf[1]})
            assert (ended.status_code, "no time is left" in ended.text) == (503, True), ended.text
            assert 0 < len(answered) < 100_000
            assert hasty.get("/free").text == "a slot"
    assert browser.get("/campaigns").status_code == 200


def test_a_check_that_waits_cannot_tell_and_the_others_and_the_alarms_do(
    site: Site, web_warehouse: Warehouse
) -> None:
    alarm(web_warehouse)
    moments, check_runs = [NOW], CheckRuns(patience_seconds=0)
    own = replace(site, now=lambda: moments[-1], check_runs=check_runs)
    with (
        served.running(web_application(own)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as browser,
    ):
        browser.get(new_link(SECRET, url))

        def shown() -> str:
            answer = browser.get("/health")
            assert answer.status_code == 200, answer.text
            assert "Something is amiss." in answer.text
            return html.unescape(answer.text).partition("<h1>")[2]

        with psycopg.connect(web_warehouse.url) as other:
            other.execute("LOCK meta_ads.meta_adsets IN ACCESS EXCLUSIVE MODE")
            page = shown()
        (orphans,) = (one for one in CHECKS if one.name == "orphans")
        assert page.count(">cannot tell<") == 1
        assert f"Whether there are {orphans.title} is not known." in page
        assert all(one.description in page for one in CHECKS)
        assert shown() == page, "within a minute the checks are not run again"

        moments.append(NOW + timedelta(hours=2))
        begun, over = threading.Event(), threading.Event()
        with ThreadPoolExecutor() as pool:
            pool.submit(check_runs.newest, "other", NOW, waiting(begun, over))
            assert begun.wait(PATIENCE_SECONDS)
            try:
                assert "run for somebody else at this moment" in shown()
            finally:
                over.set()
        assert ">cannot tell<" not in shown()


def alarm(warehouse: Warehouse) -> None:
    with warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.alerts (alert_key, source, subject, kind, grade, cause,"
            " what_to_do, opened_at, changed_at)"
            " VALUES ('a', 'check', 'Shop', 'check', 2, 'Something is amiss.', 'Look.', %s, %s)",
            (NOW, NOW),
        )


def waiting(begun: threading.Event, over: threading.Event) -> Callable[[], dict[str, Finding]]:
    def run() -> dict[str, Finding]:
        begun.set()
        assert over.wait(PATIENCE_SECONDS)
        return {}

    return run


def test_who_asks_at_once_is_answered_by_one_run_and_by_their_own_tenants_alone() -> None:
    check_runs, runs = CheckRuns(patience_seconds=PATIENCE_SECONDS), []
    begun, over = threading.Event(), threading.Event()

    def run(tenant: str) -> dict[str, Finding]:
        runs.append(tenant)
        begun.set()
        assert over.wait(PATIENCE_SECONDS)
        return {"orphans": Finding("orphans", 1, Severity.WARN, tenant, "")}

    def seen(tenant: str, minutes: float = 0) -> str:
        now = NOW + timedelta(minutes=minutes)
        found = check_runs.newest(tenant, now, lambda: run(tenant))
        assert found is not None
        finding = found.findings["orphans"]
        assert finding is not None
        return finding.headline

    with ThreadPoolExecutor(6) as pool:
        tenants = ["alpha", "alpha", "alpha", "beta", "beta"]
        together = [pool.submit(seen, one) for one in tenants]
        assert begun.wait(PATIENCE_SECONDS)
        wait_until(lambda: all(one.running() for one in together), "everybody looks")
        over.set()
        assert [one.result() for one in together] == tenants
    assert sorted(runs) == ["alpha", "beta"]
    assert [seen("alpha", 0.9), seen("beta", 0.9), seen("alpha", 1.1)] == ["alpha", "beta", "alpha"]
    assert runs[2:] == ["alpha"]

    begun.clear()
    over.clear()
    check_runs._patience_seconds = 0
    with ThreadPoolExecutor() as pool:
        pool.submit(seen, "gamma", 2)
        assert begun.wait(PATIENCE_SECONDS)
        try:
            for tenant, minutes in (("beta", 2.5), ("delta", 3.0)):
                now = NOW + timedelta(minutes=minutes)
                assert check_runs.newest(tenant, now, dict) is None, tenant
        finally:
            over.set()
