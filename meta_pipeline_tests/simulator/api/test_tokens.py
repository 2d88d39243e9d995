"""Tokens from the dialog to their end (FACTS section 9)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from meta_pipeline.simulator import App, Simulator
from meta_pipeline.simulator.pytest_plugin import new_world
from meta_pipeline_tests.simulator.conftest import Graph
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

CALLBACK = "http://localhost/cb"


def test_no_token_and_a_wrong_one(graph: Graph, account: str) -> None:
    assert graph.error(account, access_token=None)[1]["code"] == 104
    response = graph.call("GET", account, access_token="nonsense")
    assert (response.status_code, response.json()["error"]["code"]) == (400, 190)
    assert response.headers["www-authenticate"].startswith('OAuth "Facebook Platform"')


ENDS = [("expire", 463), ("revoke", 458), ("password_changed", 460)]


@pytest.mark.parametrize(("change", "subcode"), ENDS)
def test_a_token_ends(
    sim: Simulator, graph: Graph, account: str, change: str, subcode: int
) -> None:
    getattr(sim.tokens, change)(sim.token)
    status, error = graph.error(account)
    assert (status, error["code"], error["error_subcode"]) == (400, 190, subcode)
    app_token = sim.tokens.app.token
    data = graph.get("debug_token", input_token=sim.token, access_token=app_token)["data"]
    assert (data["is_valid"], data["error"]["subcode"]) == (False, subcode)


def test_time_ends_a_token(sim: Simulator, graph: Graph, account: str) -> None:
    short = sim.issue(scopes=["ads_read"], expires_in_seconds=3600)
    assert graph.get(account, access_token=short)["id"] == account
    sim.sleep(3600)
    error = graph.error(account, access_token=short)[1]
    assert error["error_subcode"] == 463
    assert "16-Nov-26 03:00:00" in error["message"]


def test_data_access_ends_before_the_token(sim: Simulator, graph: Graph, account: str) -> None:
    sim.sleep(90 * 86400)
    status, error = graph.error(account)
    assert (status, error["code"]) == (403, 200)


def test_a_missing_scope(sim: Simulator, graph: Graph, account: str) -> None:
    reader = sim.issue(scopes=["ads_read"])
    campaign = sim.world.objects("campaigns", account)[0].id
    error = graph.error(campaign, method="POST", name="x", access_token=reader)[1]
    assert error["code"] == 294
    none = sim.issue(scopes=["public_profile"])
    status, error = graph.error(f"{account}/ads", access_token=none)
    assert (status, error["code"]) == (403, 200)


def test_a_token_for_some_accounts(sim: Simulator, graph: Graph, account: str) -> None:
    other = sim.world.accounts()[1].id
    some = sim.issue(scopes=["ads_read"], accounts=[account])
    assert [row["id"] for row in graph.rows("me/adaccounts", access_token=some)] == [account]
    assert graph.error(f"{other}/ads", access_token=some)[0] == 403
    foreign = sim.world.objects("ads", other)[0].id
    assert graph.error(foreign, access_token=some)[1]["error_subcode"] == 33
    data = graph.get("debug_token", input_token=some)["data"]
    assert data["granular_scopes"] == [
        {"scope": "ads_read", "target_ids": [account.removeprefix("act_")]}
    ]


def test_debug_token_of_a_good_and_of_an_unknown_token(sim: Simulator, graph: Graph) -> None:
    data = graph.get("debug_token", input_token=sim.token)["data"]
    assert data["is_valid"] is True
    assert data["expires_at"] == 0
    assert data["scopes"] == ["ads_management", "ads_read", "business_management"]
    assert graph.get("debug_token", input_token="x")["data"]["is_valid"] is False


def exchange(sim: Simulator, **params: Any) -> Any:
    app = sim.tokens.app
    return requests.get(
        f"{sim.url}/v26.0/oauth/access_token",
        params={"client_id": app.id, "client_secret": app.secret, **params},
        timeout=PATIENCE_SECONDS,
    ).json()


def test_a_short_token_becomes_a_long_one(sim: Simulator, graph: Graph, account: str) -> None:
    short = sim.issue(scopes=["ads_read"], expires_in_seconds=3600)
    body = exchange(sim, grant_type="fb_exchange_token", fb_exchange_token=short)
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert body["expires_in"] == 5183944
    sim.sleep(7200)
    assert graph.get(account, access_token=body["access_token"])["id"] == account
    late = exchange(sim, grant_type="fb_exchange_token", fb_exchange_token=short)
    assert late["error"]["error_subcode"] == 463
    wrong = exchange(
        sim, grant_type="fb_exchange_token", fb_exchange_token=short, client_secret="wrong"
    )
    assert "error" in wrong


def test_a_system_users_token_is_renewed_and_the_old_one_revoked(
    sim: Simulator, graph: Graph, account: str
) -> None:
    old = sim.issue(
        scopes=["ads_read"],
        kind="SYSTEM_USER",
        expires_in_seconds=86_400,
        user_id="77",
        user_name="Reporting",
        accounts=[account],
    )
    assert graph.get("me", access_token=old) == {"id": "77", "name": "Reporting"}
    wanted = {"grant_type": "fb_exchange_token", "fb_exchange_token": old}
    assert exchange(sim, **wanted)["access_token"] == old
    new = exchange(sim, **wanted, set_token_expires_in_60_days="true")
    assert new["expires_in"] == 5183944
    assert graph.get("me", access_token=new["access_token"])["id"] == "77"
    rows = graph.rows("me/adaccounts", access_token=new["access_token"])
    assert [row["id"] for row in rows] == [account]
    assert graph.get("me", access_token=old)["id"] == "77", "the old one lives on"
    ending = {
        "client_id": sim.tokens.app.id,
        "client_secret": sim.tokens.app.secret,
        "revoke_token": old,
        "access_token": new["access_token"],
    }
    wrong = graph.error("oauth/revoke", **{**ending, "client_secret": "wrong"})[1]
    assert "client secret" in wrong["message"]
    assert graph.get("oauth/revoke", **ending) == {"success": True}
    assert graph.error("me", access_token=old)[1]["error_subcode"] == 458
    assert graph.error("oauth/revoke", **ending)[1]["error_subcode"] == 458
    assert "EAASIM" not in str([entry.params for entry in sim.journal])
    sim.sleep(61 * 86_400)
    late = exchange(sim, **{**wanted, "fb_exchange_token": new["access_token"]})
    assert late["error"]["error_subcode"] == 463, "an ended one is not renewed"


def dialog(sim: Simulator, **params: Any) -> requests.Response:
    return requests.get(
        f"{sim.url}/v26.0/dialog/oauth",
        params={"client_id": sim.tokens.app.id, "redirect_uri": CALLBACK, "state": "s1",
                "scope": "ads_read,business_management", **params},
        allow_redirects=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip


def test_the_dialog_grants_and_the_code_works_once(
    sim: Simulator, graph: Graph, account: str
) -> None:
    sim.tokens.dialog = "grant"
    location = urlsplit(dialog(sim).headers["location"])
    query = parse_qs(location.query)
    assert query["state"] == ["s1"]
    other = exchange(sim, code=query["code"][0], redirect_uri=CALLBACK + "/")
    assert "redirect_uri" in other["error"]["message"]
    body = exchange(sim, code=query["code"][0], redirect_uri=CALLBACK)
    assert graph.get(account, access_token=body["access_token"])["id"] == account
    assert "error" in exchange(sim, code=query["code"][0], redirect_uri=CALLBACK)


def test_the_dialog_denies(sim: Simulator) -> None:
    sim.tokens.dialog = "deny"
    query = parse_qs(urlsplit(dialog(sim).headers["location"]).query)
    assert query["error"] == ["access_denied"]
    assert query["error_reason"] == ["user_denied"]


def test_the_dialog_asks_a_person(sim: Simulator) -> None:
    page = dialog(sim)
    assert page.status_code == 200
    assert 'id="continue"' in page.text
    assert dialog(sim, client_id="other").status_code == 400


def test_appsecret_proof(sim: Simulator, graph: Graph, account: str) -> None:
    secret = sim.tokens.app.secret
    proof = hmac.new(secret.encode(), sim.token.encode(), hashlib.sha256).hexdigest()
    assert graph.get(account, appsecret_proof=proof)["id"] == account
    assert "Invalid appsecret_proof" in graph.error(account, appsecret_proof="0" * 64)[1]["message"]


def test_appsecret_proof_can_be_required(graph: Graph, account: str) -> None:
    sim = graph.sim
    sim._app = App(require_proof=True)
    try:
        sim.reset(new_world())
        error = graph.error(account)[1]
        assert error["type"] == "GraphMethodException"
    finally:
        sim._app = None


def test_a_token_does_not_show_in_reprs(sim: Simulator) -> None:
    assert sim.token not in repr(sim.tokens.check(sim.token, None))


def test_permissions_are_given_back(sim: Simulator, graph: Graph, account: str) -> None:
    def granted() -> set[str]:
        return {row["permission"] for row in graph.get("me/permissions")["data"]}

    assert "business_management" in granted()
    assert graph.call("DELETE", "me/permissions/business_management").json() == {"success": True}
    assert granted() == {"ads_read", "ads_management"}
    assert graph.call("DELETE", "me/permissions").json() == {"success": True}
    assert graph.error(account)[1]["error_subcode"] == 458


def test_nothing_else_is_deleted_from_an_edge(sim: Simulator, graph: Graph, account: str) -> None:
    for path in (f"{account}/ads/1", "me/permissions/ads_read/1", "me/adaccounts/1"):
        assert graph.error(path, method="DELETE")[1]["code"] == 2500
    sim.expect("unknown_route")


def test_a_prepared_page_does_not_outlive_a_permission(sim: Simulator, graph: Graph) -> None:
    assert len(graph.get("me/adaccounts")["data"]) == 6
    sim.tokens.restrict(sim.token, accounts=[sim.world.accounts()[1].id])
    assert len(graph.get("me/adaccounts")["data"]) == 1
