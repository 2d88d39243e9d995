"""Tokens: health and exchange (FACTS §9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from meta_pipeline.graph import GraphClient, MalformedAnswer, Reauthorize, RetryPolicy
from meta_pipeline_tests.graph.conftest import APP_SECRET, NOW, TOKEN, MakeClient
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer, error

DATA = {
    "app_id": "138483919580948",
    "type": "SYSTEM_USER",
    "application": "Social Cafe",
    "is_valid": True,
    "issued_at": 1347235328,
    "expires_at": 1795000000,
    "data_access_expires_at": 1794000000,
    "scopes": ["ads_read", "business_management"],
    "granular_scopes": [{"scope": "ads_read", "target_ids": ["2125"]}, {"scope": "email"}],
    "user_id": "1207059",
}


def test_a_token_is_described(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"data": DATA}))
    info = client.debug_token()
    assert server.asked[0].query == {"input_token": TOKEN}
    assert info.is_valid
    assert info.scopes == ("ads_read", "business_management")
    assert info.granular_scopes == {"ads_read": ("2125",), "email": ()}
    assert (info.app_id, info.user_id, info.type) == ("138483919580948", "1207059", "SYSTEM_USER")
    assert info.expires_at == datetime.fromtimestamp(1795000000, UTC)
    left = info.remaining(NOW)
    assert left == datetime.fromtimestamp(1794000000, UTC) - NOW
    assert info.error is None


def test_zero_means_never(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"data": {**DATA, "expires_at": 0, "data_access_expires_at": 0}}))
    info = client.debug_token()
    assert info.expires_at is None
    assert info.remaining(NOW) is None


def test_an_invalid_token_is_an_answer_not_a_failure(
    client: GraphClient, server: ScriptedServer
) -> None:
    failure = {"code": 190, "message": "Session has expired", "subcode": 463}
    server.answer(Reply({"data": {"is_valid": False, "scopes": [], "error": failure}}))
    info = client.debug_token("EAABsomeothertoken")
    assert not info.is_valid
    assert isinstance(info.error, Reauthorize)
    assert info.error.subcode == 463


def test_a_token_that_cannot_even_ask_about_itself_is_invalid(
    client: GraphClient, server: ScriptedServer
) -> None:
    server.answer(error(190, 463, "Session has expired"))
    info = client.debug_token()
    assert not info.is_valid
    assert isinstance(info.error, Reauthorize)


def test_a_refused_asker_says_nothing_about_another_token(
    client: GraphClient, make_client: MakeClient, server: ScriptedServer
) -> None:
    server.answer(error(190, None, "Invalid application"), error(190, 463, "Session has expired"))
    with pytest.raises(Reauthorize):
        make_client(app_secret=APP_SECRET).debug_token(app_id="1384")
    with pytest.raises(Reauthorize):
        client.debug_token("EAABsomeothertoken")


def test_metas_reason_is_cleaned_of_the_token(client: GraphClient, server: ScriptedServer) -> None:
    failure = {"code": 190, "message": f"Malformed access token {TOKEN}"}
    server.answer(Reply({"data": {"is_valid": False, "error": failure}}))
    assert TOKEN not in str(client.debug_token().error)


def test_a_token_is_told_from_others_without_being_told(make_client: MakeClient) -> None:
    ours, again, other = make_client(), make_client(), make_client().with_token("EAABother")
    assert ours.token_key == again.token_key != other.token_key
    assert len(ours.token_key) == 16
    assert ours.token_key not in TOKEN


def test_the_app_asks_about_a_token_when_it_can(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"data": DATA}))
    make_client(app_secret=APP_SECRET).debug_token(app_id="1384")
    assert server.asked[0].headers["authorization"] == f"Bearer 1384|{APP_SECRET}"


def test_an_answer_without_data_is_asked_again(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"data": []}), Reply({}), Reply({"data": DATA}))
    assert client.debug_token().is_valid


def test_a_token_is_exchanged(make_client: MakeClient, server: ScriptedServer) -> None:
    server.answer(Reply({"access_token": "EAABnew", "token_type": "bearer", "expires_in": 5183944}))
    new = make_client(app_secret=APP_SECRET).exchange_token(app_id="1384")
    assert new.value == "EAABnew"
    assert new.expires_at == NOW + timedelta(seconds=5183944)
    assert "EAABnew" not in repr(new)
    asked = server.asked[0]
    assert asked.path == "/v26.0/oauth/access_token"
    assert asked.query["fb_exchange_token"] == TOKEN
    assert asked.query["client_secret"] == APP_SECRET


def test_a_token_without_an_end(make_client: MakeClient, server: ScriptedServer) -> None:
    server.answer(Reply({"access_token": "EAABnew", "token_type": "bearer"}))
    assert make_client(app_secret=APP_SECRET).exchange_token(app_id="1").expires_at is None


def test_an_expired_token_cannot_be_exchanged(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    server.answer(error(190, 463, "Session has expired"))
    with pytest.raises(Reauthorize, match="META_ACCESS_TOKEN"):
        make_client(app_secret=APP_SECRET).exchange_token(app_id="1")


def test_a_system_users_token_is_renewed_in_a_form_of_its_own(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    server.answer(Reply({"access_token": "EAABnew", "expires_in": 5183944}))
    client = make_client(app_secret=APP_SECRET)
    assert client.exchange_token(app_id="1384", of_system_user=True).value == "EAABnew"
    assert server.asked[0].query["set_token_expires_in_60_days"] == "true"


def test_another_token_is_revoked(make_client: MakeClient, server: ScriptedServer) -> None:
    server.answer(Reply({"success": True}))
    make_client(app_secret=APP_SECRET).revoke_token("EAABold", app_id="1384")
    (asked,) = server.asked
    assert asked.path == "/v26.0/oauth/revoke"
    assert (asked.query["revoke_token"], asked.query["client_id"]) == ("EAABold", "1384")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_revoking_takes_the_app_secret(client: GraphClient) -> None:
    with pytest.raises(ValueError, match="META_APP_SECRET"):
        client.revoke_token("EAABold", app_id="1")


def test_an_exchange_takes_the_app_secret(client: GraphClient) -> None:
    with pytest.raises(ValueError, match="META_APP_SECRET"):
        client.exchange_token(app_id="1")


def test_a_new_token_uses_the_same_connections(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"id": "1"}), Reply({"id": "2"}), Reply({"id": "1"}))
    client.me()
    client.with_token("EAABnew").me()
    client.me()
    assert [asked.headers["authorization"][7:] for asked in server.asked] == [
        TOKEN,
        "EAABnew",
        TOKEN,
    ]
    assert len({asked.client_port for asked in server.asked}) == 1


ODD_TIMES: list[object] = [
    99999999999999, 253402300800, 1e300, -1, -99999999999999, 0, None, True, "soon", "", [], {},
    "99999999999999", "NaN", "-5", 2**200,
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_TIMES, ids=repr)
def test_a_time_that_no_calendar_holds_is_no_end(
    client: GraphClient, server: ScriptedServer, odd: object
) -> None:
    facts = {"is_valid": True, "expires_at": odd, "data_access_expires_at": odd, "issued_at": odd}
    server.answer(Reply({"data": facts}))
    info = client.debug_token()
    assert info.is_valid
    assert (info.expires_at, info.data_access_expires_at, info.issued_at) == (None, None, None)
    assert info.remaining(datetime.now(UTC)) is None


def test_a_time_given_as_text_is_read(client: GraphClient, server: ScriptedServer) -> None:
    server.answer(Reply({"data": {"is_valid": True, "expires_at": "1800000000"}}))
    assert client.debug_token().expires_at == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("odd", ["ads_read", 7, {"a": 1}, None, True], ids=repr)
def test_lists_that_are_none_are_empty(
    client: GraphClient, server: ScriptedServer, odd: object
) -> None:
    facts = {"is_valid": True, "scopes": odd, "granular_scopes": odd}
    server.answer(
        Reply({"data": facts}),
        Reply({"data": {"is_valid": True, "granular_scopes": [{"scope": "x", "target_ids": odd}]}}),
    )
    assert client.debug_token().scopes == ()
    assert client.debug_token().granular_scopes == {"x": ()}


@pytest.mark.parametrize(
    "odd", [None, "", 7, {"a": 1}, ["EAAB"], True, "EAAB\nx", "EA AB"], ids=repr
)
def test_what_is_no_token_is_kept_in_the_place_of_none(
    make_client: MakeClient, server: ScriptedServer, odd: object
) -> None:
    client = make_client(app_secret=APP_SECRET, retry=RetryPolicy(retries=0))
    asks: list[Callable[[], object]] = [
        lambda: client.exchange_token(app_id="1"),
        lambda: client.exchange_code("c" * 20, app_id="1", redirect_uri="https://ads.example/x"),
    ]
    for ask in asks:
        server.answer(Reply({"access_token": odd, "expires_in": 5}))
        with pytest.raises(MalformedAnswer, match="without an `access_token`"):
            ask()


@pytest.mark.parametrize("odd", [*ODD_TIMES, "x"], ids=repr)
def test_an_exchange_with_an_odd_end_has_none(
    make_client: MakeClient, server: ScriptedServer, odd: object
) -> None:
    server.answer(Reply({"access_token": "EAABnewtoken1234", "expires_in": odd}))
    new = make_client(app_secret=APP_SECRET).exchange_token(app_id="1")
    assert new.expires_at is None or new.expires_at > datetime(2100, 1, 1, tzinfo=UTC)
