"""Who gets in: links that work once, forms that only our pages send, headers on every answer."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import httpx2
import pytest

from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.links import new_link
from meta_pipeline.web.access.secret import Secret, kept_secret
from meta_pipeline.web.access.sessions import key_of
from meta_pipeline.web.access.sign_in import SignIn, sign_in_of
from meta_pipeline_tests.waiting import PATIENCE_SECONDS
from meta_pipeline_tests.web import served
from meta_pipeline_tests.web.conftest import SECRET


def fresh(base_url: str) -> httpx2.Client:
    return httpx2.Client(base_url=base_url, follow_redirects=True, timeout=PATIENCE_SECONDS)


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def test_a_link_lets_one_browser_in_once(site: Site, base_url: str) -> None:
    link = new_link(site.secret, base_url)
    with fresh(base_url) as first, fresh(base_url) as second:
        assert "Overview" in first.get(link).text
        refused = second.get(link)
        assert refused.status_code == 403
        assert "used up" in refused.text
        assert second.get("/").url.path == "/sign-in"
        assert first.get("/").status_code == 200


@pytest.mark.parametrize("key", ["", "x", "a.b.c", "é" * 500])
def test_a_made_up_key_opens_nothing(base_url: str, key: str) -> None:
    with fresh(base_url) as browser:
        assert browser.get("/enter", params={"key": key}).status_code == 403


def test_a_link_of_another_secret_opens_nothing(base_url: str) -> None:
    with fresh(base_url) as browser:
        other = new_link(Secret("another secret of thirty-two characters"), base_url)
        assert browser.get(other).status_code == 403


def test_who_is_not_signed_in_comes_back_to_what_was_asked_for(base_url: str) -> None:
    with fresh(base_url) as browser:
        answer = browser.get("/?days=last_3d")
        assert answer.url.path == "/sign-in"
        assert answer.url.params["next"] == "/?days=last_3d"


def test_a_session_cannot_be_made_up(base_url: str, browser: httpx2.Client) -> None:
    (kept,) = [one.value for one in browser.cookies.jar]
    payload, _, signature = (kept or "").partition(".")
    forged = base64.b64encode(b'{"subject": "owner"}').decode()
    for value in ("x", f"{forged}.{signature}", f"{payload}.AAAAAA.AAAA", ""):
        with httpx2.Client(base_url=base_url, timeout=PATIENCE_SECONDS) as stranger:
            stranger.cookies.set("meta_pipeline", value)
            assert stranger.get("/").status_code == 303, value


def test_a_cookie_is_kept_from_scripts_and_other_sites(site: Site, base_url: str) -> None:
    with httpx2.Client(base_url=base_url, timeout=PATIENCE_SECONDS) as browser:
        cookie = browser.get(new_link(site.secret, base_url)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_only_a_form_of_this_session_changes_anything(sign_in: Callable[[], httpx2.Client]) -> None:
    one, other = sign_in(), sign_in()
    for token in (None, "", "wrong", csrf_of(other.get("/").text)):
        data = {} if token is None else {"csrf": token}
        assert one.post("/sign-out", data=data).status_code == 403
    token = csrf_of(one.get("/").text)
    from_elsewhere = {"sec-fetch-site": "cross-site"}
    refused = one.post("/sign-out", data={"csrf": token}, headers=from_elsewhere)
    assert refused.status_code == 403
    assert one.get("/").url.path == "/"
    assert one.post("/sign-out", data={"csrf": token}).url.path == "/sign-in"


def test_no_text_of_a_form_is_in_two_answers(browser: httpx2.Client) -> None:
    """What is in every compressed answer could be guessed by the answers' length."""
    tokens = [csrf_of(browser.get("/").text) for _ in range(5)]
    for one, other in combinations(tokens, 2):
        assert not {one[at : at + 8] for at in range(len(one) - 7)} & {
            other[at : at + 8] for at in range(len(other) - 7)
        }


def test_what_is_no_token_of_this_session_is_refused(sign_in: Callable[[], httpx2.Client]) -> None:
    one = sign_in()
    token = csrf_of(one.get("/").text)
    half = len(token) // 2
    made_up = [
        *(
            token[:-1],
            token + "0",
            token[half:],
            token[:half] * 2,
            token[half:] * 2,
            "0" * 2 * half,
        ),
        *(f"{token[:-1]}{'01'[token[-1] == '0']}", "é" * 2 * half, "g" * 2 * half, f" {token}"),
        *(token[half:] + token[:half] + "\n", "²" * 2 * half, "x" * 5_000),
    ]
    for forged in made_up:
        assert one.post("/sign-out", data={"csrf": forged}).status_code == 403, forged
    assert one.post("/sign-out", data={"csrf": token.upper()}).status_code == 403
    assert one.get("/").url.path == "/"


def test_signing_out_ends_the_copies_of_the_cookie_too(
    sign_in: Callable[[], httpx2.Client], base_url: str
) -> None:
    one, other = sign_in(), sign_in()
    with fresh(base_url) as thief:
        thief.cookies.set("meta_pipeline", next(kept.value or "" for kept in one.cookies.jar))
        assert thief.get("/").url.path == "/"
        one.post("/sign-out", data={"csrf": csrf_of(one.get("/").text)})
        for path in ("/", "/members", "/campaigns.csv", "/allowed/dagster"):
            answer = thief.get(path)
            assert answer.url.path == "/sign-in" or answer.status_code == 401, path
        assert thief.post("/sign-out").status_code == 403
    assert other.get("/").url.path == "/"


