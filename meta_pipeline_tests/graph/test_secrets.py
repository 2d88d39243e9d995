"""A token, a proof or a secret is in no text that leaves the room."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.graph import Attempt, BatchOperation, Call, GraphError, RetryPolicy, redact
from meta_pipeline_tests.graph.conftest import APP_SECRET, TOKEN, MakeClient
from meta_pipeline_tests.graph.scripted import Asked, Reply, ScriptedServer, error, page

PROOF = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
OTHER = "another-token-of-no-known-form"
SECRETS = (TOKEN, APP_SECRET, PROOF, OTHER)


@pytest.mark.parametrize(
    "text",
    [
        "https://graph.facebook.com/v26.0/act_1/ads?access_token=SECRET9999&limit=25",
        "https://graph.facebook.com/?limit=25&appsecret_proof=SECRET9999",
        "a=b&client_secret=SECRET9999&x=y",
        "fb_exchange_token=SECRET9999",
        "input_token%3DSECRET9999%26limit",
        "oauth/revoke?client_id=1&revoke_token=SECRET9999",
        "META_TOKEN_KEYS=k1:SECRET9999,k2:SECRET9999",
        '{"access_token":"SECRET9999","token_type":"bearer"}',
        "{'access_token': 'SECRET9999'}",
        '{\\"access_token\\":\\"SECRET9999\\"}',
        "Authorization: Bearer SECRET9999",
        "{'Authorization': 'Bearer SECRET9999'}",
        "postgresql://meta:SECRET9999@localhost/db",
        "Malformed access token EAABSECRET9999SECRET9999",
        "token 138483919580948|SECRET9999_abc was refused",
        "token 138483919580948%7CSECRET9999_abc was refused",
    ],
)
def test_secrets_are_recognised_by_their_form(text: str) -> None:
    clean = redact(text)
    assert "SECRET9999" not in clean
    assert "[redacted]" in clean


def test_what_is_no_secret_stays() -> None:
    text = "(#80004) too many calls to act_123 at https://x/y?limit=25&after=MjMZD (EAA is short)"
    assert redact(text) == text


def test_given_secrets_go_in_every_encoding() -> None:
    assert redact("a|b/c d and a%7Cb%2Fc%20d and a%7Cb%2Fc+d", ["a|b/c d"]) == (
        "[redacted] and [redacted] and [redacted]"
    )


def quoting(asked: Asked) -> Reply:
    """The worst server: repeats everything it was sent in every text it can."""
    leak = f"{asked.raw_target} {asked.headers['authorization']} {asked.form}"
    return error(
        100,
        1885272,
        f"Malformed access token: {leak}",
        error_user_msg=leak,
        error_user_title=leak,
        error_data={"blame_field_specs": [[leak]]},
    )


WORST: dict[str, Callable[[Asked], Reply]] = {
    "error": quoting,
    "html": lambda asked: Reply(f"<html>{asked.raw_target} {asked.headers}".encode()),
    "drop": lambda asked: Reply(fault="drop"),
    "half": lambda asked: Reply({"x": asked.raw_target * 20}, fault="half"),
    "loop": lambda asked: page([{"id": "1"}], "c", more=True),
    "throttle": lambda asked: error(17, 2446079, asked.raw_target),
    "token": lambda asked: error(190, 463, f"Session of {asked.headers['authorization']} is over"),
}


def _chain(error: BaseException | None) -> list[str]:
    """Every exception behind `error`: some formatters print even suppressed contexts."""
    texts = []
    while error is not None:
        texts += [repr(error), repr(vars(error))]
        error = error.__context__
    return texts


@pytest.mark.parametrize("worst", WORST.values(), ids=WORST)
def test_no_text_of_a_failure_holds_a_secret(
    make_client: MakeClient,
    server: ScriptedServer,
    attempts: list[Attempt],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    worst: Callable[[Asked], Reply],
) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[Call] = []
    client = make_client(app_secret=APP_SECRET, gate=calls.append, retry=RetryPolicy(retries=1))
    server.answer_with(worst)
    texts = [repr(client), repr(vars(client)), repr(client._caller)]
    for work in (
        lambda: list(
            client.pages("act_1/ads", {}, account_id="a", endpoint_key="ads_list", page_size=5)
        ),
        lambda: client.batch([BatchOperation("1", {"input_token": TOKEN})]),
        lambda: client.debug_token(app_id="1384"),
        lambda: client.exchange_token(app_id="1384"),
        lambda: client.debug_token(OTHER),
        lambda: client.exchange_token(app_id="1384", token=OTHER, of_system_user=True),
        lambda: client.ids(["1"], {}, account_id=None),
        lambda: client.create_report("act_1/insights", {}, account_id=None),
    ):
        with pytest.raises(GraphError) as caught:
            work()
        texts += ["".join(traceback.format_exception(caught.value)), *_chain(caught.value)]
    try:  # any 200 is taken for a yes
        client.revoke_token(OTHER, app_id="1384")
    except GraphError as error:
        texts += ["".join(traceback.format_exception(error)), *_chain(error)]
    texts += [repr(attempt) for attempt in attempts] + [repr(call) for call in calls]
    texts += [caplog.text, *capsys.readouterr()]
    assert attempts
    assert len(calls) == len(attempts)
    for text in texts:
        for secret in SECRETS:
            assert secret not in text


@given(st.text(max_size=300), st.sampled_from(["", "\n", "\x1b[2J", TOKEN, "x" * 6_000]))
def test_a_trace_id_is_one_short_line_without_a_secret(
    make_client: MakeClient, server: ScriptedServer, text: str, odd: str
) -> None:
    attempts: list[Attempt] = []
    client = make_client(on_attempt=attempts.append)
    said = {"message": "no", "code": 190, "fbtrace_id": f"A{odd}{text}{odd}"}
    server.answer(Reply({"error": said}, status=400))
    with pytest.raises(GraphError) as raised:
        client.me()
    for told in (raised.value.fbtrace_id, attempts[-1].fbtrace_id):
        assert told is not None
        assert len(told) <= 100
        assert told.splitlines() == [told]
        assert "\x1b" not in told
        assert TOKEN not in told
    assert len(str(raised.value)) < 1_000


def repeating(asked: Asked) -> Reply:
    """Meta's links to next pages have token and proof in them; here every row has such a link."""
    sent = f"{asked.headers['authorization']} {asked.form}"
    link = f"https://graph.facebook.com/{asked.raw_target}&access_token={TOKEN}&sent={sent}"
    row = {"id": "1", "name": link, "ads": {"data": [{"x": link}], "paging": {"next": link}}}
    headers = {"x-app-usage": json.dumps({"call_count": 1, "x": link})}
    if "batch" in asked.form:
        body = json.dumps(row | {"error_message": link, "async_status": "Job Failed"})
        entry = {"code": 200, "headers": [{"name": "X-App-Usage", "value": link}], "body": body}
        return Reply([entry for _ in json.loads(asked.form["batch"])], headers=headers)
    if "/insights" not in asked.path and asked.path.rsplit("/", 1)[-1].isdigit():
        failed = {"async_status": "Job Failed", "error_message": link, "error_user_msg": link}
        return Reply(row | failed, headers=headers)
    data = {"is_valid": False, "application": link, "error": {"message": link, "code": 190}}
    told = data if "debug_token" in asked.path else [row]
    return Reply(
        {**row, "data": told, "paging": {"cursors": {}}, "report_run_id": "7"}, 200, headers
    )


