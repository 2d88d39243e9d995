"""Signing in by an identity provider that runs as a process of its own, and by a trusted proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from meta_pipeline.local.ports import answers, free_port
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.warehouse import MemberRole, Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.openid import OpenId
from meta_pipeline.web.access.sign_in import SignIn, sign_in_of
from meta_pipeline_tests.waiting import PATIENCE_SECONDS, wait_until
from meta_pipeline_tests.web import provider, served
from meta_pipeline_tests.web.conftest import SECRET


@dataclass(frozen=True)
class Provider:
    """The running provider; `file` says who comes next."""

    issuer: str
    file: Path

    def is_asked_by(self, **claims: Any) -> None:
        self.sends({"claims": {"sub": "u1", **claims}})

    def sends(self, what: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(what), encoding="utf-8")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    file, port = tmp_path_factory.mktemp("provider") / "person.json", free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "meta_pipeline_tests.web.provider", str(port)],
        env={**os.environ, "PROVIDER_PERSON": str(file)},
    )
    try:
        wait_until(lambda: answers(port), "the provider answers")
        yield Provider(f"http://127.0.0.1:{port}", file)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def site(web_warehouse: Warehouse, identity: Provider) -> Site:
    settings = Settings.load(
        env_file=None,
        web_oidc_issuer=identity.issuer,
        web_oidc_client_id=provider.CLIENT,
        web_oidc_client_secret=provider.SECRET,
        web_admins="Boss@Example.com",
    )
    return Site(settings, web_warehouse, SECRET, SignIn.OPENID)


@pytest.fixture
def stranger(site: Site) -> Iterator[httpx2.Client]:
    """A browser at an application of its own: attempts of other tests do not count."""
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as opened,
    ):
        yield opened


def test_an_administrator_of_the_settings_comes_in(
    stranger: httpx2.Client, identity: Provider
) -> None:
    identity.is_asked_by(email="boss@example.com", email_verified=True, name="The <b>Boss</b>")
    answer = stranger.get("/sign-in/provider?next=/members")
    assert answer.status_code == 200, answer.text
    assert answer.url.path == "/members"
    assert "The &lt;b&gt;Boss&lt;/b&gt;" in answer.text


def test_an_address_longer_than_a_cookie_holds_keeps_nobody_out(
    stranger: httpx2.Client, identity: Provider
) -> None:
    identity.is_asked_by(email="boss@example.com", email_verified=True)
    for signs in ("a" * 8_000, "%C3%A4" * 700):
        asked = f"/sign-in/provider?next=/members?{signs}"
        cookies = stranger.get(asked, follow_redirects=False).headers.get_list("set-cookie")
        assert 0 < max(map(len, cookies)) < 4_096
    assert stranger.get(asked).url.path == "/"


def test_sign_ins_that_were_given_up_keep_nobody_out(
    stranger: httpx2.Client, identity: Provider
) -> None:
    """A browser drops a cookie of more than 4,096 bytes, and knows no state on its way back."""
    boss = {"sub": "u1", "email": "boss@example.com", "email_verified": True}
    identity.sends({"claims": boss})
    long = {"authorization_endpoint": f"{identity.issuer}/authorize?policy={'x' * 300}"}
    metadata = json.dumps(metadata_of(identity.issuer) | long)
    identity.sends({"claims": boss, "wrong": {"metadata": metadata}})
    asked = f"/sign-in/provider?next=/members?{'a' * 900}"
    for _ in range(8):
        given_up = stranger.get(asked, follow_redirects=False)
        (cookie,) = given_up.headers.get_list("set-cookie")
        assert len(cookie) < 4_096
    assert "policy=xxx" in given_up.headers["location"]
    assert stranger.get(asked).url.path == "/members"


@pytest.mark.parametrize("name", ["x" * 8_000, "\U0001f600" * 510], ids=["long", "wide"])
def test_a_name_longer_than_a_cookie_holds_keeps_nobody_out(
    stranger: httpx2.Client, identity: Provider, name: str
) -> None:
    identity.is_asked_by(email="boss@example.com", email_verified=True, name=name)
    answer = stranger.get("/sign-in/provider?next=/members")
    assert answer.url.path == "/members"
    assert name[:80] in answer.text
    cookies = [
        cookie
        for step in (*answer.history, answer)
        for cookie in step.headers.get_list("set-cookie")
    ]
    assert 0 < max(map(len, cookies)) < 4_096


def test_a_member_comes_in_with_their_role_and_goes_when_removed(
    stranger: httpx2.Client, identity: Provider, web_warehouse: Warehouse, site: Site
) -> None:
    web_warehouse.tenants.set_member(
        "default", "ann@example.com", "viewer", at=site.now(), added_by="test"
    )
    identity.is_asked_by(email="ann@example.com", email_verified=True)
    assert stranger.get("/sign-in/provider").url.path == "/"
    refused = stranger.get("/members")
    assert refused.status_code == 403
    assert "admin" in refused.text
    assert "/members" not in stranger.get("/").text
    # Written before she was made a member; taking it would make her one again.
    with web_warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.invitations VALUES (%s, %s, %s, %s, %s, %s)",
            ("default", "ann@example.com", "admin", site.now(), "boss",
             site.now() + timedelta(days=1)),
        )  # fmt: skip
    web_warehouse.tenants.remove_member("default", "ann@example.com")
    assert stranger.get("/").status_code == 403


def test_an_invitation_is_accepted_by_signing_in(
    stranger: httpx2.Client, identity: Provider, web_warehouse: Warehouse, site: Site
) -> None:
    invitations = web_warehouse.invitations
    for who, role, at in (
        ("Ida@Example.com", "analyst", site.now()),
        ("late@example.com", "admin", site.now() - timedelta(days=14)),
        ("gone@example.com", "admin", site.now()),
        ("unsure@example.com", "admin", site.now()),
    ):
        invitations.invite("default", who, cast("MemberRole", role), at=at, invited_by="boss")
    assert invitations.revoke("default", "gone@example.com")
    for who, verified in (("late", True), ("gone", True), ("unsure", False)):
        identity.is_asked_by(email=f"{who}@example.com", email_verified=verified)
        assert stranger.get("/sign-in/provider").status_code == 403, who
    identity.is_asked_by(email="ida@example.com", email_verified=True)
    assert stranger.get("/sign-in/provider").status_code == 200
    assert stranger.get("/members").status_code == 403
    (member,) = [one for one in web_warehouse.tenants.members() if one.subject.startswith("ida")]
    assert (member.role, member.added_by) == ("analyst", "boss")
    assert {one.subject for one in invitations.of("default")} == {
        "late@example.com",
        "unsure@example.com",
    }
    said = [(one.actor, one.detail) for one in web_warehouse.web.events(50)]
    assert ("ida@example.com", "as analyst, invited by boss") in said
    assert invitations.accept("ida@example.com", site.now()) == 0


def test_of_many_processes_that_see_somebody_come_one_accepts(
    web_warehouse: Warehouse, site: Site
) -> None:
    web_warehouse.invitations.invite(
        "default", "many@example.com", "viewer", at=site.now(), invited_by="boss"
    )
    with ThreadPoolExecutor(4) as threads:
        accepted = list(
            threads.map(
                lambda _: web_warehouse.invitations.accept("many@example.com", site.now()), range(8)
            )
        )
    assert sorted(accepted) == [0] * 7 + [1]


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "boss@example.com", "email_verified": False},
        {"email": "boss@example.com"},
        {"email": "boss@example.com", "email_verified": "true"},
        {"sub": "u2", "email": "other@example.com", "email_verified": True},
    ],
)
def test_who_nobody_vouches_for_is_a_stranger(
    stranger: httpx2.Client, identity: Provider, claims: dict[str, Any]
) -> None:
    identity.is_asked_by(**claims)
    answer = stranger.get("/sign-in/provider")
    assert answer.status_code == 403
    assert "not a member" in answer.text


CHOSEN = (
    *({"sub": sub} for sub in ("eva", "eva@example.com", "boss@example.com", "BOSS@example.com")),
    *({"sub": sub} for sub in ("owner", "sub:Eva", "EVA", "eVa", "Eva ", " Eva", "Eva\u00a0")),
    *({"email": one} for one in ("sub:Eva", "SUB:lou@example.com", "owner", "eva", "boss")),
)
"""What a provider may say of somebody who chose it to be taken for another member."""


@pytest.mark.parametrize("half", [CHOSEN[::2], CHOSEN[1::2]])
def test_an_id_that_people_choose_names_no_other_member(
    stranger: httpx2.Client,
    identity: Provider,
    web_warehouse: Warehouse,
    site: Site,
    half: tuple[dict[str, str], ...],
) -> None:
    for named in ("eva", "eva@example.com", "sub:Eva", "sub:lou@example.com"):
        web_warehouse.tenants.set_member("default", named, "admin", at=site.now(), added_by="test")
    for claims in half:
        identity.is_asked_by(**{"sub": "u9", "email_verified": True, **claims})
        assert stranger.get("/sign-in/provider").status_code == 403, claims
    identity.is_asked_by(sub="Eva")
    assert stranger.get("/sign-in/provider?next=/members").url.path == "/members"


def test_a_stranger_is_told_the_very_name_to_add(
    stranger: httpx2.Client, identity: Provider, web_warehouse: Warehouse, site: Site
) -> None:
    identity.is_asked_by(sub="Kd9x_Q")
    refused = stranger.get("/sign-in/provider")
    assert "signed in as sub:Kd9x_Q," in refused.text
    web_warehouse.tenants.set_member(
        "default", "sub:Kd9x_Q", "viewer", at=site.now(), added_by="test"
    )
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True}, "forges": 1},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True, "aud": "x"}},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True, "aud": "x",
                    "azp": provider.CLIENT}},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True,
                    "aud": ["x", "y"], "azp": provider.CLIENT}},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True, "exp": 1}},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True,
                    "nonce": "another"}},
        {"claims": {"sub": "u1", "email": "boss@example.com", "email_verified": True,
                    "iss": "https://evil.example"}},
        {"claims": {}, "denies": 1},
    ],
    ids=["key", "audience", "party", "audiences", "expired", "nonce", "issuer", "denied"],
)  # fmt: skip
def test_a_token_that_is_not_the_providers_for_us_opens_nothing(
    stranger: httpx2.Client, identity: Provider, sent: dict[str, Any]
) -> None:
    identity.sends(sent)
    answer = stranger.get("/sign-in/provider")
    assert answer.status_code == 403, answer.text
    assert stranger.get("/").url.path == "/sign-in"


@pytest.mark.parametrize("kind", ["none", "HS256"])
def test_a_token_that_anybody_could_have_made_opens_nothing(
    stranger: httpx2.Client, identity: Provider, kind: str
) -> None:
    """Also where the provider says that it makes such: its keys are public."""
    boss = {"sub": "u1", "email": "boss@example.com", "email_verified": True}
    identity.sends({"claims": boss})
    offered = {"id_token_signing_alg_values_supported": ["RS256", kind]}
    metadata = json.dumps(metadata_of(identity.issuer) | offered)
    identity.sends({"claims": boss, "alg": kind, "wrong": {"metadata": metadata}})
    answer = stranger.get("/sign-in/provider")
    assert answer.status_code == 403, answer.text
    assert stranger.get("/").url.path == "/sign-in"
    identity.sends({"claims": boss, "wrong": {"metadata": metadata}})
    assert stranger.get("/sign-in/provider").url.path == "/"


def test_what_an_answer_says_beside_a_token_names_nobody(
    stranger: httpx2.Client, identity: Provider
) -> None:
    boss = {"sub": "u1", "email": "boss@example.com", "email_verified": True}
    said = json.dumps({"access_token": "x", "token_type": "Bearer", "userinfo": boss})
    identity.sends({"claims": boss, "wrong": {"token": said}})
    answer = stranger.get("/sign-in/provider")
    assert answer.status_code == 403, answer.text
    assert stranger.get("/").url.path == "/sign-in"


ODD = ("drip", "huge", "bomb", "[]", "null", '"x"', "{}", '{"keys":[7]}', '{"keys":null}')


@pytest.mark.each_value
@pytest.mark.parametrize("how", ODD)
@pytest.mark.parametrize("where", ["metadata", "token", "keys"])
def test_whatever_the_provider_answers_is_a_page_in_time(
    site: Site, identity: Provider, where: str, how: str
) -> None:
    boss = {"sub": "u1", "email": "boss@example.com", "email_verified": True}
    identity.sends({"claims": boss, "wrong": {where: how}})
    application = web_application(site)
    application.state.openid = OpenId(site.settings, step_seconds=1 if how == "drip" else 30)
    with (
        served.running(application) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as browser,
    ):
        answer = browser.get("/sign-in/provider")
        assert answer.status_code == 403, answer.text
        assert "identity provider" in answer.text
        assert browser.get("/").url.path == "/sign-in"


@pytest.mark.parametrize("odd", [["a"], {"a": 1}, 7, "x" * 9_000, "a\u202eb\x1b[31m"])
def test_claims_of_any_shape_name_nobody_who_is_let_in(
    stranger: httpx2.Client, identity: Provider, odd: Any
) -> None:
    identity.is_asked_by(sub=odd, name=odd, email=odd, email_verified=True)
    assert stranger.get("/sign-in/provider").status_code == 403


def test_a_link_cannot_have_the_page_say_much(stranger: httpx2.Client) -> None:
    said = "Call+0800-SCAM.+" + "x" * 3_000
    answer = stranger.get(f"/sign-in/back?error=x&error_description={said}%1b%5b31m")
    assert answer.status_code == 403
    assert "x" * 300 not in answer.text
    assert "\x1b" not in answer.text


@pytest.mark.parametrize("issuer", ["http://id.example.com", "http://10.0.0.7:8080/realms/x"])
def test_a_provider_is_not_asked_unencrypted(issuer: str) -> None:
    with pytest.raises(SettingsError, match=r"META_WEB_OIDC_ISSUER .*write https://"):
        Settings.load(env_file=None, web_oidc_issuer=issuer)


def metadata_of(issuer: str) -> dict[str, Any]:
    address = f"{issuer}/.well-known/openid-configuration"
    known: dict[str, Any] = httpx2.get(address, timeout=PATIENCE_SECONDS).json()
    return known


def elsewhere(issuer: str, *unencrypted: str) -> str:
    """The provider's metadata, in which these are on this machine under no name of loopback."""
    known = metadata_of(issuer)
    moved = {name: known[name].replace("127.0.0.1", "0.0.0.0") for name in unencrypted}
    return json.dumps(known | moved)


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri"])
def test_no_endpoint_that_the_provider_names_is_asked_unencrypted(
    site: Site, identity: Provider, endpoint: str
) -> None:
    boss = {"sub": "u1", "email": "boss@example.com", "email_verified": True}
    identity.sends({"claims": boss})
    identity.sends({"claims": boss, "wrong": {"metadata": elsewhere(identity.issuer, endpoint)}})
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as browser,
    ):
        answer = browser.get("/sign-in/provider")
        assert answer.status_code == 403, answer.text
        assert "without encryption (http://0.0.0.0)" in answer.text
        assert browser.get("/").url.path == "/sign-in"