def test_a_session_is_over_after_a_month_however_often_one_looks_in(
    web_warehouse: Warehouse,
) -> None:
    settings, now = Settings.load(env_file=None), [datetime(2026, 1, 1, tzinfo=UTC)]
    moving = Site(settings, web_warehouse, Secret("x" * 32), SignIn.LINK, now=lambda: now[0])
    with served.running(web_application(moving)) as url, fresh(url) as browser:
        browser.get(new_link(moving.secret, url))
        for _ in range(5):
            now[0] += timedelta(days=5)
            assert browser.get("/").url.path == "/"
        now[0] += timedelta(days=5)
        assert browser.get("/").url.path == "/sign-in"


def test_the_kept_secret_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    kept = kept_secret(tmp_path / "data" / "web")
    file = tmp_path / "data" / "web" / "web_secret"
    for mode in (0o644, 0o640, 0o666, 0o600, 0o400):
        file.chmod(mode)
        assert kept_secret(tmp_path / "data" / "web") == kept
        assert not file.stat().st_mode & 0o077, oct(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_secret_that_another_user_may_know_is_none(tmp_path: Path) -> None:
    file = tmp_path / "web_secret"
    file.write_text("x" * 40)
    os.chown(file, 12345, -1)
    with pytest.raises(SettingsError, match="another user's"):
        kept_secret(tmp_path)


def test_a_secret_that_lies_elsewhere_is_none(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x" * 40)
    (tmp_path / "web_secret").symlink_to("elsewhere")
    with pytest.raises(SettingsError, match="cannot be read"):
        kept_secret(tmp_path)


def test_a_session_is_nothing_where_other_people_say_who_comes() -> None:
    """The name of one provider may be another person's at the next."""
    sites = [
        Site(Settings.load(env_file=None, **given), Warehouse("postgresql://"), SECRET, way)
        for given, way in (
            ({}, SignIn.LINK),
            ({"web_oidc_issuer": "https://one.example"}, SignIn.OPENID),
            ({"web_oidc_issuer": "https://two.example"}, SignIn.OPENID),
            ({"web_proxy_header": "X-User"}, SignIn.PROXY),
        )
    ]
    assert len({key_of(one) for one in sites}) == len(sites)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/static/style.css", "/enter"])
def test_every_answer_has_the_headers(browser: httpx2.Client, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in headers


def test_a_name_that_is_not_ours_is_not_served(base_url: str) -> None:
    with httpx2.Client(base_url=base_url, timeout=PATIENCE_SECONDS) as browser:
        assert browser.get("/sign-in", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "next_address",
    [
        *("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"),
        *("//[evil.example", "https://[evil", "/\t/evil.example", "\x00//evil.example"),
    ],
)
def test_nobody_is_sent_to_another_site(base_url: str, next_address: str) -> None:
    with fresh(base_url) as browser:
        page = browser.get("/sign-in", params={"next": next_address})
        assert page.status_code == 200
        assert "evil" not in page.text


@pytest.mark.parametrize(
    ("given", "host", "sign_in"),
    [
        ({}, "127.0.0.1", SignIn.LINK),
        ({}, "::1", SignIn.LINK),
        ({}, "localhost", SignIn.LINK),
        ({}, "127.1.2.3", SignIn.LINK),
        (
            {"web_proxy_header": "X-User", "web_proxy_addresses": "10.0.0.1"},
            "0.0.0.0",
            SignIn.PROXY,
        ),
        (
            {
                "web_oidc_issuer": "https://id.example",
                "web_oidc_client_id": "ads",
                "web_oidc_client_secret": "s",
                "web_url": "https://ads.example",
            },
            "0.0.0.0",
            SignIn.OPENID,
        ),
    ],
)
def test_how_people_sign_in_follows_from_settings_and_address(
    given: dict[str, str], host: str, sign_in: SignIn
) -> None:
    assert sign_in_of(Settings.load(env_file=None, **given), host) is sign_in


@pytest.mark.parametrize(
    ("given", "host", "named"),
    [
        ({}, "0.0.0.0", "META_WEB_OIDC_ISSUER"),
        ({}, "::", "META_WEB_PROXY_HEADER"),
        ({}, "192.168.1.5", "one-time link"),
        ({"web_url": "https://ads.example"}, "127.0.0.1", "META_WEB_OIDC_ISSUER"),
        ({"web_proxy_header": "X-User"}, "0.0.0.0", "META_WEB_PROXY_ADDRESSES"),
        *(
            ({"web_proxy_header": "X-User", "web_proxy_addresses": own}, host, "PROXY_SECRET")
            for own in ("127.0.0.1", "10.0.0.1, 127.0.0.0/30", "::1", "0.0.0.0/0", "::/0")
            for host in ("127.0.0.1", "0.0.0.0")
        ),
        ({"web_oidc_issuer": "https://id.example"}, "127.0.0.1", "META_WEB_OIDC_CLIENT_ID"),
        (
            {
                "web_oidc_issuer": "https://id.example",
                "web_oidc_client_id": "ads",
                "web_oidc_client_secret": "s",
            },
            "0.0.0.0",
            "META_WEB_URL",
        ),
        (
            {
                "web_oidc_issuer": "https://id.example",
                "web_oidc_client_id": "ads",
                "web_oidc_client_secret": "s",
                "web_proxy_header": "X-User",
                "web_proxy_addresses": "10.0.0.1",
            },
            "127.0.0.1",
            "one of them",
        ),
    ],
)
def test_it_does_not_start_where_nobody_says_who_comes(
    given: dict[str, str], host: str, named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        sign_in_of(Settings.load(env_file=None, **given), host)