def test_no_answer_that_is_kept_repeats_what_was_sent(
    make_client: MakeClient, server: ScriptedServer, attempts: list[Attempt]
) -> None:
    """Rows are stored with whatever Meta gave beside what was asked."""
    client = make_client(app_secret=APP_SECRET)
    server.answer_with(repeating)
    about: dict[str, Any] = {"account_id": "act_1"}
    pages = client.pages("act_1/ads", {}, **about, endpoint_key="ads_list", page_size=5)
    report = client.create_report("act_1/insights", {}, **about)
    kept: list[object] = [
        list(pages),
        client.me(),
        client.get("act_1", {}, **about, endpoint_key="x").body,
        client.ids(["1"], {}, **about),
        [one.body for one in client.batch([BatchOperation("1", {"input_token": TOKEN})])],
        [repr(one) for one in (client.report_status(report), *client.report_statuses([report]))],
        list(client.report_pages(report, page_size=5)),
        client.debug_token(OTHER, app_id="1384"),
        client.debug_token(app_id="1384"),
        attempts,
    ]
    for one in kept:
        for secret in (*SECRETS, quote(TOKEN), "1384|" + APP_SECRET):
            assert secret not in repr(one)


def test_a_token_that_is_asked_for_comes_as_it_is(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    """Meta may give the very token that it is asked with."""
    server.answer(Reply({"access_token": TOKEN}), Reply({"access_token": TOKEN}))
    client = make_client(app_secret=APP_SECRET)
    assert client.exchange_token(app_id="1384").value == TOKEN
    assert client.exchange_code("a-code", app_id="1384", redirect_uri="https://x").value == TOKEN
