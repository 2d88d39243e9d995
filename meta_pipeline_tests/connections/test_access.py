"""Whose a token is, as Meta answers it: what is no account, id or name is not taken for one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from meta_pipeline.connections.access import Access, Business, Owner
from meta_pipeline.graph import DeadlineExceeded, MalformedAnswer
from meta_pipeline.graph.transport import appsecret_proof
from meta_pipeline.settings import Settings
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer

TOKEN = "EAABtokentokentoken"
NO_ACCOUNTS: tuple[object, ...] = (
    None, 7, "1", "act_", "act_x", "act_1/../me", ["act_9"], {"act_9": 1},
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    started = ScriptedServer()
    yield started
    started.close()


@pytest.fixture
def access(server: ScriptedServer) -> Access:
    return Access(Settings.load(env_file=None, graph_url=server.url), sleep=lambda _: None)


def test_rows_that_name_no_account_are_left_out(access: Access, server: ScriptedServer) -> None:
    rows: list[object] = [
        {"id": "act_1", "name": "Shop\x00 \x1b[31m"},
        {"id": "act_2", "name": None},
        {"id": "act_3", "name": ["x"]},
        *({"id": odd} for odd in NO_ACCOUNTS),
        {"name": "no id"},
    ]
    server.answer(Reply({"id": 77, "name": "Ann\x00\nSmith"}), Reply({"data": rows}))
    assert access.owner(TOKEN, app_id="1") == Owner(
        "77", "Ann Smith", {"act_1": "Shop [31m", "act_2": None, "act_3": "['x']"}
    )


@pytest.mark.parametrize("odd", [None, True, "", "x", "1/accounts", {"a": 1}, "\u0663"], ids=repr)
def test_somebody_without_an_id_is_nobody(
    access: Access, server: ScriptedServer, odd: object
) -> None:
    server.answer_with(
        lambda asked: Reply({"data": []} if "adaccounts" in asked.path else {"id": odd})
    )
    with pytest.raises(MalformedAnswer):
        access.owner(TOKEN, app_id="1")


def test_a_business_is_named_by_an_id_alone(access: Access, server: ScriptedServer) -> None:
    server.answer(
        Reply({"id": "1", "client_business_id": 9}), Reply({"id": "9", "name": "\x00 Nord\u202e"})
    )
    assert access.client_business(TOKEN, app_id="1") == Business("9", "Nord")
    server.answer(Reply({"id": "1", "client_business_id": "../me/adaccounts"}))
    with pytest.raises(MalformedAnswer):
        access.client_business(TOKEN, app_id="1")
    server.answer(Reply({"id": "1"}))
    assert access.client_business(TOKEN, app_id="1") is None


def test_tokens_over_one_connection_are_signed_each_for_its_own_app(server: ScriptedServer) -> None:
    settings = Settings.load(env_file=None, graph_url=server.url, app_id="1", app_secret="s" * 32)
    access, both = Access(settings), {"act_1": True, "act_2": False}
    missing = {"error": {"message": "gone", "code": 100, "error_subcode": 33}}
    entries = [
        {"code": 200, "headers": [], "body": '{"id":"act_1"}'},
        {"code": 400, "headers": [], "body": json.dumps(missing)},
    ]
    server.answer(*[Reply(entries)] * 2)
    with access.client(TOKEN, app_id="1") as client:
        for token, app_id in ((TOKEN, "1"), (f"{TOKEN}2", "2")):
            beside = access.beside(client, token, app_id=app_id)
            assert access.reaches(beside, list(both)) == both
    ours, theirs = (one.form for one in server.asked)
    proof = appsecret_proof(TOKEN, "s" * 32)
    assert (ours["access_token"], ours["appsecret_proof"]) == (TOKEN, proof)
    assert (theirs["access_token"], "appsecret_proof" in theirs) == (f"{TOKEN}2", False)
    assert [one.headers["authorization"] for one in server.asked] == [
        f"Bearer {TOKEN}", f"Bearer {TOKEN}2",
    ]  # fmt: skip
    assert len({one.client_port for one in server.asked}) == 1


def test_after_the_end_of_all_calls_nothing_is_asked(
    access: Access, server: ScriptedServer
) -> None:
    with access.ending(0).client(TOKEN, app_id="1") as client, pytest.raises(DeadlineExceeded):
        access.reaches(client, ["act_1"])
    assert server.asked == []
