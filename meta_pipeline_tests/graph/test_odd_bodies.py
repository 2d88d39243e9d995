"""Bodies of status 200 with anything in the place of Meta's words: an answer or a GraphError."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from meta_pipeline.graph import BatchOperation, GraphClient, GraphError, ReportRun, RetryPolicy
from meta_pipeline_tests.graph.conftest import APP_SECRET, NOW, MakeClient
from meta_pipeline_tests.graph.scripted import Reply, ScriptedServer

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "x",
    [],
    [None],
    [[]],
    ["x"],
    {},
    {"x": None},
)
REPORT = ReportRun("123", "act_1/insights", {"level": "ad"}, "act_1", NOW)
PAGE = {"data": [{"id": "1"}], "paging": {"cursors": {"before": "a", "after": "b"}}}


@dataclass(frozen=True)
class Question:
    ask: Callable[[GraphClient], object]
    good: Any
    """A body that answers it."""


def _of_batch(body: str) -> list[dict[str, Any]]:
    return [{"code": 200, "headers": [{"name": "ETag", "value": "e"}], "body": body}]


QUESTIONS = {
    "get": Question(
        lambda client: client.get("1", {}, account_id=None, endpoint_key="k", required=("id",)),
        {"id": "1"},
    ),
    "me": Question(lambda client: client.me(), {"id": "1", "name": "n"}),
    "pages": Question(
        lambda client: list(
            client.pages("act_1/ads", {}, account_id="act_1", endpoint_key="k", page_size=5)
        ),
        PAGE,
    ),
    "report_pages": Question(lambda client: list(client.report_pages(REPORT, page_size=5)), PAGE),
    "create_report": Question(
        lambda client: client.create_report("act_1/insights", {}, account_id="act_1"),
        {"report_run_id": "123"},
    ),
    "report_status": Question(
        lambda client: client.report_status(REPORT),
        {"async_status": "Job Completed", "async_percent_completion": 100, "error_code": 1},
    ),
    "report_statuses": Question(
        lambda client: client.report_statuses([REPORT]),
        _of_batch('{"async_status": "Job Failed", "async_percent_completion": null}'),
    ),
    "ids": Question(
        lambda client: client.ids(["1"], {}, account_id="act_1"), _of_batch('{"id": "1"}')
    ),
    "batch": Question(
        lambda client: client.batch([BatchOperation("1", account_id="act_1")]),
        _of_batch('{"error": {"code": 100, "message": "no"}}'),
    ),
    "refusal_of": Question(lambda client: client.refusal_of("act_1"), PAGE),
    "debug_token": Question(
        lambda client: client.debug_token(),
        {
            "data": {
                "app_id": "1",
                "type": "USER",
                "is_valid": False,
                "expires_at": 1795000000,
                "scopes": ["ads_read"],
                "granular_scopes": [{"scope": "ads_read", "target_ids": ["2125"]}],
                "error": {"code": 190, "message": "m", "subcode": 463},
            }
        },
    ),
    "exchange_token": Question(
        lambda client: client.exchange_token(app_id="1"),
        {"access_token": "EAABnew", "token_type": "bearer", "expires_in": 5184000},
    ),
    "exchange_code": Question(
        lambda client: client.exchange_code("c", app_id="1", redirect_uri="https://a.example/"),
        {"access_token": "EAABnew", "token_type": "bearer", "expires_in": 5184000},
    ),
    "revoke_token": Question(
        lambda client: client.revoke_token("EAABold", app_id="1"), {"success": True}
    ),
    "subscribe_app": Question(
        lambda client: client.subscribe_app(
            "1", callback_url="https://a.example/", fields=("spend",), verify_token="v"
        ),
        {"success": True},
    ),
    "app_subscription": Question(
        lambda client: client.app_subscription("1"),
        {
            "data": [
                {
                    "object": "ad_account",
                    "callback_url": "https://a.example/",
                    "fields": [{"name": "spend", "version": "v26.0"}],
                    "active": True,
                }
            ]
        },
    ),
    "subscribe_account": Question(
        lambda client: client.subscribe_account("act_1"), {"success": True}
    ),
    "subscribed_apps": Question(
        lambda client: client.subscribed_apps("act_1"), {"data": [{"id": "1", "name": "n"}]}
    ),
}


def test_every_question_of_the_client_is_here() -> None:
    others = {"close", "with_options", "with_token", "within"}
    methods = {
        name
        for name, _ in inspect.getmembers(GraphClient, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - others == QUESTIONS.keys()


@pytest.mark.parametrize("name", QUESTIONS)
def test_any_body_is_an_answer_or_an_error_of_the_graph(
    name: str, make_client: MakeClient, server: ScriptedServer
) -> None:
    client = make_client(app_secret=APP_SECRET, retry=RetryPolicy(retries=0))
    question = QUESTIONS[name]
    sent: list[Any] = [question.good]
    server.answer_with(
        lambda asked: Reply(sent[0] if asked.query.get("after") != "b" else {"data": []})
    )
    question.ask(client)
    for body in _spoiled(question.good):
        sent[0] = body
        try:
            question.ask(client)
        except GraphError:
            continue
        except Exception as error:
            raise AssertionError(f"{name} meets {body!r}") from error


def _spoiled(good: Any) -> Iterator[Any]:
    """The body with one thing in it replaced by something odd, or left out; each in turn."""
    yield from ODD
    for path in _paths(good):
        for odd in (*ODD, ...):
            body = copy.deepcopy(good)
            *way, last = path
            inner = body
            for key in way:
                inner = inner[key]
            if odd is ...:
                del inner[last]
            else:
                inner[last] = odd
            yield body


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield (key,)
        yield from ((key, *path) for path in _paths(inner))


@pytest.mark.parametrize(
    "name", [name for name, one in QUESTIONS.items() if one.good == {"success": True}]
)
def test_a_change_is_made_only_where_the_answer_says_so(
    name: str, make_client: MakeClient, server: ScriptedServer
) -> None:
    client = make_client(app_secret=APP_SECRET, retry=RetryPolicy(retries=0))
    for body in (*_spoiled({"success": True}), {"success": False}, {"data": None}):
        if body == {"success": True} and body["success"] is True:
            continue
        server.answer(Reply(body))
        with pytest.raises(GraphError):
            QUESTIONS[name].ask(client)
