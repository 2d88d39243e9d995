"""A token, a proof or a secret is in no text that leaves the room."""

from __future__ import annotations

import hashlib
import hmac
import logging
import traceback
from collections.abc import Callable

import pytest

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