def test_a_provider_that_quotes_what_it_got_shows_no_secret(
    stranger: httpx2.Client, identity: Provider
) -> None:
    quoted = {"error": "invalid_client", "error_description": f"no client has {provider.SECRET}!"}
    identity.sends({"claims": {"sub": "u1"}, "wrong": {"token": json.dumps(quoted)}})
    answer = stranger.get("/sign-in/provider")
    assert answer.status_code == 403
    assert "no client has" in answer.text
    assert provider.SECRET not in answer.text


def test_an_answer_nobody_asked_for_signs_nobody_in(stranger: httpx2.Client) -> None:
    assert stranger.get("/sign-in/back?code=x&state=y").status_code == 403
    assert stranger.get("/").url.path == "/sign-in"


def test_trying_without_end_has_an_end(stranger: httpx2.Client) -> None:
    answers = [stranger.get("/sign-in/back?state=x") for _ in range(21)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    assert {one.status_code for one in answers[:20]} == {403}


@pytest.mark.parametrize(
    ("addresses", "headers", "status"),
    [
        ("127.0.0.1", {"x-user": "Boss"}, 200),
        ("127.0.0.0/8,::1", {"x-user": "boss"}, 200),
        ("127.0.0.1", {"x-user": "somebody"}, 403),
        ("127.0.0.1", {}, 403),
        ("127.0.0.1", {"x-user": ""}, 403),
        ("10.0.0.1", {"x-user": "boss"}, 403),
        ("10.0.0.1", {"x-user": "boss", "x-forwarded-for": "10.0.0.1"}, 403),
    ],
)
def test_a_proxys_word_is_taken_from_the_proxy_alone(
    web_warehouse: Warehouse, addresses: str, headers: dict[str, str], status: int
) -> None:
    settings = Settings.load(
        env_file=None, web_proxy_header="X-User", web_proxy_addresses=addresses, web_admins="boss"
    )
    site = Site(settings, web_warehouse, SECRET, SignIn.PROXY)
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, follow_redirects=True, timeout=PATIENCE_SECONDS) as browser,
    ):
        assert browser.get("/", headers=headers).status_code == status
        twice = [("x-user", "boss"), ("x-user", "somebody")]
        assert browser.get("/", headers=twice).status_code == 403


