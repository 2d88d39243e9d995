"""The login dialog and what comes of it: apps, redirects, people, businesses, configurations."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from meta_pipeline.simulator import App, Configuration, Simulator
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

CALLBACK = "http://localhost:8080/callback"
BISU: dict[str, Any] = {
    "response_type": "code",
    "override_default_response_type": "true",
    "scope": None,
}
OTHER = App(id="900000000000002", secret="another-secret", name="Other App")


def ask(sim: Simulator, *, app: App | None = None, **params: Any) -> requests.Response:
    """Open the dialog, as a browser does that follows no redirect."""
    asked = {"client_id": (app or sim.tokens.app).id, "redirect_uri": CALLBACK, "state": "s1",
             "scope": "ads_read,business_management", **params}  # fmt: skip
    return requests.get(
        f"{sim.url}/v26.0/dialog/oauth",
        params={name: value for name, value in asked.items() if value is not None},
        allow_redirects=False,
        timeout=PATIENCE_SECONDS,
    )


def answered(response: requests.Response) -> dict[str, str]:
    """The query with which the dialog leads back."""
    assert response.status_code == 302, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def redeem(sim: Simulator, code: str, *, app: App | None = None, uri: str = CALLBACK) -> Any:
    app = app or sim.tokens.app
    return requests.get(
        f"{sim.url}/v26.0/oauth/access_token",
        params={"client_id": app.id, "client_secret": app.secret, "code": code,
                "redirect_uri": uri},
        timeout=PATIENCE_SECONDS,
    ).json()  # fmt: skip


def connect(sim: Simulator, *, app: App | None = None, **params: Any) -> str:
    code = answered(ask(sim, app=app, **params))["code"]
    return str(redeem(sim, code, app=app)["access_token"])


def debug(graph: Graph, token: str, app: App | None = None) -> Any:
    asker = (app or graph.sim.tokens.app).token
    return graph.get("debug_token", input_token=token, access_token=asker)["data"]


REDIRECTS = [
    ("http://localhost:8080/callback", True, False),
    ("http://localhost/callback", True, False),
    ("https://app.example.org/callback", True, True),
    ("http://127.0.0.1:8080/callback", False, False),
    ("http://[::1]:8080/callback", False, False),
    ("http://app.example.org/callback", False, False),
    ("http://localhost.example.org/callback", False, False),
    ("http://localhost@example.org/callback", False, False),
    ("http://[/callback", False, False),
    ("ftp://localhost/callback", False, False),
    ("myapp://callback", False, False),
    ("/callback", False, False),
]


@pytest.mark.parametrize(("uri", "in_development", "live"), REDIRECTS)
def test_where_the_dialog_leads(sim: Simulator, uri: str, in_development: bool, live: bool) -> None:
    sim.tokens.choose()
    for mode, allowed in ((True, in_development), (False, live)):
        sim.tokens.change_app(in_development=mode)
        response = ask(sim, redirect_uri=uri)
        assert response.status_code == (302 if allowed else 400), mode
        assert ("location" in response.headers) == allowed


def test_a_registered_redirect_is_compared_byte_by_byte(sim: Simulator) -> None:
    sim.tokens.change_app(redirect_uris=(CALLBACK, "https://app.example.org/cb"))
    sim.tokens.choose()
    assert ask(sim).status_code == 302
    for other in (CALLBACK + "/", CALLBACK + "?x=1", CALLBACK.replace("8080", "8081"),
                  "https://app.example.org/CB"):  # fmt: skip
        assert "URL Blocked" in ask(sim, redirect_uri=other).text
    code = answered(ask(sim))["code"]
    assert redeem(sim, code, uri=CALLBACK.upper())["error"]["error_subcode"] == 36008
    assert "access_token" in redeem(sim, code)


def test_a_code_is_used_once_within_ten_minutes_by_its_own_app(sim: Simulator) -> None:
    sim.tokens.add_app(OTHER)
    sim.tokens.choose()
    code = answered(ask(sim))["code"]
    assert "error" in redeem(sim, code, app=OTHER)
    assert "access_token" in redeem(sim, code)
    assert redeem(sim, code)["error"]["error_subcode"] == 36009
    late = answered(ask(sim))["code"]
    sim.sleep(600)
    assert redeem(sim, late)["error"]["error_subcode"] == 36007


def test_a_person_gives_part_of_what_was_asked(sim: Simulator, graph: Graph) -> None:
    sim.tokens.choose(scopes=["business_management"])
    token = connect(sim)
    rows = graph.get("me/permissions", access_token=token)["data"]
    assert {row["permission"]: row["status"] for row in rows} == {
        "ads_read": "declined",
        "business_management": "granted",
        "public_profile": "granted",
    }
    assert "ads_read" not in debug(graph, token)["scopes"]


@pytest.fixture
def agency(sim: Simulator) -> dict[str, Any]:
    """Two businesses with one account in common, and a person in each."""
    first, second, third, fourth, *_ = [account.id for account in sim.world.accounts()]
    north = sim.directory.add_business("North", owned=[first, second])
    south = sim.directory.add_business("South", owned=[third], clients=[second])
    ada = sim.directory.add_person("Ada", businesses=[north.id, south.id], accounts=[fourth])
    ben = sim.directory.add_person("Ben", businesses=[south.id])
    return {"ids": (first, second, third, fourth), "north": north, "south": south,
            "ada": ada, "ben": ben}  # fmt: skip


def accounts_of(graph: Graph, token: str) -> list[str]:
    return [row["id"] for row in graph.rows("me/adaccounts", access_token=token, limit=1)]


def test_a_token_sees_the_accounts_of_its_businesses(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    first, second, third, fourth = agency["ids"]
    north, south = agency["north"], agency["south"]
    sim.tokens.choose(person=agency["ada"].id)
    everything = connect(sim)
    assert accounts_of(graph, everything) == [first, second, third, fourth]
    rows = graph.rows("me/businesses", access_token=everything, limit=1, fields="id,name")
    assert rows == [{"id": north.id, "name": "North"}, {"id": south.id, "name": "South"}]
    sim.tokens.choose(person=agency["ada"].id, businesses=[north.id])
    some = connect(sim)
    assert accounts_of(graph, some) == [first, second]
    assert graph.error(south.id, access_token=some)[1]["error_subcode"] == 33
    sim.tokens.choose(person=agency["ben"].id)
    other = connect(sim)
    assert graph.get("me", access_token=other)["name"] == "Ben"
    # One account comes by two tokens.
    assert accounts_of(graph, other) == [second, third]
    owned = graph.rows(f"{south.id}/owned_ad_accounts", access_token=other)
    clients = graph.rows(f"{south.id}/client_ad_accounts", access_token=other)
    assert [[row["id"] for row in rows] for rows in (owned, clients)] == [[third], [second]]
    shown = graph.get(second, fields="business", access_token=other)["business"]
    assert shown["id"] == north.id
    assert graph.error(f"{first}/ads", access_token=other)[1]["code"] == 200


def test_debug_token_says_what_is_granted_for_what(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    sim.tokens.choose(person=agency["ben"].id)
    data = debug(graph, connect(sim))
    assert data.keys() == {
        "app_id", "type", "application", "data_access_expires_at", "expires_at", "is_valid",
        "issued_at", "scopes", "granular_scopes", "user_id",
    }  # fmt: skip
    assert data["user_id"] == agency["ben"].id
    assert data["data_access_expires_at"] - data["issued_at"] == 90 * 86_400
    numbers = sorted(one.removeprefix("act_") for one in agency["ids"][1:3])
    assert data["granular_scopes"] == [
        {"scope": "ads_read", "target_ids": numbers},
        {"scope": "business_management", "target_ids": [agency["south"].id]},
        {"scope": "public_profile"},
    ]


def test_a_token_is_a_snapshot(sim: Simulator, graph: Graph, agency: dict[str, Any]) -> None:
    _, second, third, fourth = agency["ids"]
    sim.tokens.choose(person=agency["ben"].id)
    old = connect(sim)
    sim.directory.add_business("South", id=agency["south"].id, owned=[fourth])
    assert accounts_of(graph, old) == [second, third]
    assert accounts_of(graph, connect(sim)) == [second, third, fourth]


def test_businesses_need_their_permission(sim: Simulator, graph: Graph) -> None:
    reader = sim.issue(scopes=["ads_read"])
    business = graph.rows("me/businesses")[0]["id"]
    for path in ("me/businesses", f"{business}/owned_ad_accounts"):
        status, error = graph.error(path, access_token=reader)
        assert (status, error["code"]) == (403, 200)


def test_nobody_gives_what_is_not_theirs(sim: Simulator, agency: dict[str, Any]) -> None:
    ben, first = agency["ben"].id, agency["ids"][0]
    with pytest.raises(ValueError, match="no part"):
        sim.tokens.choose(person=ben, businesses=[agency["north"].id])
    with pytest.raises(ValueError, match="cannot give"):
        sim.tokens.choose(person=ben, accounts=[first])
    with pytest.raises(KeyError, match="no person"):
        sim.tokens.choose(person="1")
    with pytest.raises(KeyError, match="no account"):
        sim.directory.add_business("West", owned=["act_1"])


CONFIGURED = Configuration("77", scopes=("ads_read", "business_management"))


def test_login_for_business_gives_a_system_users_token(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    sim.tokens.change_app(configurations=(CONFIGURED,))
    sim.tokens.choose(person=agency["ada"].id, businesses=[agency["south"].id])
    body = redeem(sim, answered(ask(sim, config_id="77", **BISU))["code"])
    assert "expires_in" not in body
    token = body["access_token"]
    me = graph.get("me", fields="client_business_id", access_token=token)
    assert me["client_business_id"] == agency["south"].id
    assert me["id"] != agency["ada"].id
    assert accounts_of(graph, token) == list(agency["ids"][1:3])
    data = debug(graph, token)
    assert (data["type"], data["expires_at"], data["scopes"]) == (
        "SYSTEM_USER", 0, ["ads_read", "business_management"],
    )  # fmt: skip
    sim.sleep(400 * 86_400)
    assert graph.get("me", access_token=token)["id"] == me["id"]


def test_a_configuration_of_60_days_is_renewed_before_it_ends(sim: Simulator, graph: Graph) -> None:
    ends = Configuration("78", expires_in_60_days=True)
    sim.tokens.change_app(configurations=(CONFIGURED, ends))
    sim.tokens.choose()
    body = redeem(sim, answered(ask(sim, config_id="78", **BISU))["code"])
    assert body["expires_in"] == 5_183_944
    sim.sleep(40 * 86_400)
    renewal = {
        "grant_type": "fb_exchange_token",
        "client_id": sim.tokens.app.id,
        "client_secret": sim.tokens.app.secret,
        "set_token_expires_in_60_days": "true",
        "fb_exchange_token": body["access_token"],
    }
    new = graph.get("oauth/access_token", **renewal)["access_token"]
    sim.sleep(30 * 86_400)
    assert graph.get("me", access_token=new, fields="client_business_id")["client_business_id"]
    assert graph.error("me", access_token=body["access_token"])[1]["error_subcode"] == 463
    assert graph.error("oauth/access_token", **renewal)[1]["error_subcode"] == 463


def test_a_configuration_is_all_or_nothing(sim: Simulator) -> None:
    sim.tokens.change_app(configurations=(CONFIGURED,))
    sim.tokens.choose(scopes=["ads_read"])
    assert answered(ask(sim, config_id="77", **BISU))["error"] == "access_denied"
    assert "no such configuration" in ask(sim, config_id="1", **BISU).text
    for missing in BISU:
        if missing != "scope":
            assert ask(sim, config_id="77", **{**BISU, missing: None}).status_code == 400


def test_a_configuration_may_give_the_persons_own_token(sim: Simulator, graph: Graph) -> None:
    sim.tokens.change_app(configurations=(Configuration("79", ("ads_read",), kind="USER"),))
    sim.tokens.choose()
    data = debug(graph, connect(sim, config_id="79", scope=None))
    assert (data["type"], data["scopes"]) == ("USER", ["ads_read"])


def test_a_business_integration_makes_narrower_tokens(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    sim.tokens.change_app(configurations=(CONFIGURED,))
    sim.tokens.choose(person=agency["ada"].id, businesses=[agency["south"].id])
    token = connect(sim, config_id="77", **BISU)
    path = f"{agency['south'].id}/system_user_access_tokens"
    secret = sim.tokens.app.secret.encode()
    proof = hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()
    wanted = {"access_token": token, "appsecret_proof": proof, "scope": "ads_read"}
    third = agency["ids"][2]
    made = graph.call("POST", path, **wanted, asset=third.removeprefix("act_")).json()
    assert accounts_of(graph, made["access_token"]) == [third]
    assert graph.call("POST", path, **wanted, fetch_only="true").json()["access_token"] == token
    for refused in ({"asset": agency["ids"][0]}, {"scope": "ads_management"},
                    {"appsecret_proof": None}):  # fmt: skip
        assert graph.error(path, method="POST", **{**wanted, **refused})
    assert graph.error(path, method="POST")[1]["code"] == 200
    # All tokens of a system user end together.
    user = graph.get("me", access_token=token)["id"]
    assert graph.call("DELETE", f"{user}/access_tokens", access_token=token).json()["success"]
    assert graph.error("me", access_token=made["access_token"])[1]["error_subcode"] == 458


def test_two_apps_know_nothing_of_each_other(sim: Simulator, graph: Graph) -> None:
    sim.tokens.add_app(OTHER)
    sim.tokens.choose()
    mine, theirs = connect(sim), connect(sim, app=OTHER)
    assert debug(graph, theirs, OTHER)["application"] == "Other App"
    assert debug(graph, theirs, OTHER)["app_id"] == OTHER.id
    ids = [graph.get("me", access_token=token)["id"] for token in (mine, theirs)]
    assert ids[0] != ids[1], "a person has another id for each app"
    asked = {"input_token": theirs, "access_token": sim.tokens.app.token}
    assert graph.error("debug_token", **asked)[1]["code"] == 100
    credentials = {"client_id": sim.tokens.app.id, "client_secret": sim.tokens.app.secret}
    exchange = {"grant_type": "fb_exchange_token", "fb_exchange_token": theirs}
    assert graph.error("oauth/access_token", **credentials, **exchange)[1]["code"] == 100
    assert graph.error("oauth/revoke", **credentials, revoke_token=theirs)[1]["code"] == 100
    # Another app's secret makes no proof, and its switch is its own.
    sim.tokens.require_proof()
    assert graph.get("me", access_token=theirs)
    assert graph.error("me", access_token=mine)[1]["code"] == 100


def test_each_app_has_app_wide_meters_of_its_own(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.tokens.add_app(OTHER)
    theirs = sim.issue(scopes=["ads_read"], app_id=OTHER.id)
    sim.limits.use_app(100)
    sim.limits.use_insights(account, 50)
    assert graph.error(account)[1]["code"] == 4
    sister = sim.issue(scopes=["ads_read"], user_id="5")
    assert graph.error(account, access_token=sister)[1]["code"] == 4, "one app, one meter"
    response = graph.call("GET", f"{account}/insights", access_token=theirs)
    assert response.status_code == 200
    assert "x-app-usage" not in response.headers
    throttle = json.loads(response.headers["x-fb-ads-insights-throttle"])
    assert (throttle["app_id_util_pct"] < 1, throttle["acc_id_util_pct"] >= 50) == (True, True)
    sim.limits.use_app(100, OTHER.id)
    assert graph.error(account, access_token=theirs)[1]["code"] == 4


def test_removing_the_app_ends_all_tokens_of_a_person(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    sim.tokens.choose(person=agency["ben"].id)
    first, second = connect(sim), connect(sim)
    sim.tokens.choose(person=agency["ada"].id)
    others = connect(sim)
    ben = agency["ben"].id
    assert graph.call("DELETE", f"{ben}/permissions/ads_read", access_token=first).ok
    assert "ads_read" not in debug(graph, second)["scopes"]
    # The app itself may do it, too.
    app_token = sim.tokens.app.token
    assert graph.call("DELETE", f"{ben}/permissions", access_token=app_token).ok
    assert graph.error(f"{ben}/permissions", access_token=app_token)[1]["error_subcode"] == 33
    for token in (first, second):
        assert graph.error("me", access_token=token)[1]["error_subcode"] == 458
    assert graph.get("me", access_token=others)["name"] == "Ada"


def test_renewing_does_not_renew_data_access(sim: Simulator, graph: Graph) -> None:
    sim.tokens.choose()
    old = connect(sim)
    sim.sleep(3600)
    credentials = {"client_id": sim.tokens.app.id, "client_secret": sim.tokens.app.secret}
    exchange = {"grant_type": "fb_exchange_token", "fb_exchange_token": old}
    new = graph.get("oauth/access_token", **credentials, **exchange)["access_token"]
    ends = {debug(graph, token)["data_access_expires_at"] for token in (old, new)}
    assert len(ends) == 1


def test_the_page_is_a_form_for_each_person(
    sim: Simulator, graph: Graph, agency: dict[str, Any]
) -> None:
    page = ask(sim).text
    assert page.count("<form") == 3
    form = next(part for part in page.split("<form") if agency["ada"].id in part)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert re.findall(r'name="permission\[\]" value="(\w+)"', form) == [
        "ads_read", "business_management",
    ]  # fmt: skip

    def press(answer: str) -> dict[str, str]:
        return answered(
            requests.post(
                f"{sim.url}/v26.0/dialog/oauth",
                data={**fields, "answer": answer, "permission[]": ["ads_read"],
                      "business[]": [agency["south"].id]},
                allow_redirects=False,
                timeout=PATIENCE_SECONDS,
            )
        )  # fmt: skip

    assert press("deny")["error_reason"] == "user_denied"
    token = redeem(sim, press("grant")["code"])["access_token"]
    assert accounts_of(graph, token) == list(agency["ids"][1:3])
    assert "business_management" not in debug(graph, token)["scopes"]


def test_all_of_it_over_http(sim: Simulator, graph: Graph) -> None:
    """A demo or another language sets the same up through `/_sim`."""

    def tell(method: str, path: str, **body: Any) -> Any:
        url = f"{sim.url}/_sim/{path}"
        response = requests.request(method, url, json=body, timeout=PATIENCE_SECONDS)
        return response.status_code, response.json()

    accounts = [account.id for account in sim.world.accounts()][:3]
    business = tell("POST", "businesses", name="North", owned=accounts[:1], clients=accounts[1:2])
    assert business[1]["accounts"] == accounts[:2]
    business_id = business[1]["id"]
    person = tell("POST", "people", name="Ada", businesses=[business_id])[1]["id"]
    app = tell("POST", "apps", id="5", secret="s5", name="Fifth")[1]
    assert app == {"id": "5", "name": "Fifth"}
    configuration = {"id": "77", "scopes": ["ads_read"], "expires_in_60_days": True}
    change = {"app_id": "5", "in_development": False, "configurations": [configuration],
              "redirect_uris": ["https://app.example.org/cb"]}  # fmt: skip
    assert tell("PUT", "oauth", **change)[0] == 200
    assert tell("PUT", "oauth", choose={"person": person})[1]["dialog"] == "grant"
    fifth = sim.tokens.apps["5"]
    assert ask(sim, app=fifth).status_code == 400
    uri = "https://app.example.org/cb"
    code = answered(ask(sim, app=fifth, redirect_uri=uri, config_id="77", **BISU))["code"]
    token = redeem(sim, code, app=fifth, uri=uri)["access_token"]
    assert accounts_of(graph, token) == accounts[:2]
    for path, wrong in (
        ("oauth", {"choose": {"person": "1"}}),
        ("oauth", {"configurations": [{"id": "1", "scope": []}]}),
        ("oauth", {"app_id": "6", "require_proof": True}),
        ("oauth", {"redirect_uris": "https://app.example.org/cb"}),
        ("businesses", {"name": "West", "owned": ["act_1"]}),
        ("people", {"businesses": []}),
    ):
        status, answer = tell("PUT" if path == "oauth" else "POST", path, **wrong)
        assert (status, "error" in answer) == (400, True), (path, wrong)
