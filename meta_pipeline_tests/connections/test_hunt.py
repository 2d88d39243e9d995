"""The hunt: codes, states, sessions, tokens, keys, signed requests in all texts of connecting."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace

import pytest

from meta_pipeline.alerts import connection_conditions
from meta_pipeline.connections import (
    AccountChoice,
    CallbackRefused,
    Callbacks,
    ConnectionsError,
    Granted,
    due,
    listed,
    sweep,
    take_care,
)
from meta_pipeline.graph.tokens import token_key
from meta_pipeline.redaction import guard_http_logging, redact
from meta_pipeline.simulator import Fault
from meta_pipeline_tests.connections.login import SESSION, flow_of, led_back
from meta_pipeline_tests.connections.place import KEY, Place
from meta_pipeline_tests.connections.test_callbacks import payload, signed_value


def test_nothing_that_is_secret_is_in_any_text_of_connecting(
    place: Place, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    guard_http_logging()  # the test's own browser is in the log as well
    caplog.set_level(logging.DEBUG)
    place.sim.tokens.choose()
    flow, texts, secrets = flow_of(place), [], [SESSION, KEY.partition(":")[2]]
    secrets.append(place.sim.tokens.app.secret)
    # Meta quotes what it was sent: the code of each login, at each step.
    for path in ("/oauth/access_token", "/debug_token", "/me", "/me/adaccounts"):
        begun = flow.begin()
        query = led_back(begun)
        secrets += [query["code"], query["state"]]
        said = f"(#100) {query['code']} for {query['state']} and EAA{'x' * 30}: wrong"
        place.sim.fail("GET", path, times=None, with_=Fault.graph_error(100, message=said))
        texts += [repr(begun), repr(flow), repr(flow.answer(query))]
        place.sim.faults.clear()
        texts += [repr(flow.answer({**query, "error": f"x {query['code']}"}))]
    begun = flow.begin()
    query = led_back(begun)
    denied = {**query, "error": "server_error", "error_description": f"/cb?code={query['code']}"}
    del denied["code"]
    secrets += [query["code"], query["state"]]
    texts += [repr(flow.answer(denied))]
    query = led_back(flow.begin())
    secrets += [query["code"], query["state"]]
    answer = flow.answer(query)
    assert isinstance(answer, Granted)
    choice = AccountChoice(place.book, session=SESSION, pending_id=answer.pending.pending_id)
    texts += [repr(answer), repr(choice), repr(choice.page()), place.dump()]
    for work in (lambda: choice.choose(["act_1"]), replace(choice, session="other").page):
        try:
            work()
        except ConnectionsError as error:
            texts.append("".join(traceback.format_exception(error)))
    row = choice.choose_all()
    signed = signed_value(payload(row.user_id, issued_at=int(place.clock.now().timestamp())))
    secrets.append(signed.decode())
    for body in (signed, b"signed_request=" + signed + b"x", b"signed_request=" + signed):
        try:
            texts.append(repr(Callbacks(place.book).deauthorized(body)))
        except CallbackRefused as error:
            texts.append("".join(traceback.format_exception(error)))
    place.pass_days(1)
    texts += [repr(take_care(place.book)), repr(due(place.warehouse, place.clock.now()))]
    with place.warehouse.connection() as connection:
        texts.append(repr(connection_conditions(connection, place.clock.now())))
    settings = place.book.access.settings
    texts += [repr(listed(place.warehouse, settings, place.clock.now())), repr(row)]
    sweep(place.book)
    secrets += [one.value for one in place.sim.tokens._tokens.values()]
    assert len(secrets) > 20
    texts += [place.dump(), caplog.text, *capsys.readouterr()]
    for secret in secrets:
        for text in texts:
            found = [line for line in text.splitlines() if secret in line]
            assert not found, (secret[:8], found[0][:300])
    assert token_key(secrets[-1]) not in texts


def test_an_address_that_meta_led_back_to_is_cleaned_in_a_log() -> None:
    line = f'"GET /connect/back?code=AQ{"b" * 40}&state={"s" * 43} HTTP/1.1" 302'
    clean = redact(line)
    assert "bbb" not in clean
    assert "sss" not in clean
    assert "GET /connect/back?code=" in clean
    assert redact("/status?code=190&state=active") == "/status?code=190&state=active"