def test_a_proxy_on_this_machine_is_known_by_its_secret_and_not_by_its_address(
    web_warehouse: Warehouse,
) -> None:
    secret = "the proxy's own, long enough to be nobody's guess:ü"
    settings = Settings.load(
        env_file=None,
        web_proxy_header="X-User",
        web_proxy_addresses="127.0.0.1",
        web_proxy_secret=secret,
        web_admins="boss",
    )
    assert sign_in_of(settings, "0.0.0.0") is SignIn.PROXY
    site = Site(settings, web_warehouse, SECRET, SignIn.PROXY)
    sent = (b"x-proxy-secret", secret.encode())
    with served.running(web_application(site)) as url:

        def status(*lines: tuple[bytes, bytes], path: str = "/members") -> int:
            headers = [(b"x-user", b"boss"), *lines]
            return httpx2.get(url + path, headers=headers, timeout=PATIENCE_SECONDS).status_code

        assert status() == 303, "any user of this machine says it"
        assert status((b"x-proxy-secret", b"")) == 303
        assert status((b"x-proxy-secret", secret[:-1].encode())) == 303
        assert status(sent, (b"x-proxy-secret", b"x")) == 303, "one of two is a visitor's own"
        assert status(sent) == 200
        # Nor does anybody but the proxy choose by which address their attempts are counted.
        said = [(b"x-forwarded-for", f"203.0.113.{n}".encode()) for n in range(21)]
        tries = [status(one, path="/enter") for one in said]
        assert tries == [403] * 20 + [429]
        assert status(sent, said[0], path="/enter") == 403


@pytest.mark.parametrize("own", ["{}", "{}, 198.51.100.7"], ids=["a line added", "a line gone on"])
def test_nobody_chooses_the_address_their_attempts_are_counted_by(
    web_warehouse: Warehouse, own: str
) -> None:
    settings = Settings.load(env_file=None, web_proxy_addresses="127.0.0.1")
    site = Site(settings, web_warehouse, SECRET, SignIn.LINK)
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as browser,
    ):

        def tries(said: str, seen: str) -> int:
            lines = [("x-forwarded-for", own.format(said)), ("x-forwarded-for", seen)]
            return browser.get("/enter", headers=lines).status_code

        answers = [tries(f"203.0.113.{last}", "198.51.100.8") for last in range(21)]
        assert answers == [403] * 20 + [429]
        assert tries("198.51.100.8", "198.51.100.9") == 403


def test_behind_tls_cookies_and_browsers_keep_to_it(web_warehouse: Warehouse) -> None:
    settings = Settings.load(
        env_file=None,
        web_url="https://ads.example.com",
        web_proxy_header="X-User",
        web_proxy_addresses="127.0.0.1",
        web_admins="boss",
    )
    site = Site(settings, web_warehouse, SECRET, SignIn.PROXY)
    with (
        served.running(web_application(site)) as url,
        httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as browser,
    ):
        answer = browser.get("/", headers={"x-user": "boss", "host": "ads.example.com"})
        assert answer.status_code == 200, answer.text
        assert "max-age=" in answer.headers["strict-transport-security"]
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert "secure" in cookie.lower()
        assert browser.get("/", headers={"host": "other.example.com"}).status_code == 400
